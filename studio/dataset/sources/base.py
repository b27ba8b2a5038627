"""Row: one item of a data set; Rows: all of them, one after another. They know no graph, no cache and no format.

A row that cannot be read is a row with an error: it is told with its place, and the reading goes on.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, ClassVar

from studio.errors import InputError
from studio.values.words import encoding_of, is_unmarked

__all__ = ["LeftOut", "Row", "Rows", "check_columns", "newlines", "opened", "why"]

_CHUNK = 1 << 20
_NAMED, _SHOWN = 100, 8  # names of files that are left out: kept, and told to people


@dataclass
class LeftOut:
    """The files of a folder that are no items: how many, the first of them, and how many of each suffix."""

    kind: str = ""  # of the items
    files: int = 0  # all that there are, items and others
    names: list[str] = field(default_factory=list)
    suffixes: Counter[str] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        """How many are left out."""
        return self.suffixes.total()

    def add(self, name: str) -> None:
        """One more is left out."""
        self.suffixes[os.path.splitext(name)[1].lower() or "no suffix"] += 1  # noqa: PTH122 far quicker than a Path
        if len(self.names) < _NAMED:
            self.names.append(name)

    def as_data(self) -> dict[str, object]:
        """As plain data."""
        return {"count": self.count, "files": self.files, "names": self.names, "suffixes": dict(self.suffixes)}

    def __str__(self) -> str:
        shown, more = ", ".join(self.names[:_SHOWN]), self.count - min(len(self.names), _SHOWN)
        kinds = ", ".join(f"{count:,} × {suffix}" for suffix, count in self.suffixes.most_common(_SHOWN))
        rest = f" and {more:,} more ({kinds})" if more else ""
        return f"left out: {self.count:,} of {self.files:,} files, which hold no {self.kind}: {shown}{rest}"


@dataclass(slots=True)  # see Artifact
class Row:
    """One item: where it stands, and its values by column; or why it could not be read."""

    place: str  # "clips.jsonl:37", "photos/a/cat.png", "stdin:3", "row 3"
    values: Mapping[str, object] = field(default_factory=dict)
    error: str = ""  # if there is one, there are no values
    words: bool = False  # whether values are words as on a command line


class Rows(ABC):
    """A data set, read row by row in little memory, and again from its start unless it is a stream."""

    is_media: ClassVar[bool] = False  # whether each row is one file: `file` is its path, `id` its name from the folder

    name: str  # for people
    folder: Path  # that relative paths in it start from
    columns: tuple[str, ...] = ()  # where they are known before the first row
    left_out: LeftOut = LeftOut()

    @abstractmethod
    def __iter__(self) -> Iterator[Row]:
        """The rows, in order."""

    @abstractmethod
    def count(self) -> int | None:
        """About how many rows there are; None where one would have to read them to know."""


def opened(path: Path) -> BinaryIO:
    """A file to read; InputError says why it cannot be."""
    try:
        file = path.open("rb")
        start = file.peek(4)
        encoding = encoding_of(start[:4])
    except OSError as error:
        raise InputError(f"'{path}': {why(error)}") from None
    if not encoding.startswith("utf-8") or is_unmarked(start):
        file.close()
        told = "UTF-16 or UTF-32" if encoding.startswith("utf-8") else encoding.upper()
        raise InputError(f"'{path}' is text in {told}: save it as UTF-8")
    return file


def newlines(path: Path) -> int:
    """How many lines a file has, the last one with or without its end."""
    count, last = 0, b"\n"
    with opened(path) as file:
        while chunk := file.read(_CHUNK):
            count += chunk.count(b"\n")
            last = chunk[-1:]
    return count + (last != b"\n")


def check_columns(place: str, columns: tuple[str, ...]) -> None:
    """InputError for columns that could not be told apart."""
    for number, column in enumerate(columns, 1):
        if not column:
            raise InputError(f"{place}: column {number} of {len(columns)} has no name: give it one, or take it out")
        if column in columns[: number - 1]:
            raise InputError(f"{place}: two columns are called '{column}': rename one, or take it out")


def why(error: Exception) -> str:
    """What went wrong with a file, in a few words."""
    text = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    text = text.splitlines()[0] if text else type(error).__name__
    return text[:1].lower() + text[1:]
