"""RayExecutor: workers in actors, pinned to their share of a GPU.

Ray starts at the first task, in a thread, while others go on. A cluster of the caller's own
(`ray.init` before, or RAY_ADDRESS) is joined; otherwise a private one starts, and ends with us.

Actors are synchronous: a task is sent when its inputs are there (or, sent ahead, some milliseconds
before), so nothing ready queues behind something late, and a round trip costs a third less.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from studio.executors.handles import InProcess, Promised
from studio.executors.machine import this_machine
from studio.executors.messages import Message, outcome_from, work_to
from studio.executors.pool.executor import PooledExecutor, Started
from studio.executors.ray.actor import Around, Host
from studio.executors.ray.cluster import (
    PATIENCE,
    begin_private,
    end_private,
    join,
    least_used,
    new_session,
    processes_of,
)
from studio.executors.ray.listener import Listener
from studio.executors.ray.printed import LogTail
from studio.executors.shipping import ShippedRecipe, packed
from studio.executors.surroundings import Surroundings
from studio.executors.task import Failed, Outcome, Recipe, Task
from studio.executors.worker import failure
from studio.node.node import ports_of
from studio.node.resources import Machine
from studio.values import KINDS
from studio.values.artifact import Damaged

__all__ = ["RayExecutor"]

# A batch, the file for what is printed, surroundings, what is sent, and what goes beside it: references to what
# comes back.
_Send = Callable[[int, str, Around, list[Message], list[Any]], list[Any]]


class RayExecutor(PooledExecutor):
    """Actors: one process a worker, a GPU that only it sees, and a life of its own to lose."""

    name = "ray"
    sends_ahead = tells_logs = True

    def __init__(self, machine: Machine | None = None, footprints: Path | None = None) -> None:
        super().__init__(machine or this_machine(), footprints)
        self._ready: Future[None] | None = None
        self._waking = threading.Lock()
        self._actors: dict[int, Any] = {}
        self._homes: dict[int, tuple[str, str]] = {}  # in a cluster that was there: the machine of a worker, its key
        self._sends: dict[int, _Send] = {}
        self._calls: dict[int, list[Any]] = {}  # by worker: the references to what its call now running returns
        self._told: dict[int, Surroundings] = {}  # by worker: the surroundings that it is known to have
        self._tails: dict[int, LogTail] = {}  # by worker: what its node prints in the call now running
        self._session: Path | None = None  # of a private cluster
        self._logs: Path | None = None  # the folder for what nodes print
        self._serial = itertools.count()
        self._end = threading.Event()
        self._listener = Listener()

    def wake(self) -> None:
        self._woken()

    def ready(self) -> None:
        """Waits until Ray has begun; raises what kept it from it."""
        self._woken().result()

    def await_machine(self) -> None:
        if self._joins:
            self._woken().result()

    def close(self) -> None:
        super().close()
        self._end.set()
        if self._ready is not None and self._session is not None:
            ours = processes_of(self._session)
            self._owner.join(PATIENCE)
            end_private(self._session, ours)
        elif self._logs is not None:
            shutil.rmtree(self._logs, ignore_errors=True)

    def abandon(self) -> None:
        if self._session is None:
            self.close()  # the cluster is not ours: only our workers end
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
        """Begins Ray, waits for the end, and ends Ray."""
        # All of it in one thread, which lives as long as Ray: on Linux Ray's processes ask the kernel to be killed
        # with their parent, and by that the kernel means the thread that started them, not its process.
        try:
            if self._joins:
                self.residency.machine = join()
                self._logs = new_session()
            else:
                self._session = self._logs = new_session()
                begin_private(self.residency.machine, self._session)
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
            if worker not in self.residency.residents:
                return  # stopped before Ray was there
            try:
                self._begin_actor(worker, recipe, started)
            except Exception as raised:
                started.set_result(failure(raised))

        self._woken().add_done_callback(begin)
        return started

    def _begin_actor(self, worker: int, recipe: Recipe, started: Future[Started | Failed]) -> None:
        import ray

        host: Any = ray.remote(Host)
        gpus = recipe.resources.gpus
        kept = {"max_restarts": 0, "max_task_retries": 0, "scheduling_strategy": self._where(worker, recipe)}
        actor = host.options(num_cpus=0, num_gpus=gpus, **kept).remote()
        self._actors[worker] = actor
        if isinstance(recipe, ShippedRecipe):
            told: ShippedRecipe | Message = recipe
            heavy = recipe.heavy
        else:
            ports = ports_of(recipe.node)
            heavy = any(not KINDS[port.type.kind].plain for port in ports.outputs.values())
            told = packed(recipe, ports)
        self._sends[worker] = _calls_with_values(actor) if heavy else _calls_plain(actor)
        threads = max(1, int(recipe.resources.cpus or self.residency.machine.cpus))
        begun = partial(self._begun, worker, recipe)
        around = recipe.surroundings.as_plain() if recipe.surroundings else None
        self._listener.settle(actor.start.remote(told, around, threads), started, begun)

    def _begun(self, worker: int, recipe: Recipe, ready: Started | Failed) -> Started | Failed:
        if recipe.surroundings is not None and worker in self._actors:
            self._told[worker] = recipe.surroundings
        return ready

    def _around(self, worker: int, tasks: list[Task]) -> Around:
        """The surroundings of tasks, as far as the worker has others, or it is not known which it has."""
        there = self._told.get(worker)
        asked = itertools.groupby(task.recipe.surroundings for task in tasks)
        groups = [(each, len(list(some))) for each, some in asked]
        if all(each is None or each is there or each == there for each, _ in groups):
            return None
        self._told.pop(worker, None)  # until it has returned: the call may never arrive
        return [(count, each.as_plain() if each else None) for each, count in groups]

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
        beside = _SideArguments({future: (self._calls[maker], index) for future, (maker, index) in makers.items()})
        try:
            sent = [work_to(task.work, beside.place) for task in tasks]
            batch = min(task.recipe.batch for task in tasks)
            refs = self._sends[worker](
                batch, self._new_tail(worker), self._around(worker, tasks), sent, beside.arguments
            )
        except Exception as error:
            ended.set_exception(error)
            return ended
        self._calls[worker] = refs
        last = tasks[-1].recipe.surroundings
        soon = self._pool.soon(tasks[0].recipe, sum(task.work.rows for task in tasks))
        self._listener.settle(refs[0], ended, lambda sent: self._returned(worker, refs, sent, last), soon)
        return ended

    def _returned(self, worker: int, refs: list[Any], sent: list[Message], last: Surroundings | None) -> list[Outcome]:
        if self._calls.get(worker) is refs:
            if last is not None:
                self._told[worker] = last
            del self._calls[worker]  # a reference kept is a value kept
            self._tails.pop(worker, None)
        return [
            outcome_from(message, partial(InObjectStore, ref), worker)
            for message, ref in zip(sent, refs[1:], strict=True)
        ]

    def _new_tail(self, worker: int) -> str:
        """The file for what is printed in a worker's next call: the worker makes it if need be, and removes it."""
        if self._logs is None:
            return ""
        tail = self._tails[worker] = LogTail(f"{self._logs}/printed-{worker}-{next(self._serial)}")
        return tail.path

    def _new_lines(self, worker: int) -> str:
        tail = self._tails.get(worker)
        return tail.new_lines() if tail else ""

    def _stop(self, worker: int) -> None:
        if (tail := self._tails.pop(worker, None)) is not None:
            tail.remove()
        actor = self._actors.pop(worker, None)
        self._homes.pop(worker, None)
        self._sends.pop(worker, None)
        self._told.pop(worker, None)
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
    return lambda batch, log, around, sent, beside: [run(batch, log, around, sent, *beside), *([] for _ in sent)]


def _calls_with_values(actor: Any) -> _Send:
    """Calls that return a reference to all outcomes, and one to the live values of each."""
    single = actor.run.options(num_returns=2).remote

    def call(batch: int, log: str, around: Around, sent: list[Message], beside: list[Any]) -> list[Any]:
        run = single if len(sent) == 1 else actor.run.options(num_returns=1 + len(sent)).remote
        refs: list[Any] = run(batch, log, around, sent, *beside)
        return refs

    return call


@dataclass(frozen=True)
class InObjectStore:
    """A live value in Ray's object store: one of the list that a reference stands for."""

    ref: Any
    index: int

    def get(self) -> object:
        import ray

        try:
            return ray.get(self.ref)[self.index]
        except Exception as error:  # its process died, or Ray has ended
            raise Damaged(f"its value went with the process that held it ({type(error).__name__})") from None


class _SideArguments:
    """Arguments of a call besides the work of its tasks, since Ray delivers only what is an argument itself.

    They are live values, and references to them. In the work a live value is its place: [argument, index]; one
    that a call now running will return is [outcomes' argument, values' argument, port, place in the batch].
    """

    def __init__(self, calls: Mapping[int, tuple[list[Any], int]]) -> None:
        self._calls = calls  # by the id of the future that is promised
        self._places: dict[int, int] = {}
        self.arguments: list[Any] = []

    def place(self, handle: object) -> list[Any]:
        """Where the live value will be among the arguments."""
        if isinstance(handle, InObjectStore):
            return [self._argument(handle.ref), handle.index]
        if isinstance(handle, Promised):
            refs, index = self._calls[id(handle.future)]
            return [self._argument(refs[0]), self._argument(refs[1 + index]), handle.port, index]
        assert isinstance(handle, InProcess)
        self.arguments.append([handle.value])
        return [len(self.arguments) - 1, 0]

    def _argument(self, value: Any) -> int:
        """The place of a reference, which is sent once however often it is used."""
        if id(value) not in self._places:
            self._places[id(value)] = len(self.arguments)
            self.arguments.append(value)
        return self._places[id(value)]
