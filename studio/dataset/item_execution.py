"""ItemExecution: the execution of one item of a data set, with what is to be told of it when it is over."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

from studio.dataset.chunk_execution import MemoryInFlight, Progress
from studio.dataset.items import Item
from studio.dataset.step_stats import RunStats
from studio.errors import InputError
from studio.executors.task import Done, Failed
from studio.run.events import Event, StepEvent, StepFailed
from studio.run.execution import Action, Execution
from studio.values.artifact import Artifact
from studio.values.measures import Measures

__all__ = ["ItemExecution"]


class ItemExecution(Execution):
    """What is counted of every task is counted as it is: events would cost more than all the rest of a small one."""

    item: Item
    number: int

    def begin(
        self,
        item: Item,
        number: int,
        stats: RunStats,
        over: deque[ItemExecution],
        load: MemoryInFlight,
        skipped: Iterable[Event],
    ) -> None:
        """Sets out; the skipped are told of what never began."""
        self.item, self.number = item, number
        self._memory, self._held = load, 0
        self.failures: dict[str, str] = {}
        self.seconds = 0.0
        self.trace = ""
        self._stats, self._over = stats, over
        self._ended = False
        self.tell = self._hear
        for event in skipped:
            self._hear(event)

    def go_on(self, progress: Progress) -> Iterator[tuple[Action, Failed]]:
        """Takes up what was made of it already; gives the actions that were made, and failed."""
        for id, outputs in progress.made.items():
            self._skip(self.scheduler.end(id, outputs))
        for id, failed in progress.failed.items():
            step = self.scheduler.steps[id]
            self.scheduler.ready.remove(id)
            inputs = self.scheduler.inputs.inputs_of(step, admit=False)
            action = self._actions[id] = Action(step, self, None, inputs, tries=1)
            yield action, failed

    def advance(self) -> None:
        super().advance()
        if not self.scheduler.open and not self._ended:
            self._ended = True
            self._memory.less(self._held, 1)
            self._over.append(self)

    def admit(self) -> None:
        """Opening files is left to the workers; what they make of one that is broken is told here."""
        self.scheduler.inputs.place()

    def failed(self, action: Action, failed: Failed) -> None:
        try:
            self.scheduler.inputs.admit()
        except InputError as error:
            self.refused(error)
        else:
            super().failed(action, failed)

    def refused(self, error: InputError) -> None:
        self.failures[""] = f"{self.item.place}: {error}"
        self.close()
        self.advance()

    def waits(self, action: Action) -> None:
        if action.tries == 1 and not action.losses:  # once, however often it is tried
            self._stats.of[action.step.id].waiting += 1

    def _tell_found(self, action: Action, outputs: Mapping[str, Artifact], measures: Measures) -> None:
        self._stats.of[action.step.id].knew(measures)
        if action.tries:  # it failed, and another made it meanwhile
            self._stats.of[action.step.id].waiting -= 1

    def _tell_done(self, action: Action, done: Done) -> None:
        self._stats.of[action.step.id].took(done)
        self.seconds += done.measures.seconds
        self._held += self._memory.more(done.outputs.values())

    def _hear(self, event: Event) -> None:
        assert isinstance(event, StepEvent)
        self._stats.hear(event)
        if isinstance(event, StepFailed) and event.element is None:
            self.failures[event.step] = event.message
            self.trace = event.trace
