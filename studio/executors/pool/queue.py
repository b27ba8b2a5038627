"""Queues: tasks that wait, one queue for each kind of worker, and their order in it. It knows no worker and no pool.

Within a queue the runs take turns, so that a run of thousands of tasks does not hold up one of three.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Iterator
from concurrent.futures import Future, InvalidStateError
from itertools import islice, zip_longest
from typing import Any

from studio.executors.task import Notify, Outcome, Recipe, Task

__all__ = ["Queues", "RecipeQueue", "Submission"]

_LOOK = 4  # batches' worth of a queue that a batch is chosen from


class Submission:
    """A task that was submitted, and the future that its submitter waits for."""

    __slots__ = ("_notify", "_size", "deaths", "future", "since", "task")  # a data set has very many

    def __init__(self, task: Task, notify: Notify | None = None) -> None:
        self.task = task
        self._notify = notify
        self.future: Future[Outcome] = Future()
        self.deaths = 0  # of workers, while this task was all they had
        self.since = 0.0  # when it joined the queue
        self._size = -1

    @property
    def size(self) -> int:
        """Bytes of its inputs: a stand-in for seconds of sound, tokens, pixels."""
        if self._size < 0:
            self._size = self.task.work.size
        return self._size

    def tell(self, state: str, detail: str = "") -> None:
        """Tells its submitter of a state. What that raises is logged: here it would end the work of others."""
        if self._notify is not None:
            try:
                self._notify(state, detail)
            except Exception:
                logging.getLogger("studio").exception("whoever was told that a task is %s failed", state)

    def end(self, outcome: Outcome) -> None:
        """Gives the outcome to whoever waits; one that was cancelled has ended already."""
        try:  # to ask first would take its lock twice
            self.future.set_result(outcome)
        except InvalidStateError:
            return


class RecipeQueue:
    """The tasks that wait for workers of one recipe."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.served = 0.0  # when a worker last took something from it
        self._groups: deque[list[Submission]] = deque()  # each to be given as it is, before all others
        self._runs: OrderedDict[str, deque[Submission]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Submission]:
        for group in self._groups:
            yield from group
        for submissions in self._runs.values():
            yield from submissions

    def heads(self) -> list[Submission]:
        """The first of each run."""
        return [*(group[0] for group in self._groups), *(submissions[0] for submissions in self._runs.values())]

    @property
    def since(self) -> float:
        """When the one that waits longest came."""
        return min(submission.since for submission in self.heads())

    @property
    def rows_each(self) -> int:
        """How many tasks one of those that wait stands for, by the first of them."""
        return self.heads()[0].task.work.rows

    def add(self, submission: Submission) -> None:
        """Puts a task behind the others of its run."""
        submissions = self._runs.get(submission.task.run)
        if submissions is None:
            submissions = self._runs[submission.task.run] = deque()
        submissions.append(submission)
        self._count += 1

    def put_back(self, group: list[Submission]) -> None:
        """Puts tasks before all others, to be given together and with nobody else."""
        self._groups.appendleft(group)
        self._count += len(group)

    def take(self, share: int, quick: int = 1) -> list[Submission]:
        """The next tasks for one worker: at most `share`, and as many as may be in a batch of each.

        Where `quick` ones are more than a batch, so many; in whole batches, since those are computed together.
        One with a time limit is given alone, since the limit is its own; and so is a chunk.
        """
        if self._groups:
            group = self._groups.popleft()
            self._count -= len(group)
            return group
        run = next(iter(self._runs))
        first = self._runs[run][0].task
        if first.timeout or first.work.alone:
            return [self._next(run)]
        batch = first.recipe.batch
        most = max(min(share, batch), quick // batch * batch)
        taken: list[Submission] = []
        while some := self._batch(min(batch, most - len(taken)), len(taken), quick):
            taken += some
        return taken

    def _batch(self, size: int, beside: int, quick: int) -> list[Submission]:
        """The next tasks, to be computed together: alike, where there is a choice. They join so many in a call."""
        if 1 < size < self._count and (alike := self._alike(size, beside + size, quick)):
            return self._taken_out(alike)
        taken: list[Submission] = []
        while len(taken) < size and (run := self._run_that_may_join(beside + len(taken) + 1, quick)) is not None:
            taken.append(self._next(run))
        return taken

    def _alike(self, size: int, beside: int, quick: int) -> list[Submission]:
        """Of the tasks whose turn comes soon the first, and those nearest to it in size; none if all are equal.

        A batch takes as long as its longest, and the first always goes: nobody is passed over for ever.
        """
        turns = zip_longest(*(islice(submissions, _LOOK * size) for submissions in self._runs.values()))
        joining = (each for turn in turns for each in turn if each is not None and _may_join(each.task, beside, quick))
        soon = list(islice(joining, _LOOK * size))
        if len(soon) <= size or len({submission.size for submission in soon}) == 1:
            return []
        by_nearness = sorted(range(len(soon)), key=lambda turn: abs(soon[turn].size - soon[0].size))
        return [soon[turn] for turn in sorted(by_nearness[:size])]

    def _taken_out(self, chosen: list[Submission]) -> list[Submission]:
        """The same tasks, in the queue no more; the turn of their runs then comes after that of all others."""
        left = set(chosen)
        for run in dict.fromkeys(submission.task.run for submission in chosen):
            mine, passed = sum(submission.task.run == run for submission in chosen), list[Submission]()
            submissions = self._runs[run]
            while mine:
                submission = submissions.popleft()
                if submission in left:
                    mine -= 1
                else:
                    passed.append(submission)
            submissions.extendleft(reversed(passed))
            self._runs.move_to_end(run)
        self._count -= len(chosen)
        self._tidy()
        return chosen

    def remove(self, future: Future[Outcome]) -> Submission | None:
        """Takes one task out of the queue."""
        for submissions in (*self._groups, *self._runs.values()):
            for submission in submissions:
                if submission.future is future:
                    submissions.remove(submission)
                    self._count -= 1
                    self._tidy()
                    return submission
        return None

    def _next(self, run: str) -> Submission:
        """The next task of a run, whose turn then comes after that of all other runs."""
        submissions = self._runs[run]
        submission = submissions.popleft()
        if submissions:
            if len(self._runs) > 1:
                self._runs.move_to_end(run)
        else:
            del self._runs[run]
        self._count -= 1
        return submission

    def _run_that_may_join(self, size: int, quick: int) -> str | None:
        for run, submissions in self._runs.items():
            if _may_join(submissions[0].task, size, quick):
                return run
        return None

    def _tidy(self) -> None:
        self._groups = deque(group for group in self._groups if group)
        for run in [run for run, submissions in self._runs.items() if not submissions]:
            del self._runs[run]


def _may_join(task: Task, size: int, quick: int) -> bool:
    """Whether a task may be given with others: so many, with it."""
    return not (task.timeout or task.work.alone) and (size <= quick or task.recipe.batch >= size)


class Queues:
    """All queues that have somebody in them."""

    def __init__(self) -> None:
        self._queues: dict[str, RecipeQueue] = {}

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def __bool__(self) -> bool:
        return bool(self._queues)

    def __contains__(self, key: object) -> bool:
        return key in self._queues

    def all(self) -> list[RecipeQueue]:
        """The queues, as they are now."""
        return list(self._queues.values())

    def of(self, key: str) -> RecipeQueue | None:
        """The queue of one kind of worker, if anybody waits for it."""
        return self._queues.get(key)

    def add(self, submission: Submission) -> None:
        """Queues a task."""
        self._queue_of(submission).add(submission)

    def put_back(self, group: list[Submission]) -> None:
        """Queues tasks again, before all others of their kind."""
        if group:
            self._queue_of(group[0]).put_back(group)

    def take(self, queue: RecipeQueue, share: int, quick: int = 1) -> list[Submission]:
        """The next tasks of a queue for one worker."""
        taken = queue.take(share, quick)
        self._forget(queue)
        return taken

    def remove(self, future: Future[Outcome]) -> Submission | None:
        """Takes one task out, wherever it waits."""
        for queue in self._queues.values():
            if (submission := queue.remove(future)) is not None:
                self._forget(queue)
                return submission
        return None

    def drain(self, key: str | None = None) -> list[Submission]:
        """Takes out all tasks, or all of one kind."""
        keys = list(self._queues) if key is None else [key]
        queues: list[Any] = [self._queues.pop(each, ()) for each in keys]
        return [submission for queue in queues for submission in queue]

    def _queue_of(self, submission: Submission) -> RecipeQueue:
        recipe = submission.task.recipe
        queue = self._queues.get(recipe.key)
        if queue is None:
            queue = self._queues[recipe.key] = RecipeQueue(recipe)
        return queue

    def _forget(self, queue: RecipeQueue) -> None:
        if not queue:
            self._queues.pop(queue.recipe.key, None)
