"""One timed run of digitlab: what `scaling.py` starts, also in a network of its own.

`python benchmarks/timed_run.py JSON`, {"train": arguments of `digitlab.train`, "workers": those of
`digitlab.Workers`, or null, "stop": after so many steps, or null, "marks": steps to look around
after}, prints a line of JSON: `times`, seconds of the system's monotonic clock at which each step
was heard of; `processor`, the seconds of the processor that this process and those it started had
taken by each mark; `bytes`, what had gone over the loopback interface by then, as the kernel counts
it, without the machine's other traffic only in a network of its own; and the run's summary, {} of
one that was stopped. With "folder", the run stays there and is gone on with where there is one.
{"idle": workers, "seconds": S} counts the bytes of workers that only beat, and {"exchange": bytes}
times an exchange of two workers that do nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import digitlab
from digitlab import Workers
from digitlab.events import Event


def loopback_bytes() -> int:
    """Return what was sent over the loopback interface, headers included; 0 where nobody tells."""
    try:
        lines = Path("/proc/net/dev").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[9]) for line in lines if line.split(":")[0].strip() == "lo")


def processor_seconds() -> float:
    """Return what this process and its children have taken of the processor; 0 but on Linux."""
    mine, ticks = str(os.getpid()), 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            fields = path.read_text().rpartition(")")[2].split()
            if path.parent.name == mine or fields[1] == mine:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


class Timed:
    """Keeps when each step was heard of, and stops the run as Ctrl-C does."""

    def __init__(self, stop: int | None, marks: Sequence[int]) -> None:
        """Give when to stop, and when to look around: that takes time, so not at each step."""
        self.stop, self.marks = stop, marks
        self.times: list[float] = []
        self.processor: list[float] = []
        self.bytes: list[int] = []

    def __call__(self, event: Event) -> None:
        """Keep the time of a step, and what is seen at a mark."""
        if event.kind != "step":
            return
        self.times.append(time.monotonic())
        if len(self.times) in self.marks:
            self.bytes.append(loopback_bytes())
            self.processor.append(processor_seconds())
        if len(self.times) == self.stop:
            os.kill(os.getpid(), signal.SIGINT)


def train(asked: dict[str, Any]) -> dict[str, Any]:
    """Train, and return what was kept."""
    timed = Timed(asked["stop"], asked["marks"])
    workers = None if asked["workers"] is None else Workers(**asked["workers"])
    with tempfile.TemporaryDirectory() as folder:
        place = Path(asked.get("folder", folder)) / "run"
        if place.exists():
            chosen = {"threads": asked["train"].get("threads"), "resume": place}
        else:
            chosen = {**asked["train"], "run_dir": place}
        try:
            run = digitlab.train(**chosen, workers=workers, reporter=timed)
            summary = dict(run.summary)
        except KeyboardInterrupt:
            summary = {}
        kept = {key: getattr(timed, key) for key in ("times", "processor", "bytes")}
        return {**kept, "summary": summary}


_EXCHANGE = """
import socket, statistics, sys, time
import torch
from digitlab.parallel.sockets import Sockets
rank, descriptor, size = map(int, sys.argv[1:])
workers = Sockets(rank, {1 - rank: socket.socket(fileno=descriptor)}, 60)
mine = torch.ones(size, dtype=torch.uint8)
every = torch.empty(2, size, dtype=torch.uint8)
seconds = []
for _ in range(400):
    began = time.perf_counter()
    workers.gather(mine, every, None)
    seconds.append(time.perf_counter() - began)
if rank == 0:
    print(statistics.median(seconds[50:]))
"""


def exchange(size: int) -> dict[str, float]:
    """Return the median seconds in which two processes give each other so many bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        mine = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
    two = [
        subprocess.Popen(
            [sys.executable, "-c", _EXCHANGE, *map(str, (rank, end.fileno(), size))],
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=(end.fileno(),),
        )
        for rank, end in enumerate((mine, theirs))
    ]
    mine.close()
    theirs.close()
    said = [process.communicate()[0] for process in two]
    return {"seconds": float(said[0])}


_BEATS = """
import sys, time
from digitlab.parallel.membership import Membership
from digitlab.parallel.seat import Seat
from digitlab.parallel.watchdog import Watchdog
slot, workers, port, seconds = map(int, sys.argv[1:])
membership = Membership(Seat(slot, "idle", workers, workers, "127.0.0.1", port), Watchdog())
time.sleep(seconds)
membership.close()
"""


def idle(workers: int, seconds: int) -> dict[str, float]:
    """Return bytes a second of the store of workers that only show that they live."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port, descriptor = listening.getsockname()[1], listening.fileno()
        store = subprocess.Popen(
            [sys.executable, "-P", "-m", "digitlab.parallel.store_process", str(descriptor)],
            stdin=subprocess.PIPE,
            pass_fds=(descriptor,),
        )
    beating = [
        subprocess.Popen(
            [sys.executable, "-c", _BEATS, *map(str, (slot, workers, port, 600))],
            stdin=subprocess.PIPE,  # a worker ends with it
        )
        for slot in range(workers)
    ]
    try:
        before = -1
        while loopback_bytes() != before:  # connecting takes its bytes, too
            before = loopback_bytes()
            time.sleep(0.2)
        time.sleep(8)
        before, began = loopback_bytes(), time.monotonic()
        time.sleep(seconds)
        return {"bytes_per_second": (loopback_bytes() - before) / (time.monotonic() - began)}
    finally:
        for process in (*beating, store):
            process.kill()
            process.wait()


def main() -> None:
    """Do what was asked for."""
    asked = json.loads(sys.argv[1])
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if "idle" in asked:
        result: dict[str, Any] = idle(asked["idle"], asked["seconds"])
    else:
        result = exchange(asked["exchange"]) if "exchange" in asked else train(asked)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
