"""Stopping on a signal: the first asks the loop to save and stop, a second stops at once."""

from __future__ import annotations

import signal
from types import TracebackType
from typing import Self

from digitlab import signals
from digitlab.training.run_folder import RunFolder


class Interrupted(KeyboardInterrupt):
    """A run, or a study, that a signal stopped; it can be gone on with.

    Attributes:
        folder: the run's, or the study's.
        exit_status: 128 plus the signal's number, as shells count: 130 for Ctrl-C.
    """

    def __init__(
        self, folder: RunFolder, number: int = signal.SIGINT, go_on: str | None = None
    ) -> None:
        """Give the run and the signal, and how to go on, where that is not by `--resume`."""
        super().__init__(f"stopped; {go_on or f'go on by --resume {folder.path}'}")
        self.folder, self.exit_status = folder, 128 + number


class StopRequest:
    """Turns the signals that ask to stop into a flag while it is entered; in the main thread."""

    def __init__(self, folder: RunFolder) -> None:
        """Give the run that would be stopped."""
        self._folder = folder
        self._number: int | None = None
        self.at_once = False  # whether a second signal came
        self._hearing = signals.heard(self._on_signal)

    @property
    def number(self) -> int:
        """The number of the signal that came, or 0."""
        return self._number or 0

    def raise_if_asked(self) -> None:
        """Stop the run where a signal came.

        Raises:
            Interrupted: to be caught by whoever started the run.
        """
        if self._number is not None:
            raise Interrupted(self._folder, self._number)

    def _on_signal(self, number: int) -> None:
        if self._number is not None:
            self.at_once = True
            raise Interrupted(self._folder, number)
        self._number = number

    def __enter__(self) -> Self:
        self._hearing.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hearing.__exit__(kind, error, trace)
