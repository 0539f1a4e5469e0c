"""Drive real runs of several workers: start, wait for a place in the run, hit a process, compare.

Used by the normal suite (test_workers*.py) and by the matrix of `make chaos`. Every process of a
crew carries a mark in its environment, so that one that was left behind is found wherever it hangs.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from digitlab.training.metrics import read_metrics

WATCHDOG_SECONDS = 120.0  # for anything that must happen at all; nothing is asserted about time
TIMEOUT = 8  # seconds, for --timeout where a silence has to be waited for
_MARK = "DIGITLAB_TEST_CREW"
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x1, 0x1000  # of linux/if_tun.h

# On CPUs, of which any number of workers finds enough.
RECIPE = """
[data]
sources = ["data.npz"]
[augment]
shift = 1
rotation = 10
[optimizer]
name = "{optimizer}"
learning_rate = 0.01
[schedule]
name = "one-cycle"
[training]
device = "cpu"
epochs = 4
batch_size = 50
shards = 4
moving_average = 0.9
calibrate = 0
"""
STEPS = 48

# Small, and as slow as the file `slow` says while it is there: a run that somebody has to come back
# to must not end before. Likewise with `slow-evaluation`, and with `slow-disk`, which is for
# checkpoints. Of a module of its own, which the workers find in the current folder.
NETWORKS = """
import os
import time
from pathlib import Path

import torch
from torch import nn

from digitlab.branches import Branches
from digitlab.parallel.exchange import PeersLostError
from digitlab.parallel.sockets import Sockets


def _wait(file):
    try:
        time.sleep(float(Path(file).read_text()))
    except (OSError, ValueError):
        pass


def _slow_fsync(descriptor, honest=os.fsync):
    _wait("slow-disk")
    honest(descriptor)


os.fsync = _slow_fsync


def _broken_gather(self, mine, every, meanwhile, honest=Sockets.gather, calls=[0]):
    # In worker 1, every seventh exchange fails although the others have all that they need.
    honest(self, mine, every, meanwhile)
    calls[0] += 1
    if Path("break").exists() and calls[0] % 7 == 3:
        if os.readlink("/proc/self/fd/1").endswith("/worker-1.log"):
            raise PeersLostError("broken by the test")


Sockets.gather = _broken_gather


class Plain(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784, 12), nn.ReLU(),
                                    nn.Linear(12, outputs))

    def forward(self, images):
        _wait("slow" if self.training else "slow-evaluation")
        return self.layers(images)


class Chance(Plain):
    def __init__(self, outputs):
        super().__init__(outputs)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784, 12), nn.BatchNorm1d(12),
                                    nn.Dropout(0.3), nn.Linear(12, outputs))


class Wait(nn.Module):
    def forward(self, values):
        _wait("slow" if self.training else "slow-evaluation")
        return values


def Staged(outputs):
    # A list of layers, for strategies that cut it.
    return nn.Sequential(Wait(), nn.Flatten(), nn.Linear(784, 12), nn.BatchNorm1d(12), nn.ReLU(),
                         nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, outputs))


def Branched(outputs):
    parts = (nn.Linear(784, 6), nn.Linear(784, 6))
    return nn.Sequential(Wait(), nn.Flatten(), Branches(*parts), nn.BatchNorm1d(12), nn.ReLU(),
                         nn.Linear(12, outputs))


class Poisoned(Plain):
    # NaN, or a finite loss with a gradient of NaN, for a picture with a white or a grey corner.
    def __init__(self, outputs):
        super().__init__(outputs)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images):
        output = super().forward(images)
        if self.training:
            corner = images[:, 0, 0, 0].max()
            if corner > 0.9:
                return output * float("nan")
            if corner > 0.4:
                return output + (self.scale - self.scale.detach()).abs().sqrt()
        return output
"""


class Crew:
    """One `digitlab train` on one host, what it says, and all processes that come of it."""

    def __init__(
        self,
        where: Path,
        *arguments: object,
        within: Sequence[str] = (),
        module: Sequence[str] = ("-m", "digitlab"),
    ) -> None:
        """Start it in the folder `where`; `within` are words before the command."""
        self.where, self.mark = where, uuid4().hex
        self.events: list[dict[str, Any]] = []
        self.times: list[float] = []
        self._news = threading.Condition()
        self._errors = where / f"errors-{self.mark}"
        with self._errors.open("w") as errors:
            self.process = subprocess.Popen(
                [*within, sys.executable, *module, *map(str, arguments)],
                cwd=where,
                env={**os.environ, _MARK: self.mark, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with suppress(ValueError):
                event = json.loads(line)
                with self._news:
                    self.events.append(event)
                    self.times.append(time.monotonic())
                    self._news.notify_all()

    @property
    def errors(self) -> str:
        """What it wrote to standard error so far."""
        return self._errors.read_text()

    @property
    def last_line(self) -> str:
        """The last line of standard error."""
        return (self.errors.strip().splitlines() or [""])[-1]

    @property
    def steps(self) -> int:
        """How many steps it has reported."""
        done = [event["step"] for event in self.events if event["event"] == "step"]
        return max(done, default=0)

    def wait_for(self, what: Callable[[dict[str, Any]], bool], name: str) -> float:
        """Wait for an event, past or to come; return when it came."""
        deadline = time.monotonic() + WATCHDOG_SECONDS
        seen = 0
        while True:
            with self._news:
                while seen == len(self.events):
                    left = deadline - time.monotonic()
                    ended = self.process.poll() is not None and not self._reader.is_alive()
                    if left <= 0 or ended:
                        raise AssertionError(f"{name} did not come\n{self.story()}")
                    self._news.wait(min(left, 0.2))
                event, came = self.events[seen], self.times[seen]
            seen += 1
            if what(event):
                return came

    def wait_for_step(self, step: int) -> float:
        """Wait until a step, counted from 1, is done."""
        return self.wait_for(
            lambda event: event["event"] == "step" and event["step"] >= step, f"step {step}"
        )

    def wait_for_warning(self, text: str) -> float:
        """Wait until it warns of something."""
        return self.wait_for(
            lambda event: event["event"] == "warning" and text in event["message"], text
        )

    def wait_until(self, what: Callable[[], bool], name: str) -> None:
        """Wait until something can be seen of it."""
        deadline = time.monotonic() + WATCHDOG_SECONDS
        while not what():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError(f"{name} did not come\n{self.story()}")
            time.sleep(0.02)

    def wait(self) -> int:
        """Return the exit status, once it and all its processes have ended."""
        try:
            status = self.process.wait(WATCHDOG_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end\n{self.story()}") from None
        self._reader.join(WATCHDOG_SECONDS)
        self.wait_until_gone()
        return status

    def wait_until_gone(self) -> None:
        """Wait until no process of it is left."""
        deadline = time.monotonic() + WATCHDOG_SECONDS
        while left := self.processes():
            if time.monotonic() > deadline:
                raise AssertionError(f"left behind: {left}\n{self.story()}")
            time.sleep(0.05)

    def processes(self) -> dict[int, str]:
        """Return all that live, by id: their command lines."""
        found = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with suppress(OSError):
                    if f"{_MARK}={self.mark}".encode() in (folder / "environ").read_bytes():
                        words = (folder / "cmdline").read_bytes().split(b"\0")
                        found[int(folder.name)] = b" ".join(words).decode().strip()
        return found

    def worker(self, slot: int) -> int:
        """Return the process of a worker, waiting for it."""
        return self._one(lambda pid, command: _is_worker(pid, command, slot), f"worker {slot}")

    def store(self) -> int:
        """Return the process of the rendezvous store, waiting for it."""
        return self._one(lambda _, command: "parallel.store_process" in command, "the store")

    def _one(self, wanted: Callable[[int, str], bool], name: str) -> int:
        deadline = time.monotonic() + WATCHDOG_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            for pid, command in self.processes().items():
                if wanted(pid, command):
                    return pid
            time.sleep(0.02)
        raise AssertionError(f"there is no process of {name}\n{self.story()}")

    def signal_all(self, number: signal.Signals) -> None:
        """Send every process a signal, the launcher first."""
        for pid in sorted(self.processes()):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill_all(self) -> None:
        """SIGKILL every process at once, as a host's loss of power does."""
        for _ in range(100):
            left = self.processes()
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if not left:
                return
            time.sleep(0.02)

    def story(self) -> str:
        """Return what is known of it, for whoever has to find out why a test failed."""
        logs = [
            f"--- {path.name}\n{path.read_text(errors='replace')[-1500:]}"
            for path in sorted(self.where.rglob("logs*/*.log"))
        ]
        status = self.process.poll()
        head = f"status {status}, step {self.steps}, processes {self.processes()}"
        return "\n".join([head, self.errors[-2000:], *map(str, self.events[-3:]), *logs])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill_all()
        self.process.wait()


def _is_worker(pid: int, command: str, slot: int) -> bool:
    """Tell a worker by its log, which is its standard output."""
    if "digitlab.training.run_process" not in command:
        return False
    with suppress(OSError):
        return os.readlink(f"/proc/{pid}/fd/1").endswith(f"/worker-{slot}.log")
    return False


def work(run: Path) -> list[tuple[int, Mapping[str, Mapping[str, list[int]]]]]:
    """Return the ledger: (step, samples by shard by worker) in the order of the file."""
    return [(line["step"], line["work"]) for line in read_metrics(run / "ledger.jsonl")]


def samples(run: Path) -> list[tuple[int, list[tuple[str, tuple[int, ...]]]]]:
    """Return what was computed at each step, whoever did it: a shard done twice stands twice."""
    return [
        (
            step,
            sorted(
                (shard, tuple(chosen))
                for shards in by_worker.values()
                for shard, chosen in shards.items()
            ),
        )
        for step, by_worker in work(run)
    ]


def workers_at(run: Path, step: int) -> set[str]:
    """Return who computed anything at a step."""
    (by_worker,) = (by_worker for number, by_worker in work(run) if number == step)
    return {worker for worker, shards in by_worker.items() if shards}


class Relay(threading.Thread):
    """Carries packets between hosts late, and loses some, where the kernel has no netem.

    Each host's device is a TUN, whose packets this thread reads and writes.
    """

    def __init__(self, delay: float, loss: float) -> None:
        """Give the seconds that a packet is under way, and the share of packets that get lost."""
        super().__init__(daemon=True)
        self._delay, self._loss, self._chance = delay, loss, random.Random(1)
        self._ports: dict[bytes, int] = {}
        self._stopped = threading.Event()
        self.carried = self.lost = 0

    def port(self, address: str) -> str:
        """Make a device for a host and return its name."""
        name = f"dl{os.getpid()}t{len(self._ports)}"
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        asked = struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI)
        fcntl.ioctl(descriptor, _TUNSETIFF, asked)
        self._ports[socket.inet_aton(address)] = descriptor
        return name

    def run(self) -> None:
        """Carry packets until `stop`."""
        under_way: deque[tuple[float, int, bytes]] = deque()
        while not self._stopped.is_set():
            wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else 0.1
            for descriptor in select.select(list(self._ports.values()), [], [], wait)[0]:
                packet = os.read(descriptor, 65536)
                to = self._ports.get(packet[16:20]) if packet[0] >> 4 == 4 else None
                if to is not None and self._chance.random() < self._loss:
                    self.lost += 1
                elif to is not None:
                    under_way.append((time.monotonic() + self._delay, to, packet))
            while under_way and under_way[0][0] <= time.monotonic():
                _, to, packet = under_way.popleft()
                with suppress(OSError):  # that host's device is down
                    os.write(to, packet)
                self.carried += 1

    def stop(self) -> None:
        """End, and remove the devices."""
        self._stopped.set()
        if self.is_alive():
            self.join()
        for descriptor in self._ports.values():
            os.close(descriptor)


class Hosts:
    """Network namespaces joined by a switch in one more; each is a host with an address."""

    def __init__(self, count: int, relay: Relay | None = None) -> None:
        """Make them; needs root and iproute2. A relay takes the place of the switch."""
        self.count, self.relay, self._name = count, relay, f"dl{os.getpid()}"
        self._switch = f"{self._name}-switch"
        self._names = [f"{self._name}-{number}" for number in range(count)]
        for name in (self._switch, *self._names):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        for number, name in enumerate(self._names):
            if relay:
                _ip("link", "set", relay.port(self.address(number)), "netns", name, "name", "eth0")
            else:
                self._plug_in(number)
            _ip("-n", name, "address", "add", f"{self.address(number)}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
        if relay:
            relay.start()

    def _plug_in(self, number: int) -> None:
        switch, port = self._switch, f"port{number}"
        if not number:
            _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
            _ip("-n", switch, "link", "set", "bridge", "up")
        _ip("-n", switch, "link", "add", port, "type", "veth",
            "peer", "name", "eth0", "netns", self._names[number])  # fmt: skip
        _ip("-n", switch, "link", "set", port, "master", "bridge")
        _ip("-n", switch, "link", "set", port, "up")

    def address(self, number: int) -> str:
        """Return a host's address."""
        return f"10.77.0.{number + 1}"

    def within(self, number: int) -> tuple[str, ...]:
        """Return the words before a command that is to run on a host."""
        return ("ip", "netns", "exec", self._names[number])

    def cut(self, number: int) -> None:
        """Take a host's link down at the switch: it hears nothing any more, and is not told."""
        _ip("-n", self._switch, "link", "set", f"port{number}", "down")

    def join_again(self) -> None:
        """Take all links up again."""
        for number in range(self.count):
            _ip("-n", self._switch, "link", "set", f"port{number}", "up")

    def throttle(self, rate: str) -> None:
        """Let each host send no more than `rate`, in the words of tc."""
        for name in self._names:
            _run("tc", "-n", name, "qdisc", "add", "dev", "eth0", "root", "tbf",
                 "rate", rate, "burst", "16kb", "latency", "1s")  # fmt: skip

    def throttled(self) -> int:
        """Return how often a packet had to wait for `throttle`."""
        said = [
            _run("tc", "-s", "-n", name, "qdisc", "show", "dev", "eth0") for name in self._names
        ]
        return sum(int(number) for text in said for number in re.findall(r"overlimits (\d+)", text))

    def remove(self) -> None:
        """Remove them all."""
        if self.relay:
            self.relay.stop()
        for name in (self._switch, *self._names):
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", name)


def why_no_hosts() -> str:
    """Return why hosts cannot be made here, or nothing."""
    if not sys.platform.startswith("linux"):
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "network namespaces need root"
    try:
        hosts = Hosts(1)
    except FileNotFoundError:
        return "network namespaces need ip, of iproute2"
    except subprocess.CalledProcessError as error:
        return f"network namespaces cannot be made: {error.stderr.strip()}"
    hosts.remove()
    return ""


def _ip(*words: str) -> None:
    _run("ip", *words)


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout
