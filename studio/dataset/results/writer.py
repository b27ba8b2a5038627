"""ResultsWriter: what ended and waits to be written to a folder of results: many lines at a time, but soon."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from studio.dataset.results.folder import ResultLine, ResultsFolder

__all__ = ["ResultsWriter"]

_SOON = 0.25  # seconds until what has ended is written
_AT_TIMES = 5.0  # seconds until the figures of a session are kept again, in case it is killed


class ResultsWriter:
    """That of one session; without a folder nothing is written."""

    def __init__(self, results: ResultsFolder | None, most: int, figures: Callable[[], Mapping[str, Any]]) -> None:
        """most: lines that wait. figures: those of the session so far."""
        self._results, self._most, self._figures = results, most, figures
        self._lines: list[ResultLine] = []
        self._met: list[tuple[str, int]] = []
        self._written = self._noted = time.monotonic()

    def add(self, line: ResultLine) -> None:
        """An item is over."""
        self._lines.append(line)
        if len(self._lines) >= self._most:
            self.write()

    def met(self, id: str, position: int) -> None:
        """An item stays as it is; it stands here in the data now."""
        self._met.append((id, position))

    def write_in_time(self) -> None:
        """What has ended is written soon, even if nothing else ends for long."""
        if self._lines and time.monotonic() - self._written > _SOON:
            self.write()

    def write(self) -> None:
        """Writes all that waits."""
        lines, self._lines = self._lines, []
        met, self._met = self._met, []
        if self._results is not None and lines:
            self._results.write(lines)
        if self._results is not None and met:
            self._results.met(met)
        self._written = time.monotonic()
        if self._written - self._noted > _AT_TIMES:
            self.note()

    def note(self) -> None:
        """Keeps the figures of the session."""
        if self._results is not None:
            self._results.note(dict(self._figures()))
        self._noted = time.monotonic()
