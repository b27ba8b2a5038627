"""Listener: who hears of an execution, and says when what was given is checked: a run, or a row of a data set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from studio.errors import InputError
from studio.executors.task import Done
from studio.run.events import Event, StepCached, StepFinished, StepWaiting
from studio.run.inputs import Inputs
from studio.run.single_action import SingleAction
from studio.values.artifact import Artifact
from studio.values.measures import Measures

__all__ = ["Listener", "Told"]


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
    def advanced(self, execution: Any) -> None:
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

    def advanced(self, execution: Any) -> None:
        """Whoever runs it asks for itself whether it is over."""
