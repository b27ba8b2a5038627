"""Policy: who gets the workers there are, who gets another, and who must make room. It decides, and does nothing.

First come workers that are there and idle: they take what has queued up for them, up to a batch. Then
workers are started for lines that have too few. An idle worker leaves for another only if nobody waits
for it, and not while it looks as if somebody soon will: it would be loaded again a moment later. Whoever
waits too long has room made by force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from studio.executors.pool.calls import Calls
from studio.executors.pool.footprints import Footprint
from studio.executors.pool.pace import Pace
from studio.executors.pool.queue import Job, Line, Queue
from studio.executors.pool.residency import Placement, Residency, Resident, WorkerState
from studio.executors.task import Recipe
from studio.node.resources import Resources

__all__ = ["Policy"]

_KEEP = 0.5  # seconds, at least, that an idle worker is kept where more work for it is likely
_PATIENCE = 10.0  # seconds, at least, before room is made by force
_LOADS_WORTH = 10  # so many times its own loading time a worker waits before that


class Policy:
    """Whose turn it is. It is told the time, and calls `look_again` with the seconds after which that may change."""

    def __init__(self, residency: Residency, queue: Queue, calls: Calls, look_again: Callable[[float], None]) -> None:
        self._residency, self._queue, self._calls = residency, queue, calls
        self._look_again = look_again
        self.pace = Pace()
        self.rested: dict[int, float] = {}  # since when a worker is idle
        self.most: dict[str, int] = {}  # workers of a recipe, where a further one could not be set up
        self._seen: dict[str, float] = {}  # when each run last gave a task
        self._reserved_for = ""  # the recipe that room is being made for
        self.stale = False  # whether something changed that may matter to those who were already asked about

    def saw(self, run: str, now: float) -> None:
        """A run gave a task."""
        self._seen[run] = now

    def served(self, now: float) -> Iterator[tuple[int, list[Job]]]:
        """Each worker that is there and idle, with the tasks that are now its own."""
        if self._reserved_for and self._reserved_for not in self._queue:
            self._release_reserved()
        for line in self._ordered(lambda line: line.since):
            yield from self._shares(line, now)

    def extended(self, now: float) -> Iterator[tuple[Placement, Line]]:
        """A place for each further worker that is worth it, and the line that it is for."""
        refused = set[tuple[Resources, Footprint]]()
        for line in self._ordered(lambda line: self._urgency(line, now)):
            what = (line.recipe.resources, self._residency.footprints.of(line.recipe.key))
            if what not in refused:
                yield from self._places(line, now)
                if self._held_up(line, now):
                    refused.add(what)

    def _ordered(self, key: Callable[[Line], Any]) -> list[Line]:
        lines = self._queue.lines()
        return sorted(lines, key=key) if len(lines) > 1 else lines  # mostly there is one, and a key costs

    def _shares(self, line: Line, now: float) -> Iterator[tuple[int, list[Job]]]:
        """The idle workers of a line, each with a fair share of its tasks."""
        recipe = line.recipe
        while (
            line
            and self._may_run(recipe)
            and (worker := self._residency.take(recipe.key, recipe.resources)) is not None
        ):
            idle = len(self._residency.of(recipe.key, WorkerState.IDLE)) if len(line) > 1 else 0
            line.served = now
            if self._reserved_for == recipe.key:
                self._release_reserved()
            yield worker, self._queue.take(line, _part(len(line), idle + 1), self._quick(line))

    def _may_run(self, recipe: Recipe) -> bool:
        """Whether there are CPUs for a task, besides those that are kept for who has waited too long."""
        reserved = self._queue.line(self._reserved_for) if self._reserved_for != recipe.key else None
        kept = reserved.recipe.resources.cpus if reserved and recipe.resources.cpus else 0.0
        return self._residency.has_cpus(recipe.resources, kept)

    def _quick(self, line: Line) -> int:
        """How many tasks are worth a call by their pace; every worker that there may be would get as many."""
        return min(self.pace.most(line.recipe.key), _part(len(line), line.recipe.replicas))

    def _places(self, line: Line, now: float) -> Iterator[tuple[Placement, Line]]:
        recipe = line.recipe
        while self._worth_another(line) and self._may_run(recipe):
            place = self._residency.start(recipe.key, recipe.resources, lambda resident: self._may_leave(resident, now))
            if place is None:
                return
            if self._reserved_for == recipe.key:
                self._release_reserved()
            yield place, line

    def _urgency(self, line: Line, now: float) -> tuple[bool, float, float]:
        """Who has waited too long comes first; then the line with most tasks; of equal ones the oldest."""
        late = self._late(line, now)
        return (not late, 0.0 if late else -len(line), line.since)

    def _late(self, line: Line, now: float) -> bool:
        loading = self._residency.footprints.of(line.recipe.key).seconds
        return now - max(line.since, line.served) > max(_PATIENCE, _LOADS_WORTH * loading)

    def _worth_another(self, line: Line) -> bool:
        """Whether a line has work for one more worker: more than those that load will take, and lasting longer.

        Some are set up without asking, if the graph says so.
        """
        recipe = line.recipe
        if self._queue.line(recipe.key) is not line:  # its last worker could not be set up, and nobody waits any more
            return False
        there = len(self._residency.of(recipe.key))
        if there and there >= self.most.get(recipe.key, recipe.replicas):
            return False
        if there < recipe.least:
            return True
        loading = len(self._residency.of(recipe.key, WorkerState.STARTING))
        if len(line) <= loading:
            return False
        lasts = len(line) * line.chunk * self.pace.of(recipe.key) / there
        return lasts > self._residency.footprints.of(recipe.key).seconds

    def _held_up(self, line: Line, now: float) -> bool:
        """Whether a line waits for what others have; if it has for too long, nobody in its way gets more."""
        key = line.recipe.key
        no_cpu = bool(self._residency.of(key, WorkerState.IDLE))
        if not no_cpu and not self._worth_another(line):
            return False
        late = self._late(line, now) or (no_cpu and now - line.since > _PATIENCE)  # to get a CPU costs no loading
        if late and not self._reserved_for:
            self._reserved_for = key
            if not self._residency.of(key):
                self._residency.reserve(key, line.recipe.resources)
                self.stale = True
        return True

    def _release_reserved(self) -> None:
        self._reserved_for = ""
        self._residency.release_reserved()
        self.stale = True

    def _may_leave(self, resident: Resident, now: float) -> bool:
        """Whether an idle worker may make room: nobody waits for it, and it is not likely that somebody soon will.

        More is likely where it had more than one task, or where several runs go on, as long as any
        other worker is busy or several runs were here a moment ago. It is then kept for as long as it
        took to load: to load it once too often costs no more than having waited.
        """
        if resident.key in self._queue:
            return False
        if resident.tasks < 2 and len(self._runs()) < 2:
            return True
        if len(self._recent(now)) < 2 and not any(other.running for other in self._residency.residents.values()):
            return True
        keep = max(_KEEP, self._residency.footprints.of(resident.key).seconds)
        left = self.rested.get(resident.id, 0.0) + keep - now
        if left > 0:
            self._look_again(left)
        return left <= 0

    def _recent(self, now: float) -> set[str]:
        """The runs that gave a task lately: one that is between two steps has nothing here."""
        self._seen = {run: at for run, at in self._seen.items() if now - at < _KEEP}
        return set(self._seen)

    def _runs(self) -> set[str]:
        """The runs that have tasks here."""
        return {job.task.run for line in self._queue.lines() for job in line.heads()} | self._calls.runs()


def _part(count: int, among: int) -> int:
    """A fair part, rounded up."""
    return -(-count // among)
