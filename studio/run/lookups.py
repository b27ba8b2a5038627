"""Lookups: what is known of a task already, what is being computed here or by another run, and what is ours to compute.

They give actions their keys, look these up and hold their leases, for the one thread of an engine. They run nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from pydantic import BaseModel

from studio.cache.cache import Cache
from studio.cache.record import Record
from studio.errors import ModelUnavailable
from studio.language.plan import Step
from studio.run.action import Action, LookUp
from studio.run.chunk_action import ChunkAction
from studio.run.events import Event, Warned
from studio.run.keys import Keys, TaskKey
from studio.run.single_action import SingleAction
from studio.values.digest import Uncacheable

__all__ = ["Lookups"]


class Lookups:
    """Those of one run; without a cache nothing has a key, and all is to be computed."""

    def __init__(
        self,
        cache: Cache | None,
        graph: str,
        config: Callable[[Step], BaseModel],
        refresh: frozenset[str],
        tell: Callable[[Event], None],
        waits: bool = True,
    ) -> None:
        """`tell` hears what is wrong with the cache. Who never `waits` for others has no leases."""
        self._cache = cache
        self._leases = cache.leases if cache and waits else None
        self._keys = Keys(cache, graph, config) if cache else None
        self._refresh, self._tell = refresh, tell
        self._joined: dict[str, list[SingleAction]] = {}  # by the key of what is on its way: those that want the same
        self._held: set[str] = set()  # keys whose leases are ours: `close` gives back what is left of them
        self._fresh: set[str] = set()  # steps whose last look-up found nothing

    # Single actions ----------------------------------------------------------

    def named(self, action: SingleAction) -> TaskKey:
        """The key of an action, or why it has none; asked for anew, since weights may have come meanwhile."""
        if self._keys is None or action.step.cache == "never":
            return TaskKey()
        return self._keys.of(action.step, action.inputs)

    def find(self, action: SingleAction) -> LookUp:
        """Looks an action up. Where the last look-up of its step found nothing, the lease is asked for first."""
        action.task_key = self.named(action)
        key = action.key
        if not key:
            return LookUp.OURS
        if key in self._joined:
            self._joined[key].append(action)
            return LookUp.JOINED
        if action.step.id not in self._fresh and self._is_known(action):
            return LookUp.KNOWN
        return self.claim(action)

    def find_again(self, action: SingleAction) -> LookUp:
        """Looks up what another run was computing."""
        return LookUp.KNOWN if self._is_known(action) else self.claim(action)

    def claim(self, action: SingleAction) -> LookUp:
        """Takes the lease of a key, and looks whether another run has kept the result while that was asked for."""
        if not self._takes(action.key):
            return LookUp.ELSEWHERE
        if self._is_known(action):
            self._gives(action.key)
            return LookUp.KNOWN
        self._joined[action.key] = []
        return LookUp.OURS

    def _is_known(self, action: SingleAction) -> bool:
        """Whether the cache has its outputs: then they are the action's."""
        record = self._record(action.step, action.key)
        if record is not None:
            action.found(record.outputs, record.measures)
        return record is not None

    def _record(self, step: Step, key: str) -> Record | None:
        if self._cache is None or self.refreshes(step):
            return None
        record = self._cache.lookup(key, step.definition.name)
        self._tell_warnings(self._cache)
        (self._fresh.add if record is None else self._fresh.discard)(step.id)
        return self._fitting(self._cache, step, record)

    def _fitting(self, cache: Cache, step: Step, record: Record | None) -> Record | None:
        """The record, if it has just the outputs that the step has now; it counts as used."""
        if record is None or record.outputs.keys() != step.outputs.keys():
            return None
        cache.touch(record)
        return record

    # Chunks ------------------------------------------------------------------

    def find_rows(self, chunk: ChunkAction) -> LookUp:
        """Looks up the rows of a chunk; those that another computes wait, each by itself, once the others are over."""
        self._name_rows(chunk)
        if not chunk.keys:
            chunk.wanted += chunk.rows
            return LookUp.OURS
        named = [row for row in chunk.rows if row in chunk.keys]
        unknown = named if chunk.step.id in self._fresh else self._unknown(chunk, named)
        ours = set(self._unknown(chunk, [row for row in unknown if self._takes_row(chunk.keys[row])]))
        self._joined.update((chunk.keys[row], []) for row in ours)
        chunk.want(row for row in chunk.rows if row in ours or row not in chunk.keys)
        return LookUp.OURS if chunk.wanted else LookUp.KNOWN

    def _name_rows(self, chunk: ChunkAction) -> None:
        if self._keys is None or chunk.step.cache == "never":
            return
        with contextlib.suppress(Uncacheable, ModelUnavailable):
            chunk.basis = self._keys.basis(chunk.step)
            for row in chunk.rows:
                chunk.keys[row] = chunk.basis.key(chunk.of(row))

    def _takes_row(self, key: str) -> bool:
        if key in self._joined:  # another action of this run computes it
            return False
        return key in self._held or self._takes(key)  # held already: it is the key of a row before

    def _unknown(self, chunk: ChunkAction, rows: list[int]) -> list[int]:
        """Those of these rows that are not on record; what is on record of the others is theirs."""
        cache, step = self._cache, chunk.step
        if cache is None or not rows or self.refreshes(step):
            return rows
        records = cache.lookup_many((chunk.keys[row] for row in rows), step.definition.name)
        self._tell_warnings(cache)
        (self._fresh.discard if records else self._fresh.add)(step.id)
        left: list[int] = []
        for row in rows:
            record = self._fitting(cache, step, records.get(chunk.keys[row]))
            if record is None:
                left.append(row)
                continue
            chunk.find(row, record.outputs, record.measures)
            if record.key in self._held:
                self._gives(record.key)
        return left

    # Both --------------------------------------------------------------------

    def ask(self, actions: Iterable[Action]) -> None:
        """Asks the tier for all of them at once, so that none waits for the answer to another."""
        if self._cache is None or self._cache.tier is None:
            return
        wanted = list[tuple[str, str]]()
        for action in actions:
            action.name(self)
            wanted += ((key, action.step.definition.name) for key in action.own_keys())
        self._cache.ask(wanted)

    def refreshes(self, step: Step) -> bool:
        """Whether a step is to run again, whatever is known."""
        return step.id in self._refresh or step.cache == "refresh"

    def holds(self, key: str) -> bool:
        """Whether the lease of a key is ours."""
        return self._leases is not None and key in self._held

    def hand_over(self, key: str) -> list[SingleAction]:
        """A result is on its way to be put on record: who does that gives the lease back. Those that want the same."""
        self._held.discard(key)
        return self._joined.pop(key, [])

    def abandon(self, action: Action) -> list[SingleAction]:
        """Gives back the leases of an action that gives nothing (more); those that want the same: one is next."""
        waiting: list[SingleAction] = []
        for key in action.own_keys():
            if key in self._held:
                self._gives(key)
                waiting += self._joined.pop(key, [])
        return waiting

    def close(self) -> None:
        """Gives back every lease that is left, whatever became of the action that it was taken for."""
        for key in list(self._held):
            self._gives(key)

    def _takes(self, key: str) -> bool:
        taken = self._leases is None or self._leases.take(key)
        if taken:
            self._held.add(key)
        return taken

    def _gives(self, key: str) -> None:
        self._held.discard(key)
        if self._leases is not None:
            self._leases.give(key)

    def _tell_warnings(self, cache: Cache) -> None:
        for message in cache.warnings():
            self._tell(Warned(message))
