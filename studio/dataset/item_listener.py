"""ItemListener: hears of the execution of one item of a data set, and has what is to be told of it when it is over.

What happens to every task is counted as it is: an event for each would cost more than all the rest of a small one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from studio.dataset.chunk_execution import MemoryInFlight
from studio.dataset.items import Item
from studio.dataset.notes import Notes
from studio.dataset.step_stats import RunStats
from studio.errors import InputError
from studio.executors.task import Done
from studio.run.events import Event, StepEvent, StepFailed
from studio.run.execution import Execution
from studio.run.inputs import Inputs
from studio.run.listener import Listener
from studio.run.single_action import SingleAction
from studio.values.artifact import Artifact
from studio.values.measures import Measures

__all__ = ["ItemListener"]


class ItemListener(Listener):
    """That of one item; of its execution only what is over is told, to `over`."""

    def __init__(
        self,
        item: Item,
        number: int,
        stats: RunStats,
        notes: Notes,
        memory: MemoryInFlight,
        over: deque[ItemListener],
    ) -> None:
        """The item with its number among all."""
        self.item, self.number = item, number
        self.execution: Execution | None = None  # once it has advanced
        self.failures: dict[str, str] = {}  # by step; by no step, what is wrong with what was given
        self.seconds = 0.0
        self.trace = ""
        self._stats, self._notes, self._memory, self._over = stats, notes, memory, over
        self._held = 0  # bytes of what was made
        self._ended = False

    def hear(self, event: Event) -> None:
        assert isinstance(event, StepEvent)
        self._stats.hear(event)
        if isinstance(event, StepFailed) and event.element is None:
            self.failures[event.step] = event.message
            self.trace = event.trace

    def waits(self, action: SingleAction) -> None:
        if action.tries == 1 and not action.losses:  # once, however often it is tried
            self._stats.of[action.step.id].waiting += 1

    def found(self, action: SingleAction, outputs: Mapping[str, Artifact], measures: Measures) -> None:
        self._stats.of[action.step.id].knew(measures)
        if action.tries:  # it failed, and another made it meanwhile
            self._stats.of[action.step.id].waiting -= 1

    def done(self, action: SingleAction, done: Done) -> None:
        self._stats.of[action.step.id].took(done)
        self.seconds += done.measures.seconds
        self._held += self._memory.more(done.outputs.values())
        if done.notes:
            self._notes.add_seen(self.item, done.notes)

    def admit(self, inputs: Inputs) -> None:
        inputs.place()  # to open files is left to the workers; `doubt` tells what they make of a broken one
        self._note(inputs)

    def doubt(self, inputs: Inputs) -> None:
        inputs.admit()
        self._note(inputs)

    def _note(self, inputs: Inputs) -> None:
        """What was found by opening what was given."""
        if inputs.own_notes:
            self._notes.add(self.item, inputs.own_notes)

    def refused(self, error: InputError) -> None:
        self.failures[""] = f"{self.item.place}: {error}"

    def advanced(self, execution: Execution) -> None:
        if not execution.open and not self._ended:
            self.execution, self._ended = execution, True
            self._memory.less(self._held, 1)
            self._over.append(self)
