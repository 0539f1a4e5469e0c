"""The file that readings are written into, which goes on where it was stopped.

Used by `digitlab read --out`. Lines grow in FILE.part. After those of each input, a line of the
journal, FILE.part.jsonl, says where they end and what became of it, under the SHA-256 of all that
stands in both files until there. So whatever ended the writing, and in whichever order what was
written came to the disk, the next start knows which lines are whole, and cuts off what follows.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from digitlab.durable_files import GrowingFile, open_alone, remove_alone
from digitlab.errors import DigitlabError
from digitlab.reading.picture_files import STANDARD_INPUT
from digitlab.reading.types import Reading
from digitlab.wording import printable

if TYPE_CHECKING:
    from hashlib import _Hash as Seal

_DAMAGED = "lines in it were cut off or changed"


@dataclass(frozen=True)
class Entry:
    """What the journal says of an input whose lines are complete.

    Attributes:
        input: its name and state, as `_identity` gives them.
        end: bytes of the file up to the end of its lines.
        counts: how often became what of it.
        placed: paths of what was written besides.
        is_placed: whether all of that could be written.
    """

    input: list[Any] | None
    end: int
    counts: dict[str, int]
    placed: list[str]
    is_placed: bool


class ReadingsFile:
    """A file of lines, input by input, which keeps those that an earlier one left complete.

    They are kept up to the first input that is another than then, by its name, size or times, that
    cannot be compared, such as a pipe, or of which a picture is not there any more.

    Args:
        path: the file; it is in place once all is written.
        header: its first line; None for none.
        settings: what lines depend on besides their inputs, by what people call it; of JSON's
            types. Where one of them is another than then, nothing is kept.
        inputs: what is to be read, in order.

    Attributes:
        kept: of the first inputs, which need not be read again, an entry each.
        notice: a line that says how it goes on, or why it does not; empty where it just begins.

    Raises:
        DigitlabError: where the disk refuses, or another process is writing the file; so do the
            methods.
    """

    def __init__(
        self,
        path: Path,
        header: str | None,
        settings: Mapping[str, Any],
        inputs: Sequence[Path | Reading],
    ) -> None:
        self.kept: list[Entry] = []
        self.notice = ""
        self._path = path
        self._settings = dict(settings)
        self._inputs = inputs
        self._input: list[Any] | None = None
        self._seal = hashlib.sha256()
        self._end = 0  # bytes
        with _written(path):
            self._file = GrowingFile(path, self._take_up)
        self._has_readings = bool(self.kept)
        if header is not None and not self.kept:
            try:
                self._add(header)
            except BaseException:
                self.leave()
                raise

    def begin(self, one: Path | Reading) -> None:
        """Begin with an input, before anything of it is read."""
        self._input = _identity(one)

    def write(self, line: str) -> None:
        """Add a line of this input."""
        self._has_readings = True
        self._add(line)

    def end(self, counts: Mapping[str, int], placed: Iterable[Path], is_placed: bool) -> None:
        """Write down that the lines of this input are complete; see `Entry`."""
        self._has_readings = True
        entry = Entry(self._input, self._end, dict(counts), [*map(str, placed)], is_placed)
        with _written(self._path):
            self._write_down(_sealed(self._seal, asdict(entry)))

    def put_in_place(self) -> None:
        """Make it durable and let it take its place; nothing is left beside it."""
        with _written(self._path):
            self._file.put_in_place()
        remove_alone(self._journal, self._journal_path)

    def leave(self) -> Path | None:
        """Close it where it grew, and return its path; None where nothing was read nor is left."""
        if not self._has_readings:
            remove_alone(self._journal, self._journal_path)
        with contextlib.suppress(OSError):  # a disk that refuses is not asked again
            self._journal.close()
        self._file.leave(self._has_readings)
        return self._file.part if self._has_readings else None

    def _add(self, line: str) -> None:
        content = f"{line}\n".encode(errors="backslashreplace")
        with _written(self._path):
            self._file.write(content)
        self._seal.update(content)
        self._end += len(content)

    def _take_up(self, part: BinaryIO) -> int:
        """Take over what an earlier one left complete; return how many bytes stay."""
        self._journal_path = Path(f"{part.name}.jsonl")
        self._journal = open_alone(self._journal_path)
        # What follows the last newline was not written to its end.
        lines = self._journal.read().decode("ascii", "replace").split("\n")[:-1]
        size = part.seek(0, os.SEEK_END)
        part.seek(0)
        head, why = _sealed(self._seal, self._settings), ""
        if lines[:1] == [head]:
            why = self._take_entries(lines[1:], part, size)
        elif lines or size:
            lines, why = [], _other_settings(lines, self._settings)
        name = printable(str(part.name))
        if self.kept:
            count = f"{len(self.kept):,} of {len(self._inputs):,} files were read"
            self.notice = f"goes on in {name}: {count}" + (f"; {why}" if why else "")
        elif why:
            self.notice = f"{name} is not used: {why}"
        self._journal.truncate(sum(len(line) + 1 for line in lines[: len(self.kept) + 1]))
        self._journal.seek(0, os.SEEK_END)
        if not lines:
            self._write_down(head)
        return self._end

    def _take_entries(self, lines: Sequence[str], part: BinaryIO, size: int) -> str:
        """Keep the inputs of these lines of the journal up to one that is another; return why."""
        for line, one in zip(lines, self._inputs, strict=False):
            entry = _entry(line)
            if entry is None or not self._end <= entry.end <= size:
                return _DAMAGED
            seal = self._seal.copy()
            seal.update(part.read(entry.end - self._end))
            if _sealed(seal, asdict(entry)) != line:
                return _DAMAGED
            if why := _other_input(entry, one):
                return why
            self._seal, self._end = seal, entry.end
            self.kept.append(entry)
        return ""

    def _write_down(self, line: str) -> None:
        self._journal.write(f"{line}\n".encode("ascii"))
        self._journal.flush()


def _sealed(seal: Seal, entry: Mapping[str, Any]) -> str:
    """Return a line of the journal: an entry, and the seal of all until there, which it joins."""
    seal.update(json.dumps(entry).encode("ascii"))
    return json.dumps({"sha256": seal.hexdigest(), "entry": entry})


def _entry(line: str) -> Entry | None:
    """Return the entry of a line of the journal; None where there is none in it."""
    try:
        entry = Entry(**json.loads(line)["entry"])
    except (ValueError, TypeError, KeyError):
        return None
    return entry if isinstance(entry.end, int) else None


def _identity(one: Path | Reading) -> list[Any] | None:
    """Return the name of an input, and by what one can tell whether it is the same as before.

    None for standard input, pipes and devices, which give something else each time.
    """
    if isinstance(one, Reading):  # of a folder, by an error
        return [one.file, None if one.error is None else one.error.to_json()]
    if str(one) == STANDARD_INPUT:
        return None
    try:
        state = one.stat()
    except OSError as error:
        return [str(one), error.errno]
    if not stat.S_ISREG(state.st_mode):
        return None
    # The last is of permissions, too, without which a file could not be read.
    return [str(one), state.st_size, state.st_mtime_ns, state.st_ctime_ns]


def _other_input(entry: Entry, one: Path | Reading) -> str:
    """Return what about an input is another than when it was read; empty where nothing is."""
    name = printable(str(one.file if isinstance(one, Reading) else one))
    now = _identity(one)
    if now is None or entry.input is None:
        return f"what {name} gives is read anew"
    if entry.input[0] != now[0]:
        return f"from {name} on there are other files"
    if entry.input != now:
        return f"{name} has changed"
    gone = next((path for path in entry.placed if not os.path.lexists(path)), None)
    # What could not be written was never there.
    return f"{printable(gone)} is not there any more" if gone and entry.is_placed else ""


def _other_settings(earlier: Sequence[str], settings: Mapping[str, Any]) -> str:
    """Return which settings are others than those at the head of a journal."""
    try:
        then = dict(json.loads(earlier[0])["entry"])
    except (ValueError, TypeError, KeyError, IndexError):
        return "nothing beside it says how it was read"
    others = [name for name in settings if then.get(name, settings[name]) != settings[name]]
    return f"it was read with another {' and '.join(others)}" if others else _DAMAGED


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """Say of an error in here that a file of readings cannot be written."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise DigitlabError(f"{path}: the readings cannot be written: {reason}") from error
