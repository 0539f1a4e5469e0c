"""What a user may ask for when several workers train; needs no torch.

Checked here, before anything is started.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from digitlab.errors import ConfigError
from digitlab.wording import counted, one_of

# Ways to share the work: what the help says of each. A line here and one in build.py make another.
PARALLELS = {
    "data": "each has the whole network and takes shards",
    "pipeline": "each has a stage, a run of its layers",
    "tensor": "each has a slice of every layer",
    "branches": "each has parts that do not need each other",
    "parameter-server": "further processes own the parameters, which workers pull",
}
SCHEDULES = ("gpipe", "1f1b")  # of pipeline.py
SYNCS = ("exact", "ddp")
COMPRESSIONS = ("none", "fp16", "bf16", "powersgd")
# Of these a launcher of ours takes care; torchrun has its own.
_OF_LAUNCHER = (
    *("count", "nodes", "node_rank", "rendezvous", "log_dir"),
    *("max_restarts", "min_workers"),
)


def flag(default: Any, metavar: str, text: str, same: bool = False) -> Any:
    """Return a field that is a flag of `digitlab train`, too: all that is known of it, once.

    Args:
        default: its value where it is not given.
        metavar, text: for the help.
        same: whether it must be the same on all machines.
    """
    return field(default=default, metadata={"metavar": metavar, "text": text, "same": same})


@dataclass(frozen=True)
class Workers:
    """How many workers train, where, and what they do about faults.

    Each field is the flag of that name (`count` is `--workers`).

    Attributes:
        count: workers on each machine; None: as many as `devices`, or, under torchrun, its own.
        nodes: machines.
        node_rank: which of them this is, from 0; the first holds the rendezvous store.
        rendezvous: HOST:PORT of the first machine; may be empty where it is the only one.
        devices: CUDA devices of this machine, one a worker; empty: the recipe's device.
        log_dir: where each worker's output goes; None: `logs` in the run's folder.
        parallel: how workers share the work, one of `PARALLELS`.
        cut: for "pipeline": with which layers, from 0, the stages after the first begin; empty: so
            that the largest has as few parameters as can be.
        pipeline_schedule: for "pipeline": "gpipe" or "1f1b".
        servers: for "parameter-server": on each machine, beside the workers; under torchrun, of all
            that it starts the last. None: 1.
        staleness: for "parameter-server": how many steps a worker may be ahead of the slowest; 0:
            servers wait for all, and the bits are those of one process.
        sync: "exact": the same bits as one process; "ddp": PyTorch's DistributedDataParallel.
        compress: of gradients, for "ddp": "none", "fp16", "bf16" or "powersgd".
        local_steps: for "ddp": steps that each worker takes alone between two averages.
        timeout: seconds after which a worker that does not answer is taken for lost.
        start_timeout: seconds that the machines wait for each other at the start.
        max_restarts: how often this machine's workers are started again when one is lost.
        min_workers: with fewer in all, those who are left wait `timeout` and then stop; and with
            so many the run begins where a machine does not come within `start_timeout`. None: all
            machines are there at the start, and whoever is left goes on.
    """

    count: int | None = flag(None, "N", "Processes on this machine that train together.")
    nodes: int = flag(1, "N", "Machines that train together (1).")
    node_rank: int = flag(0, "N", "Which of the machines this is, from 0.")
    rendezvous: str = flag("", "HOST:PORT", "An address of machine 0, and a free port of it.")
    devices: Sequence[int] = flag((), "0,1,...", "This machine's CUDA devices, one a worker.")
    log_dir: str | Path | None = flag(
        None, "DIR", "Folder for the output of each worker; else RUN/logs."
    )
    parallel: str = flag(
        "data",
        "|".join(PARALLELS),
        "; ".join(f"{name}: {text}" for name, text in PARALLELS.items()) + ". Default: data.",
        same=True,
    )
    cut: Sequence[int] = flag(
        (),
        "3,6,...",
        "With pipeline: layers, from 0, with which stages 1, 2, ... begin.",
        same=True,
    )
    pipeline_schedule: str = flag(
        "gpipe",
        "|".join(SCHEDULES),
        "With pipeline: the order of micro-batches; 1f1b needs less memory (gpipe).",
        same=True,
    )
    servers: int | None = flag(
        None,
        "K",
        "With parameter-server: so many processes own the parameters, beside the workers (1).",
        same=True,
    )
    staleness: int = flag(
        0,
        "N",
        "With parameter-server: nobody waits but who is more than N steps ahead; 0: exact (0).",
        same=True,
    )
    sync: str = flag(
        "exact",
        "|".join(SYNCS),
        "exact (the default): the bits of one process; ddp: faster on GPUs.",
        same=True,
    )
    compress: str = flag(
        "none", "|".join(COMPRESSIONS), "With ddp: send smaller gradients.", same=True
    )
    local_steps: int = flag(
        1, "N", "With ddp: each takes N steps alone, then weights are averaged (1).", same=True
    )
    timeout: float = flag(
        30.0, "SECONDS", "A worker that is silent for so long is taken for lost (30).", same=True
    )
    start_timeout: float = flag(
        300.0, "SECONDS", "So long machines wait for each other at the start (300)."
    )
    max_restarts: int = flag(3, "N", "So many lost workers of this machine are started again (3).")
    min_workers: int | None = flag(
        None, "N", "Begin, and go on, with as few on all machines; else all begin.", same=True
    )

    @property
    def in_parts(self) -> bool:
        """Whether each worker owns a part of the network, which is lost with it."""
        return self.parallel != "data"

    @property
    def servers_here(self) -> int:
        """Processes on this machine that own parameters and compute no gradients."""
        if self.parallel != "parameter-server":
            return 0
        return 1 if self.servers is None else self.servers

    @property
    def here(self) -> int:
        """Processes on this machine, servers included."""
        if self.count is None and self.devices:
            return len(self.devices)
        return (1 if self.count is None else self.count) + self.servers_here

    @property
    def everywhere(self) -> int:
        """Processes on all machines, servers included."""
        return self.here * self.nodes

    def address(self) -> tuple[str, int]:
        """Return host and port of the rendezvous store; port 0: any that is free.

        Raises:
            ConfigError: where --rendezvous is no HOST:PORT.
        """
        if not self.rendezvous:
            return "127.0.0.1", 0
        host, _, port = self.rendezvous.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ConfigError(f"rendezvous is {self.rendezvous}; expected HOST:PORT")
        if ":" in host:
            raise ConfigError(f"rendezvous is {self.rendezvous}; expected an address of IPv4")
        return host, int(port)

    def of_launcher(self) -> list[str]:
        """Return those flags that were given and that only our own launcher heeds."""
        unset = Workers()
        given = [name for name in _OF_LAUNCHER if getattr(self, name) != getattr(unset, name)]
        return [flag_of(name) for name in given]

    def same_for_all(self) -> dict[str, Any]:
        """Return the values that must be the same on all machines, by flag."""
        same = [one.name for one in fields(self) if one.metadata["same"]]
        values = {flag_of(name): getattr(self, name) for name in same}
        return {**values, "--cut": ",".join(map(str, self.cut))}

    def to_json(self) -> dict[str, Any]:
        """Return plain values for `Workers(**values)`."""
        log_dir = None if self.log_dir is None else str(self.log_dir)
        lists = {"devices": list(self.devices), "cut": list(self.cut)}
        return {**asdict(self), **lists, "log_dir": log_dir}

    def check(self, shards: int, device: str, moving_average: float = 0.0) -> None:
        """Refuse what cannot work.

        Args:
            shards: of the recipe.
            device: of the recipe.
            moving_average: of the recipe.

        Raises:
            ConfigError: names the flag, and what to set.
        """
        for name, value, least in (
            ("workers", self.here - self.servers_here, 1),
            ("servers", 1 if self.servers is None else self.servers, 1),
            ("nodes", self.nodes, 1),
            ("local-steps", self.local_steps, 1),
            ("staleness", self.staleness, 0),
            ("max-restarts", self.max_restarts, 0),
            ("min-workers", 1 if self.min_workers is None else self.min_workers, 1),
        ):
            if value < least:
                raise ConfigError(f"--{name} is {value}; expected {least} or more")
        for name, seconds in (("timeout", self.timeout), ("start-timeout", self.start_timeout)):
            if not 1 <= seconds < float("inf"):
                raise ConfigError(f"--{name} is {seconds:g}; expected 1 second or more")
        if not 0 <= self.node_rank < self.nodes:
            raise ConfigError(
                f"--node-rank is {self.node_rank}; expected 0 to {self.nodes - 1} for --nodes "
                f"{self.nodes}"
            )
        if self.nodes > 1 and not self.rendezvous:
            raise ConfigError(
                "several nodes need --rendezvous HOST:PORT, the first node's address and a free "
                "port of it"
            )
        self.address()
        self._check_parallel()
        computing = (self.here - self.servers_here) * self.nodes
        takes_shards = self.parallel in ("data", "parameter-server") and self.sync == "exact"
        if computing > shards and takes_shards:
            raise ConfigError(
                f"{computing} workers are more than the {counted(shards, 'shard')} of a "
                f"batch; give --set training.shards={computing}, or fewer workers"
            )
        if self.min_workers is not None and self.min_workers > self.everywhere:
            raise ConfigError(
                f"--min-workers is {self.min_workers}; expected at most {self.everywhere}, all "
                "there are"
            )
        self._check_devices()
        self._check_sync(device)
        if self.local_steps != 1 and moving_average:
            raise ConfigError(
                "--local-steps averages weights in its own way; give --set "
                "training.moving_average=0 with it"
            )

    def _check_devices(self) -> None:
        if not self.devices:
            return
        if len(self.devices) != self.here or len(set(self.devices)) != len(self.devices):
            named = ",".join(map(str, self.devices))
            raise ConfigError(
                f"--devices is {named}; expected one for each of {self.here} workers, none twice"
            )

    def _check_parallel(self) -> None:
        if self.parallel not in PARALLELS:
            raise ConfigError(f"--parallel is {self.parallel}; expected {one_of(PARALLELS)}")
        if self.pipeline_schedule not in SCHEDULES:
            raise ConfigError(
                f"--pipeline-schedule is {self.pipeline_schedule}; expected {one_of(SCHEDULES)}"
            )
        for name, is_given, needed in (
            ("--cut", bool(self.cut), "pipeline"),
            ("--pipeline-schedule", self.pipeline_schedule != "gpipe", "pipeline"),
            ("--servers", self.servers is not None, "parameter-server"),
            ("--staleness", self.staleness != 0, "parameter-server"),
        ):
            if is_given and self.parallel != needed:
                raise ConfigError(f"{name} needs --parallel {needed}")
        if not self.in_parts:
            return
        if self.sync != "exact":
            raise ConfigError(
                f"--sync {self.sync} is a way of --parallel data; leave it out with --parallel "
                f"{self.parallel}"
            )
        if self.min_workers is not None:
            raise ConfigError(
                f"--min-workers cannot stand with --parallel {self.parallel}, where every part is "
                "needed; leave it out"
            )
        if self.everywhere < 2:
            raise ConfigError(
                f"--parallel {self.parallel} needs --workers 2 or more; one process alone is the "
                "same without it"
            )
        if self.cut and (
            len(self.cut) != self.everywhere - 1
            or list(self.cut) != sorted(set(self.cut))
            or self.cut[0] < 1
        ):
            raise ConfigError(
                f"--cut is {','.join(map(str, self.cut))}; expected "
                f"{counted(self.everywhere - 1, 'number')} for {self.everywhere} stages, rising, "
                "from 1"
            )

    def _check_sync(self, device: str) -> None:
        if self.sync not in SYNCS:
            raise ConfigError(f"--sync is {self.sync}; expected {one_of(SYNCS)}")
        if self.compress not in COMPRESSIONS:
            raise ConfigError(
                f"--compress is {self.compress}; expected one of {', '.join(COMPRESSIONS)}"
            )
        if self.sync != "ddp" and (self.compress != "none" or self.local_steps != 1):
            flag = "--compress" if self.compress != "none" else "--local-steps"
            raise ConfigError(f"{flag} needs --sync ddp: exact sends every bit of every step")
        if self.compress != "none" and self.local_steps != 1:
            raise ConfigError("--compress and --local-steps cannot stand together; choose one")
        if self.compress == "bf16" and not (self.devices or device.startswith("cuda")):
            raise ConfigError("--compress bf16 needs CUDA devices; on CPU, use fp16")


def flag_of(name: str) -> str:
    """Return the flag of a field of `Workers`."""
    return "--workers" if name == "count" else f"--{name.replace('_', '-')}"
