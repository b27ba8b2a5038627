"""Pooled: what all executors with workers of their own share. It knows no graph and no cache.

A queue, a pool, and what happens to them. Whose turn it is says `turns.py`; workers on their way are in
`arrivals.py`, the tasks that they are given in `calls.py`. An executor that is new says only how a worker
is started, called and stopped.
"""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from studio.errors import ResourcesMissing
from studio.executors.base import Executor
from studio.executors.handles import kept_promise, makers_of
from studio.executors.pool.calls import Call, Calls, InputLost, WorkerDied, WorkerUnreachable
from studio.executors.pool.footprints import Footprints
from studio.executors.pool.policy import Policy
from studio.executors.pool.queue import Job, Notify, NotifyMany, Queue
from studio.executors.pool.residency import Placement, Residency, Resident, WorkerState
from studio.executors.pool.starting import Started, StartingWorker, StartingWorkers
from studio.executors.task import Done, Failed, Outcome, Recipe, Task
from studio.node.resources import Machine
from studio.units import show_bytes

__all__ = ["InputLost", "PooledExecutor", "Started", "WorkerDied", "WorkerUnreachable"]

_QUICK = 0.02  # seconds; what takes less is worth preparing the next step for
_LOADING_LIMIT = 1800.0  # seconds; a worker that is not ready by then never will be


def _unheard(state: str, detail: str) -> None:
    """Nobody listens."""


class PooledExecutor(Executor):
    """Runs tasks on workers of its own, as many as fit."""

    sends_ahead = False  # whether tasks can wait for their inputs where they will run
    loading_limit = _LOADING_LIMIT
    grace = 0.0  # seconds that a cancelled task has to end by itself, before its worker is ended for it

    def __init__(self, machine: Machine, footprints: Path | None = None) -> None:
        self.residency = Residency(machine, footprints=Footprints(footprints))
        self._queue = Queue()
        self._running = Calls(self._queue)
        self._loading = StartingWorkers()
        self._policy = Policy(self.residency, self._queue, self._running, self._look_again_in)
        self._processes: dict[int, int] = {}
        self._recipes: dict[int, Recipe] = {}
        self.troubles: dict[str, str] = {}  # by node: why its last worker could not be set up
        self._mutex = threading.RLock()
        self._alarm: threading.Timer | None = None
        self._stale = self._giving = False
        self._closed = False

    # What a new executor says ------------------------------------------------

    @abstractmethod
    def _start(self, worker: int, recipe: Recipe) -> Future[Started | Failed]:
        """Makes a worker; WorkerDied if it did not live to be ready."""

    @abstractmethod
    def _call(self, worker: int, tasks: list[Task]) -> Future[list[Outcome]]:
        """Runs tasks on a worker that is ready; WorkerDied if it did not survive them."""

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

    # What all of them do -----------------------------------------------------

    @property
    def machine(self) -> Machine:
        """What there is to share out."""
        return self.residency.machine

    def require(self, step: str, recipe: Recipe) -> None:
        """ResourcesMissing if a worker of this recipe could never run here."""
        assert self.machine
        if why := self._never(recipe):
            raise ResourcesMissing(f"step '{step}' ({recipe.name}) {why}")

    def fit_together(self, recipes: Iterable[Recipe]) -> bool:
        empty = Residency(self.machine, footprints=self.residency.footprints)
        each = {recipe.key: recipe for recipe in recipes}
        return all(empty.start(key, recipe.resources) for key, recipe in each.items())

    def submit(self, task: Task, notify: Notify | None = None) -> Future[Outcome]:
        """Queues a task. `notify` hears of its states (loading, running, restarting) and a detail."""
        job = Job(task, notify or _unheard)
        self._take_in([job])
        return job.future

    def submit_many(self, tasks: Sequence[Task], notify: NotifyMany | None = None) -> list[Future[Outcome]]:
        jobs = [Job(task, partial(notify, place) if notify else _unheard) for place, task in enumerate(tasks)]
        self._take_in(jobs)
        return [job.future for job in jobs]

    def prepare(self, recipe: Recipe) -> None:
        self.preload(recipe)

    def preload(self, recipe: Recipe) -> bool:
        """Starts workers before any task asks for one; False if the first would send another away, or never fits."""
        assert self.machine
        with self._mutex:
            never = self._closed or self._never(recipe)
            while not never and len(self.residency.of(recipe.key)) < recipe.least:
                place = self.residency.start(recipe.key, recipe.resources, lambda _: False)
                if place is None:
                    break
                self._load(place, recipe, wanted=True)
            return bool(self.residency.of(recipe.key))

    @property
    def waiting(self) -> int:
        """How many tasks wait for a worker."""
        with self._mutex:
            return len(self._queue)

    def residents(self) -> list[dict[str, Any]]:
        """The workers there are, for people and programs."""
        with self._mutex:
            now = time.monotonic()
            return [self._described(resident, now) for resident in self.residency.residents.values()]

    def _described(self, resident: Resident, now: float) -> dict[str, Any]:
        recipe = self._recipes[resident.id]
        line = self._queue.line(resident.key)
        idle = resident.state is WorkerState.IDLE
        return {
            "worker": resident.id,
            "node": recipe.name,
            "model": getattr(recipe, "label", ""),
            "state": resident.state.value,
            "device": ", ".join(f"gpu {device}" for device in resident.devices) or "cpu",
            "memory": resident.memory,
            "gpu_memory": resident.gpu_memory,
            "idle_seconds": round(now - self._policy.rested.get(resident.id, now), 1) if idle else 0.0,
            "tasks": resident.tasks,
            "waiting": len(line) if line else 0,
            "process": self.process(resident.id),
        }

    def process(self, worker: int) -> int:
        """The id of the process that a worker is in; 0 while that is not known."""
        return self._processes.get(worker, 0)

    def quick(self, recipe: Recipe) -> bool:
        """Whether tasks of this recipe end so soon that what follows should be submitted at once, on promises."""
        return self.sends_ahead and self._soon(recipe)

    def _soon(self, recipe: Recipe, tasks: int = 1) -> bool:
        """Whether so many tasks in a row will hardly take long."""
        return tasks * self._policy.pace.of(recipe.key) < _QUICK

    def cancel(self, future: Future[Outcome]) -> None:
        """Stops a task, running or not. A worker that has others in the same batch goes on for them."""
        future.cancel()
        with self._mutex:
            self._queue.remove(future)
            for call in self._running:
                if any(job.future is future for job in call.jobs):
                    self._spare(call)
            for worker in self._loading.unwanted(lambda key: key in self._queue):
                self._drop(worker)
        self._pump()

    def _spare(self, call: Call) -> None:
        """Ends a worker whose tasks were all cancelled: at once, or after some time in which they may end."""
        if not all(job.future.done() for job in call.jobs):
            return
        if self.grace:
            call.limit(self.grace, self._on_timeout)
        else:
            self._drop(call.worker)

    def let_go(self, idle: float) -> list[int]:
        """Ends the workers that have been idle for so many seconds; those that tasks wait for stay."""
        with self._mutex:
            now = time.monotonic()
            resting = [
                r for r in self.residency.residents.values() if r.state is WorkerState.IDLE and r.key not in self._queue
            ]
            gone = [r.id for r in resting if now - self._policy.rested.get(r.id, now) >= idle]
            for worker in gone:
                self._drop(worker)
        return gone

    def close(self) -> None:
        """Ends all workers."""
        with self._mutex:
            self._closed = True
            jobs = [*self._queue.drain(), *self._running.drain()]
            if self._alarm:
                self._alarm.cancel()
            for worker in list(self.residency.residents):
                self._drop(worker)
        for job in jobs:
            job.end(Failed("the executor was closed", retryable=False))

    # How a task comes in ------------------------------------------------------

    def _never(self, recipe: Recipe) -> str:
        """Why a worker of this recipe could never run here; nothing if it could."""
        machine = self.residency.machine
        if not machine.fits(recipe.resources):
            return f"asks for {recipe.resources}, but there are only {machine}"
        held, room = self.residency.footprints.of(recipe.key).gpu_memory, machine.gpu_memory
        if recipe.resources.gpus and 0 < room < held:
            return f"took {show_bytes(held)} of a GPU when it was last loaded, but a GPU here has {show_bytes(room)}"
        return ""

    def _take_in(self, jobs: list[Job]) -> None:
        """Queues jobs, or has them wait for what they were promised."""
        ready = []
        for job in jobs:
            makers = makers_of(job.task)
            if not makers:
                ready.append(job)
            elif not self._sent_ahead(job, makers):
                self._await(job, makers)
        if ready:
            self._enter(ready)

    def _enter(self, jobs: list[Job]) -> None:
        """Queues jobs whose inputs are there."""
        assert self.machine  # known from here on, however long it takes to ask
        with self._mutex:
            closed = self._closed
            if not closed:
                self._line_up(jobs)
        if closed:
            for job in jobs:
                job.end(Failed("the executor was closed", retryable=False))
        self._pump()

    def _line_up(self, jobs: list[Job]) -> None:
        now = time.monotonic()
        for job in jobs:
            job.since = now
            self._policy.saw(job.task.run, now)
            key = job.task.recipe.key
            if key not in self._queue and self.residency.of(key, WorkerState.STARTING):
                job.notify("loading", "")  # the first in line; those behind it wait for their turn
            self._queue.add(job)

    def _sent_ahead(self, job: Job, makers: list[Future[Outcome]]) -> bool:
        """Gives a job to a worker that is free, to start there, unannounced, the moment its inputs are made."""
        recipe = job.task.recipe
        with self._mutex:
            at = self._running.places(makers)
            if len(at) < len(makers) or job.task.timeout or self._queue or self._closed:
                return False
            worker = self.residency.take(recipe.key, recipe.resources)
            if worker is None:
                return False
            sent = self._call_ahead(worker, job.task, at)
            if sent is None:
                self.residency.finished(worker)
                return False
            call = self._running.begin(worker, [job], ahead=True)
        sent.add_done_callback(lambda future: self._on_finished(call, future))
        return True

    def _await(self, job: Job, makers: list[Future[Outcome]]) -> None:
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

    def _complete(self, job: Job) -> None:
        made = [None if maker.cancelled() else maker.result() for maker in makers_of(job.task)]
        if all(isinstance(outcome, Done) for outcome in made):
            job.task = replace(job.task, work=job.task.work.with_inputs(kept_promise))
            self._enter([job])
        else:
            job.end(Failed("what it needs was not made", upstream=True))

    # Who gets what ------------------------------------------------------------

    def _pump(self) -> None:
        """Gives out what can be given out; what changes meanwhile is looked at in the same go."""
        with self._mutex:
            self._stale = True
            if self._giving:
                return
            self._giving = True
            try:
                while (self._stale or self._policy.stale) and not self._closed:
                    self._stale = self._policy.stale = False
                    self._give_out()
            finally:
                self._giving = False

    def _give_out(self) -> None:
        now = time.monotonic()
        for worker, jobs in self._policy.served(now):
            self._run(worker, jobs)
        if self._queue:
            self._refuse()
            for place, line in self._policy.extended(now):
                asked = 1 < len(self.residency.of(line.recipe.key)) <= line.recipe.least
                self._load(place, line.recipe, wanted=asked)

    def _refuse(self) -> None:
        """Ends the tasks whose workers could never run here."""
        for recipe in [line.recipe for line in self._queue.lines() if not self.residency.of(line.recipe.key)]:
            if why := self._never(recipe):
                for job in self._queue.drain(recipe.key):
                    exit_code = ResourcesMissing.exit_code
                    job.end(Failed(f"{recipe.name} {why}", exit_code=exit_code, retryable=False))

    def _look_again_in(self, seconds: float) -> None:
        """Nothing may happen by then: a worker that was kept may have to leave all the same."""
        if self._alarm is None:
            self._alarm = threading.Timer(seconds + 0.01, self._on_alarm)
            self._alarm.daemon = True
            self._alarm.start()

    def _on_alarm(self) -> None:
        with self._mutex:
            self._alarm = None
        self._pump()

    # The life of a worker -----------------------------------------------------

    def _load(self, place: Placement, recipe: Recipe, wanted: bool = False) -> None:
        for worker in place.leave:
            self._forget(worker)
            self._stop(worker)
        self._recipes[place.worker] = recipe
        self._loading.begin(place.worker, recipe, self.loading_limit, self._on_never_ready, wanted)
        self._tell(recipe, "loading", "")
        starting = self._start(place.worker, recipe)
        starting.add_done_callback(lambda future: self._on_started(place.worker, future))

    def _tell(self, recipe: Recipe, state: str, detail: str) -> None:
        line = self._queue.line(recipe.key)
        for job in line.heads() if line else ():
            job.notify(state, detail)

    def _on_started(self, worker: int, starting: Future[Started | Failed]) -> None:
        doomed: list[Job] = []
        failed: Failed | None = None
        with self._mutex:
            starting_worker = self._loading.end(worker)
            if starting_worker is None:
                return  # stopped meanwhile
            error = starting.exception()
            if error is not None:
                self._drop(worker)
                failed = self._loading.failed_to_start(starting_worker.recipe, error)
                if failed is None:
                    self._tell(starting_worker.recipe, "restarting", str(error))
            elif isinstance(ready := starting.result(), Failed):
                self._drop(worker)
                failed = ready
            else:
                self._settle(worker, starting_worker, ready)
            if failed is not None:
                self.troubles[starting_worker.recipe.name] = failed.message
                doomed = self._given_up(starting_worker.recipe)
        for job in doomed:  # all that wait for one of its kind
            assert failed is not None
            job.end(failed)
        self._pump()

    def _given_up(self, recipe: Recipe) -> list[Job]:
        """A worker cannot be set up: all that wait for one of its kind; nobody, where there are others for them."""
        if others := len(self.residency.of(recipe.key)):
            self._policy.most[recipe.key] = others
            return []
        return self._queue.drain(recipe.key)

    def _settle(self, worker: int, starting_worker: StartingWorker, ready: Started) -> None:
        now = time.monotonic()
        self._loading.became_ready(starting_worker.recipe)
        self.troubles.pop(starting_worker.recipe.name, None)
        self.residency.started(worker, ready.devices, ready.memory, ready.gpu_memory, now - starting_worker.began)
        self.residency.finished(worker)
        self._policy.rested[worker] = now
        self._processes[worker] = ready.process

    def _on_never_ready(self, worker: int) -> None:
        with self._mutex:
            starting_worker = self._loading.of(worker)
            if starting_worker is None:
                return
            self._drop(worker)
            doomed = self._given_up(starting_worker.recipe)
        for job in doomed:
            job.end(Failed(f"its worker was not ready within {self.loading_limit:g} s and was stopped"))
        self._pump()

    def _drop(self, worker: int) -> None:
        if worker not in self.residency.residents:
            return
        self.residency.left(worker)
        self._running.end(worker)
        self._loading.end(worker)
        self._forget(worker)
        self._stop(worker)

    def _forget(self, worker: int) -> None:
        self._policy.rested.pop(worker, None)
        self._processes.pop(worker, None)
        self._recipes.pop(worker, None)

    # The life of a batch ------------------------------------------------------

    def _run(self, worker: int, jobs: list[Job]) -> None:
        for job in jobs:
            job.notify("running", "")
        call = self._running.begin(worker, jobs)
        if limit := jobs[0].task.timeout:
            call.limit(limit, self._on_timeout)
        called = self._call(worker, [job.task for job in jobs])
        called.add_done_callback(lambda future: self._on_finished(call, future))

    def _on_finished(self, call: Call, called: Future[list[Outcome]]) -> None:
        outcomes: list[Outcome] = []
        ended: list[tuple[Job, Outcome]] = []
        error = called.exception()
        with self._mutex:
            if not self._running.goes_on(call):
                return  # cancelled or out of time
            if isinstance(error, WorkerDied) and not call.ahead:
                self._drop(call.worker)
                ended = self._running.died(call, error)
            else:
                self.residency.finished(call.worker)
                self._policy.rested[call.worker] = time.monotonic()
                outcomes = called.result() if error is None else []
                self._policy.pace.learn(call.jobs[0].task.recipe.key, outcomes)
                if error is None or call.ahead:
                    self._running.end(call.worker)
                else:
                    ended = self._running.unsent(call, error)
        if call.ahead and (error is not None or _too_early(outcomes[0])):
            (job,) = call.jobs  # it came too early: what it needs is not made yet
            self._await(job, makers_of(job.task))
        else:
            ended += zip(call.jobs, outcomes, strict=False)
        for job, outcome in ended:
            job.end(_signed(outcome, call.worker))
        if self._queue:
            self._pump()

    def _on_timeout(self, call: Call) -> None:
        with self._mutex:
            if not self._running.goes_on(call):
                return
            self._drop(call.worker)
        job = call.jobs[0]
        job.end(Failed(f"took longer than its timeout of {job.task.timeout or 0.0:g} s and was stopped"))
        self._pump()


def _too_early(outcome: Outcome) -> bool:
    return isinstance(outcome, Failed) and outcome.upstream


def _signed(outcome: Outcome, worker: int) -> Outcome:
    """The outcome, with the worker that it comes from."""
    if isinstance(outcome, Done):
        outcome.measures.worker = worker
    return outcome
