"""Row: one item of a data set; Rows: all of them, one after another. They know no graph, no cache and no format.

A row that cannot be read is a row with an error: it is told with its place, and the reading goes on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, ClassVar

from studio.errors import InputError
from studio.values.words import encoding_of

__all__ = ["Row", "Rows", "check_columns", "newlines", "opened", "why"]

_CHUNK = 1 << 20


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
        encoding = encoding_of(file.peek(4)[:4])
    except OSError as error:
        raise InputError(f"'{path}': {why(error)}") from None
    if not encoding.startswith("utf-8"):
        file.close()
        raise InputError(f"'{path}' is text in {encoding.upper()}: save it as UTF-8")
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
