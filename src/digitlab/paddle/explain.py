"""Says, line by line, how digitlab, today's PyTorch and Paddle 3 write what a lesson writes.

And the table of all names, as the documents have it; both are made of table.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from digitlab.paddle.check import covered_by, offers
from digitlab.paddle.names import sources_of, uses_in
from digitlab.paddle.table import NAMES, Name, find

_WAYS = ("digitlab", "PyTorch", "Paddle 3")

# Of the objects that calls return only the attribute is seen; these names mean one thing each.
_METHODS = {
    "minimize": ("", "loss.backward() before it, then optimizer.step()", "optimizer.step()"),
    "clear_gradients": ("", "optimizer.zero_grad()", "optimizer.clear_grad()"),
    "set_dict": ("", ".load_state_dict(state)", ".set_state_dict(state)"),
    "load_dict": ("", ".load_state_dict(state)", ".set_state_dict(state)"),
    "current_step_lr": ("", 'optimizer.param_groups[0]["lr"]', "optimizer.get_lr()"),
    "gradient": ("", "tensor.grad.numpy()", "tensor.grad.numpy()"),
    "stop_gradient": ("", "not tensor.requires_grad", "tensor.stop_gradient"),
    "scale_loss": ("", "not needed", "not needed"),
    "apply_collective_grads": ("", "not needed", "not needed"),
    "add_sublayer": ("", "module.add_module(name, layer)", "layer.add_sublayer(name, layer)"),
    "train_parameters": ("", "module.parameters()", "layer.parameters()"),
    "numpy": ("", "tensor.detach().cpu().numpy()", "tensor.numpy()"),
    "backward": ("", "loss.backward()", "loss.backward()"),
    "state_dict": ("", ".state_dict()", ".state_dict()"),
}


def explained(script: Path) -> Iterator[str]:
    """Yield the lines of an explanation: each line of a script that uses Paddle, and today's ways.

    Raises:
        ConfigError: there is no such file.
        DataError: it is no Python; names the line.
    """
    for source in sources_of(script):
        uses, calls = uses_in(source, offers)
        lines = source.text.split("\n")
        at: dict[int, dict[str, tuple[str, str, str]]] = {}
        for use in uses:
            name = covered_by(use.name)
            found = find(name) if name else None
            if found is not None:
                at.setdefault(use.line, {})[found.old] = _ways(found)
        for call in calls if uses else ():
            if call.attribute in _METHODS:
                at.setdefault(call.line, {})[f".{call.attribute}"] = _METHODS[call.attribute]
        for number in sorted(at):
            yield f"{source.path}:{number}: {lines[number - 1].strip()}"
            for old, ways in at[number].items():
                yield f"    {old}"
                for shown, way in zip(_WAYS, ways, strict=True):
                    if way:
                        yield f"        {shown:10}{way}"


def _ways(name: Name) -> tuple[str, str, str]:
    return name.digitlab, name.torch, name.paddle3


def table() -> str:
    """Return the table of all names in Markdown: old, digitlab, PyTorch, Paddle 3."""
    rows = ["| `paddle.fluid` | digitlab | PyTorch | Paddle 3 |", "|---|---|---|---|"]
    rows += ["| " + " | ".join(map(_cell, (name.old, *_ways(name)))) + " |" for name in NAMES]
    return "\n".join(rows)


def _cell(text: str) -> str:
    """Return code as a cell of a table."""
    return f"`{text.replace('|', chr(92) + '|')}`" if text else ""
