"""Ray: workers in actors, pinned to their share of a GPU. This module and `cluster` are all that knows Ray.

Ray starts at the first task, in a thread, while others go on. A cluster of the caller's own
(`ray.init` before, or RAY_ADDRESS) is joined; otherwise a private one starts, and ends with us.

Actors are synchronous: a task is sent when its inputs are there (or, sent ahead, some milliseconds
before), so nothing ready queues behind something late, and a round trip costs a third less.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import io
import os
import queue
import resource
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from studio.executors.cluster import PATIENCE, begin_private, end_private, join, least_used, new_session, processes_of
from studio.executors.live import Held, Promised
from studio.executors.parcel import Parcel, opened, send_by_value
from studio.executors.pooled import InputLost, PooledExecutor, Started, WorkerDied, WorkerUnreachable
from studio.executors.wire import Wire, artifact_from, column_from, outcome_from, outcome_to, work_from, work_to
from studio.machine import this_machine
from studio.node import Ports, ports_of
from studio.resources import Machine
from studio.store import Artifact, Store
from studio.values import KINDS
from studio.worker import Ended, Failed, Outcome, Recipe, Task, Worker, failure

__all__ = ["RayExecutor"]

_Send = Callable[[int, list[Wire], list[Any]], list[Any]]  # a batch, what is sent and what goes beside it: references
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_SOON = 0.05  # seconds that the result of a quick task is waited for before others' turn


class RayExecutor(PooledExecutor):
    """Actors: one process a worker, a GPU that only it sees, and a life of its own to lose."""

    name = "ray"
    sends_ahead = True

    def __init__(self, machine: Machine | None = None, footprints: Path | None = None) -> None:
        super().__init__(machine or this_machine(), footprints)
        self._ready: Future[None] | None = None
        self._waking = threading.Lock()
        self._actors: dict[int, Any] = {}
        self._homes: dict[int, tuple[str, str]] = {}  # in a cluster that was there: the machine of a worker, its key
        self._sends: dict[int, _Send] = {}
        self._calls: dict[int, list[Any]] = {}  # by worker: the references to what its call now running returns
        self._session: Path | None = None  # of a private cluster
        self._end = threading.Event()
        self._listener = _Listener()

    def wake(self) -> None:
        self._woken()

    def ready(self) -> None:
        """Waits until Ray has begun; raises what kept it from it."""
        self._woken().result()

    @property
    def machine(self) -> Machine:
        if self._joins:
            self._woken().result()
        return self.pool.machine

    def close(self) -> None:
        super().close()
        self._end.set()
        if self._ready is not None and self._session is not None:
            ours = processes_of(self._session)
            self._owner.join(PATIENCE)
            end_private(self._session, ours)

    def abandon(self) -> None:
        if self._session is None:
            super().close()  # the cluster is not ours: only our workers end
        else:
            end_private(self._session, processes_of(self._session))

    @property
    def _joins(self) -> bool:
        """Whether there is a cluster of somebody's to join."""
        ray = sys.modules.get("ray")
        begun = getattr(ray, "is_initialized", None)  # absent while another thread is importing it
        return bool(os.environ.get("RAY_ADDRESS")) or bool(self._session is None and begun and begun())

    def _woken(self) -> Future[None]:
        with self._waking:
            if self._ready is None:
                self._ready = Future()
                self._owner = threading.Thread(target=self._own, args=(self._ready,), daemon=True, name="studio-ray")
                self._owner.start()
            return self._ready

    def _own(self, ready: Future[None]) -> None:
        """Begins Ray and ends it, in one thread: Ray's processes die with the thread that made them."""
        try:
            if self._joins:
                self.pool.machine = join()
            else:
                self._session = new_session()
                begin_private(self.pool.machine, self._session)
        except BaseException as error:
            ready.set_exception(error)
            return
        atexit.register(self.close)  # now, so that it comes before Ray's own: at exit the last is first
        ready.set_result(None)
        self._end.wait()
        if self._session is not None:
            sys.modules["ray"].shutdown()

    def _start(self, worker: int, recipe: Recipe) -> Future[Started | Failed]:
        started: Future[Started | Failed] = Future()

        def begin(ready: Future[None]) -> None:
            error = ready.exception()
            if error is not None:
                why = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
                hint = "--executor local does without it"
                started.set_result(Failed(f"Ray did not start: {why} ({hint})", exit_code=5, retryable=False))
                return
            if worker not in self.pool.residents:
                return  # stopped before Ray was there
            try:
                self._begin_actor(worker, recipe, started)
            except Exception as raised:
                started.set_result(failure(raised))

        self._woken().add_done_callback(begin)
        return started

    def _begin_actor(self, worker: int, recipe: Recipe, started: Future[Started | Failed]) -> None:
        import ray

        host: Any = ray.remote(_Host)
        gpus = recipe.resources.gpus
        kept = {"max_restarts": 0, "max_task_retries": 0, "scheduling_strategy": self._where(worker, recipe)}
        actor = host.options(num_cpus=0, num_gpus=gpus, **kept).remote()
        self._actors[worker] = actor
        if isinstance(recipe, Parcel):
            ports, heavy = Ports(), recipe.heavy
        else:
            ports = ports_of(recipe.node)
            heavy = any(not KINDS[port.type.kind].plain for port in ports.outputs.values())
            if not recipe.portable:
                send_by_value(recipe.node)
        self._sends[worker] = _calls_with_values(actor) if heavy else _calls_plain(actor)
        threads = max(1, int(recipe.resources.cpus or self.pool.machine.cpus))
        self._listener.settle(actor.start.remote(recipe, threads, ports), started, lambda ready: ready)

    def _where(self, worker: int, recipe: Recipe) -> Any:
        """Where Ray puts a worker: over the machines of a cluster evenly, those of one recipe first of all."""
        if self._session is not None or recipe.resources.gpus:
            return "DEFAULT"

        def used(machine: str) -> tuple[int, int]:
            keys = [key for home, key in list(self._homes.values()) if home == machine]
            return keys.count(recipe.key), len(keys)

        where = least_used(used)
        self._homes[worker] = (where.node_id, recipe.key)
        return where

    def _call(self, worker: int, tasks: list[Task]) -> Future[list[Outcome]]:
        return self._sent(worker, tasks, {})

    def _call_ahead(
        self, worker: int, task: Task, makers: Mapping[int, tuple[int, int]]
    ) -> Future[list[Outcome]] | None:
        ready = all(maker in self._calls for maker, _ in makers.values())
        return self._sent(worker, [task], makers) if ready else None

    def _sent(self, worker: int, tasks: list[Task], makers: Mapping[int, tuple[int, int]]) -> Future[list[Outcome]]:
        ended: Future[list[Outcome]] = Future()
        beside = _Beside({future: (self._calls[maker], index) for future, (maker, index) in makers.items()})
        try:
            sent = [work_to(task.work, beside.place) for task in tasks]
            batch = min(task.recipe.batch for task in tasks)
            refs = self._sends[worker](batch, sent, beside.arguments)
        except Exception as error:
            ended.set_exception(error)
            return ended
        self._calls[worker] = refs
        soon = self._soon(tasks[0].recipe, sum(task.work.rows or 1 for task in tasks))
        self._listener.settle(refs[0], ended, lambda sent: self._returned(worker, refs, sent), soon)
        return ended

    def _returned(self, worker: int, refs: list[Any], sent: list[Wire]) -> list[Outcome]:
        if self._calls.get(worker) is refs:
            del self._calls[worker]  # a reference kept is a value kept
        return [outcome_from(wire, partial(_Remote, ref), worker) for wire, ref in zip(sent, refs[1:], strict=True)]

    def _stop(self, worker: int) -> None:
        actor = self._actors.pop(worker, None)
        self._homes.pop(worker, None)
        self._sends.pop(worker, None)
        self._calls.pop(worker, None)
        if actor is None:
            return
        import ray

        with contextlib.suppress(Exception):
            if ray.is_initialized():  # after its end, a call would begin it anew
                ray.kill(actor)


def _calls_plain(actor: Any) -> _Send:
    """Calls that return one reference: nothing goes beside the outcomes."""
    run = actor.run_plain.remote
    return lambda batch, sent, beside: [run(batch, sent, *beside), *([] for _ in sent)]


def _calls_with_values(actor: Any) -> _Send:
    """Calls that return a reference to all outcomes, and one to the live values of each."""
    single = actor.run.options(num_returns=2).remote

    def call(batch: int, sent: list[Wire], beside: list[Any]) -> list[Any]:
        run = single if len(sent) == 1 else actor.run.options(num_returns=1 + len(sent)).remote
        refs: list[Any] = run(batch, sent, *beside)
        return refs

    return call


class _Host:
    """The actor: a Worker in a process of its own."""

    def __init__(self) -> None:
        self._worker: Worker | None = None
        self._stores: dict[Path, Store] = {}
        self._said = ""  # while it was set up; told with its first task

    def start(self, recipe: Recipe, threads: int, ports: Ports) -> Started | Failed:
        """Sets the worker up."""
        import ray

        _keep_freed_memory()
        os.environ["OMP_NUM_THREADS"] = str(threads)  # Ray sets 1 for actors that hold no whole CPU
        devices = tuple(int(device) for device in ray.get_gpu_ids())
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
            try:
                if isinstance(recipe, Parcel):
                    recipe, ports = opened(recipe)
                self._worker = Worker(recipe, "cuda" if devices else "cpu", threads, ports)
            except Exception as error:
                return replace(failure(error), log=out.getvalue())
        self._said = out.getvalue()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return Started(os.getpid(), devices, memory, _settle_torch(threads))

    def run(self, batch: int, sent: list[Wire], *arguments: Any) -> Any:
        """Runs tasks, so many together; returns what became of all of them, and the live values of each."""
        ended = self._ended(batch, sent, arguments)
        return [outcome_to(outcome) for outcome, _ in ended], *(live for _, live in ended)

    def run_plain(self, batch: int, sent: list[Wire], *arguments: Any) -> list[Wire]:
        """Runs tasks of a node whose outputs are all plain: there is nothing to go beside the outcomes."""
        return [outcome_to(outcome) for outcome, _ in self._ended(batch, sent, arguments)]

    def _ended(self, batch: int, sent: list[Wire], arguments: tuple[Any, ...]) -> list[Ended]:
        assert self._worker is not None
        if len(sent) == 1 or not self._worker.batches:
            return [self._one(wire, arguments) for wire in sent]
        works = [work_from(wire, lambda each: _arrived(each, arguments), self._store) for wire in sent]
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
            ended = self._worker.run_many(works, lambda place: arguments[place[0]][place[1]], batch)  # type: ignore[index]
        (first, live), *others = ended
        return [(self._with_log(first, out.getvalue()), live), *others]  # whose it is, nobody can tell

    def _one(self, sent: Wire, arguments: tuple[Any, ...]) -> Ended:
        """Runs one task; what it prints goes with its outcome."""
        assert self._worker is not None
        try:
            work = work_from(sent, lambda wire: _arrived(wire, arguments), self._store)
        except _NotMade:
            return Failed("what it needs was not made", upstream=True), []
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
            outcome, live = self._worker.run(work, lambda place: arguments[place[0]][place[1]])  # type: ignore[index]
        return self._with_log(outcome, out.getvalue()), live

    def _with_log(self, outcome: Outcome, log: str) -> Outcome:
        said, self._said = self._said + log, ""
        return replace(outcome, log=said) if said else outcome

    def _store(self, folder: Path) -> Store:
        """One store a folder, so that what was verified once need not be again."""
        return self._stores.setdefault(folder, Store(folder))


def _keep_freed_memory() -> None:
    """Has this process keep what it frees, for the next task: pages fresh from the system cost a picture its decoding.

    What a C library other than glibc does about it is its own affair.
    """
    with contextlib.suppress(OSError, AttributeError):
        tune = ctypes.CDLL(None).mallopt
        tune(_M_MMAP_THRESHOLD, 32 << 20)
        tune(_M_TRIM_THRESHOLD, 256 << 20)


def _settle_torch(threads: int) -> int:
    """Tells torch its threads, where a node has loaded it; what it holds of a GPU. Other libraries do not tell."""
    torch = sys.modules.get("torch")
    if torch is None:
        return 0
    torch.set_num_threads(threads)
    return int(torch.cuda.max_memory_reserved()) if torch.cuda.is_initialized() else 0


@dataclass(frozen=True)
class _Remote:
    """A live value in Ray's object store: one of the list that a reference stands for."""

    ref: Any
    index: int

    def get(self) -> object:
        import ray

        return ray.get(self.ref)[self.index]


class _NotMade(Exception):
    """A value that was due has not been made, because the task that makes it failed."""


class _Beside:
    """What goes beside a task's work, so that Ray delivers it: live values, and references to them.

    On the wire a live value is its place: [argument, index]; one that a call now running will
    return is [outcomes' argument, values' argument, port, place in the batch].
    """

    def __init__(self, calls: Mapping[int, tuple[list[Any], int]]) -> None:
        self._calls = calls  # by the id of the future that is promised
        self._places: dict[int, int] = {}
        self.arguments: list[Any] = []

    def place(self, live: object) -> list[Any]:
        """Where the live value will be among the arguments."""
        if isinstance(live, _Remote):
            return [self._argument(live.ref), live.index]
        if isinstance(live, Promised):
            refs, index = self._calls[id(live.future)]
            return [self._argument(refs[0]), self._argument(refs[1 + index]), live.port, index]
        assert isinstance(live, Held)
        self.arguments.append([live.value])
        return [len(self.arguments) - 1, 0]

    def _argument(self, value: Any) -> int:
        """The place of a reference, which is sent once however often it is used."""
        if id(value) not in self._places:
            self._places[id(value)] = len(self.arguments)
            self.arguments.append(value)
        return self._places[id(value)]


def _arrived(wire: Wire, arguments: tuple[Any, ...]) -> Artifact:
    """An input as it is on arrival; one that was due is taken from the outcome it belongs to."""
    if wire[0] is None:
        return column_from(wire, lambda item: _arrived(item, arguments))
    items, place = wire[4], wire[6]
    if items is not None:
        inner = tuple(_arrived(item, arguments) for item in items)
        return replace(artifact_from([*wire[:4], None, *wire[5:]], _as_it_is), items=inner)
    if place is None or len(place) < 3:
        return artifact_from(wire, _as_it_is)
    outcomes, values, port, index = place
    made, *rest = arguments[outcomes][index]
    if not made:
        raise _NotMade
    return artifact_from(rest[0][port], lambda index: [values, index])


def _as_it_is(place: Any) -> Any:
    return place


class _Listener:
    """Threads that hear what became of references. In Ray's own thread, a call to Ray would never end.

    What will soon be there is waited for in a thread: being called back by Ray takes the interpreter's
    lock in the very thread that has to send the next task on its way.
    """

    def __init__(self) -> None:
        self._heard: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._soon: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        for calls in (self._heard, self._soon):
            threading.Thread(target=_carry_out, args=(calls,), daemon=True, name="studio-ray-listener").start()

    def settle(self, ref: Any, future: Future[Any], convert: Callable[[Any], Any], soon: bool = False) -> None:
        """Hands what a reference becomes on to a future; the end of a process as WorkerDied."""
        if soon:
            self._soon.put(lambda: self._wait(ref, future, convert))
        else:
            ref.future().add_done_callback(lambda done: self._heard.put(lambda: _hand_on(done.result, future, convert)))

    def _wait(self, ref: Any, future: Future[Any], convert: Callable[[Any], Any]) -> None:
        import ray
        from ray.exceptions import GetTimeoutError

        done: Future[Any] = Future()
        try:
            done.set_result(ray.get(ref, timeout=_SOON))
        except GetTimeoutError:
            self.settle(ref, future, convert)
            return
        except Exception as error:
            done.set_exception(error)
        _hand_on(done.result, future, convert)


def _carry_out(calls: queue.SimpleQueue[Callable[[], None]]) -> None:
    while True:
        calls.get()()


def _hand_on(get: Callable[[], Any], future: Future[Any], convert: Callable[[Any], Any]) -> None:
    try:
        result = convert(get())
    except Exception as error:
        future.set_exception(_as_ours(error))
    else:
        future.set_result(result)


def _as_ours(error: Exception) -> Exception:
    """What an error of Ray's means here."""
    import ray.exceptions

    if isinstance(error, ray.exceptions.ObjectLostError):  # raised by the task itself, it means an input
        is_input = isinstance(error, ray.exceptions.RayTaskError)
        return InputLost(str(error)) if is_input else WorkerDied("its process and what it had made were lost")
    if isinstance(error, ray.exceptions.ActorUnavailableError):
        return WorkerUnreachable("its process could not be reached")
    if isinstance(error, ray.exceptions.ActorUnschedulableError):
        return WorkerDied("the machine that it was to start on is gone")
    return WorkerDied(_how_it_died(error)) if isinstance(error, ray.exceptions.RayActorError) else error


def _how_it_died(error: Exception) -> str:
    if "running low on memory" in str(error):
        return "ended by Ray because the machine ran low on memory"
    return "its process was killed, crashed or ran out of memory"
