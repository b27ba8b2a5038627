"""Printed: what a node prints while it runs, kept for its outcome, and told line by line by way of a file.

The worker writes the file and the driver reads it, so both must see the same folder. On a cluster that was joined
a worker on another machine may not: what its nodes print is then told at the end only.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from typing import TextIO

__all__ = ["LogTail", "Printed", "printed_to"]

_MOST = 1 << 20  # bytes told at once; a line that is longer comes with the outcome, and all that follow it


class Printed(io.StringIO):
    """All that is printed into it. It also goes into a file, line by line, if one is named and can be written."""

    def __init__(self, path: str = "") -> None:
        super().__init__()
        self._path = path
        self._file: TextIO | None = None

    def write(self, text: str, /) -> int:
        if self._path:
            try:
                self._write_through(text)
            except (OSError, ValueError):  # a full disk, no such folder, a thread that outlives its task
                self._path = ""
        return super().write(text)

    def _write_through(self, text: str) -> None:
        if self._file is None:  # most nodes print nothing, and need no file
            self._file = open(self._path, "w", 1, encoding="utf-8", errors="backslashreplace")  # noqa: PTH123, SIM115
        self._file.write(text)

    def let_go(self) -> None:
        """Nothing more goes into the file, which has done its work: all of it comes with the outcome."""
        self._path = ""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
                os.unlink(self._file.name)  # noqa: PTH108


@contextlib.contextmanager
def printed_to(printed: Printed) -> Iterator[Printed]:
    """Has all that Python code prints go there meanwhile."""
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            yield printed
        finally:
            printed.let_go()


class LogTail:
    """The other end of the file, in the process that asked for the task."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._read = 0  # bytes

    def new_lines(self) -> str:
        """The whole lines that have come since this was last asked."""
        try:
            with open(self.path, "rb") as file:  # noqa: PTH123
                file.seek(self._read)
                found = file.read(_MOST)
        except OSError:  # nothing was printed yet
            return ""
        whole = found[: found.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.decode(errors="replace")

    def remove(self) -> None:
        """Whoever wrote the file has died."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)  # noqa: PTH108
