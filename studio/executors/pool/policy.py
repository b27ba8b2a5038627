"""Policy: which queue gets a worker next, or one more, and when an idle one may be pushed out for it. It does nothing.

First come workers that are there and idle: they take what has queued up for them, up to a batch. Then
workers are started for queues that have too few. An idle worker leaves for another only if nobody waits
for it, and not while somebody is likely to ask for it soon. Whoever waits too long has room made by force.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from studio.executors.pool.calls import Calls
from studio.executors.pool.footprints import Footprint
from studio.executors.pool.pace import Pace
from studio.executors.pool.queue import Queues, RecipeQueue, Submission
from studio.executors.pool.residency import Placement, Residency, Resident, WorkerState
from studio.executors.task import Recipe
from studio.node.resources import Resources

__all__ = ["Policy"]

_KEEP = 0.5  # seconds, at least, that an idle worker is kept where more work for it is likely
_PATIENCE = 10.0  # seconds, at least, before room is made by force
_LOADS_WORTH = 10  # so many times its own loading time a worker waits before that


class Policy:
    """Whose turn it is. It is told the time."""

    def __init__(self, residency: Residency, queues: Queues, calls: Calls) -> None:
        self._residency, self._queues, self._calls = residency, queues, calls
        self.pace = Pace()
        self.most: dict[str, int] = {}  # workers of a recipe, where a further one could not be set up
        self._seen: dict[str, float] = {}  # when each run last gave a task
        self._reserved_for = ""  # the recipe that room is being made for
        self.stale = False  # whether something changed that may matter to those who were already asked about
        self.changes_in = math.inf  # seconds after which an answer may be another, though nothing has happened by then

    def saw(self, run: str, now: float) -> None:
        """A run gave a task."""
        self._seen[run] = now

    def served(self, now: float) -> Iterator[tuple[int, list[Submission]]]:
        """Each worker that is there and idle, with the tasks that are now its own."""
        if self._reserved_for and self._reserved_for not in self._queues:
            self._release_reserved()
        for queue in self._ordered(lambda queue: queue.since):
            yield from self._shares(queue, now)

    def extended(self, now: float) -> Iterator[tuple[Placement, RecipeQueue]]:
        """A place for each further worker that is worth it, and the queue that it is for."""
        refused = set[tuple[Resources, Footprint]]()
        for queue in self._ordered(lambda queue: self._urgency(queue, now)):
            what = (queue.recipe.resources, self._residency.footprints.of(queue.recipe.key))
            if what not in refused:
                yield from self._places(queue, now)
                if self._held_up(queue, now):
                    refused.add(what)

    def _ordered(self, key: Callable[[RecipeQueue], Any]) -> list[RecipeQueue]:
        queues = self._queues.all()
        return sorted(queues, key=key) if len(queues) > 1 else queues  # mostly there is one, and a key costs

    def _shares(self, queue: RecipeQueue, now: float) -> Iterator[tuple[int, list[Submission]]]:
        """The idle workers of a queue, each with a fair share of its tasks."""
        recipe = queue.recipe
        while (
            queue
            and self._may_run(recipe)
            and (worker := self._residency.take(recipe.key, recipe.resources)) is not None
        ):
            idle = len(self._residency.of(recipe.key, WorkerState.IDLE)) if len(queue) > 1 else 0
            queue.served = now
            if self._reserved_for == recipe.key:
                self._release_reserved()
            yield worker, self._queues.take(queue, _part(len(queue), idle + 1), self._quick(queue))

    def _may_run(self, recipe: Recipe) -> bool:
        """Whether there are CPUs for a task, besides those that are kept for who has waited too long."""
        reserved = self._queues.of(self._reserved_for) if self._reserved_for != recipe.key else None
        kept = reserved.recipe.resources.cpus if reserved and recipe.resources.cpus else 0.0
        return self._residency.has_cpus(recipe.resources, kept)

    def _quick(self, queue: RecipeQueue) -> int:
        """How many tasks are worth a call by their pace; every worker that there may be would get as many."""
        return min(self.pace.most(queue.recipe.key), _part(len(queue), queue.recipe.replicas))

    def _places(self, queue: RecipeQueue, now: float) -> Iterator[tuple[Placement, RecipeQueue]]:
        recipe = queue.recipe
        while self._worth_another(queue) and self._may_run(recipe):
            place = self._residency.start(recipe.key, recipe.resources, lambda resident: self._may_leave(resident, now))
            if place is None:
                return
            if self._reserved_for == recipe.key:
                self._release_reserved()
            yield place, queue

    def _urgency(self, queue: RecipeQueue, now: float) -> tuple[bool, float, float]:
        """Who has waited too long comes first; then the queue with most tasks; of equal ones the oldest."""
        late = self._late(queue, now)
        return (not late, 0.0 if late else -len(queue), queue.since)

    def _late(self, queue: RecipeQueue, now: float) -> bool:
        loading = self._residency.footprints.of(queue.recipe.key).seconds
        return now - max(queue.since, queue.served) > max(_PATIENCE, _LOADS_WORTH * loading)

    def _worth_another(self, queue: RecipeQueue) -> bool:
        """Whether a queue has work for one more worker: more than those that load will take, and lasting longer.

        Some are set up without asking, if the graph says so.
        """
        recipe = queue.recipe
        if self._queues.of(recipe.key) is not queue:  # its last worker could not be set up, and nobody waits any more
            return False
        there = len(self._residency.of(recipe.key))
        if there and there >= self.most.get(recipe.key, recipe.replicas):
            return False
        if there < recipe.least:
            return True
        loading = len(self._residency.of(recipe.key, WorkerState.STARTING))
        if len(queue) <= loading:
            return False
        lasts = len(queue) * queue.rows_each * self.pace.of(recipe.key) / there
        return lasts > self._residency.footprints.of(recipe.key).seconds

    def _held_up(self, queue: RecipeQueue, now: float) -> bool:
        """Whether a queue waits for what others have; if it has for too long, nobody in its way gets more."""
        key = queue.recipe.key
        no_cpu = bool(self._residency.of(key, WorkerState.IDLE))
        if not no_cpu and not self._worth_another(queue):
            return False
        late = self._late(queue, now) or (no_cpu and now - queue.since > _PATIENCE)  # to get a CPU costs no loading
        if late and not self._reserved_for:
            self._reserved_for = key
            if not self._residency.of(key):
                self._residency.reserve(key, queue.recipe.resources)
                self.stale = True
        return True

    def _release_reserved(self) -> None:
        self._reserved_for = ""
        self._residency.release_reserved()
        self.stale = True

    def _may_leave(self, resident: Resident, now: float) -> bool:
        """Whether an idle worker may make room: nobody waits for it, and nobody is likely to soon."""
        if resident.key in self._queues:
            return False
        # Evicting the least recently used at once would thrash: of two models that do not fit together, each
        # would be loaded for every single item that goes through both. So a worker is kept where more work for
        # it is likely: it had more than one task, or several runs go on, while any other worker is busy or
        # several runs were here a moment ago. It is kept for as long as it took to load, and no longer:
        # then, in the worst case, waiting has cost as much as loading it once too often would have.
        if resident.tasks < 2 and len(self._runs()) < 2:
            return True
        if len(self._recent(now)) < 2 and not any(other.running for other in self._residency.residents.values()):
            return True
        keep = max(_KEEP, self._residency.footprints.of(resident.key).seconds)
        left = resident.rested + keep - now
        if left > 0:
            self.changes_in = min(self.changes_in, left)
        return left <= 0

    def _recent(self, now: float) -> set[str]:
        """The runs that gave a task lately: one that is between two steps has nothing here."""
        self._seen = {run: at for run, at in self._seen.items() if now - at < _KEEP}
        return set(self._seen)

    def _runs(self) -> set[str]:
        """The runs that have tasks here."""
        return {
            submission.task.run for queue in self._queues.all() for submission in queue.heads()
        } | self._calls.runs()


def _part(count: int, among: int) -> int:
    """A fair part, rounded up."""
    return -(-count // among)
