"""Recovery: what was lost with the process that held it, who waits for it, and how it is made again.

Without a cache, values may lie in the memory of a worker alone. If that dies, the steps that made them run
again: first what they need themselves, if that was lost too. Whatever waits is sent once all of it is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from studio.executors.task import Done, Outcome
from studio.language.plan import Plan
from studio.run.action import Action, ActionState, Next
from studio.run.elements import Elements
from studio.run.events import Event, StepRestarted
from studio.run.scheduler import Scheduler
from studio.run.single_action import SingleAction, StepOwner
from studio.values.artifact import Artifact

__all__ = ["Recovery"]


class Recovery:
    """That of one item."""

    def __init__(
        self,
        plan: Plan,
        scheduler: Scheduler,
        elements: Mapping[str, Elements],
        owner: StepOwner,
        tell: Callable[[Event], None],
    ) -> None:
        """The actions that make something again are the owner's."""
        self._plan, self._scheduler, self._elements = plan, scheduler, elements
        self._owner, self._tell = owner, tell
        self._remade: dict[str, SingleAction] = {}  # what is being made again, by its id
        self._waiting: list[SingleAction] = []  # what waits for that, the last to have lost something at the end

    def lost_inputs(self, action: SingleAction) -> list[Action]:
        """An action lost what it needs: the actions that make it again, those not sent yet."""
        action.losses += 1
        action.tries -= 1  # it is not to blame
        self._waiting.append(action)
        for maker in sorted(self._plan.makers(action.step.edges.values()) & self._scheduler.made.keys()):
            self._make_again(maker)
        return [each for each in self._remade.values() if each.future is None]

    def _make_again(self, maker: str) -> None:
        """Has what a step made (or elements of it) made again, as far as it lay in the memory of a process alone."""
        step, elements = self._scheduler.steps[maker], self._elements.get(maker)
        made = elements.made if elements else {None: self._scheduler.made[maker]}
        for element, outputs in made.items():
            inputs = elements.given[element] if elements and element is not None else {}
            again = SingleAction(step, inputs, ActionState.REMAKING, execution=self._owner, element=element)
            if _in_memory_only(outputs) and again.id not in self._remade:
                self._remade[again.id] = again
                self._tell(StepRestarted(maker, "what it had made was lost; making it again", element=element))

    def ended(self, action: SingleAction, outcome: Outcome) -> tuple[list[Action], list[Action]]:
        """What was lost was made again, or not: the actions that can go on, and those that fail for it."""
        if isinstance(outcome, Done):
            return self._remade_by(action, outcome), []
        if action.after(outcome) is Next.REMAKE:  # it has lost what it needs itself: that comes first
            del self._remade[action.id]
            return self.lost_inputs(action), []
        del self._remade[action.id]
        waiting, self._waiting = self._waiting, []
        return [], [other for other in waiting if other.state is not ActionState.REMAKING]

    def _remade_by(self, action: SingleAction, done: Done) -> list[Action]:
        del self._remade[action.id]
        id, elements = action.step.id, self._elements.get(action.step.id)
        if elements and action.element is not None:
            elements.made[action.element] = done.outputs
        self._scheduler.made[id] = elements.outputs() if elements else done.outputs
        for follower in self._elements.values():
            follower.admitted = []  # they stand for what was lost
        going: list[Action] = []
        # The last to have lost something goes first: it makes what those before it wait for. So as soon as one
        # that is itself a remake goes, the others wait on.
        while self._waiting and not self._remade:
            other = self._waiting.pop()
            if other.state is ActionState.REMAKING:
                self._remade[other.id] = other
            going.append(other)
        return going


def _in_memory_only(outputs: Mapping[str, Artifact]) -> bool:
    """Whether some of it lies in the memory of a process alone."""
    leaves = [leaf for artifact in outputs.values() for leaf in artifact.leaves]
    return any(leaf.handle is not None and not leaf.stored and leaf.inline is None for leaf in leaves)
