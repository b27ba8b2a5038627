"""Workers: the life of a pool's workers, from the decision to start one until it is gone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Any

from studio.executors.pool.queue import Submission
from studio.executors.pool.residency import Placement, Resident, WorkerState
from studio.executors.pool.starting import Started, StartingWorker, StartingWorkers
from studio.executors.pool.state import PoolState, broken
from studio.executors.task import Failed, Outcome, Recipe

__all__ = ["Workers"]

Start = Callable[[int, Recipe], Future[Started | Failed]]


class Workers:
    """Starts and ends workers. Whoever calls a method holds the pool's mutex."""

    def __init__(self, pool: PoolState, start: Start, stop: Callable[[int], None], changed: Callable[[], None]) -> None:
        """`start` and `stop` are the executor's own; `changed` hears that there may be something to give out."""
        self._pool, self._start, self._stop, self._changed = pool, start, stop, changed
        self._starting = StartingWorkers(pool.alarms)
        self._recipes: dict[int, Recipe] = {}
        self.processes: dict[int, int] = {}  # their ids, of workers that are ready
        self.troubles: dict[str, str] = {}  # by node: why its last worker could not be set up

    def start(self, place: Placement, recipe: Recipe, limit: float, wanted: bool = False) -> None:
        """Starts a worker where others leave for it; `wanted` though no task waits. It has so many seconds."""
        worker = place.worker
        for leaving in place.leave:
            self._end(leaving)
        self._recipes[worker] = recipe
        self._starting.begin(worker, recipe, limit, partial(self._on_never_ready, limit), wanted)
        self._tell(recipe, "loading", "")
        try:
            starting = self._start(worker, recipe)
        except Exception as error:
            starting = Future()
            starting.set_exception(error)
        starting.add_done_callback(partial(self._on_started, worker))

    def drop(self, worker: int) -> None:
        """Ends a worker, and its call; what it was given is nobody's now."""
        if worker not in self._pool.residency.residents:
            return
        self._pool.residency.left(worker)
        self._pool.calls.end(worker)
        self._starting.end(worker)
        self._end(worker)

    def drop_unwanted(self) -> None:
        """Ends those that are being set up for tasks of which none waits any more."""
        for worker in self._starting.unwanted(lambda key: key in self._pool.queues):
            self.drop(worker)

    def drop_idle(self, seconds: float, key: str = "") -> list[int]:
        """Ends those (of a recipe) that have been idle for so long; those that tasks wait for stay. Their ids."""
        now = time.monotonic()
        residents = [each for each in self._pool.residency.residents.values() if key in ("", each.key)]
        idle = [each for each in residents if each.state is WorkerState.IDLE and each.key not in self._pool.queues]
        gone = [each.id for each in idle if now - each.rested >= seconds]
        for worker in gone:
            self.drop(worker)
        return gone

    def described(self) -> Iterator[dict[str, Any]]:
        """What there is to say of each, for people and programs."""
        now = time.monotonic()
        for resident in self._pool.residency.residents.values():
            yield self._described(resident, now)

    def _described(self, resident: Resident, now: float) -> dict[str, Any]:
        recipe = self._recipes[resident.id]
        idle = resident.state is WorkerState.IDLE
        return {
            "worker": resident.id,
            "node": recipe.name,
            "model": getattr(recipe, "label", ""),
            "state": resident.state.value,
            "device": ", ".join(f"gpu {device}" for device in resident.devices) or "cpu",
            "memory": resident.memory,
            "gpu_memory": resident.gpu_memory,
            "idle_seconds": round(now - resident.rested, 1) if idle else 0.0,
            "tasks": resident.tasks,
            "waiting": len(self._pool.queues.of(resident.key) or ()),
            "process": self.processes.get(resident.id, 0),
        }

    def _end(self, worker: int) -> None:
        self.processes.pop(worker, None)
        self._recipes.pop(worker, None)
        try:
            self._stop(worker)
        except Exception:  # whoever drops a worker has tasks to see to
            logging.getLogger("studio").exception("a worker could not be ended")

    def _tell(self, recipe: Recipe, state: str, detail: str) -> None:
        """Tells those of the recipe's tasks that are next."""
        queue = self._pool.queues.of(recipe.key)
        for submission in queue.heads() if queue else ():
            submission.tell(state, detail)

    # The start of one, in whatever thread its future ends ------------------------

    def _on_started(self, worker: int, starting: Future[Started | Failed]) -> None:
        """Its start has an end. An error raised here would be lost in the future, and tasks wait for ever."""
        with self._pool.mutex:
            starting_worker = self._starting.end(worker)
            if starting_worker is None:
                return  # it was stopped meanwhile
            try:
                failed = self._why_it_failed(worker, starting_worker, starting)
            except Exception as error:
                failed = broken(error)
            doomed = self._failed(worker, starting_worker.recipe, failed) if failed else []
        _end_all(doomed, failed)
        self._changed()

    def _why_it_failed(
        self, worker: int, starting_worker: StartingWorker, starting: Future[Started | Failed]
    ) -> Failed | None:
        """Nothing if the worker is ready, or died and is to be started again."""
        error = starting.exception()
        if error is None:
            ready = starting.result()
            if isinstance(ready, Failed):
                return ready
            self._became_ready(worker, starting_worker, ready)
            return None
        self.drop(worker)
        failed = self._starting.failed_to_start(starting_worker.recipe, error)
        if failed is None:
            self._tell(starting_worker.recipe, "restarting", str(error))
        return failed

    def _became_ready(self, worker: int, starting_worker: StartingWorker, ready: Started) -> None:
        now, residency = time.monotonic(), self._pool.residency
        self._starting.became_ready(starting_worker.recipe)
        self.troubles.pop(starting_worker.recipe.name, None)
        residency.started(worker, ready.devices, ready.memory, ready.gpu_memory, now - starting_worker.began)
        residency.finished(worker, now)
        self.processes[worker] = ready.process

    def _on_never_ready(self, limit: float, worker: int) -> None:
        failed = Failed(f"its worker was not ready within {limit:g} s and was stopped")
        with self._pool.mutex:
            starting_worker = self._starting.of(worker)
            if starting_worker is None:
                return
            doomed = self._failed(worker, starting_worker.recipe, failed)
        _end_all(doomed, failed)
        self._changed()

    def _failed(self, worker: int, recipe: Recipe, failed: Failed) -> list[Submission]:
        """A worker cannot be set up: all that wait for one of its kind; nobody, where there are others for them."""
        self.drop(worker)
        self.troubles[recipe.name] = failed.message
        if others := len(self._pool.residency.of(recipe.key)):
            self._pool.policy.most[recipe.key] = others
            return []
        return self._pool.queues.drain(recipe.key)


def _end_all(submissions: list[Submission], outcome: Outcome | None) -> None:
    for submission in submissions:
        assert outcome is not None
        submission.end(outcome)
