"""CSV and TSV: a header that names the columns, then a row a record. It knows no other format.

A quote that is never closed would swallow the rows after it: such a record is told as one broken row,
and the lines after its first are read again, each for itself.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from studio.dataset.sources.base import Row, Rows, check_columns, newlines, opened, why
from studio.errors import InputError
from studio.paths import absolute

__all__ = ["CsvRows"]

_DELIMITERS = ",;\t"
_NONE = "\x1f"  # of one column, where a comma is part of the text
_MOST_CHARACTERS = 16 << 20  # of one field

_Record = tuple[int, list[str], str]  # the number of its first line, its fields, and what is wrong with it


class CsvRows(Rows):
    """The rows of a file, whose values are words. An empty field is a value that is not given."""

    def __init__(self, path: Path) -> None:
        self.name, self._path = str(path), absolute(path)
        self.folder = self._path.parent
        self._delimiter, self.columns = _header(path)

    def __iter__(self) -> Iterator[Row]:
        columns, name = self.columns, self.name
        records = _records(self._path, self._delimiter)
        next(records, None)  # the header
        for number, fields, error in records:
            place = f"{name}:{number}"
            if error:
                yield Row(place, error=error)
            elif len(fields) != len(columns):
                yield Row(place, error=_uneven(fields, columns))
            else:
                values = {column: field for column, field in zip(columns, fields, strict=True) if field}
                yield Row(place, values, "", True)  # noqa: FBT003 by position, for speed

    def count(self) -> int:
        return max(newlines(self._path) - 1, 0)


def _header(path: Path) -> tuple[str, tuple[str, ...]]:
    """The delimiter, which is the one that makes most columns of the first record, and their names."""
    tried = "\t" if path.suffix.lower() == ".tsv" else _DELIMITERS
    firsts = {delimiter: next(_records(path, delimiter), (1, [], "")) for delimiter in (*tried, _NONE)}
    delimiter = max(tried, key=lambda delimiter: len(firsts[delimiter][1]))
    if len(firsts[delimiter][1]) == 1 and len(tried) > 1:
        delimiter = next((delimiter for delimiter in tried if firsts[delimiter][2]), _NONE)
    number, fields, error = firsts[delimiter]
    if error or not fields:
        raise InputError(f"{path}:{number}: {error or 'the file is empty'}. The first line names the columns")
    columns = tuple(field.strip() for field in fields)
    check_columns(f"{path}:{number}", columns)
    return delimiter, columns


def _records(path: Path, delimiter: str) -> Iterator[_Record]:
    """The records of a file, the header too."""
    csv.field_size_limit(max(csv.field_size_limit(), _MOST_CHARACTERS))
    with io.TextIOWrapper(opened(path), "utf-8-sig", "surrogateescape", newline="") as file:
        lines = _Lines(file)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        number = 1
        while True:
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield number, [], _unread(error, lines.held)
                lines.step_back()
                number += 1
                continue
            if fields:
                yield number, fields, _undecoded(lines.held)
            number += len(lines.held)
            lines.held.clear()


class _Lines:
    """The lines of a file, those of the record at hand kept until it is known to be whole."""

    def __init__(self, file: io.TextIOWrapper) -> None:
        self.held: list[str] = []
        self._again: deque[str] = deque()
        self._file = file

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._file)
        self.held.append(line)
        return line

    def step_back(self) -> None:
        """Gives the lines of the record again, but the first."""
        self._again.extendleft(reversed(self.held[1:]))
        self.held.clear()


def _unread(error: csv.Error, lines: list[str]) -> str:
    if len(lines) > 1 or "end of data" in str(error):
        return "a quote opens here and is not closed"
    if "expected after" in str(error):
        return "text goes on after a closing quote: inside of quotes, a quote is written twice"
    return f"not CSV: {why(error)}"


def _undecoded(lines: list[str]) -> str:
    for line in lines:
        if not line.isascii():
            try:
                line.encode()
            except UnicodeEncodeError as error:
                return f"not text in UTF-8, from character {error.start + 1} on: save the file as UTF-8"
    return ""


def _uneven(fields: list[str], columns: tuple[str, ...]) -> str:
    found = f"{len(fields)} field{'s' * (len(fields) > 1)}, but the header names {len(columns)}: {', '.join(columns)}"
    return found + (". A text that holds a delimiter stands in quotes" if len(fields) > len(columns) else "")
