"""Dispatcher: gives tasks to workers as the policy says, and hears what becomes of each call."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from studio.clock import Alarm
from studio.errors import ResourcesMissing
from studio.executors.pool.calls import Call, WorkerDied
from studio.executors.pool.queue import Submission
from studio.executors.pool.state import PoolState, broken
from studio.executors.pool.workers import Start, Workers
from studio.executors.task import Done, Failed, Outcome, Task

__all__ = ["Dispatcher"]

Ended = list[tuple[Submission, Outcome]]


class Dispatcher:
    """Whoever changes what waits or what is there calls `pump` afterwards, without the pool's mutex."""

    def __init__(
        self,
        pool: PoolState,
        start: Start,
        call: Callable[[int, list[Task]], Future[list[Outcome]]],
        stop: Callable[[int], None],
        loading_limit: Callable[[], float],
    ) -> None:
        """`start`, `call` and `stop` are the executor's own."""
        self._pool, self._call, self._loading_limit = pool, call, loading_limit
        self.workers = Workers(pool, start, stop, self.pump)
        self._alarm: Alarm | None = None
        self._stale = self._giving = False

    def pump(self) -> None:
        """Gives out what can be given out; what changes meanwhile is looked at in the same go."""
        pool, ended = self._pool, Ended()
        with pool.mutex:
            self._stale = True
            if self._giving:
                return
            self._giving = True
            try:
                while (self._stale or pool.policy.stale) and not pool.closed:
                    self._stale = pool.policy.stale = False
                    ended += self._give_out()
                self._look_again()
            except Exception as error:  # nobody would give out what waits: it ends
                ended += [(submission, broken(error)) for submission in pool.queues.drain()]
            finally:
                self._giving = False
        for submission, outcome in ended:
            submission.end(outcome)

    def close(self) -> list[Submission]:
        """Ends all workers; what waited for them or was with them. The mutex is held."""
        self._pool.closed = True
        submissions = [*self._pool.queues.drain(), *self._pool.calls.drain()]
        if self._alarm:
            self._alarm.cancel()
        for worker in list(self._pool.residency.residents):
            self.workers.drop(worker)
        return submissions

    def _give_out(self) -> Ended:
        """Those that could never run here end."""
        now, pool = time.monotonic(), self._pool
        for worker, submissions in pool.policy.served(now):
            self._run(worker, submissions)
        if not pool.queues:
            return []
        refused = self._refused()
        for place, queue in pool.policy.extended(now):
            recipe = queue.recipe
            wanted = 1 < len(pool.residency.of(recipe.key)) <= recipe.least
            self.workers.start(place, recipe, self._loading_limit(), wanted)
        return refused

    def _refused(self) -> Ended:
        """Takes out the tasks whose workers could never run here."""
        ended: Ended = []
        for recipe in [queue.recipe for queue in self._pool.queues.all()]:
            if not self._pool.residency.of(recipe.key) and (why := self._pool.never(recipe)):
                failed = Failed(f"{recipe.name} {why}", exit_code=ResourcesMissing.exit_code, retryable=False)
                ended += [(submission, failed) for submission in self._pool.queues.drain(recipe.key)]
        return ended

    def _look_again(self) -> None:
        """Nothing may happen by then, and yet a worker that was kept may have to leave."""
        seconds, self._pool.policy.changes_in = self._pool.policy.changes_in, float("inf")
        if self._alarm is None and seconds < float("inf"):
            self._alarm = self._pool.alarms.after(seconds + 0.01, self._on_alarm)

    def _on_alarm(self) -> None:
        with self._pool.mutex:
            self._alarm = None
        self.pump()

    # The life of a call --------------------------------------------------------

    def _run(self, worker: int, submissions: list[Submission]) -> None:
        for submission in submissions:
            submission.tell("running")
        call = self._pool.calls.begin(worker, submissions)
        self._pool.logs.watch()
        if limit := submissions[0].task.timeout:
            self._pool.calls.limit(call, limit, self.on_timeout)
        try:
            called = self._call(worker, [submission.task for submission in submissions])
        except Exception as error:
            called = Future()
            called.set_exception(error)
        called.add_done_callback(partial(self.on_finished, call))

    def on_finished(self, call: Call, called: Future[list[Outcome]]) -> None:
        """A call has an end. An error raised here would be lost in the future, and its tasks wait for ever."""
        try:
            ended = self._ended(call, called)
        except Exception as error:
            ended = self._given_up(call, error)
        for submission, outcome in ended:
            submission.end(outcome)
        if self._pool.queues:
            self.pump()

    def _ended(self, call: Call, called: Future[list[Outcome]]) -> Ended:
        """The tasks that ended with the call."""
        error, pool = called.exception(), self._pool
        with pool.mutex:
            if not pool.calls.goes_on(call):
                return []  # cancelled or out of time
            if isinstance(error, WorkerDied):
                self.workers.drop(call.worker)
                return pool.calls.died(call, error)
            if error is not None:
                pool.residency.finished(call.worker, time.monotonic())
                return pool.calls.unsent(call, error)
            outcomes = called.result()
            if len(outcomes) != len(call.submissions):  # which is whose, nobody can tell
                raise ValueError(f"a worker answered {len(outcomes)} outcomes for {len(call.submissions)} tasks")
            ended = [(s, _signed(outcome, call.worker)) for s, outcome in zip(call.submissions, outcomes, strict=True)]
            pool.residency.finished(call.worker, time.monotonic())
            pool.policy.pace.learn(call.submissions[0].task.recipe.key, outcomes)
            pool.calls.end(call.worker)
            return ended

    def _given_up(self, call: Call, error: Exception) -> Ended:
        """An answer that makes no sense: its tasks end, and its worker with them."""
        with self._pool.mutex:
            if self._pool.calls.goes_on(call):
                self.workers.drop(call.worker)
        return [(submission, broken(error)) for submission in call.submissions]

    def unused(self, call: Call) -> bool:
        """A call came to nothing, and its worker is well; whether its tasks still want an outcome."""
        with self._pool.mutex:
            goes_on = self._pool.calls.goes_on(call)
            if goes_on:
                self._pool.residency.finished(call.worker, time.monotonic())
                self._pool.calls.end(call.worker)
        return goes_on

    def on_timeout(self, call: Call) -> None:
        """A call takes too long: its worker ends."""
        with self._pool.mutex:
            if not self._pool.calls.goes_on(call):
                return
            self.workers.drop(call.worker)
        for submission in call.submissions:
            limit = submission.task.timeout or 0.0
            submission.end(Failed(f"took longer than its timeout of {limit:g} s and was stopped"))
        self.pump()


def _signed(outcome: Outcome, worker: int) -> Outcome:
    """The outcome, with the worker that it comes from."""
    if isinstance(outcome, Done):
        outcome.measures.worker = worker
    elif not isinstance(outcome, Failed):
        raise TypeError(f"a worker answered a {type(outcome).__name__} instead of an outcome")
    return outcome
