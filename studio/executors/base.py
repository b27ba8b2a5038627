"""Executor: takes tasks, gives futures. It knows no graph and no cache.

All executors share what happens here: a queue, the pool's decisions, the end of a worker, time
limits. One that is new says only how a worker is started, called and stopped.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from studio.errors import ResourcesMissing
from studio.executors.live import kept_promise, makers_of
from studio.executors.pool import Placement, Pool
from studio.resources import Machine
from studio.worker import Done, Failed, Outcome, Recipe, Task

__all__ = ["Executor", "Started", "WorkerDied"]

_MOST_DEATHS = 3  # of workers, for one task
_QUICK = 0.02  # seconds; what takes less is worth preparing the next step for


Notify = Callable[[str, str], None]


class WorkerDied(Exception):
    """The process of a worker ended; its text says how."""


@dataclass(frozen=True)
class Started:
    """What a worker says once it is set up."""

    process: int = 0
    devices: tuple[int, ...] | None = None
    memory: int = 0  # bytes


def _unheard(state: str, detail: str) -> None:
    """Nobody listens."""


@dataclass
class _Job:
    """A task on its way through an executor."""

    task: Task
    notify: Notify
    future: Future[Outcome] = field(default_factory=Future)
    worker: int | None = None
    deaths: int = 0
    ahead: bool = False  # sent to its worker before its inputs were made
    clock: threading.Timer | None = None

    def end(self, outcome: Outcome) -> None:
        if self.clock:
            self.clock.cancel()
        if not self.future.done():
            self.future.set_result(outcome)


class Executor(ABC):
    """Runs tasks on workers that stay. Safe to share between threads and runs."""

    name: str
    sends_ahead = False  # whether tasks can wait for their inputs where they will run

    def __init__(self, machine: Machine) -> None:
        self.pool = Pool(machine)
        self._pace: dict[str, float] = {}  # seconds that a recipe's last task took
        self._queue: list[_Job] = []
        self._running: dict[int, _Job] = {}
        self._mutex = threading.RLock()
        self._closed = False

    # What a new executor says ------------------------------------------------

    @abstractmethod
    def _start(self, worker: int, recipe: Recipe) -> Future[Started | Failed]:
        """Makes a worker; WorkerDied if it did not live to be ready."""

    @abstractmethod
    def _call(self, worker: int, task: Task) -> Future[Outcome]:
        """Runs a task on a worker that is ready; WorkerDied if it did not survive it."""

    @abstractmethod
    def _stop(self, worker: int) -> None:
        """Ends a worker at once, with whatever it is doing."""

    def _call_ahead(self, worker: int, task: Task, makers: Mapping[int, int]) -> Future[Outcome] | None:
        """Runs a task whose inputs these workers are making, by the ids of their futures; None if it cannot."""
        return None

    def wake(self) -> None:  # noqa: B027  most have nothing to do
        """Begins whatever takes long to begin, without waiting for it."""

    # What all of them do -----------------------------------------------------

    @property
    def machine(self) -> Machine:
        """What there is to share out."""
        return self.pool.machine

    def require(self, step: str, recipe: Recipe) -> None:
        """ResourcesMissing if a worker of this recipe could never run here."""
        if not self.machine.fits(recipe.resources):
            raise ResourcesMissing(
                f"step '{step}' ({recipe.name}) asks for {recipe.resources}, but there are only {self.machine}"
            )

    def submit(self, task: Task, notify: Notify | None = None) -> Future[Outcome]:
        """Queues a task. `notify` hears of its states (loading, running, restarting) and a detail."""
        job = _Job(task, notify or _unheard)
        makers = makers_of(task)
        if not makers:
            self._enter(job)
        elif not self._sent_ahead(job, makers):
            self._await(job, makers)
        return job.future

    def quick(self, recipe: Recipe) -> bool:
        """Whether tasks of this recipe end so soon that what follows should be submitted at once, on promises."""
        return self.sends_ahead and self._pace.get(recipe.key, _QUICK) < _QUICK

    def cancel(self, future: Future[Outcome]) -> None:
        """Stops a task, running or not."""
        with self._mutex:
            self._queue = [job for job in self._queue if job.future is not future]
            running = [job for job in self._running.values() if job.future is future]
            for job in running:
                self._drop(job.worker)
        future.cancel()
        self._pump()

    def close(self) -> None:
        """Ends all workers."""
        with self._mutex:
            self._closed = True
            jobs = [*self._queue, *self._running.values()]
            self._queue, self._running = [], {}
            for worker in list(self.pool.residents):
                self._drop(worker)
        for job in jobs:
            job.end(Failed("the executor was closed", retryable=False))

    def abandon(self) -> None:
        """Ends all workers without ado, for a process that is about to end itself."""
        self.close()

    def _enter(self, job: _Job) -> None:
        """Queues a job whose inputs are there."""
        with self._mutex:
            closed = self._closed
            if not closed:
                self._queue.append(job)
        if closed:
            job.end(Failed("the executor was closed", retryable=False))
        self._pump()

    def _sent_ahead(self, job: _Job, makers: list[Future[Outcome]]) -> bool:
        """Gives a job to a worker that is free, to start there, unannounced, the moment its inputs are made."""
        recipe = job.task.recipe
        with self._mutex:
            at = {id(other.future): worker for worker, other in self._running.items() if other.future in makers}
            if len(at) < len(makers) or job.task.timeout or self._queue or self._closed:
                return False
            place = self.pool.place(recipe.key, recipe.resources, at_most=0)
            if place is None:
                return False
            call = self._call_ahead(place.worker, job.task, at)
            if call is None:
                self.pool.finished(place.worker)
                return False
            job.worker, job.ahead = place.worker, True
            self._running[place.worker] = job
        call.add_done_callback(lambda future: self._on_finished(job, place.worker, future))
        return True

    def _await(self, job: _Job, makers: list[Future[Outcome]]) -> None:
        """Queues a job once what it needs is made."""
        left = set(map(id, makers))

        def made(maker: Future[Outcome]) -> None:
            with self._mutex:
                left.discard(id(maker))
                complete = not left
            if complete:
                self._complete(job)

        for maker in makers:
            maker.add_done_callback(made)

    def _complete(self, job: _Job) -> None:
        made = [None if maker.cancelled() else maker.result() for maker in makers_of(job.task)]
        if all(isinstance(outcome, Done) for outcome in made):
            job.task = replace(job.task, work=job.task.work.with_inputs(kept_promise))
            self._enter(job)
        else:
            job.end(Failed("what it needs was not made", upstream=True))

    def _drop(self, worker: int | None) -> None:
        if worker is not None and worker in self.pool.residents:
            self.pool.left(worker)
            self._running.pop(worker, None)
            self._stop(worker)

    def _pump(self) -> None:
        """Gives every queued task that can have one its worker."""
        with self._mutex:
            waiting: list[_Job] = []
            placed: list[tuple[_Job, Placement]] = []
            full: set[str] = set()  # what could not be placed once need not be asked for again
            for job in self._queue:
                recipe = job.task.recipe
                place = None if recipe.key in full or self._closed else self.pool.place(recipe.key, recipe.resources)
                if place is None:
                    full.add(recipe.key)
                    waiting.append(job)
                else:
                    placed.append((job, place))
            self._queue = waiting
            for job, place in placed:  # only now: a call that ends at once comes back here
                self._dispatch(job, place)

    def _dispatch(self, job: _Job, place: Placement) -> None:
        for worker in place.leave:
            self._stop(worker)
        job.worker = place.worker
        self._running[place.worker] = job
        if place.start:
            job.notify("loading", "")
            starting = self._start(place.worker, job.task.recipe)
            starting.add_done_callback(lambda future: self._on_started(job, place.worker, future))
        else:
            self._run(job)

    def _on_started(self, job: _Job, worker: int, starting: Future[Started | Failed]) -> None:
        with self._mutex:
            if self._running.get(worker) is not job:
                return  # cancelled meanwhile
            if (error := starting.exception()) is not None:
                self._on_death(job, worker, error)
            elif isinstance(ready := starting.result(), Failed):
                self._drop(worker)
                self._fail_all(job, ready)
            else:
                self.pool.started(worker, ready.devices, ready.memory)
                self._run(job)
                return
        self._pump()

    def _fail_all(self, job: _Job, failed: Failed) -> None:
        """A worker that cannot be set up fails every task that waits for one of its kind."""
        key = job.task.recipe.key
        doomed = [other for other in self._queue if other.task.recipe.key == key]
        self._queue = [other for other in self._queue if other not in doomed]
        for other in (job, *doomed):
            other.end(failed)

    def _run(self, job: _Job) -> None:
        job.notify("running", "")
        worker = job.worker
        assert worker is not None
        if job.task.timeout:
            job.clock = threading.Timer(job.task.timeout, self._on_timeout, (job, worker))
            job.clock.daemon = True
            job.clock.start()
        self._call(worker, job.task).add_done_callback(lambda future: self._on_finished(job, worker, future))

    def _on_finished(self, job: _Job, worker: int, call: Future[Outcome]) -> None:
        outcome: Outcome | None = None
        with self._mutex:
            if self._running.get(worker) is not job:
                return  # cancelled or out of time
            error = call.exception()
            if error is not None and not job.ahead:
                self._on_death(job, worker, error)
            else:
                del self._running[worker]
                self.pool.finished(worker)
                outcome = None if error else call.result()
        if job.ahead and (outcome is None or (isinstance(outcome, Failed) and outcome.upstream)):
            job.ahead, job.worker = False, None  # it came too early: what it needs is not made yet
            self._await(job, makers_of(job.task))
        elif outcome is not None:
            if isinstance(outcome, Done):
                self._pace[job.task.recipe.key] = outcome.seconds
                outcome = replace(outcome, worker=worker)
            job.end(outcome)
        if self._queue:
            self._pump()

    def _on_death(self, job: _Job, worker: int, error: BaseException) -> None:
        if job.clock:
            job.clock.cancel()
        self._drop(worker)
        job.deaths, job.worker = job.deaths + 1, None
        if not isinstance(error, WorkerDied):
            job.end(Failed(f"{type(error).__name__}: {error}"))
        elif job.deaths >= _MOST_DEATHS:
            job.end(Failed(f"its worker died {job.deaths} times, each time in this step: {error}", retryable=False))
        else:
            job.notify("restarting", str(error))
            self._queue.insert(0, job)

    def _on_timeout(self, job: _Job, worker: int) -> None:
        with self._mutex:
            if self._running.get(worker) is not job:
                return
            self._drop(worker)
        job.end(Failed(f"took longer than its timeout of {job.task.timeout:g} s and was stopped"))
        self._pump()
