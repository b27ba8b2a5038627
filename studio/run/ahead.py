"""Ahead: steps that are sent to their workers before what they need is made, because that takes but a moment.

This is done only where there are no keys to wait for, and saves the round trip between two quick steps. A value
that is still being made is a promise: the future of the task that makes it, and the port that it leaves by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from studio.executors.handles import Promised
from studio.language.plan import Source, Step
from studio.run.action import ActionState
from studio.run.scheduler import Scheduler
from studio.run.single_action import SingleAction, StepOwner
from studio.run.subplan import Subplan
from studio.values.artifact import Artifact

__all__ = ["Ahead", "promised"]


class Ahead:
    """That of one item."""

    def __init__(
        self, subplan: Subplan, scheduler: Scheduler, actions: dict[str, SingleAction], owner: StepOwner
    ) -> None:
        """The actions of the owner's steps, to which those that are sent ahead are added."""
        self._subplan, self._scheduler, self._actions, self._owner = subplan, scheduler, actions, owner
        self._quick: set[str] = set()  # steps on their way that will soon be done

    def of(self, step: Step) -> Iterator[SingleAction]:
        """A step will be done in a moment: the actions of what follows, as far as that can be sent now."""
        self._quick.add(step.id)
        for id in self._scheduler.followers[step.id]:
            if id in self._scheduler.open and id not in self._actions and self._can_go(self._scheduler.steps[id]):
                follower = self._scheduler.steps[id]
                inputs = self._scheduler.inputs.inputs_of(follower, admit=False)
                action = SingleAction(follower, inputs, ActionState.AHEAD, execution=self._owner)
                self._actions[id] = action
                yield action

    def _can_go(self, step: Step) -> bool:
        """Whether nothing but the values of quick steps is missing, and nothing depends on what these are."""
        plain = step.id in self._subplan.certain and not step.definition.node.inline and not self._scheduler.failed_by
        return plain and self._scheduler.waits_for[step.id] <= self._quick


def promised(actions: Mapping[str, SingleAction], source: Source) -> Artifact:
    """The promise of what a step is on its way to make."""
    maker = actions[source.name]
    assert maker.future is not None  # only steps that are on their way are promised
    return Artifact(maker.step.outputs[source.port].kind, handle=Promised(maker.future, source.port))
