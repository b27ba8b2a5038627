"""Actor: a Worker in a process of its own, as Ray hosts it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from studio.cache.store import Store
from studio.executors.messages import Message, artifact_from, column_from, outcome_to, work_from
from studio.executors.pool.executor import Started
from studio.executors.ray.printed import Printed, printed_to
from studio.executors.shipping import ShippedRecipe, opened, unpacked
from studio.executors.surroundings import Surroundings
from studio.executors.task import Ended, Failed, Outcome
from studio.executors.worker import Worker, failure
from studio.values.artifact import Artifact

__all__ = ["Around", "Host", "as_it_is"]

Around = Sequence[tuple[int, list[Any] | None]] | None


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h


class Host:
    """The actor: a Worker in a process of its own."""

    def __init__(self) -> None:
        self._worker: Worker | None = None
        self._stores: dict[Path, Store] = {}
        self._setup_log = ""  # what was printed while it was set up; told with its first task

    def start(self, told: ShippedRecipe | Message, around: list[Any] | None, threads: int) -> Started | Failed:
        """Sets up the worker of a recipe, which is opened here, in the surroundings of who asked for it."""
        import ray

        _keep_freed_memory()
        os.environ["OMP_NUM_THREADS"] = str(threads)  # Ray sets 1 for actors that hold no whole CPU
        devices = tuple(int(device) for device in ray.get_gpu_ids())
        with printed_to(Printed()) as out:
            try:
                if around is not None:
                    Surroundings.from_plain(around).settle()
                recipe, ports = unpacked(told) if isinstance(told, ShippedRecipe) else opened(told)
                self._worker = Worker(recipe, "cuda" if devices else "cpu", threads, ports)
            except Exception as error:
                return replace(failure(error), log=out.getvalue())
        self._setup_log = out.getvalue()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return Started(os.getpid(), devices, memory, _settle_torch(threads))

    def run(self, batch: int, log: str, around: Around, sent: list[Message], *arguments: Any) -> Any:
        """Runs tasks, so many together; returns what became of all of them, and the live values of each.

        around: the surroundings of so many of the tasks, and so on; None where they are what they were.
        What the node prints goes with its outcomes, and meanwhile into the file `log`, where the caller may look.
        """
        ended = self._within(batch, log, around, sent, arguments)
        return [outcome_to(outcome) for outcome, _ in ended], *(handle for _, handle in ended)

    def run_plain(self, batch: int, log: str, around: Around, sent: list[Message], *arguments: Any) -> list[Message]:
        """Runs tasks of a node whose outputs are all plain: there is nothing to go beside the outcomes."""
        return [outcome_to(outcome) for outcome, _ in self._within(batch, log, around, sent, arguments)]

    def _within(
        self, batch: int, log: str, around: Around, sent: list[Message], arguments: tuple[Any, ...]
    ) -> list[Ended]:
        """Runs tasks, each in the surroundings of who asked for it."""
        ended: list[Ended] = []
        for count, told in around or [(len(sent), None)]:
            if told is not None:
                Surroundings.from_plain(told).settle()
            ended += self._ended(batch, log, sent[len(ended) : len(ended) + count], arguments)
        return ended

    def _ended(self, batch: int, log: str, sent: list[Message], arguments: tuple[Any, ...]) -> list[Ended]:
        assert self._worker is not None
        if len(sent) == 1:
            return [self._one(sent[0], arguments, log)]
        if not self._worker.batches:  # they share a call since they are quick: what one prints need not be told sooner
            return [self._one(message, arguments) for message in sent]
        works = [work_from(message, lambda each: _input_from(each, arguments), self._store) for message in sent]
        with printed_to(self._printed(log)) as out:
            ended = self._worker.run_many(works, lambda place: arguments[place[0]][place[1]], batch)  # type: ignore[index]
        (first, handle), *others = ended
        return [(_with_log(first, out), handle), *others]  # whose it is, nobody can tell

    def _one(self, sent: Message, arguments: tuple[Any, ...], log: str = "") -> Ended:
        """Runs one task; what it prints goes with its outcome."""
        assert self._worker is not None
        try:
            work = work_from(sent, lambda message: _input_from(message, arguments), self._store)
        except _InputNotMade:
            return Failed("what it needs was not made", upstream=True), []
        with printed_to(self._printed(log)) as out:
            outcome, handle = self._worker.run(work, lambda place: arguments[place[0]][place[1]])  # type: ignore[index]
        return _with_log(outcome, out), handle

    def _printed(self, log: str) -> Printed:
        """Takes what a task prints; the first task's begins with what was printed while the worker was set up."""
        printed = Printed(log)
        if self._setup_log:
            printed.write(self._setup_log)
            self._setup_log = ""
        return printed

    def _store(self, folder: Path) -> Store:
        """One store a folder, so that what was verified once need not be again."""
        return self._stores.setdefault(folder, Store(folder))


def _with_log(outcome: Outcome, printed: Printed) -> Outcome:
    log = printed.getvalue()
    return replace(outcome, log=log) if log else outcome


def _keep_freed_memory() -> None:
    """Has this process keep what it frees, for the next task. A C library other than glibc does as it likes."""
    # By default glibc maps every block over 128 KiB apart and gives it back when it is freed. A picture or a sound
    # is such a block, so each task would get its memory page by page from the kernel, zeroed: for a large picture
    # that took as long as decoding it.
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


class _InputNotMade(Exception):
    """The task that was to make an input failed."""


def _input_from(message: Message, arguments: tuple[Any, ...]) -> Artifact:
    """An input of a task; one that was promised is taken from the outcome of the task that has made it."""
    if message[0] is None:
        return column_from(message, lambda item: _input_from(item, arguments))
    items, place = message[4], message[6]
    if items is not None:
        inner = tuple(_input_from(item, arguments) for item in items)
        return replace(artifact_from([*message[:4], None, *message[5:]], as_it_is), items=inner)
    if place is None or len(place) < 3:
        return artifact_from(message, as_it_is)
    outcomes, values, port, index = place
    made, *rest = arguments[outcomes][index]
    if not made:
        raise _InputNotMade
    return artifact_from(rest[0][port], lambda index: [values, index])


def as_it_is(place: Any) -> Any:
    """What stands for a live value, unchanged."""
    return place
