"""Recovery: what was lost since it was made, who waits for it, and how it is made again.

A value may lie in the memory of a worker alone, and the worker dies; or in a cache folder that somebody clears.
Then the steps that made it run again: first what they need themselves, if that was lost too. They are not looked
up: what is on record of them names what is gone. Whatever waits is sent once all of it is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from studio.cache.store import Store
from studio.executors.task import Done, Outcome
from studio.language.plan import Edge, Plan, Step
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
        self._undecided: list[str] = []  # steps whose conditions wait for it
        self._delayed: set[str] = set()  # those that have waited so

    def lost_inputs(self, action: SingleAction) -> list[Action]:
        """An action lost what it needs: the actions that make it again; itself, if none of it has to be made."""
        action.losses += 1
        action.tries -= 1  # it is not to blame
        self._waiting.append(action)
        return [*self._makers(action.step.edges.values()), *self._going()]

    def lost_values(self, step: Step) -> list[SingleAction] | None:
        """What the conditions of a step read was lost: the actions that make it again; None at the second time.

        Once they have ended, the step is ready anew.
        """
        if step.id in self._delayed:
            return None
        self._delayed.add(step.id)
        self._undecided.append(step.id)
        makers = list(self._makers(edge for guard in step.when for edge in guard.edges.values()))
        if not self._remade:
            self._decide()
        return makers

    def _makers(self, edges: Iterable[Edge]) -> Iterator[SingleAction]:
        """Those that make again what was lost of what comes along edges; those on their way already not again."""
        for maker in sorted(self._plan.makers(edges) & self._scheduler.made.keys()):
            if self._scheduler.fell_back(maker):
                yield from self._makers(self._plan.steps[maker].instead.values())
            else:
                yield from self._makers_of(maker)

    def _makers_of(self, maker: str) -> Iterator[SingleAction]:
        """The actions of one step, or of elements of it."""
        step, elements = self._scheduler.steps[maker], self._elements.get(maker)
        made = elements.made if elements else {None: self._scheduler.made[maker]}
        for element, outputs in made.items():
            inputs = elements.given[element] if elements and element is not None else {}
            again = SingleAction(step, inputs, ActionState.REMAKING, execution=self._owner, element=element)
            if again.id not in self._remade and _is_lost(outputs, self._scheduler.inputs.store):
                self._remade[again.id] = again
                self._tell(StepRestarted(maker, "what it had made was lost; making it again", element=element))
                yield again

    def ended(self, action: SingleAction, outcome: Outcome) -> tuple[list[Action], list[Action]]:
        """What was lost was made again, or not: the actions that can go on, and those that fail for it."""
        if isinstance(outcome, Done):
            self._take(action, outcome)
            return self._going(), []
        if action.after(outcome) is Next.REMAKE:  # it has lost what it needs itself: that comes first
            del self._remade[action.id]
            return self.lost_inputs(action), []
        del self._remade[action.id]
        waiting, self._waiting = self._waiting, []
        self._decide()  # what cannot be decided now, never can be
        return [], [other for other in waiting if other.state is not ActionState.REMAKING]

    def _take(self, action: SingleAction, done: Done) -> None:
        """Takes what was made again for what was made before."""
        del self._remade[action.id]
        id, elements = action.step.id, self._elements.get(action.step.id)
        if elements and action.element is not None:
            elements.made[action.element] = done.outputs
        self._scheduler.made[id] = elements.outputs() if elements else done.outputs
        for other in self._scheduler.made:
            if self._scheduler.fell_back(other) and (stand_in := self._scheduler.instead(other)) is not None:
                self._scheduler.made[other] = stand_in
        for follower in self._elements.values():
            follower.admitted = []  # they stand for what was lost

    def _going(self) -> list[Action]:
        """What waits, and has no more to wait for."""
        going: list[Action] = []
        # The last to have lost something goes first: it makes what those before it wait for. So as soon as one
        # that is itself a remake goes, the others wait on.
        while self._waiting and not self._remade:
            other = self._waiting.pop()
            if other.state is ActionState.REMAKING:
                self._remade[other.id] = other
            going.append(other)
        if not self._remade:
            self._decide()
        return going

    def _decide(self) -> None:
        self._scheduler.ready.extend(self._undecided)
        self._undecided.clear()


def _is_lost(outputs: Mapping[str, Artifact], store: Store | None) -> bool:
    """Whether some of it may be: what lay in the memory of a worker alone, and what is not in the store any more."""
    leaves = [leaf for artifact in outputs.values() for leaf in artifact.leaves]
    return any(
        not (store is not None and store.has(leaf)) if leaf.stored else leaf.handle is not None
        for leaf in leaves
        if leaf.inline is None
    )
