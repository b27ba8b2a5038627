"""Rows that Python code gives: any iterable of mappings. It knows no file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized

from studio.dataset.sources.base import Row, Rows
from studio.errors import InputError
from studio.paths import absolute

__all__ = ["GivenRows"]


class GivenRows(Rows):
    """The rows of an iterable; of an iterator, which can be gone through once."""

    def __init__(self, given: Iterable[object]) -> None:
        self.name, self.folder = "rows", absolute()
        self._given = given
        self._used = False

    def __iter__(self) -> Iterator[Row]:
        items = iter(self._given)
        if items is self._given:
            if self._used:
                raise InputError("the rows come from an iterator that was gone through already: give a list of them")
            self._used = True
        return (_row(number, item) for number, item in enumerate(items, 1))

    def count(self) -> int | None:
        return len(self._given) if isinstance(self._given, Sized) else None


def _row(number: int, item: object) -> Row:
    place = f"row {number}"
    if not isinstance(item, Mapping):
        return Row(place, error=f"{type(item).__name__}, not a mapping: a row is {{'COLUMN': value, …}}")
    if odd := [key for key in item if not isinstance(key, str)]:
        return Row(place, error=f"the column {odd[0]!r} is no text")
    return Row(place, dict(item))  # a copy: who gives rows may fill the same mapping again
