"""Actor: a Worker in a process of its own, as Ray hosts it."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import resource
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from studio.cache.store import Store
from studio.executors.messages import Message, artifact_from, column_from, outcome_to, work_from
from studio.executors.pool.executor import Started
from studio.executors.shipping import ShippedRecipe, unpacked
from studio.executors.task import Ended, Failed, Outcome, Recipe
from studio.executors.worker import Worker, failure
from studio.node.node import Ports
from studio.values.artifact import Artifact

__all__ = ["Host", "as_it_is"]


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h


class Host:
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
                if isinstance(recipe, ShippedRecipe):
                    recipe, ports = unpacked(recipe)
                self._worker = Worker(recipe, "cuda" if devices else "cpu", threads, ports)
            except Exception as error:
                return replace(failure(error), log=out.getvalue())
        self._said = out.getvalue()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return Started(os.getpid(), devices, memory, _settle_torch(threads))

    def run(self, batch: int, sent: list[Message], *arguments: Any) -> Any:
        """Runs tasks, so many together; returns what became of all of them, and the live values of each."""
        ended = self._ended(batch, sent, arguments)
        return [outcome_to(outcome) for outcome, _ in ended], *(handle for _, handle in ended)

    def run_plain(self, batch: int, sent: list[Message], *arguments: Any) -> list[Message]:
        """Runs tasks of a node whose outputs are all plain: there is nothing to go beside the outcomes."""
        return [outcome_to(outcome) for outcome, _ in self._ended(batch, sent, arguments)]

    def _ended(self, batch: int, sent: list[Message], arguments: tuple[Any, ...]) -> list[Ended]:
        assert self._worker is not None
        if len(sent) == 1 or not self._worker.batches:
            return [self._one(message, arguments) for message in sent]
        works = [work_from(message, lambda each: _arrived(each, arguments), self._store) for message in sent]
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
            ended = self._worker.run_many(works, lambda place: arguments[place[0]][place[1]], batch)  # type: ignore[index]
        (first, handle), *others = ended
        return [(self._with_log(first, out.getvalue()), handle), *others]  # whose it is, nobody can tell

    def _one(self, sent: Message, arguments: tuple[Any, ...]) -> Ended:
        """Runs one task; what it prints goes with its outcome."""
        assert self._worker is not None
        try:
            work = work_from(sent, lambda message: _arrived(message, arguments), self._store)
        except _NotMade:
            return Failed("what it needs was not made", upstream=True), []
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
            outcome, handle = self._worker.run(work, lambda place: arguments[place[0]][place[1]])  # type: ignore[index]
        return self._with_log(outcome, out.getvalue()), handle

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


class _NotMade(Exception):
    """A value that was due has not been made, because the task that makes it failed."""


def _arrived(message: Message, arguments: tuple[Any, ...]) -> Artifact:
    """An input as it is on arrival; one that was due is taken from the outcome it belongs to."""
    if message[0] is None:
        return column_from(message, lambda item: _arrived(item, arguments))
    items, place = message[4], message[6]
    if items is not None:
        inner = tuple(_arrived(item, arguments) for item in items)
        return replace(artifact_from([*message[:4], None, *message[5:]], as_it_is), items=inner)
    if place is None or len(place) < 3:
        return artifact_from(message, as_it_is)
    outcomes, values, port, index = place
    made, *rest = arguments[outcomes][index]
    if not made:
        raise _NotMade
    return artifact_from(rest[0][port], lambda index: [values, index])


def as_it_is(place: Any) -> Any:
    """What stands for a live value, unchanged."""
    return place
