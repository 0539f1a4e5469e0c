"""Starts a lesson on several workers, as `python -m paddle.distributed.launch` of 1.8 did.

What they send each other is none of its business: each is told by its environment who all are.
Source: python/paddle/distributed/launch.py and utils.py of PaddlePaddle 1.8.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from digitlab import signals
from digitlab.child import last_lines, make_logs, open_log
from digitlab.errors import ConfigError, RunError, check_installed
from digitlab.paddle.source import read_source
from digitlab.processes import available_cores, how_it_ended, own_module, start

_PORT = 6170  # the first of several machines where none is named, as in 1.8
_GRACE = 3.0  # seconds between asking workers to end and ending them


@dataclass(frozen=True)
class Launch:
    """What is to be started, with the names of the flags of 1.8.

    Attributes:
        script: the lesson.
        arguments: its own.
        selected_gpus: a worker for each, "0,1,2,3"; None: for each GPU that there is, or one.
        log_dir: of workerlog.0 and on, which are appended to; None: all write to this output.
        started_port: of the first worker of each machine; None: any that are free, or 6170 where
            there are several machines.
        cluster_node_ips: of all machines, "10.0.0.1,10.0.0.2", the same on all.
        node_ip: of this one.
        device: "cpu" or "cuda", whatever places the script names.
        pictures: the folder of what the script would show on a screen.
    """

    script: Path
    arguments: Sequence[str] = ()
    selected_gpus: str | None = None
    log_dir: Path | None = None
    started_port: int | None = None
    cluster_node_ips: str = "127.0.0.1"
    node_ip: str = "127.0.0.1"
    device: str | None = None
    pictures: Path | None = None


def launch(asked: Launch) -> None:
    """Run a lesson on workers, and wait until all have ended.

    Where one fails, all others are ended.

    Raises:
        ConfigError: a flag that cannot be, or no such script; nothing was started.
        RunError: a worker failed; names it, says how it ended, and where its log is.
        signals.StoppedError: a signal asked to stop.
    """
    read_source(asked.script)
    check_installed("running a lesson", ("torch",))
    environments = _environments(asked)
    _Workers(asked, environments).run()


@dataclass
class _Worker:
    """A worker that was started; its output begins at that byte of its log."""

    rank: int
    log: Path | None
    begins_at: int
    process: subprocess.Popen[bytes]


@dataclass
class _Workers:
    """The workers of this machine."""

    asked: Launch
    environments: list[dict[str, str]]
    workers: list[_Worker] = field(default_factory=list)
    stop: int = 0  # the signal that asked to

    def run(self) -> None:
        """Start all, and wait for them."""
        with signals.heard(self._note):
            try:
                for number, environment in enumerate(self.environments):
                    if not self.stop:
                        self.workers.append(self._start(number, environment))
                self._wait()
            finally:
                self._end()
        if self.stop:
            raise signals.StoppedError(self.stop)

    def _start(self, number: int, environment: dict[str, str]) -> _Worker:
        folder = self.asked.log_dir
        log = None if folder is None else folder / f"workerlog.{number}"
        begins_at = 0
        with ExitStack() as stack:
            output = None
            if log is not None:
                make_logs(log.parent)
                output = stack.enter_context(open_log(log))
                begins_at = output.seek(0, os.SEEK_END)
            process = start(
                own_module("digitlab.paddle.worker_process"),
                stdout=1 if output is None else output,
                stderr=2 if output is None else output,
                settings=environment,
            )
        request = {
            "script": str(self.asked.script),
            "arguments": list(self.asked.arguments),
            "device": self.asked.device,
            "pictures": None if self.asked.pictures is None else str(self.asked.pictures),
        }
        assert process.stdin is not None
        with suppress(OSError):  # it has ended already
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        return _Worker(int(environment["PADDLE_TRAINER_ID"]), log, begins_at, process)

    def _wait(self) -> None:
        """Wait until all have ended, or one has failed."""
        while not self.stop and any(worker.process.poll() is None for worker in self.workers):
            self._look()
            time.sleep(0.1)
        if not self.stop:
            self._look()

    def _look(self) -> None:
        failed = [one for one in self.workers if one.process.poll() not in (None, 0)]
        if failed and not self.stop:
            # Of several, the one that was killed: the others then failed for want of it.
            worker = min(failed, key=lambda one: one.process.poll() or 0)
            raise RunError(_why(worker) + ("; all others were ended" if self.workers[1:] else ""))

    def _end(self) -> None:
        """Leave no process behind."""
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.process.terminate()
        over = time.monotonic() + _GRACE
        for worker in self.workers:
            try:
                worker.process.wait(max(0.0, over - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            assert worker.process.stdin is not None
            with suppress(OSError):
                worker.process.stdin.close()

    def _note(self, number: int) -> None:
        self.stop = number


def _environments(asked: Launch) -> list[dict[str, str]]:
    """Return what the environment of each worker of this machine says of all."""
    gpus = _gpus(asked.selected_gpus)
    nodes = [part.strip() for part in asked.cluster_node_ips.split(",")]
    if asked.node_ip not in nodes:
        raise ConfigError(
            f"--node_ip {asked.node_ip} is none of --cluster_node_ips {asked.cluster_node_ips}"
        )
    if len(set(nodes)) < len(nodes):
        raise ConfigError(f"--cluster_node_ips {asked.cluster_node_ips}: names a machine twice")
    first = asked.started_port
    if first is not None and not 0 < first <= 65536 - len(gpus):
        raise ConfigError(f"--started_port {first}: expected 1 to {65536 - len(gpus)}")
    if first is None and len(nodes) == 1:
        ports = _free_ports(asked.node_ip, len(gpus))
    else:
        ports = [(first or _PORT) + number for number in range(len(gpus))]
    endpoints = [f"{node}:{port}" for node in nodes for port in ports]
    offset = nodes.index(asked.node_ip) * len(gpus)
    cores = max(1, available_cores() // len(gpus))
    threads = os.environ.get("OMP_NUM_THREADS", str(cores))
    return [
        {
            "FLAGS_selected_gpus": str(gpu),
            "PADDLE_TRAINER_ID": str(offset + number),
            "PADDLE_CURRENT_ENDPOINT": endpoints[offset + number],
            "PADDLE_TRAINERS_NUM": str(len(endpoints)),
            "PADDLE_TRAINER_ENDPOINTS": ",".join(endpoints),
            "OMP_NUM_THREADS": threads,
            "PYTHONUNBUFFERED": "1",  # a log is read while it grows
        }
        for number, gpu in enumerate(gpus)
    ]


def _gpus(selected: str | None) -> list[int]:
    """Return the numbers of GPUs, one a worker; on a machine without any they are but numbers."""
    if selected is None:
        import torch

        return list(range(torch.cuda.device_count() or 1))
    try:
        gpus = [int(part) for part in selected.split(",")]
    except ValueError:
        gpus = [-1]
    if min(gpus) < 0 or len(set(gpus)) < len(gpus):
        raise ConfigError(
            f"--selected_gpus {selected}: expected numbers of GPUs, a worker each, as 0,1,2,3"
        )
    return gpus


def _free_ports(host: str, count: int) -> list[int]:
    """Return ports that nobody uses now."""
    with ExitStack() as stack:
        try:
            found = [
                stack.enter_context(socket.create_server((host, 0))).getsockname()[1]
                for _ in range(count)
            ]
        except OSError as error:
            raise ConfigError(
                f"--node_ip {host}: is no address of this machine: {error.strerror}"
            ) from None
    return found


def _why(worker: _Worker) -> str:
    """Return how a worker ended, what it said last, and where its log is."""
    text = f"worker {worker.rank} {how_it_ended(worker.process.wait())}"
    if worker.log is None:
        return text
    lines = [line.strip() for line in last_lines(worker.log, worker.begins_at)]
    said = next((line for line in reversed(lines) if line), "")
    return f"{text}{said and f' ({said[:200]})'}; see {worker.log}"
