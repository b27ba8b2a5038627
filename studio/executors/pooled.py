"""Pooled: what all executors with workers of their own share. It knows no graph and no cache.

A queue, whose turn it is, the pool's decisions, the end of a worker, time limits. An executor that is
new says only how a worker is started, called and stopped.

Whenever something changes, work is given out: first to workers that are there and idle, which take
what has queued up for them, up to a batch; then workers are started for lines that have too few. An
idle worker leaves for another only if nobody waits for it, and not while it looks as if somebody soon
will: it would be loaded again a moment later. Whoever waits too long has room made by force.
"""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from studio.errors import ResourcesMissing
from studio.executors.base import Executor
from studio.executors.footprints import Footprint, Footprints
from studio.executors.live import kept_promise, makers_of
from studio.executors.pool import Placement, Pool, Resident, State
from studio.executors.queue import Job, Line, Notify, Queue
from studio.resources import Machine, Resources, show_bytes
from studio.worker import Done, Failed, Outcome, Recipe, Task

__all__ = ["InputLost", "PooledExecutor", "Started", "WorkerDied", "WorkerUnreachable"]

_MOST_DEATHS = 3  # of workers, for one task
_MOST_LOSSES = 12  # of workers that could not be reached, for one task: it is hardly to blame for that
_QUICK = 0.02  # seconds; what takes less is worth preparing the next step for
_KEEP = 0.5  # seconds, at least, that an idle worker is kept where more work for it is likely
_PATIENCE = 10.0  # seconds, at least, before room is made by force
_LOADS_WORTH = 10  # so many times its own loading time a worker waits before that
_LOADING_LIMIT = 1800.0  # seconds; a worker that is not ready by then never will be


class WorkerDied(Exception):
    """The process of a worker ended; its text says how."""


class WorkerUnreachable(WorkerDied):
    """A call to a worker, or its answer, got lost. It may be well; nobody can tell, and it is ended."""


class InputLost(Exception):
    """A live value that a task needs is gone; its worker is well."""


@dataclass(frozen=True)
class Started:
    """What a worker says once it is set up."""

    process: int = 0
    devices: tuple[int, ...] | None = None
    memory: int = 0  # bytes
    gpu_memory: int = 0  # bytes, on each of its devices


@dataclass(eq=False)
class _Loading:
    """A worker on its way."""

    recipe: Recipe
    began: float
    clock: threading.Timer
    wanted: bool = False  # even if no task waits for it


def _unheard(state: str, detail: str) -> None:
    """Nobody listens."""


class PooledExecutor(Executor):
    """Runs tasks on workers of its own, as many as fit."""

    sends_ahead = False  # whether tasks can wait for their inputs where they will run
    loading_limit = _LOADING_LIMIT
    mercy = 0.0  # seconds that a cancelled task has to end by itself, before its worker is ended for it

    def __init__(self, machine: Machine, footprints: Path | None = None) -> None:
        self.pool = Pool(machine, footprints=Footprints(footprints))
        self._pace: dict[str, float] = {}  # seconds that a recipe's last task took
        self._queue = Queue()
        self._loading: dict[int, _Loading] = {}
        self._running: dict[int, list[Job]] = {}
        self._seen: dict[str, float] = {}  # when each run last gave a task
        self._rested: dict[int, float] = {}  # since when a worker is idle
        self._processes: dict[int, int] = {}
        self._recipes: dict[int, Recipe] = {}
        self.troubles: dict[str, str] = {}  # by node: why its last worker could not be set up
        self._stillborn: dict[str, int] = {}  # workers of a recipe that died before they were ready, in a row
        self._claimant = ""  # the recipe that room is being made for
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
        return self.pool.machine

    def require(self, step: str, recipe: Recipe) -> None:
        """ResourcesMissing if a worker of this recipe could never run here."""
        assert self.machine
        if why := self._never(recipe):
            raise ResourcesMissing(f"step '{step}' ({recipe.name}) {why}")

    def submit(self, task: Task, notify: Notify | None = None) -> Future[Outcome]:
        """Queues a task. `notify` hears of its states (loading, running, restarting) and a detail."""
        job = Job(task, notify or _unheard)
        makers = makers_of(task)
        if not makers:
            self._enter(job)
        elif not self._sent_ahead(job, makers):
            self._await(job, makers)
        return job.future

    def prepare(self, recipe: Recipe) -> None:
        self.preload(recipe)

    def preload(self, recipe: Recipe) -> bool:
        """Starts a worker before any task asks for one; False if that would send another away, or never fits."""
        assert self.machine
        with self._mutex:
            if self.pool.of(recipe.key):
                return True
            never = self._closed or self._never(recipe)
            place = None if never else self.pool.start(recipe.key, recipe.resources, lambda _: False)
            if place is not None:
                self._load(place, recipe, wanted=True)
        return place is not None

    @property
    def waiting(self) -> int:
        """How many tasks wait for a worker."""
        with self._mutex:
            return len(self._queue)

    def residents(self) -> list[dict[str, Any]]:
        """The workers there are, for people and programs."""
        with self._mutex:
            now = time.monotonic()
            return [self._described(resident, now) for resident in self.pool.residents.values()]

    def _described(self, resident: Resident, now: float) -> dict[str, Any]:
        recipe = self._recipes[resident.id]
        line = self._queue.line(resident.key)
        idle = resident.state is State.IDLE
        return {
            "worker": resident.id,
            "node": recipe.name,
            "model": getattr(recipe, "label", ""),
            "state": resident.state.value,
            "device": ", ".join(f"gpu {device}" for device in resident.devices) or "cpu",
            "memory": resident.memory,
            "gpu_memory": resident.gpu_memory,
            "idle_seconds": round(now - self._rested.get(resident.id, now), 1) if idle else 0.0,
            "tasks": resident.tasks,
            "waiting": len(line) if line else 0,
            "process": self.process(resident.id),
        }

    def process(self, worker: int) -> int:
        """The id of the process that a worker is in; 0 while that is not known."""
        return self._processes.get(worker, 0)

    def quick(self, recipe: Recipe) -> bool:
        """Whether tasks of this recipe end so soon that what follows should be submitted at once, on promises."""
        return self.sends_ahead and self._pace.get(recipe.key, _QUICK) < _QUICK

    def cancel(self, future: Future[Outcome]) -> None:
        """Stops a task, running or not. A worker that has others in the same batch goes on for them."""
        future.cancel()
        with self._mutex:
            self._queue.remove(future)
            for worker, jobs in list(self._running.items()):
                if any(job.future is future for job in jobs):
                    self._spare(worker, jobs)
            for worker, loading in list(self._loading.items()):
                if loading.recipe.key not in self._queue and not loading.wanted:
                    self._drop(worker)
        self._pump()

    def _spare(self, worker: int, jobs: list[Job]) -> None:
        """Ends a worker whose tasks were all cancelled: at once, or after some time in which they may end."""
        if not all(job.future.done() for job in jobs):
            return
        if not self.mercy:
            self._drop(worker)
        elif jobs[0].clock is None:
            jobs[0].clock = threading.Timer(self.mercy, self._on_timeout, (worker, jobs))
            jobs[0].clock.daemon = True
            jobs[0].clock.start()

    def let_go(self, idle: float) -> list[int]:
        """Ends the workers that have been idle for so many seconds; those that tasks wait for stay."""
        with self._mutex:
            now = time.monotonic()
            resting = [r for r in self.pool.residents.values() if r.state is State.IDLE and r.key not in self._queue]
            gone = [r.id for r in resting if now - self._rested.get(r.id, now) >= idle]
            for worker in gone:
                self._drop(worker)
        return gone

    def close(self) -> None:
        """Ends all workers."""
        with self._mutex:
            self._closed = True
            jobs = [*self._queue.drain(), *(job for jobs in self._running.values() for job in jobs)]
            self._running = {}
            if self._alarm:
                self._alarm.cancel()
            for worker in list(self.pool.residents):
                self._drop(worker)
        for job in jobs:
            job.end(Failed("the executor was closed", retryable=False))

    # How a task comes in ------------------------------------------------------

    def _never(self, recipe: Recipe) -> str:
        """Why a worker of this recipe could never run here; nothing if it could."""
        machine = self.pool.machine
        if not machine.fits(recipe.resources):
            return f"asks for {recipe.resources}, but there are only {machine}"
        held, room = self.pool.footprints.of(recipe.key).gpu_memory, machine.gpu_memory
        if recipe.resources.gpus and 0 < room < held:
            return f"took {show_bytes(held)} of a GPU when it was last loaded, but a GPU here has {show_bytes(room)}"
        return ""

    def _enter(self, job: Job) -> None:
        """Queues a job whose inputs are there."""
        assert self.machine  # known from here on, however long it takes to ask
        with self._mutex:
            closed = self._closed
            if not closed:
                job.since = self._seen[job.task.run] = time.monotonic()
                key = job.task.recipe.key
                if key not in self._queue and self.pool.of(key, State.STARTING):
                    job.notify("loading", "")  # the first in line; those behind it wait for their turn
                self._queue.add(job)
        if closed:
            job.end(Failed("the executor was closed", retryable=False))
        self._pump()

    def _sent_ahead(self, job: Job, makers: list[Future[Outcome]]) -> bool:
        """Gives a job to a worker that is free, to start there, unannounced, the moment its inputs are made."""
        recipe = job.task.recipe
        with self._mutex:
            at = {
                id(other.future): (worker, index)
                for worker, jobs in self._running.items()
                for index, other in enumerate(jobs)
                if other.future in makers
            }
            if len(at) < len(makers) or job.task.timeout or self._queue or self._closed:
                return False
            worker = self.pool.take(recipe.key, recipe.resources)
            if worker is None:
                return False
            call = self._call_ahead(worker, job.task, at)
            if call is None:
                self.pool.finished(worker)
                return False
            job.ahead, jobs = True, [job]
            self._running[worker] = jobs
        call.add_done_callback(lambda future: self._on_finished(worker, jobs, future))
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
            self._enter(job)
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
                while self._stale and not self._closed:
                    self._stale = False
                    self._give_out()
            finally:
                self._giving = False

    def _give_out(self) -> None:
        if self._claimant and self._claimant not in self._queue:
            self._unclaim()
        lines = self._queue.lines()
        for line in sorted(lines, key=lambda line: line.since) if len(lines) > 1 else lines:
            self._serve(line)
        if not self._queue:
            return
        now, refused = time.monotonic(), set[tuple[Resources, Footprint]]()
        for line in sorted(self._queue.lines(), key=lambda line: self._urgency(line, now)):
            what = (line.recipe.resources, self.pool.footprints.of(line.recipe.key))
            if what not in refused and not self._extend(line, now):
                refused.add(what)

    def _serve(self, line: Line) -> None:
        """Gives the tasks of a line to its idle workers, each a fair share of them."""
        recipe = line.recipe
        if self._claimant and self._claimant != recipe.key and recipe.resources.cpus:
            claimant = self._queue.line(self._claimant)
            if claimant and not self.pool.has_cpus(claimant.recipe.resources):
                return
        while line and (worker := self.pool.take(recipe.key, recipe.resources)) is not None:
            idle = len(self.pool.of(recipe.key, State.IDLE)) if len(line) > 1 else 0
            line.served = time.monotonic()
            if self._claimant == recipe.key:
                self._unclaim()
            self._run(worker, self._queue.take(line, -(-len(line) // (idle + 1))))

    def _urgency(self, line: Line, now: float) -> tuple[bool, float, float]:
        """Who has waited too long comes first; then the line with most tasks; of equal ones the oldest."""
        late = self._late(line, now)
        return (not late, 0.0 if late else -len(line), line.since)

    def _late(self, line: Line, now: float) -> bool:
        loading = self.pool.footprints.of(line.recipe.key).seconds
        return now - max(line.since, line.served) > max(_PATIENCE, _LOADS_WORTH * loading)

    def _extend(self, line: Line, now: float) -> bool:
        """Starts as many workers for a line as are worth it; whether nothing stood in the way."""
        recipe = line.recipe
        while self._worth_another(line):
            place = None
            if self.pool.has_cpus(recipe.resources):
                place = self.pool.start(recipe.key, recipe.resources, lambda resident: self._may_leave(resident, now))
            if place is None:
                return self._held_up(line, now)
            if self._claimant == recipe.key:
                self._unclaim()
            self._load(place, recipe)
        if self.pool.of(recipe.key, State.IDLE):  # it has a worker, and no CPU to run on
            return self._held_up(line, now)
        return True

    def _worth_another(self, line: Line) -> bool:
        """Whether a line has work for one more worker: more than those that load will take, and lasting longer."""
        recipe = line.recipe
        there = len(self.pool.of(recipe.key))
        if there == 0:
            return not self._refused(line)
        loading = len(self.pool.of(recipe.key, State.STARTING))
        if there >= recipe.replicas or len(line) <= loading:
            return False
        lasts = len(line) * self._pace.get(recipe.key, float("inf")) / there
        return lasts > self.pool.footprints.of(recipe.key).seconds

    def _refused(self, line: Line) -> bool:
        """Ends the tasks of a line whose worker could never run here."""
        if not (why := self._never(line.recipe)):
            return False
        for job in self._queue.drain(line.recipe.key):
            job.end(Failed(f"{line.recipe.name} {why}", exit_code=ResourcesMissing.exit_code, retryable=False))
        return True

    def _held_up(self, line: Line, now: float) -> bool:
        """Nothing for this line now; if it has waited too long, nobody in its way gets more. Always False."""
        if not self._claimant and self._late(line, now):
            self._claimant = line.recipe.key
            if not self.pool.of(line.recipe.key):
                self.pool.claim(line.recipe.key, line.recipe.resources)
                self._stale = True
        return False

    def _unclaim(self) -> None:
        self._claimant = ""
        self.pool.unclaim()
        self._stale = True

    def _may_leave(self, resident: Resident, now: float) -> bool:
        """Whether an idle worker may make room: nobody waits for it, and it is not likely that somebody soon will.

        More is likely where it had more than one task, or where several runs go on, as long as any
        other worker is busy or several runs were here a moment ago. It is then kept for as long as it
        took to load: to load it once too often costs no more than having waited.
        """
        if resident.key in self._queue:
            return False
        if not self._running and not self._loading and len(self._recent(now)) < 2:
            return True
        if resident.tasks < 2 and len(self._runs()) < 2:
            return True
        keep = max(_KEEP, self.pool.footprints.of(resident.key).seconds)
        left = self._rested.get(resident.id, 0.0) + keep - now
        if left > 0:
            self._look_again_in(left)
        return left <= 0

    def _recent(self, now: float) -> set[str]:
        """The runs that gave a task lately: one that is between two steps has nothing here."""
        self._seen = {run: at for run, at in self._seen.items() if now - at < _KEEP}
        return set(self._seen)

    def _runs(self) -> set[str]:
        """The runs that have tasks here."""
        waiting = {job.task.run for line in self._queue.lines() for job in line.heads()}
        return waiting | {job.task.run for jobs in self._running.values() for job in jobs}

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
        clock = threading.Timer(self.loading_limit, self._on_never_ready, (place.worker,))
        clock.daemon = True
        clock.start()
        self._recipes[place.worker] = recipe
        self._loading[place.worker] = _Loading(recipe, time.monotonic(), clock, wanted)
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
            loading = self._loading.pop(worker, None)
            if loading is None:
                return  # stopped meanwhile
            loading.clock.cancel()
            error = starting.exception()
            if error is not None:
                self._drop(worker)
                failed = self._stillbirth(loading.recipe, error)
            elif isinstance(ready := starting.result(), Failed):
                self._drop(worker)
                failed = ready
            else:
                self._settle(worker, loading, ready)
            if failed is not None:
                self.troubles[loading.recipe.name] = failed.message
                doomed = self._queue.drain(loading.recipe.key)
        for job in doomed:  # all that wait for one of its kind
            assert failed is not None
            job.end(failed)
        self._pump()

    def _settle(self, worker: int, loading: _Loading, ready: Started) -> None:
        now = time.monotonic()
        self._stillborn.pop(loading.recipe.key, None)
        self.troubles.pop(loading.recipe.name, None)
        self.pool.started(worker, ready.devices, ready.memory, ready.gpu_memory, now - loading.began)
        self.pool.finished(worker)
        self._rested[worker] = now
        self._processes[worker] = ready.process

    def _stillbirth(self, recipe: Recipe, error: BaseException) -> Failed | None:
        """A worker that ended before it was ready: another is tried, some times."""
        if not isinstance(error, WorkerDied):
            return Failed(f"{type(error).__name__}: {error}")
        deaths = self._stillborn[recipe.key] = self._stillborn.get(recipe.key, 0) + 1
        if deaths < _most(error):
            self._tell(recipe, "restarting", str(error))
            return None
        del self._stillborn[recipe.key]
        return Failed(f"its worker died {deaths} times, each time while it was set up: {error}", retryable=False)

    def _on_never_ready(self, worker: int) -> None:
        with self._mutex:
            loading = self._loading.get(worker)
            if loading is None:
                return
            self._drop(worker)
            doomed = self._queue.drain(loading.recipe.key)
        for job in doomed:
            job.end(Failed(f"its worker was not ready within {self.loading_limit:g} s and was stopped"))
        self._pump()

    def _drop(self, worker: int) -> None:
        if worker not in self.pool.residents:
            return
        self.pool.left(worker)
        self._running.pop(worker, None)
        self._forget(worker)
        if (loading := self._loading.pop(worker, None)) is not None:
            loading.clock.cancel()
        self._stop(worker)

    def _forget(self, worker: int) -> None:
        self._rested.pop(worker, None)
        self._processes.pop(worker, None)
        self._recipes.pop(worker, None)

    # The life of a batch ------------------------------------------------------

    def _run(self, worker: int, jobs: list[Job]) -> None:
        for job in jobs:
            job.notify("running", "")
        limit = jobs[0].task.timeout
        if limit:
            jobs[0].clock = threading.Timer(limit, self._on_timeout, (worker, jobs))
            jobs[0].clock.daemon = True
            jobs[0].clock.start()
        self._running[worker] = jobs
        call = self._call(worker, [job.task for job in jobs])
        call.add_done_callback(lambda future: self._on_finished(worker, jobs, future))

    def _on_finished(self, worker: int, jobs: list[Job], call: Future[list[Outcome]]) -> None:
        outcomes: list[Outcome] = []
        ended: list[tuple[Job, Outcome]] = []
        with self._mutex:
            if self._running.get(worker) is not jobs:
                return  # cancelled or out of time
            error = call.exception()
            if isinstance(error, WorkerDied) and not jobs[0].ahead:
                ended = self._on_death(worker, jobs, error)
            else:
                del self._running[worker]
                self.pool.finished(worker)
                self._rested[worker] = time.monotonic()
                outcomes = call.result() if error is None else []
                if error is not None and not jobs[0].ahead:
                    ended = self._unsent(jobs, error)
        if jobs[0].ahead and (error is not None or _too_early(outcomes[0])):
            jobs[0].ahead = False  # it came too early: what it needs is not made yet
            self._await(jobs[0], makers_of(jobs[0].task))
        else:
            ended += zip(jobs, outcomes, strict=False)
        for job, outcome in ended:
            if isinstance(outcome, Done):
                self._pace[job.task.recipe.key] = outcome.seconds
                job.end(replace(outcome, worker=worker))
            else:
                job.end(outcome)
        if self._queue:
            self._pump()

    def _on_death(self, worker: int, jobs: list[Job], error: WorkerDied) -> list[tuple[Job, Outcome]]:
        """A worker died: of a batch each half is tried again; a task that was alone is blamed."""
        self._drop(worker)
        for job in jobs:
            if job.clock:
                job.clock.cancel()
        jobs = [job for job in jobs if not job.future.done()]
        if len(jobs) == 1:
            jobs[0].deaths += 1
            if (deaths := jobs[0].deaths) >= _most(error):
                why = f"its worker died {deaths} times, each time in this step: {error}"
                return [(jobs[0], Failed(why, retryable=False))]
        for job in jobs:
            job.notify("restarting", str(error))
        self._in_halves(jobs)
        return []

    def _unsent(self, jobs: list[Job], error: BaseException) -> list[tuple[Job, Outcome]]:
        """A call failed that left its worker well: of a batch each half is tried again."""
        if len(jobs) > 1:
            self._in_halves(jobs)
            return []
        if not isinstance(error, InputLost):
            return [(jobs[0], Failed(f"{type(error).__name__}: {error}"))]
        at_rest = _at_rest(jobs[0].task)
        if at_rest is None:
            return [(jobs[0], Failed("a value that it needs was lost with the process that held it", lost=True))]
        jobs[0].task = at_rest
        self._queue.put_back(jobs)
        return []

    def _in_halves(self, jobs: list[Job]) -> None:
        middle = len(jobs) // 2
        self._queue.put_back(jobs[middle:])
        self._queue.put_back(jobs[:middle])

    def _on_timeout(self, worker: int, jobs: list[Job]) -> None:
        with self._mutex:
            if self._running.get(worker) is not jobs:
                return
            self._drop(worker)
        limit = jobs[0].task.timeout or 0.0
        jobs[0].end(Failed(f"took longer than its timeout of {limit:g} s and was stopped"))
        self._pump()


def _most(error: WorkerDied) -> int:
    return _MOST_LOSSES if isinstance(error, WorkerUnreachable) else _MOST_DEATHS


def _too_early(outcome: Outcome) -> bool:
    return isinstance(outcome, Failed) and outcome.upstream


def _at_rest(task: Task) -> Task | None:
    """The task with its live inputs read from the store; None if one of them is not there."""
    leaves = [leaf for artifact in task.work.inputs.values() for leaf in artifact.leaves if leaf.live is not None]
    if not leaves or task.work.store is None or not all(leaf.stored for leaf in leaves):
        return None
    return replace(task, work=task.work.with_inputs(lambda artifact: artifact.at_rest()))
