"""PooledExecutor: an executor with workers of its own. A new one says how a worker is started, called and stopped.

What all of them do has a file each: how tasks come in (`intake`), how they are given to workers (`dispatcher`,
by the `policy`), the life of a worker (`workers`), and what all of these share (`state`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from studio.errors import ResourcesMissing
from studio.executors.base import Executor
from studio.executors.pool.calls import Call, InputLost, WorkerDied, WorkerUnreachable
from studio.executors.pool.dispatcher import Dispatcher
from studio.executors.pool.intake import CLOSED, Intake
from studio.executors.pool.queue import Submission
from studio.executors.pool.residency import Residency
from studio.executors.pool.starting import Started
from studio.executors.pool.state import PoolState
from studio.executors.task import Failed, Notify, NotifyMany, Outcome, Recipe, Task
from studio.node.resources import Machine

__all__ = ["InputLost", "PooledExecutor", "Started", "WorkerDied", "WorkerUnreachable"]

_LOADING_LIMIT = 1800.0  # seconds; a worker that is not ready by then never will be


class PooledExecutor(Executor):
    """Runs tasks on workers of its own, as many as fit."""

    sends_ahead = False  # whether tasks can wait for their inputs where they will run
    tells_logs = False  # whether what nodes print is known while they run
    loading_limit = _LOADING_LIMIT
    grace_period = 0.0  # seconds that a cancelled task has to end by itself, before its worker is ended for it

    def __init__(self, machine: Machine, footprints: Path | None = None) -> None:
        """`footprints` is the file in which what workers weighed is remembered."""
        self._pool = PoolState(machine, footprints, self._new_lines if self.tells_logs else None)
        self._dispatcher = Dispatcher(self._pool, self._start, self._call, self._stop, lambda: self.loading_limit)
        self._intake = Intake(self._pool, self._dispatcher, self._call_ahead)

    # What a new executor says ------------------------------------------------

    @abstractmethod
    def _start(self, worker: int, recipe: Recipe) -> Future[Started | Failed]:
        """Makes a worker; WorkerDied if it did not live to be ready."""

    @abstractmethod
    def _call(self, worker: int, tasks: list[Task]) -> Future[list[Outcome]]:
        """Runs tasks on a worker that is ready: the outcome of each. WorkerDied if it did not survive them."""

    @abstractmethod
    def _stop(self, worker: int) -> None:
        """Ends a worker at once, with whatever it is doing."""

    def _call_ahead(
        self, worker: int, task: Task, makers: Mapping[int, tuple[int, int]]
    ) -> Future[list[Outcome]] | None:
        """Runs a task whose inputs are being made: the worker and the place in its batch, by the id of each future.

        None if it cannot.
        """
        return None

    def _new_lines(self, worker: int) -> str:
        """The whole lines that a worker's node has printed since this was last asked, in the call that goes on."""
        return ""

    def await_machine(self) -> None:
        """Waits until it is known what there is to share out, where that has to be asked for."""

    # What all of them do -----------------------------------------------------

    @property
    def machine(self) -> Machine:
        self.await_machine()
        return self._pool.residency.machine

    @property
    def residency(self) -> Residency:
        """Who is resident."""
        return self._pool.residency

    @property
    def troubles(self) -> Mapping[str, str]:
        """By node: why its last worker could not be set up."""
        return self._dispatcher.workers.troubles

    def require(self, step: str, recipe: Recipe) -> None:
        self.await_machine()
        if why := self._pool.never(recipe):
            raise ResourcesMissing(f"step '{step}' ({recipe.name}) {why}")

    def fit_together(self, recipes: Iterable[Recipe]) -> bool:
        empty = Residency(self.machine, footprints=self.residency.footprints)
        each = {recipe.key: recipe for recipe in recipes}
        return all(empty.start(key, recipe.resources) for key, recipe in each.items())

    def submit(self, task: Task, notify: Notify | None = None) -> Future[Outcome]:
        return self._take_in([Submission(task, notify)])[0]

    def submit_many(self, tasks: Sequence[Task], notify: NotifyMany | None = None) -> list[Future[Outcome]]:
        return self._take_in([Submission(task, notify and partial(notify, n)) for n, task in enumerate(tasks)])

    def _take_in(self, submissions: list[Submission]) -> list[Future[Outcome]]:
        futures = [submission.future for submission in submissions]
        self.await_machine()  # whoever serves queues later must not wait for it
        self._intake.take_in(submissions)
        return futures

    def prepare(self, recipe: Recipe) -> None:
        self.preload(recipe)

    def preload(self, recipe: Recipe) -> bool:
        """Starts workers before any task asks for one; False if the first would send another away, or never fits."""
        self.await_machine()
        with self._pool.mutex:
            never = self._pool.closed or self._pool.never(recipe)
            while not never and len(self.residency.of(recipe.key)) < recipe.least:
                place = self.residency.start(recipe.key, recipe.resources, lambda _: False)
                if place is None:
                    break
                self._dispatcher.workers.start(place, recipe, self.loading_limit, wanted=True)
            return bool(self.residency.of(recipe.key))

    @property
    def waiting(self) -> int:
        """How many tasks wait for a worker."""
        with self._pool.mutex:
            return len(self._pool.queues)

    def residents(self) -> list[dict[str, Any]]:
        """The workers there are, for people and programs."""
        with self._pool.mutex:
            return list(self._dispatcher.workers.described())

    def process(self, worker: int) -> int:
        """The id of the process that a worker is in; 0 while that is not known."""
        return self._dispatcher.workers.processes.get(worker, 0)

    def quick(self, recipe: Recipe) -> bool:
        return self.sends_ahead and self._pool.soon(recipe)

    def cancel(self, future: Future[Outcome]) -> None:
        """Stops a task, running or not. A worker that has others in the same batch goes on for them."""
        future.cancel()
        with self._pool.mutex:
            self._pool.queues.remove(future)
            for call in self._pool.calls:
                if any(submission.future is future for submission in call.submissions):
                    self._end_if_cancelled(call)
            self._dispatcher.workers.drop_unwanted()
        self._dispatcher.pump()

    def _end_if_cancelled(self, call: Call) -> None:
        """Ends a worker whose tasks were all cancelled: at once, or after some time in which they may end."""
        if not all(submission.future.done() for submission in call.submissions):
            return
        if self.grace_period:
            self._pool.calls.limit(call, self.grace_period, self._dispatcher.on_timeout)
        else:
            self._dispatcher.workers.drop(call.worker)

    def let_go(self, idle: float) -> list[int]:
        """Ends the workers that have been idle for so many seconds; those that tasks wait for stay."""
        with self._pool.mutex:
            return self._dispatcher.workers.drop_idle(idle)

    def release(self, recipe: Recipe) -> None:
        with self._pool.mutex:
            self._dispatcher.workers.drop_idle(0.0, recipe.key)

    def close(self) -> None:
        """Ends all workers."""
        with self._pool.mutex:
            submissions = self._dispatcher.close()
        for submission in submissions:
            submission.end(CLOSED)
