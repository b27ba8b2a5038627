"""Intake: how tasks come in: at once, once what they were promised is made, or ahead of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from studio.executors.handles import kept_promise, makers_of
from studio.executors.pool.calls import Call
from studio.executors.pool.dispatcher import Dispatcher
from studio.executors.pool.queue import Submission
from studio.executors.pool.residency import WorkerState
from studio.executors.pool.state import PoolState, broken
from studio.executors.task import Done, Failed, Outcome, Task

__all__ = ["CLOSED", "Intake"]

CLOSED = Failed("the executor was closed", retryable=False)

CallAhead = Callable[[int, Task, Mapping[int, tuple[int, int]]], Future[list[Outcome]] | None]


class Intake:
    """Queues tasks whose inputs are there. Others wait for the tasks that make their inputs."""

    def __init__(self, pool: PoolState, dispatcher: Dispatcher, call_ahead: CallAhead) -> None:
        self._pool, self._dispatcher, self._call_ahead = pool, dispatcher, call_ahead

    def take_in(self, submissions: list[Submission]) -> None:
        """Each of these comes in."""
        ready = []
        for submission in submissions:
            makers = makers_of(submission.task)
            if not makers:
                ready.append(submission)
            elif not self._sent_ahead(submission, makers):
                self._await(submission, makers)
        if ready:
            self._enter(ready)

    def _enter(self, submissions: list[Submission]) -> None:
        """Queues tasks whose inputs are there."""
        with self._pool.mutex:
            closed = self._pool.closed
            if not closed:
                self._queue(submissions)
        if closed:
            for submission in submissions:
                submission.end(CLOSED)
        self._dispatcher.pump()

    def _queue(self, submissions: list[Submission]) -> None:
        now, pool = time.monotonic(), self._pool
        for submission in submissions:
            submission.since = now
            pool.policy.saw(submission.task.run, now)
            key = submission.task.recipe.key
            if key not in pool.queues and pool.residency.of(key, WorkerState.STARTING):
                submission.tell("loading")  # the first that waits for it; those behind it wait for their turn
            pool.queues.add(submission)

    def _sent_ahead(self, submission: Submission, makers: list[Future[Outcome]]) -> bool:
        """Gives a task to a worker that is free, to start there, unannounced, the moment its inputs are made."""
        recipe, pool = submission.task.recipe, self._pool
        with pool.mutex:
            at = pool.calls.places(makers)
            if len(at) < len(makers) or submission.task.timeout or pool.queues or pool.closed:
                return False
            worker = pool.residency.take(recipe.key, recipe.resources)
            if worker is None:
                return False
            sent = self._call_ahead(worker, submission.task, at)
            if sent is None:
                pool.residency.finished(worker)
                return False
            call = pool.calls.begin(worker, [submission])
            pool.logs.watch()
        sent.add_done_callback(partial(self._on_sent_ahead, call))
        return True

    def _on_sent_ahead(self, call: Call, called: Future[list[Outcome]]) -> None:
        """Its call has an end. Where it came too early, the task waits for its inputs like any other."""
        if not _too_early(called):
            self._dispatcher.on_finished(call, called)
        elif self._dispatcher.unused(call):
            (submission,) = call.submissions
            self._await(submission, makers_of(submission.task))
            self._dispatcher.pump()

    def _await(self, submission: Submission, makers: list[Future[Outcome]]) -> None:
        """Queues a task once what it needs is made."""
        left, mutex = set(map(id, makers)), threading.Lock()

        def made(maker: Future[Outcome]) -> None:
            with mutex:
                left.discard(id(maker))
                complete = not left
            if complete:
                self._on_all_made(submission)

        for maker in makers:
            maker.add_done_callback(made)

    def _on_all_made(self, submission: Submission) -> None:
        """Its makers have ended, well or not. An error raised here would be lost in the last of their futures."""
        try:
            made = [None if maker.cancelled() else maker.result() for maker in makers_of(submission.task)]
            if all(isinstance(outcome, Done) for outcome in made):
                work = submission.task.work.with_inputs(kept_promise)
                submission.task = replace(submission.task, work=work)
                self._enter([submission])
            else:
                submission.end(Failed("what it needs was not made", upstream=True))
        except Exception as error:
            submission.end(broken(error))


def _too_early(called: Future[list[Outcome]]) -> bool:
    """Whether what the call needed was not made, or the call was not even understood."""
    if called.exception() is not None:
        return True
    match called.result():
        case [Failed(upstream=True)]:
            return True
    return False
