"""Queue: tasks that wait, in one line for each kind of worker, and whose turn it is. It knows no worker and no pool.

Within a line the runs take turns, so that a run of thousands of tasks does not hold up one of three.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from itertools import islice, zip_longest
from typing import Any

from studio.executors.task import Outcome, Recipe, Task

__all__ = ["Job", "Line", "Notify", "NotifyMany", "Queue"]

_LOOK = 4  # batches' worth of a line that a batch is chosen from

Notify = Callable[[str, str], None]  # a state, and a detail
NotifyMany = Callable[[int, str, str], None]  # the same of one of many tasks: its place among them comes first


class Job:
    """A task on its way through an executor."""

    __slots__ = ("_size", "deaths", "future", "notify", "since", "task")  # a data set has very many

    def __init__(self, task: Task, notify: Notify) -> None:
        self.task = task
        self.notify = notify
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

    def end(self, outcome: Outcome) -> None:
        """Gives the outcome to whoever waits; one that was cancelled has ended already."""
        try:  # to ask first would take its lock twice
            self.future.set_result(outcome)
        except InvalidStateError:
            return


class Line:
    """The tasks that wait for one kind of worker."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.served = 0.0  # when a worker last took something from it
        self._groups: deque[list[Job]] = deque()  # each to be given as it is, before all others
        self._runs: OrderedDict[str, deque[Job]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Job]:
        for group in self._groups:
            yield from group
        for jobs in self._runs.values():
            yield from jobs

    def heads(self) -> list[Job]:
        """The first of each run."""
        return [*(group[0] for group in self._groups), *(jobs[0] for jobs in self._runs.values())]

    @property
    def since(self) -> float:
        """When the one that waits longest came."""
        return min(job.since for job in self.heads())

    @property
    def chunk(self) -> int:
        """How many tasks one of those that wait stands for, by the first of them."""
        return self.heads()[0].task.work.rows

    def add(self, job: Job) -> None:
        """Puts a task behind the others of its run."""
        jobs = self._runs.get(job.task.run)
        if jobs is None:
            jobs = self._runs[job.task.run] = deque()
        jobs.append(job)
        self._count += 1

    def put_back(self, group: list[Job]) -> None:
        """Puts tasks before all others, to be given together and with nobody else."""
        self._groups.appendleft(group)
        self._count += len(group)

    def take(self, share: int, quick: int = 1) -> list[Job]:
        """The next tasks for one worker: at most `share`, and as many as all of them bear in a batch.

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
        taken: list[Job] = []
        while some := self._batch(min(batch, most - len(taken)), len(taken), quick):
            taken += some
        return taken

    def _batch(self, size: int, beside: int, quick: int) -> list[Job]:
        """The next tasks, to be computed together: alike, where there is a choice. They join so many in a call."""
        if 1 < size < self._count and (alike := self._alike(size, beside + size, quick)):
            return self._taken_out(alike)
        taken: list[Job] = []
        while len(taken) < size and (run := self._run_that_bears(beside + len(taken) + 1, quick)) is not None:
            taken.append(self._next(run))
        return taken

    def _alike(self, size: int, beside: int, quick: int) -> list[Job]:
        """Of the tasks whose turn comes soon the first, and those nearest to it in size; none if all are equal.

        A batch takes as long as its longest, and the first always goes: nobody is passed over for ever.
        """
        turns = zip_longest(*(islice(jobs, _LOOK * size) for jobs in self._runs.values()))
        bearing = (job for turn in turns for job in turn if job is not None and _bears(job.task, beside, quick))
        soon = list(islice(bearing, _LOOK * size))
        if len(soon) <= size or len({job.size for job in soon}) == 1:
            return []
        by_nearness = sorted(range(len(soon)), key=lambda turn: abs(soon[turn].size - soon[0].size))
        return [soon[turn] for turn in sorted(by_nearness[:size])]

    def _taken_out(self, chosen: list[Job]) -> list[Job]:
        """The same tasks, in the line no more; the turn of their runs then comes after that of all others."""
        left = set(chosen)
        for run in dict.fromkeys(job.task.run for job in chosen):
            mine, passed = sum(job.task.run == run for job in chosen), list[Job]()
            jobs = self._runs[run]
            while mine:
                job = jobs.popleft()
                if job in left:
                    mine -= 1
                else:
                    passed.append(job)
            jobs.extendleft(reversed(passed))
            self._runs.move_to_end(run)
        self._count -= len(chosen)
        self._tidy()
        return chosen

    def remove(self, future: Future[Outcome]) -> Job | None:
        """Takes one task out of the line."""
        for jobs in (*self._groups, *self._runs.values()):
            for job in jobs:
                if job.future is future:
                    jobs.remove(job)
                    self._count -= 1
                    self._tidy()
                    return job
        return None

    def _next(self, run: str) -> Job:
        """The next task of a run, whose turn then comes after that of all other runs."""
        jobs = self._runs[run]
        job = jobs.popleft()
        if jobs:
            if len(self._runs) > 1:
                self._runs.move_to_end(run)
        else:
            del self._runs[run]
        self._count -= 1
        return job

    def _run_that_bears(self, size: int, quick: int) -> str | None:
        for run, jobs in self._runs.items():
            if _bears(jobs[0].task, size, quick):
                return run
        return None

    def _tidy(self) -> None:
        self._groups = deque(group for group in self._groups if group)
        for run in [run for run, jobs in self._runs.items() if not jobs]:
            del self._runs[run]


def _bears(task: Task, size: int, quick: int) -> bool:
    """Whether a task may be given with others: so many, with it."""
    return not (task.timeout or task.work.alone) and (size <= quick or task.recipe.batch >= size)


class Queue:
    """All lines that have somebody in them."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def __bool__(self) -> bool:
        return bool(self._lines)

    def __contains__(self, key: object) -> bool:
        return key in self._lines

    def lines(self) -> list[Line]:
        """The lines, as they are now."""
        return list(self._lines.values())

    def line(self, key: str) -> Line | None:
        """The line of one kind of worker, if anybody waits for it."""
        return self._lines.get(key)

    def add(self, job: Job) -> None:
        """Queues a task."""
        self._line_of(job).add(job)

    def put_back(self, group: list[Job]) -> None:
        """Queues tasks again, before all others of their kind."""
        if group:
            self._line_of(group[0]).put_back(group)

    def take(self, line: Line, share: int, quick: int = 1) -> list[Job]:
        """The next tasks of a line for one worker."""
        taken = line.take(share, quick)
        self._forget(line)
        return taken

    def remove(self, future: Future[Outcome]) -> Job | None:
        """Takes one task out, wherever it waits."""
        for line in self._lines.values():
            if (job := line.remove(future)) is not None:
                self._forget(line)
                return job
        return None

    def drain(self, key: str | None = None) -> list[Job]:
        """Takes out all tasks, or all of one kind."""
        keys = list(self._lines) if key is None else [key]
        lines: list[Any] = [self._lines.pop(each, ()) for each in keys]
        return [job for line in lines for job in line]

    def _line_of(self, job: Job) -> Line:
        recipe = job.task.recipe
        line = self._lines.get(recipe.key)
        if line is None:
            line = self._lines[recipe.key] = Line(recipe)
        return line

    def _forget(self, line: Line) -> None:
        if not line:
            self._lines.pop(line.recipe.key, None)
