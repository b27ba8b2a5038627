"""Execution and Action: one item's way through a plan, and each task on it. It looks nothing up and runs nothing.

It turns what is ready into actions, hears how they end, and says so in events. A step is attempted
once, or once per element where it has `each`: an action is what has a key, a lease, a task and a record.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from studio.cache.record import Basis
from studio.errors import InputError
from studio.executors.handles import Promised
from studio.executors.task import Done, Failed, Outcome
from studio.language.plan import Source, Step
from studio.run.elements import Elements
from studio.run.events import (
    Event,
    StepCached,
    StepFailed,
    StepFinished,
    StepReplaced,
    StepRestarted,
    StepSkipped,
    StepStarted,
    StepWaiting,
)
from studio.run.inputs import Inputs
from studio.run.scheduler import Consequence, Scheduler
from studio.run.subplan import Subplan
from studio.values.artifact import ABSENT, Artifact, Damaged
from studio.values.measures import Measures

__all__ = ["Action", "Execution"]

_WINDOW = 128  # elements of one step that are on their way at a time


@dataclass(eq=False, slots=True)
class Action:
    """One task, from the moment its inputs are there."""

    step: Step
    owner: Execution
    element: int | None = None
    inputs: dict[str, Artifact] = field(default_factory=dict)
    basis: Basis | None = None
    key: str = ""
    uncached: str = ""  # why it has no key
    leased: bool = False
    tries: int = 0
    losses: int = 0  # of what it needs
    remakes: bool = False  # what it made before was lost
    future: Future[Outcome] | None = None
    ended: bool = False
    announced: bool = False  # told as started, before its worker said so
    early: list[tuple[str, Any]] = field(default_factory=list)  # heard before what it needs was done

    @property
    def id(self) -> str:
        """What it is called."""
        return self.step.id if self.element is None else f"{self.step.id}[{self.element}]"


class Execution:
    """One item on its way. What is due next is put into a queue that many may share."""

    def __init__(
        self,
        subplan: Subplan,
        inputs: Inputs,
        due: deque[Action],
        tell: Callable[[Event], None],
        clean: Callable[[str], str],
    ) -> None:
        """Events go to `tell`, their texts `clean` of secrets."""
        self._subplan = subplan
        self._due, self._clean = due, clean
        self.tell = tell
        self.scheduler = Scheduler(subplan, inputs, self._promised)
        self._admitted = False
        self._actions: dict[str, Action] = {}  # of whole steps
        self._elements: dict[str, Elements] = {}
        self._failures: dict[str, Failed] = {}  # of steps that something else stands in for
        self._quick: set[str] = set()  # steps on their way that will soon be done
        self._remade: dict[str, Action] = {}  # what is made again because it was lost
        self._waiting_for_lost: list[Action] = []  # what waits for that
        self._skip(self.scheduler.first_skipped)

    @property
    def open(self) -> bool:
        """Whether there is anything left to do."""
        return bool(self.scheduler.open)

    def goes_on(self, action: Action) -> bool:
        """Whether anybody still waits for what this gives."""
        return not action.ended and (self.open if action.remakes else action.step.id in self.scheduler.open)

    def advance(self) -> None:
        """Takes up all that is ready."""
        ready = self.scheduler.ready
        while ready:
            self._reach(ready.popleft())

    def close(self) -> None:
        """Nothing more is to be done for this item."""
        self.scheduler.open.clear()
        self.scheduler.ready.clear()

    def release(self) -> None:
        """Lets go of what refers back to it: of the many items of a data set, none waits for the garbage collector."""
        self._actions.clear()
        self._elements.clear()
        self.scheduler.release()
        del self.tell

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
            self.tell(StepSkipped(step.id, f"its condition does not hold: {obstacle}"))
            self._skip(self.scheduler.skip(step.id))
        return not obstacle

    def _begin(self, step: Step) -> None:
        inputs = self.scheduler.inputs.inputs_of(step, admit=False)
        if not step.each:
            action = self._actions[step.id] = Action(step, self, None, inputs)
            self._due.append(action)
            return
        try:
            given = self.scheduler.elements(step, inputs)
        except ValueError as error:
            self._step_failed(step, Failed(str(error), retryable=False))
            return
        self._elements[step.id] = Elements(step, given)
        self.tell(StepWaiting(step.id))
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
                self._due.append(Action(elements.step, self, index, inputs))
        if elements.ended:
            self._elements_ended(elements)

    def admit(self) -> None:
        """Before anything runs: is everything sound that this item was given? InputError says what is not."""
        if not self._admitted:
            self.scheduler.inputs.admit()
            self._admitted = True

    def admitted_inputs(self, action: Action) -> dict[str, Artifact]:
        """The inputs, as a worker can take them."""
        inputs = self.scheduler.inputs.inputs_of
        whole = not (action.losses or action.remakes)
        if whole and all(artifact.movable for artifact in action.inputs.values()):
            return action.inputs
        if action.element is None:
            return inputs(action.step, admit=True)
        elements = self._elements[action.step.id]
        if not elements.admitted:  # once for all of them
            elements.admitted = self.scheduler.elements(action.step, inputs(action.step, admit=True))
        return elements.admitted[action.element]

    def started(self, action: Action) -> None:
        """A worker has taken it up."""
        elements = self._elements.get(action.step.id)
        if elements and not elements.started:
            elements.started = True
            self.tell(StepStarted(action.step.id))
        self.tell(StepStarted(action.step.id, element=action.element))

    def refused(self, error: InputError) -> None:
        """What the item was given is not sound."""
        raise error

    # Sent ahead --------------------------------------------------------------

    def is_ahead(self, action: Action) -> bool:
        """Whether it was sent on its way before what it needs is done."""
        return action.element is None and bool(self.scheduler.waits_for[action.step.id])

    def ahead_of(self, step: Step) -> None:
        """Without keys to wait for, what follows a quick step is sent to its worker while that one still runs."""
        self._quick.add(step.id)
        for id in self.scheduler.followers[step.id]:
            if id in self.scheduler.open and id not in self._actions and self._can_go_ahead(self.scheduler.steps[id]):
                follower = self.scheduler.steps[id]
                inputs = self.scheduler.inputs.inputs_of(follower, admit=False)
                action = self._actions[id] = Action(follower, self, None, inputs)
                self._due.append(action)

    def back_in_line(self, action: Action) -> None:
        """One that was sent ahead of something that was tried again."""
        action.future, action.tries = None, action.tries - 1
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

    def _catch_up(self, action: Action) -> None:
        """A step that was sent ahead now has its inputs: what was heard of it meanwhile counts from here."""
        self.tell(StepWaiting(action.step.id))
        self.tell(StepStarted(action.step.id))
        action.announced = True
        self._due.append(action)  # with what was heard early

    # Ends --------------------------------------------------------------------

    def found(self, action: Action, outputs: Mapping[str, Artifact], measures: Measures) -> None:
        """Its outputs were known, or made by another that was asked the same."""
        self._tell_found(action, outputs, measures)
        self._end(action, outputs, measures, cached=True)

    def done(self, action: Action, done: Done) -> None:
        """It was computed."""
        self._tell_done(action, done)
        self._end(action, done.outputs, done.measures, cached=False)

    def waits(self, action: Action) -> None:
        """It is on its way to a worker."""
        self.tell(StepWaiting(action.step.id, element=action.element))

    def _tell_found(self, action: Action, outputs: Mapping[str, Artifact], measures: Measures) -> None:
        self.tell(StepCached(action.step.id, action.key, outputs, measures, element=action.element))

    def _tell_done(self, action: Action, done: Done) -> None:
        ending = (done.outputs, done.measures, self._clean(done.log))
        self.tell(StepFinished(action.step.id, action.key, *ending, element=action.element))

    def failed(self, action: Action, failed: Failed) -> None:
        """It could not be computed."""
        action.ended = True
        if action.element is None:
            self._step_failed(action.step, failed)
            return
        message, trace, log = map(self._clean, (failed.message, failed.trace, failed.log))
        self.tell(StepFailed(action.step.id, message, trace, failed.exit_code, log, element=action.element))
        elements = self._elements[action.step.id]
        elements.failed[action.element] = failed
        self._element_ended(elements)

    def _end(self, action: Action, outputs: Mapping[str, Artifact], measures: Measures, *, cached: bool) -> None:
        """An action has its outputs."""
        action.ended = True
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
            self.tell(StepCached(step.id, "", outputs, Measures.total(elements.known)))
        else:
            self.tell(StepFinished(step.id, "", outputs, Measures.total(elements.ran)))
        self._skip(self.scheduler.end(step.id, outputs))

    def _step_failed(self, step: Step, failed: Failed) -> None:
        """A step has failed: what does its graph say to that?"""
        message, trace, log = map(self._clean, (failed.message, failed.trace, failed.log))
        if step.on_error == "skip":
            self.tell(StepReplaced(step.id, message, trace, log, {}))
            self._skip(self.scheduler.skip(step.id))
        elif step.on_error == "use":
            self._failures[step.id] = failed
            self._skip(self.scheduler.fall(step.id))
        else:
            self.tell(StepFailed(step.id, message, trace, failed.exit_code, log))
            self._skip(self.scheduler.lose(step.id))

    def _replace(self, step: Step) -> None:
        """What was to stand in for the outputs of a failed step has come to an end."""
        failed, outputs = self._failures[step.id], self.scheduler.instead(step.id)
        message, trace, log = map(self._clean, (failed.message, failed.trace, failed.log))
        if outputs is None:
            self.tell(StepFailed(step.id, message, trace, failed.exit_code, log))
            self._skip(self.scheduler.lose(step.id))
        else:
            self.tell(StepReplaced(step.id, message, trace, log, outputs))
            self._skip(self.scheduler.end(step.id, outputs))

    def _skip(self, consequences: list[Consequence]) -> None:
        for id, reason in consequences:
            self.tell(StepSkipped(id, reason))

    # What was lost -----------------------------------------------------------

    def lost_inputs(self, action: Action) -> list[Action]:
        """What an action needs was lost with the process that held it: those that are to make it again."""
        action.losses += 1
        action.tries -= 1
        self._waiting_for_lost.append(action)
        for maker in sorted(self._subplan.plan.makers(action.step.edges.values()) & self.scheduler.made.keys()):
            step = self.scheduler.steps[maker]
            elements = self._elements.get(maker)
            made = elements.made if elements else {None: self.scheduler.made[maker]}
            for element, outputs in made.items():
                inputs = elements.given[element] if elements and element is not None else {}
                again = Action(step, self, element, inputs, remakes=True)
                if _in_memory_only(outputs) and again.id not in self._remade:
                    self._remade[again.id] = again
                    reason = "what it had made was lost; making it again"
                    self.tell(StepRestarted(maker, reason, element=element))
        return [each for each in self._remade.values() if each.future is None]

    def remade(self, action: Action, done: Done) -> list[Action]:
        """What was lost is there again: those that can go on."""
        del self._remade[action.id]
        id, elements = action.step.id, self._elements.get(action.step.id)
        if elements and action.element is not None:
            elements.made[action.element] = done.outputs
        self.scheduler.made[id] = elements.outputs() if elements else done.outputs
        for follower in self._elements.values():
            follower.admitted = []  # they stand for what was lost
        going: list[Action] = []
        while self._waiting_for_lost and not self._remade:  # the last to have lost something goes first
            other = self._waiting_for_lost.pop()
            if other.remakes:
                self._remade[other.id] = other
            going.append(other)
        return going

    def lost_again(self, action: Action) -> list[Action]:
        """Something that was to be made again has lost what it needs itself."""
        del self._remade[action.id]
        return self.lost_inputs(action)

    def not_remade(self, action: Action) -> list[Action]:
        """What was lost cannot be made again: those that needed it."""
        del self._remade[action.id]
        waiting, self._waiting_for_lost = self._waiting_for_lost, []
        return [other for other in waiting if not other.remakes]


def _in_memory_only(outputs: Mapping[str, Artifact]) -> bool:
    """Whether some of it lies in the memory of a process alone."""
    leaves = [leaf for artifact in outputs.values() for leaf in artifact.leaves]
    return any(leaf.handle is not None and not leaf.stored and leaf.inline is None for leaf in leaves)
