"""Examples: some items of a data set with what they were given, however many there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from studio.dataset.items import Item
from studio.dataset.results import ResultsFolder
from studio.dataset.sample import Sample

__all__ = ["Example", "Examples"]

_FEW = 12  # items of a status, at least, of which it is remembered what they were given


@dataclass(frozen=True)
class Example:
    """One item that is over: its row as it stands in the results, and what it was given, where that is known."""

    row: Mapping[str, Any]
    given: Mapping[str, object]


@dataclass(frozen=True)
class _Seen:
    """An item that a pass over the data came by."""

    id: str
    position: int
    given: Mapping[str, object]


class Examples:
    """A sample of the items of each status."""

    def __init__(self) -> None:
        self._seen: dict[str, Sample[_Seen]] = {"done": Sample(_FEW), "failed": Sample(_FEW)}

    def saw(self, status: str, item: Item) -> None:
        """The pass came by an item that is over, or has ended just now."""
        self._seen[status].add(lambda: _Seen(item.id, item.position, item.inputs.own if item.inputs else {}))

    def of(self, status: Literal["done", "failed"], most: int, results: ResultsFolder) -> list[Example]:
        """Some items of a status. Of those that the pass came by it is known what they were given; others fill up."""
        seen = sorted(self._seen[status].kept, key=lambda each: each.position)
        seen = [seen[index * len(seen) // min(most, len(seen))] for index in range(min(most, len(seen)))]
        rows = [(results.row(each.id), each.given) for each in seen]
        found = {row["id"]: Example(row, given) for row, given in rows if row is not None}
        more = results.sample(status, most) if len(found) < most else []
        return list(({row["id"]: Example(row, {}) for row in more} | found).values())[-most:]
