"""Gathered: what rows gave for the steps that run over all of them, by where each row stands in the data."""

from __future__ import annotations

from collections.abc import Sequence

from studio.cache.cache import Cache
from studio.language.plan import Source
from studio.values.artifact import Artifact

__all__ = ["Gathered"]


class Gathered:
    """Filled in any order."""

    def __init__(self, cache: Cache | None) -> None:
        self._cache = cache
        self._rows: dict[int, Sequence[Artifact]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, position: int, values: Sequence[Artifact]) -> None:
        """A row has given these, one for each source; in place of what it gave before, if it did."""
        if values:
            self._rows[position] = values

    def lists(self, sources: Sequence[Source]) -> dict[Source, Artifact]:
        """What each of the sources gave, as lists in the order of the data."""
        there = [self._rows[position] for position in sorted(self._rows)]
        return {
            source: Artifact.of_items(there[0][index].kind if there else "data", tuple(row[index] for row in there))
            for index, source in enumerate(sources)
        }

    def lost(self) -> set[int]:
        """The positions of the rows of which something is gone from the cache."""
        return {position for position, row in self._rows.items() if not all(map(self._is_there, row))}

    def _is_there(self, artifact: Artifact) -> bool:
        at_rest = (leaf for leaf in artifact.leaves if leaf.stored and leaf.inline is None and leaf.handle is None)
        return self._cache is None or all(map(self._cache.store.has, at_rest))
