"""Calls: what each worker has been given and is doing, and what becomes of tasks whose call did not return.

It knows the queue, to which tasks go back, and neither the pool nor how a worker is called.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial

from studio.clock import Alarm
from studio.executors.pool.alarms import Alarms
from studio.executors.pool.queue import Queues, Submission
from studio.executors.task import Failed, Outcome, Task

__all__ = ["Call", "Calls", "InputLost", "WorkerDied", "WorkerUnreachable", "most_deaths"]

_MOST_DEATHS = 3  # of workers, for one task
_MOST_LOSSES = 12  # of workers that could not be reached, for one task: it is hardly to blame for that


class WorkerDied(Exception):
    """The process of a worker ended; its text says how."""


class WorkerUnreachable(WorkerDied):
    """A call to a worker, or its answer, got lost. It may be well; nobody can tell, and it is ended."""


class InputLost(Exception):
    """A live value that a task needs is gone; its worker is well."""


def most_deaths(error: WorkerDied) -> int:
    """How many such deaths in a row are too many."""
    return _MOST_LOSSES if isinstance(error, WorkerUnreachable) else _MOST_DEATHS


@dataclass(eq=False)
class Call:
    """The tasks that a worker was given at once."""

    worker: int
    submissions: list[Submission]
    limit: Alarm | None = None


class Calls:
    """The calls that go on, by worker."""

    def __init__(self, queues: Queues, alarms: Alarms) -> None:
        self._queues, self._alarms = queues, alarms
        self._going_on: dict[int, Call] = {}

    def __len__(self) -> int:
        return len(self._going_on)

    def __iter__(self) -> Iterator[Call]:
        return iter(list(self._going_on.values()))

    def begin(self, worker: int, submissions: list[Submission]) -> Call:
        """A worker is given tasks."""
        call = self._going_on[worker] = Call(worker, submissions)
        return call

    def limit(self, call: Call, seconds: float, on_limit: Callable[[Call], None]) -> None:
        """Has somebody told if a call goes on for longer than this; a limit that is set stays."""
        if call.limit is None:
            call.limit = self._alarms.after(seconds, partial(on_limit, call))

    def goes_on(self, call: Call) -> bool:
        """Whether a call has neither returned nor been given up: cancelled, out of time."""
        return self._going_on.get(call.worker) is call

    def end(self, worker: int) -> None:
        """What a worker had been given is none of its business any more."""
        call = self._going_on.pop(worker, None)
        if call is not None and call.limit:
            call.limit.cancel()

    def drain(self) -> list[Submission]:
        """Takes out all tasks."""
        submissions = [submission for call in self._going_on.values() for submission in call.submissions]
        for worker in list(self._going_on):
            self.end(worker)
        return submissions

    def runs(self) -> set[str]:
        """The runs whose tasks are running."""
        return {submission.task.run for call in self._going_on.values() for submission in call.submissions}

    def places(self, futures: Collection[Future[Outcome]]) -> dict[int, tuple[int, int]]:
        """By the id of each of these futures: the worker that its task is at, and the place in its batch."""
        return {
            id(submission.future): (worker, index)
            for worker, call in self._going_on.items()
            for index, submission in enumerate(call.submissions)
            if submission.future in futures
        }

    def died(self, call: Call, error: WorkerDied) -> list[tuple[Submission, Outcome]]:
        """Its worker died: each half is tried again; a task that was alone is blamed. Those that ended by it."""
        # Which task of several killed the worker, nobody can tell. Halving finds it in log2(n) further deaths, and
        # costs nobody else a result; trying each by itself would be slow where it was the machine's fault.
        self.end(call.worker)
        submissions = [submission for submission in call.submissions if not submission.future.done()]
        if len(submissions) == 1 and not submissions[0].task.work.tried_again:
            return [(submissions[0], Failed(f"its worker died: {error}"))]
        if len(submissions) == 1:
            submissions[0].deaths += 1
            if (deaths := submissions[0].deaths) >= most_deaths(error):
                why = f"its worker died {deaths} times, each time in this step: {error}"
                return [(submissions[0], Failed(why, retryable=False))]
        for submission in submissions:
            submission.tell("restarting", str(error))
        self._in_halves(submissions)
        return []

    def unsent(self, call: Call, error: BaseException) -> list[tuple[Submission, Outcome]]:
        """It failed and left its worker well: each half is tried again. Those that ended by it."""
        self.end(call.worker)
        if len(call.submissions) > 1:
            self._in_halves(call.submissions)
            return []
        (submission,) = call.submissions
        if not isinstance(error, InputLost):
            return [(submission, Failed(f"{type(error).__name__}: {error}"))]
        at_rest = _at_rest(submission.task)
        if at_rest is None:
            return [(submission, Failed("a value that it needs was lost with the process that held it", lost=True))]
        submission.task = at_rest
        self._queues.put_back([submission])
        return []

    def _in_halves(self, submissions: list[Submission]) -> None:
        middle = len(submissions) // 2
        self._queues.put_back(submissions[middle:])
        self._queues.put_back(submissions[:middle])


def _at_rest(task: Task) -> Task | None:
    """The task with its live inputs read from the store; None if one of them is not there."""
    leaves = [leaf for artifact in task.work.inputs.values() for leaf in artifact.leaves if leaf.handle is not None]
    if not leaves or task.work.store is None or not all(leaf.stored for leaf in leaves):
        return None
    return replace(task, work=task.work.with_inputs(lambda artifact: artifact.at_rest()))
