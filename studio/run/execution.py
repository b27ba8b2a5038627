"""Execution: one item's way through a plan: what is ready becomes actions, and what becomes of these is told.

A step is one action, or one for each element where it has `each`. It looks nothing up and runs nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from studio.errors import InputError
from studio.executors.task import Done, Failed, Outcome
from studio.language.plan import Step
from studio.run.action import Action, ActionState
from studio.run.ahead import Ahead, promised
from studio.run.elements import Elements
from studio.run.events import (
    Event,
    StepCached,
    StepFailed,
    StepFinished,
    StepSkipped,
    StepStarted,
    StepWaiting,
)
from studio.run.inputs import Inputs
from studio.run.listener import Listener
from studio.run.on_error import OnError
from studio.run.recovery import Recovery
from studio.run.scheduler import Consequence, Scheduler
from studio.run.single_action import SingleAction, StepOwner
from studio.run.subplan import Subplan
from studio.values.artifact import Artifact, Damaged
from studio.values.measures import Measures

__all__ = ["Execution", "Progress"]


@dataclass(frozen=True)
class Progress:
    """How far an item came that went together with others: what its steps made, and which of them failed once."""

    made: dict[str, Mapping[str, Artifact]] = field(default_factory=dict)
    failed: dict[str, Failed] = field(default_factory=dict)


class Execution(StepOwner):
    """One item on its way. What is due next is put into a queue that many may share."""

    def __init__(
        self,
        subplan: Subplan,
        inputs: Inputs,
        due: deque[Action],
        listener: Listener,
        clean: Callable[[str], str],
    ) -> None:
        """The messages of failures are `clean` of secrets."""
        self._subplan = subplan
        self._due = due
        self.listener, self._tell = listener, listener.hear
        self._actions: dict[str, SingleAction] = {}  # of whole steps
        self.scheduler = Scheduler(subplan, inputs, partial(promised, self._actions))
        self._on_error = OnError(self.scheduler, self._tell, clean)
        self._ahead = Ahead(subplan, self.scheduler, self._actions, self)
        self._admitted = False
        self._elements: dict[str, Elements] = {}
        self._recovery: Recovery | None = None  # once something was lost
        self._skip(self.scheduler.first_skipped)

    @property
    def open(self) -> bool:
        """Whether there is anything left to do."""
        return bool(self.scheduler.open)

    def goes_on(self, action: SingleAction) -> bool:
        """Whether anybody still waits for what this gives."""
        if action.state is ActionState.REMAKING:
            return self.open
        return action.state is not ActionState.ENDED and action.step.id in self.scheduler.open

    def is_open(self, id: str) -> bool:
        return id in self.scheduler.open

    def resume(self, progress: Progress) -> Iterator[tuple[SingleAction, Failed]]:
        """Takes up what was made of it already; gives the actions that were tried once, and failed."""
        for id, outputs in progress.made.items():
            self._skip(self.scheduler.end(id, outputs))
        for id, failed in progress.failed.items():
            step = self.scheduler.steps[id]
            self.scheduler.ready.remove(id)
            inputs = self.scheduler.inputs.inputs_of(step, admit=False)
            action = self._actions[id] = SingleAction(step, inputs, tries=1, execution=self)
            yield action, failed

    def advance(self) -> None:
        ready = self.scheduler.ready
        while ready:
            self._reach(ready.popleft())
        self.listener.advanced(self)

    def close(self) -> None:
        """Nothing more is to be done for this item."""
        self.scheduler.open.clear()
        self.scheduler.ready.clear()

    def release(self) -> None:
        """Lets go of what refers back to it: of the many items of a data set, none waits for the garbage collector."""
        self._actions.clear()
        self._elements.clear()
        self.scheduler.release()
        self._recovery = None
        del self._ahead, self._on_error, self.listener, self._tell

    # Beginnings --------------------------------------------------------------

    def _reach(self, id: str) -> None:
        """What a step waited for is there."""
        if id not in self.scheduler.open:
            return
        step = self.scheduler.steps[id]
        if self.scheduler.fell_back(id):
            self._skip(self._on_error.replaced(step))
        elif id in self._actions and self._actions[id].future is not None:
            self._catch_up(self._actions[id])
        elif self._goes(step):
            self._begin(step)

    def _goes(self, step: Step) -> bool:
        """Whether the conditions of a step hold; if not, it is skipped."""
        if not step.when:
            return True
        try:
            obstacle = self.scheduler.obstacle(step)
        except InputError as error:
            self.refused(error)
            return False
        except (ValueError, Damaged) as error:
            if isinstance(error, Damaged) and (makers := self._recover.lost_values(step)) is not None:
                self._due.extend(makers)
            else:
                self._skip(self._on_error.failed(step, Failed(str(error), retryable=False)))
            return False
        if obstacle:
            self._tell(StepSkipped(step.id, f"its condition does not hold: {obstacle}"))
            self._skip(self.scheduler.skip(step.id))
        return not obstacle

    def _begin(self, step: Step) -> None:
        inputs = self.scheduler.inputs.inputs_of(step, admit=False)
        if not step.each:
            action = self._actions[step.id] = SingleAction(step, inputs, execution=self)
            self._due.append(action)
            return
        try:
            given = self.scheduler.elements(step, inputs)
        except ValueError as error:
            self._skip(self._on_error.failed(step, Failed(str(error), retryable=False)))
            return
        self._elements[step.id] = Elements(step, given)
        self._tell(StepWaiting(step.id))
        self._next_elements(self._elements[step.id])

    def _next_elements(self, elements: Elements) -> None:
        """Takes up elements, as many as may be on their way."""
        for index, inputs in elements.due():
            self._due.append(SingleAction(elements.step, inputs, execution=self, element=index))
        if elements.ended:
            self._elements_ended(elements)

    def admit(self) -> None:
        if not self._admitted:
            self.listener.admit(self.scheduler.inputs)
            self._admitted = True

    def admitted_inputs(self, action: SingleAction) -> dict[str, Artifact]:
        inputs = self.scheduler.inputs.inputs_of
        whole = not action.losses and action.state is not ActionState.REMAKING
        if whole and all(artifact.movable for artifact in action.inputs.values()):
            return action.inputs
        if not whole:
            self.scheduler.inputs.renew()
        if action.element is None:
            return inputs(action.step, admit=True)
        elements = self._elements[action.step.id]
        if not elements.admitted:  # once for all of them
            elements.admitted = self.scheduler.elements(action.step, inputs(action.step, admit=True))
        return elements.admitted[action.element]

    def hear(self, event: Event) -> None:
        self._tell(event)

    def waits(self, action: SingleAction) -> None:
        self.listener.waits(action)

    def started(self, action: SingleAction) -> None:
        elements = self._elements.get(action.step.id)
        if elements and not elements.started:
            elements.started = True
            self._tell(StepStarted(action.step.id))
        self._tell(StepStarted(action.step.id, element=action.element))

    def refused(self, error: InputError) -> None:
        self.listener.refused(error)
        self.close()
        self.advance()

    def ahead_of(self, step: Step) -> None:
        self._due.extend(self._ahead.of(step))

    def _catch_up(self, action: SingleAction) -> None:
        """A step that was sent ahead has its inputs now: what was heard of it meanwhile counts from here."""
        self._tell(StepWaiting(action.step.id))
        self._tell(StepStarted(action.step.id))
        action.state = ActionState.RUNNING
        self._due.append(action)

    def back_in_line(self, action: SingleAction) -> None:
        action.future, action.tries, action.state = None, action.tries - 1, ActionState.WAITING
        action.inputs = self.scheduler.inputs.inputs_of(action.step, admit=False)
        self._due.append(action)

    # Ends --------------------------------------------------------------------

    def found(self, action: SingleAction, outputs: Mapping[str, Artifact], measures: Measures) -> None:
        self.listener.found(action, outputs, measures)
        self._end(action, outputs, measures, cached=True)

    def done(self, action: SingleAction, done: Done) -> None:
        self.listener.done(action, done)
        self._end(action, done.outputs, done.measures, cached=False)

    def failed(self, action: SingleAction, failed: Failed) -> None:
        action.state = ActionState.ENDED
        try:
            self.listener.doubt(self.scheduler.inputs)
        except InputError as error:
            self.refused(error)
            return
        if action.element is None:
            self._skip(self._on_error.failed(action.step, failed))
            return
        told = self._on_error.cleaned(failed)
        self._tell(
            StepFailed(action.step.id, told.message, told.trace, told.exit_code, told.log, element=action.element)
        )
        elements = self._elements[action.step.id]
        elements.fail(action.element, failed)
        self._next_elements(elements)

    def _end(self, action: SingleAction, outputs: Mapping[str, Artifact], measures: Measures, *, cached: bool) -> None:
        """An action has its outputs."""
        action.state = ActionState.ENDED
        if action.element is None:
            self._skip(self.scheduler.end(action.step.id, outputs))
            return
        elements = self._elements[action.step.id]
        elements.end(action.element, outputs, measures, cached=cached)
        self._next_elements(elements)

    def _elements_ended(self, elements: Elements) -> None:
        step = elements.step
        if elements.failed:
            self._skip(self._on_error.failed(step, elements.failure()))
            return
        outputs = elements.outputs()
        if len(elements.known) == len(elements.given):
            self._tell(StepCached(step.id, "", outputs, Measures.total(elements.known)))
        else:
            self._tell(StepFinished(step.id, "", outputs, Measures.total(elements.ran)))
        self._skip(self.scheduler.end(step.id, outputs))

    def _skip(self, consequences: list[Consequence]) -> None:
        for id, reason in consequences:
            self._tell(StepSkipped(id, reason))

    # What was lost -----------------------------------------------------------

    def lost_inputs(self, action: SingleAction) -> list[Action]:
        return self._recover.lost_inputs(action)

    def remade(self, action: SingleAction, outcome: Outcome) -> tuple[list[Action], list[Action]]:
        ended = self._recover.ended(action, outcome)
        self.advance()
        return ended

    @property
    def _recover(self) -> Recovery:
        """How what was lost is made again."""
        if self._recovery is None:
            self._recovery = Recovery(self._subplan.plan, self.scheduler, self._elements, self, self._tell)
        return self._recovery
