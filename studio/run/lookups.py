"""Lookups: what is known already, what is being made here or by another run, and what is ours to make.

It gives actions their keys, looks these up and holds their leases, for the one thread of an engine. It runs nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from pydantic import BaseModel

from studio.cache.cache import Cache
from studio.cache.record import Record
from studio.errors import ModelUnavailable
from studio.language.plan import Step
from studio.run.chunk_action import ChunkAction
from studio.run.events import Event, Warned
from studio.run.execution import Action
from studio.run.keys import Keys
from studio.values.digest import Uncacheable

__all__ = ["Lookups"]


class Lookups:
    """Those of one run; without a cache nothing has a key, and all is to be made."""

    def __init__(
        self,
        cache: Cache | None,
        graph: str,
        config: Callable[[Step], BaseModel],
        refresh: frozenset[str],
        tell: Callable[[Event], None],
    ) -> None:
        """`tell` hears what is wrong with the cache."""
        self._cache = cache
        self._keys = Keys(cache, graph, config) if cache else None
        self._refresh, self._tell = refresh, tell
        self._duplicates: dict[str, list[Action]] = {}  # by key, those that wait for the one of them that is on its way
        self._fresh: set[str] = set()  # steps whose last look-up found nothing
        self._held: set[str] = set()  # keys whose leases this run holds: `close` gives back what is left of them
        self._damaged = 0

    # Keys --------------------------------------------------------------------

    def name(self, action: Action) -> None:
        """Gives an action its key, or says why it has none."""
        action.key = action.uncached = ""
        if self._keys is None or action.step.cache == "never":
            return
        named = self._keys.of(action.step, action.inputs)
        action.key, action.basis, action.uncached = named.key, named.basis, named.missing

    def name_chunk(self, chunk: ChunkAction) -> None:
        """Gives the rows of a chunk their keys."""
        if self._keys is None or chunk.step.cache == "never":
            return
        with contextlib.suppress(Uncacheable, ModelUnavailable):
            chunk.basis = self._keys.basis(chunk.step)
            for row in chunk.rows:
                chunk.keys[row] = chunk.basis.key(chunk.of(row))

    # Look-ups ----------------------------------------------------------------

    def ask(self, actions: Iterable[Action]) -> None:
        """Asks the tier for all of them at once, so that none waits for the answer to another."""
        if self._cache is None or self._cache.tier is None:
            return
        singles = [action for action in actions if not isinstance(action, ChunkAction)]
        for action in singles:
            self.name(action)
        self._cache.ask((action.key, action.step.definition.name) for action in singles if action.key)

    def record(self, step: Step, key: str) -> Record | None:
        """What is on record of a key that a step has."""
        if self._cache is None or self.refreshes(step):
            return None
        record = self._cache.lookup(key, step.definition.name)
        self._tell_damage(self._cache)
        (self._fresh.add if record is None else self._fresh.discard)(step.id)
        if record is None or record.outputs.keys() != step.outputs.keys():
            return None
        self._cache.touch(record)
        return record

    def refreshes(self, step: Step) -> bool:
        """Whether a step is to run again, whatever is known."""
        return step.id in self._refresh or step.cache == "refresh"

    def is_new(self, step: Step) -> bool:
        """Whether the last look-up of a step found nothing: then the next can wait until there is a lease."""
        return step.id in self._fresh

    def _tell_damage(self, cache: Cache) -> None:
        if cache.damaged > self._damaged:
            self._damaged = cache.damaged
            self._tell(Warned("a damaged cache entry was set aside; it is made anew"))
        for message in cache.news():
            self._tell(Warned(message))

    # What is being made ------------------------------------------------------

    def joins(self, action: Action) -> bool:
        """Whether the same is on its way already: then the action waits for that."""
        if action.key in self._duplicates:
            self._duplicates[action.key].append(action)
            return True
        return False

    def take(self, action: Action) -> bool:
        """Whether it is ours to make, and no other run is at it."""
        assert self._cache is not None
        action.leased = action.leased or self._takes(action.key)
        return action.leased

    def _takes(self, key: str) -> bool:
        assert self._cache is not None
        taken = self._cache.leases.take(key)
        if taken:
            self._held.add(key)
        return taken

    def _gives(self, key: str) -> None:
        assert self._cache is not None
        self._held.discard(key)
        self._cache.leases.give(key)

    def hand_over(self, key: str) -> None:
        """Whoever puts the result on record gives its lease back from here on."""
        self._held.discard(key)

    def close(self) -> None:
        """Gives back every lease that is left, whatever became of the action that it was taken for."""
        for key in list(self._held):
            self._gives(key)

    def begin(self, action: Action) -> None:
        """It is going to be made."""
        self._duplicates[action.key] = []

    def end(self, key: str) -> list[Action]:
        """It is made, or will not be: those that waited for it."""
        return self._duplicates.pop(key, [])

    def abandon(self, action: Action) -> list[Action]:
        """It will give nothing: those that waited for it."""
        keys = list(action.leases) if isinstance(action, ChunkAction) else [action.key]
        self.give(action)
        action.key = ""
        return [waiting for key in keys for waiting in self.end(key)]

    def give(self, action: Action) -> None:
        """Gives back the leases that it holds."""
        if self._cache is None:
            return
        if action.leased:
            self._gives(action.key)
            action.leased = False
        if isinstance(action, ChunkAction):
            while action.leases:
                self._gives(action.leases.pop())

    def sort(self, chunk: ChunkAction) -> None:
        """Which rows of a chunk are known, and which ours to make? What another makes, each item apart waits for."""
        if not chunk.keys:
            chunk.wanted += chunk.rows
            return
        named = [row for row in chunk.rows if row in chunk.keys]
        unknown = named if self.is_new(chunk.step) else self._unknown(chunk, named)
        ours = set(self._unknown(chunk, [row for row in unknown if self._take_row(chunk, chunk.keys[row])]))
        self._duplicates.update((chunk.keys[row], []) for row in ours)
        chunk.want(row for row in chunk.rows if row in ours or row not in chunk.keys)

    def _take_row(self, chunk: ChunkAction, key: str) -> bool:
        if key in chunk.leases:  # it is that of a row before
            return True
        if key in self._duplicates or not self._takes(key):
            return False
        chunk.leases.add(key)
        return True

    def _unknown(self, chunk: ChunkAction, rows: list[int]) -> list[int]:
        """Those of these rows that are not on record; what is on record of the others is theirs."""
        cache, step = self._cache, chunk.step
        if cache is None or not rows or self.refreshes(step):
            return rows
        records = cache.lookup_many((chunk.keys[row] for row in rows), step.definition.name)
        self._tell_damage(cache)
        (self._fresh.discard if records else self._fresh.add)(step.id)
        left: list[int] = []
        for row in rows:
            record = records.get(chunk.keys[row])
            if record is None or record.outputs.keys() != step.outputs.keys():
                left.append(row)
                continue
            cache.touch(record)
            chunk.find(row, record.outputs, record.measures)
            if record.key in chunk.leases:
                self._gives(record.key)
                chunk.leases.discard(record.key)
        return left
