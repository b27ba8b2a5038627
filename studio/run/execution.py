"""Execution: one item's way through a plan: what is ready becomes actions, and what becomes of these is told.

A step is one action, or one for each element where it has `each`. It looks nothing up and runs nothing. Who listens
decides what is told of it (events of a run, counts of a data set) and when what was given is checked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from studio.errors import InputError
from studio.executors.handles import Promised
from studio.executors.task import Done, Failed, Outcome
from studio.language.plan import Source, Step
from studio.run.action import Action, ActionState
from studio.run.elements import Elements
from studio.run.events import (
    Event,
    StepCached,
    StepFailed,
    StepFinished,
    StepReplaced,
    StepSkipped,
    StepStarted,
    StepWaiting,
)
from studio.run.inputs import Inputs
from studio.run.recovery import Recovery
from studio.run.scheduler import Consequence, Scheduler
from studio.run.single_action import SingleAction, StepOwner
from studio.run.subplan import Subplan
from studio.values.artifact import ABSENT, Artifact, Damaged
from studio.values.measures import Measures

__all__ = ["Execution", "Listener", "Progress", "Told"]

_WINDOW = 128  # elements of one step that are on their way at a time


class Listener(ABC):
    """Who hears of an execution. What happens to every task has a method of its own: a data set only counts it."""

    @abstractmethod
    def hear(self, event: Event) -> None:
        """Hears what happens to few."""

    @abstractmethod
    def waits(self, action: SingleAction) -> None:
        """A task is on its way to a worker."""

    @abstractmethod
    def found(self, action: SingleAction, outputs: Mapping[str, Artifact], measures: Measures) -> None:
        """The outputs of a task were known."""

    @abstractmethod
    def done(self, action: SingleAction, done: Done) -> None:
        """A task was computed."""

    @abstractmethod
    def admit(self, inputs: Inputs) -> None:
        """Sees to what was given, before anything runs; InputError says what is not sound."""

    @abstractmethod
    def doubt(self, inputs: Inputs) -> None:
        """A task failed: InputError if it did so because what was given is not sound."""

    @abstractmethod
    def refused(self, error: InputError) -> None:
        """What was given is not sound: the execution has ended."""

    @abstractmethod
    def advanced(self, execution: Execution) -> None:
        """All that is ready was taken up; whether anything is left to do, `execution.open` says."""


class Told(Listener):
    """Tells all of it in events, as a run does."""

    def __init__(self, tell: Callable[[Event], None], clean: Callable[[str], str]) -> None:
        """What nodes print is cleaned of secrets before it is told."""
        self._tell, self._clean = tell, clean

    def hear(self, event: Event) -> None:
        self._tell(event)

    def waits(self, action: SingleAction) -> None:
        self.hear(StepWaiting(action.step.id, element=action.element))

    def found(self, action: SingleAction, outputs: Mapping[str, Artifact], measures: Measures) -> None:
        self.hear(StepCached(action.step.id, action.key, outputs, measures, element=action.element))

    def done(self, action: SingleAction, done: Done) -> None:
        log = self._clean(done.log)
        self.hear(StepFinished(action.step.id, action.key, done.outputs, done.measures, log, element=action.element))

    def admit(self, inputs: Inputs) -> None:
        inputs.admit()

    def doubt(self, inputs: Inputs) -> None:
        """All of it was checked before."""

    def refused(self, error: InputError) -> None:
        raise error

    def advanced(self, execution: Execution) -> None:
        """Whoever runs it asks for itself whether it is over."""


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
        self._due, self._clean = due, clean
        self.listener, self._tell = listener, listener.hear
        self.scheduler = Scheduler(subplan, inputs, self._promised)
        self._admitted = False
        self._actions: dict[str, SingleAction] = {}  # of whole steps
        self._elements: dict[str, Elements] = {}
        self._failures: dict[str, Failed] = {}  # of steps that something else stands in for
        self._quick: set[str] = set()  # steps on their way that will soon be done
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
        del self.listener, self._tell

    # Beginnings --------------------------------------------------------------

    def _reach(self, id: str) -> None:
        """What a step waited for is there."""
        if id not in self.scheduler.open:
            return
        step = self.scheduler.steps[id]
        if self.scheduler.fell(id):
            self._replace(step)
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
            self._step_failed(step, Failed(str(error), retryable=False))
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
            self._step_failed(step, Failed(str(error), retryable=False))
            return
        self._elements[step.id] = Elements(step, given)
        self._tell(StepWaiting(step.id))
        self._next_elements(self._elements[step.id])

    def _next_elements(self, elements: Elements) -> None:
        """Takes up elements, as many as may be on their way."""
        while elements.running < _WINDOW and elements.waiting:
            index = elements.waiting.popleft()
            inputs = elements.given[index]
            if any(inputs[name].absent and elements.step.requires(name) for name in elements.step.each):
                elements.made[index] = dict.fromkeys(elements.step.outputs, ABSENT)
            else:
                elements.running += 1
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

    # Sent ahead --------------------------------------------------------------

    def ahead_of(self, step: Step) -> None:
        """Without keys to wait for, what follows a quick step is sent to its worker while that one still runs."""
        self._quick.add(step.id)
        for id in self.scheduler.followers[step.id]:
            if id in self.scheduler.open and id not in self._actions and self._can_go_ahead(self.scheduler.steps[id]):
                follower = self.scheduler.steps[id]
                inputs = self.scheduler.inputs.inputs_of(follower, admit=False)
                action = self._actions[id] = SingleAction(follower, inputs, ActionState.AHEAD, execution=self)
                self._due.append(action)

    def back_in_line(self, action: SingleAction) -> None:
        action.future, action.tries, action.state = None, action.tries - 1, ActionState.WAITING
        action.inputs = self.scheduler.inputs.inputs_of(action.step, admit=False)
        self._due.append(action)

    def _promised(self, source: Source) -> Artifact:
        """The promise of what a step is on its way to make."""
        maker = self._actions[source.name]
        assert maker.future is not None  # only steps that are on their way are promised
        return Artifact(maker.step.outputs[source.port].kind, handle=Promised(maker.future, source.port))

    def _can_go_ahead(self, step: Step) -> bool:
        """Whether nothing but the values of quick steps is missing, and nothing depends on what these are."""
        plain = step.id in self._subplan.certain and not step.definition.node.inline and not self.scheduler.lost
        return plain and self.scheduler.waits_for[step.id] <= self._quick

    def _catch_up(self, action: SingleAction) -> None:
        """A step that was sent ahead now has its inputs: what was heard of it meanwhile counts from here."""
        self._tell(StepWaiting(action.step.id))
        self._tell(StepStarted(action.step.id))
        action.state = ActionState.RUNNING
        self._due.append(action)  # with what was heard early

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
            self._step_failed(action.step, failed)
            return
        message, trace, log = map(self._clean, (failed.message, failed.trace, failed.log))
        self._tell(StepFailed(action.step.id, message, trace, failed.exit_code, log, element=action.element))
        elements = self._elements[action.step.id]
        elements.failed[action.element] = failed
        self._element_ended(elements)

    def _end(self, action: SingleAction, outputs: Mapping[str, Artifact], measures: Measures, *, cached: bool) -> None:
        """An action has its outputs."""
        action.state = ActionState.ENDED
        if action.element is None:
            self._skip(self.scheduler.end(action.step.id, outputs))
            return
        elements = self._elements[action.step.id]
        elements.made[action.element] = outputs
        (elements.known if cached else elements.ran).append(measures)
        self._element_ended(elements)

    def _element_ended(self, elements: Elements) -> None:
        elements.running -= 1
        self._next_elements(elements)

    def _elements_ended(self, elements: Elements) -> None:
        step = elements.step
        if elements.failed:
            self._step_failed(step, elements.failure())
            return
        outputs = elements.outputs()
        if len(elements.known) == len(elements.given):
            self._tell(StepCached(step.id, "", outputs, Measures.total(elements.known)))
        else:
            self._tell(StepFinished(step.id, "", outputs, Measures.total(elements.ran)))
        self._skip(self.scheduler.end(step.id, outputs))

    def _step_failed(self, step: Step, failed: Failed) -> None:
        """A step has failed: what does its graph say to that?"""
        message, trace, log = map(self._clean, (failed.message, failed.trace, failed.log))
        if step.on_error == "skip":
            self._tell(StepReplaced(step.id, message, trace, log, {}))
            self._skip(self.scheduler.skip(step.id))
        elif step.on_error == "use":
            self._failures[step.id] = failed
            self._skip(self.scheduler.fall(step.id))
        else:
            self._tell(StepFailed(step.id, message, trace, failed.exit_code, log))
            self._skip(self.scheduler.lose(step.id))

    def _replace(self, step: Step) -> None:
        """What was to stand in for the outputs of a failed step has come to an end."""
        failed, outputs = self._failures[step.id], self.scheduler.instead(step.id)
        message, trace, log = map(self._clean, (failed.message, failed.trace, failed.log))
        if outputs is None:
            self._tell(StepFailed(step.id, message, trace, failed.exit_code, log))
            self._skip(self.scheduler.lose(step.id))
        else:
            self._tell(StepReplaced(step.id, message, trace, log, outputs))
            self._skip(self.scheduler.end(step.id, outputs))

    def _skip(self, consequences: list[Consequence]) -> None:
        for id, reason in consequences:
            self._tell(StepSkipped(id, reason))

    # What was lost -----------------------------------------------------------

    def lost_inputs(self, action: SingleAction) -> list[Action]:
        return self._recover.lost_inputs(action)

    def remade(self, action: SingleAction, outcome: Outcome) -> tuple[list[Action], list[Action]]:
        return self._recover.ended(action, outcome)

    @property
    def _recover(self) -> Recovery:
        """How what was lost is made again."""
        if self._recovery is None:
            self._recovery = Recovery(self._subplan.plan, self.scheduler, self._elements, self, self._tell)
        return self._recovery
