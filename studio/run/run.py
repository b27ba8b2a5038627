"""Run: one execution of one plan on one set of inputs, told in events."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator

from studio.cache.cache import Cache
from studio.executors.base import Executor
from studio.node.source import outdated
from studio.run.engine import Engine
from studio.run.events import Event, RunFinished, RunStarted, Warned
from studio.run.inputs import Inputs
from studio.run.listener import Told
from studio.run.provisioning import Found, Provisioning
from studio.run.result import Result
from studio.run.subplan import Subplan

__all__ = ["Run"]


class Run:
    """One execution of what a subplan takes of a plan. Iterate `events()` to make it happen."""

    def __init__(
        self,
        subplan: Subplan,
        inputs: Inputs,
        *,
        cache: Cache | None,
        executor: Callable[[], Executor],
        inline: Callable[[], Executor],
        refresh: frozenset[str] = frozenset(),
        found: Found | None = None,
        waits: bool = True,
    ) -> None:
        """found: when it was asked for, if not now. waits: for what another run computes."""
        self._name, self._subplan = subplan.plan.name, subplan
        self.cache, self._inputs = cache, inputs
        self._news: deque[Event] = deque()
        self._engine = Engine(
            subplan,
            cache=cache,
            provisioning=Provisioning(subplan, cache, executor, inline, found or Found()),
            refresh=refresh,
            tell=self._news.append,
            waits=waits,
        )
        self._execution = self._engine.new_execution(inputs, Told(self._news.append, self._engine.clean))

    def events(self) -> Iterator[Event]:
        """Runs, and tells what happens. Closing the iterator, or `cancel`, stops everything."""
        started = time.perf_counter()
        engine, execution = self._engine, self._execution
        try:
            yield RunStarted(self._name, tuple(execution.scheduler.steps))
            for message in outdated(step.definition.node for step in self._subplan.steps.values()):
                yield Warned(message)
            execution.advance()
            yield from self._told()
            while execution.open or engine.busy:
                engine.turn()
                yield from self._told()
            outputs = execution.scheduler.outputs()
            yield from self._told()
            yield RunFinished(outputs, time.perf_counter() - started)
        finally:
            engine.let_go()

    def finish(self, result: Result) -> None:
        """Runs to the end; the result hears all of it."""
        for event in self.events():
            result.hear(event)
        if self.cache is not None:
            self.cache.flush()

    def cancel(self) -> None:
        """Stops the run, from any thread; its iterator raises Cancelled."""
        self._engine.cancel()

    def _told(self) -> Iterator[Event]:
        while self._inputs.notes:
            yield Warned(self._inputs.notes.pop(0))
        while self._news:
            yield self._news.popleft()
