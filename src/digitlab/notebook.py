"""What notebooks show of our values: HTML that needs nothing beside it, pictures included.

Used by the methods `_repr_html_` of datasets, runs, recognisers, readings and evaluations.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape

from PIL import Image

_STYLE = "max-width:100%;height:auto"


def shown(title: str, *parts: str) -> str:
    """Return HTML of a title and of what `table`, `picture` and `note` give."""
    return f"<div><strong>{escape(title)}</strong>{''.join(parts)}</div>"


def note(text: str) -> str:
    """Return a paragraph."""
    return f"<p>{escape(text)}</p>"


def table(rows: Iterable[Sequence[object]], head: Sequence[object] = ()) -> str:
    """Return a table, the first column of which names its rows; None is an empty cell."""
    lines = [_row(head, "th")] if head else []
    lines += [_row(row, "td") for row in rows]
    return f"<table>{''.join(lines)}</table>"


def picture(drawn: Image.Image | bytes, described: str) -> str:
    """Return a picture, or the bytes of a PNG file, as a part of the text.

    Args:
        drawn: is not made larger, and smaller only where the page is narrow.
        described: for whoever does not see it.
    """
    if isinstance(drawn, Image.Image):
        file = io.BytesIO()
        drawn.save(file, "PNG")
        drawn = file.getvalue()
    code = base64.b64encode(drawn).decode()
    return (
        f'<br><img src="data:image/png;base64,{code}" alt="{escape(described)}" style="{_STYLE}">'
    )


def _row(cells: Sequence[object], kind: str) -> str:
    texts = ["" if cell is None else escape(str(cell)) for cell in cells]
    return (
        f"<tr><th>{texts[0]}</th>{''.join(f'<{kind}>{text}</{kind}>' for text in texts[1:])}</tr>"
    )
