"""Notes: what a person should know of the files that rows gave: of the first few rows what, of the others how many"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from studio.dataset.items import Item
from studio.executors.task import Noted
from studio.run.events import Warned

__all__ = ["Notes"]

_TOLD = 5  # rows whose notes are told


class Notes:
    """Those of one session: none is told twice, however many steps read a file."""

    def __init__(self, common: list[str]) -> None:
        """`common` is filled with the notes of what all rows share."""
        self._common = common
        self._told: set[str] = set()
        self._rows: set[int] = set()
        self._first: set[int] = set()  # rows whose notes are told
        self._news: list[str] = []

    @property
    def rows(self) -> int:
        """How many rows have notes."""
        return len(self._rows)

    def add(self, item: Item, notes: Iterable[str]) -> None:
        """What was found by opening what a row gave."""
        self._rows.add(item.position)
        if len(self._first) < _TOLD:
            self._first.add(item.position)
        if item.position in self._first:
            self._news += [f"{item.place}: {note}" for note in notes]

    def add_seen(self, item: Item, noted: Noted) -> None:
        """What workers found by opening what a row gave, or what all of them share; what steps made says it itself."""
        for digest, notes in noted.items():
            name, own = item.inputs.name_of(digest) if item.inputs else ("", False)
            told = [f"input '{name}': {note}" for note in notes]
            if name and own:
                self.add(item, told)
            elif name:
                self._news += told

    def events(self) -> Iterator[Warned]:
        """What there is to tell since this was last asked."""
        while self._common or self._news:
            note = (self._common or self._news).pop(0)
            if note not in self._told:
                self._told.add(note)
                yield Warned(note)
