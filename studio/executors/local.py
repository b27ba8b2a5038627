"""Local: workers in threads of this process."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future

from studio.executors.handles import InProcess, fetched, with_handles
from studio.executors.machine import this_machine
from studio.executors.pool.executor import PooledExecutor, Started
from studio.executors.task import Failed, Outcome, Recipe, Task
from studio.executors.worker import Worker, failure
from studio.node.resources import Machine
from studio.threads import DaemonThreads

__all__ = ["LocalExecutor"]

_MOST_THREADS = 64


class LocalExecutor(PooledExecutor):
    """Threads: nothing to start, exceptions where a debugger sees them, no process to lose."""

    name = "local"

    def __init__(self, machine: Machine | None = None) -> None:
        super().__init__(machine or this_machine())
        self._threads = DaemonThreads("studio-worker", _MOST_THREADS)
        self._workers: dict[int, Worker] = {}
        self._setting_up = threading.Lock()

    def _start(self, worker: int, recipe: Recipe) -> Future[Started | Failed]:
        return self._threads.submit(lambda: self._made(worker, recipe))

    def _call(self, worker: int, tasks: list[Task]) -> Future[list[Outcome]]:
        made = self._workers[worker]
        return self._threads.submit(lambda: _ran(made, tasks))

    def _stop(self, worker: int) -> None:
        self._workers.pop(worker, None)  # a thread cannot be stopped: what it still does is forgotten

    def _made(self, worker: int, recipe: Recipe) -> Started | Failed:
        resident = self.residency.residents.get(worker)
        devices = resident.devices if resident else ()
        try:
            with self._setting_up:  # libraries that import lazily do not bear two threads at it
                made = Worker(recipe, _device(devices), _threads_for(recipe, self.machine))
        except Exception as error:
            return failure(error)
        self._workers[worker] = made
        return Started(os.getpid())


def _device(devices: tuple[int, ...]) -> str:
    return f"cuda:{devices[0]}" if devices else "cpu"


def _threads_for(recipe: Recipe, machine: Machine) -> int:
    return max(1, int(recipe.resources.cpus or machine.cpus))


def _ran(worker: Worker, tasks: list[Task]) -> list[Outcome]:
    batch = min(task.recipe.batch for task in tasks)
    ended = worker.run_many([task.work for task in tasks], fetched, batch)
    return [_held(outcome, handle) for outcome, handle in ended]


def _held(outcome: Outcome, handle: list[object]) -> Outcome:
    return with_handles(outcome, lambda index: InProcess(handle[index]))
