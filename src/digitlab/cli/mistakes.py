"""What a line with a wrong option is answered, and which option was meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Any

from digitlab.setting_names import layers_advice, nearest_keys
from digitlab.wording import one_of, printable

# What learners bring from other tools, and what it is called here.
_MEANT = {
    "--lr": "--learning-rate",
    "--loss": "--objective",
    "--criterion": "--objective",
    "--model": "--network",
    "--arch": "--network",
    "--bs": "--batch-size",
    "--batch": "--batch-size",
    "--num-epochs": "--epochs",
    "--dataset": "--data",
    "--data-dir": "--data",
    "--gpu": "--device cuda",
    "--cuda": "--device cuda",
    "--output": "--run-dir",
    "--out-dir": "--run-dir",
    "--checkpoint": "--resume",
    "--start-from": "--from",
    "--nproc-per-node": "--workers",
    "--num-workers": "--workers",
}
_SLIP, _LIKELY = 0.8, 0.6  # how alike two names are


def usage_text(error: Any) -> str:
    """Return what a line that the command line does not understand is answered.

    Args:
        error: click's or typer's UsageError.
    """
    command, context = "", error.ctx
    while context and context.parent:
        command, context = f" {context.info_name}{command}", context.parent
    command = f"digitlab{command}"
    if not hasattr(error, "possibilities"):  # it is no unknown option
        return f"{error.format_message()} ({command} --help)"
    option = error.option_name
    known = [name for one in error.ctx.command.params for name in one.opts]
    plain = option.lower().replace("_", "-") if option.startswith("--") else option
    return f"there is no option {printable(option)}; {_way_out(plain, known, command)}"


def _way_out(option: str, known: Collection[str], command: str) -> str:
    """Say what was meant by an option: another one, or, where there is --set, a setting."""
    meant = _MEANT.get(option, "")
    if meant.partition(" ")[0] in known:
        return f"did you mean {meant}?"
    if slip := _nearest(option, known, _SLIP):
        return f"did you mean {slip}?"
    if "--set" in known and option.startswith("--"):
        name = option[2:].replace("-", "_")
        if keys := nearest_keys(name):
            return f"did you mean {one_of(f'--set {key}=VALUE' for key in keys)}?"
        if advice := layers_advice(name):
            return advice
    if likely := _nearest(option, known, _LIKELY):
        return f"did you mean {likely}?"
    return f"{command} --help lists those there are"


def _nearest(option: str, known: Collection[str], cutoff: float) -> str | None:
    """Return the known option that is most like one; of single letters none is."""
    names = {name.removeprefix("--"): name for name in known if name.startswith("--")}
    short = option.removeprefix("--")
    return next((names[one] for one in difflib.get_close_matches(short, names, 1, cutoff)), None)
