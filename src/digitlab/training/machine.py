"""What a run ran on: versions, processor, and what else its bits depend on; kept in its files."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

import digitlab
from digitlab.processes import available_cores

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def versions() -> dict[str, str]:
    """Return the versions of what computes."""
    return {
        "digitlab": digitlab.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": version("opencv-python-headless"),
    }


def begun_here() -> dict[str, str]:
    """Return the folder of this process as config.toml has it, if TOML can hold its name."""
    with suppress(OSError, UnicodeEncodeError):
        folder = os.getcwd()
        folder.encode()
        return {"begun_in": folder}
    return {}


def machine(device: torch.device) -> dict[str, Any]:
    """Return the machine in words; bits are promised for one kind of it."""
    facts: dict[str, Any] = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": available_cores(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "device": str(device),
    }
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
    return facts


def processor() -> str:
    """Return the processor's name, as well as the system tells it."""
    if sys.platform.startswith("linux"):
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a line for each fact that bits depend on and that is not as it was."""
    made_by = ("torch", "numpy", "opencv", "processor", "capability", "device", "gpu")
    asked = ["sync", "staleness"]
    if "tensor" in (then.get("parallel"), now.get("parallel")):  # of the others all have the same
        asked.append("parallel")
    return [
        f"{name} was {then[name]}, is now {now.get(name)}; "
        "the run goes on, its bits may differ from an uninterrupted run's"
        for name in (*made_by, *asked)
        if name in then and then[name] != now.get(name)
    ]


def keep_memory() -> None:
    """Let glibc's allocator keep freed pages: less time in page faults at every step.

    Elsewhere than on glibc nothing is done. The gain is in the table of docs/benchmarks.md.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, 1 << 25)  # the highest that glibc takes
    mallopt(_M_TRIM_THRESHOLD, 1 << 30)
