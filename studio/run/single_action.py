"""SingleAction: one step of one item, or of one element of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from studio.cache.store import Store
from studio.executors.task import Done, Failed, Outcome, Work
from studio.language.plan import Step
from studio.run.action import Action, Computed, Finder, LookUp, Next, Owner
from studio.run.events import Event
from studio.run.keys import TaskKey
from studio.values.artifact import Artifact
from studio.values.measures import Measures

__all__ = ["SingleAction", "StepOwner"]

_MOST_LOSSES = 3  # of what one action needs, before it fails


class StepOwner(Owner):
    """The execution of one item, as its actions know it."""

    @abstractmethod
    def waits(self, action: SingleAction) -> None:
        """It is on its way to a worker."""

    @abstractmethod
    def started(self, action: SingleAction) -> None:
        """A worker has taken it up."""

    @abstractmethod
    def hear(self, event: Event) -> None:
        """Something else happened to it."""

    @abstractmethod
    def found(self, action: SingleAction, outputs: Mapping[str, Artifact], measures: Measures) -> None:
        """Its outputs were known, or computed by another that was asked the same."""

    @abstractmethod
    def done(self, action: SingleAction, done: Done) -> None:
        """It was computed."""

    @abstractmethod
    def failed(self, action: SingleAction, failed: Failed) -> None:
        """It could not be computed."""

    @abstractmethod
    def back_in_line(self, action: SingleAction) -> None:
        """It was sent ahead of something that was tried again."""

    @abstractmethod
    def ahead_of(self, step: Step) -> None:
        """A step will be done in a moment: what follows is sent to its worker while that one still runs."""

    @abstractmethod
    def remade(self, action: SingleAction, outcome: Outcome) -> tuple[list[Action], list[Action]]:
        """What was lost was made again, or could not be: the actions that can go on, and those that fail for it."""

    @abstractmethod
    def lost_inputs(self, action: SingleAction) -> list[Action]:
        """What it needs was lost: gives the actions that make that again."""


@dataclass(eq=False, slots=True)
class SingleAction(Action):
    """An action with one key at most."""

    execution: Any = None  # a StepOwner: see `owner`
    element: int | None = None
    task_key: TaskKey | None = None  # None until it was asked for
    losses: int = 0  # of what it needs

    @property
    def owner(self) -> StepOwner:
        owner: StepOwner = self.execution
        return owner

    @property
    def id(self) -> str:
        return self.step.id if self.element is None else f"{self.step.id}[{self.element}]"

    @property
    def key(self) -> str:
        """Its key; empty if it has none, or none yet."""
        return self.task_key.key if self.task_key else ""

    @property
    def named(self) -> bool:
        return self.task_key is not None

    def name(self, finder: Finder) -> None:
        self.task_key = finder.named(self)

    def own_keys(self) -> Iterable[str]:
        return (self.key,) if self.key else ()

    def look_up(self, finder: Finder) -> LookUp:
        return finder.find(self)

    def look_again(self, finder: Finder) -> LookUp:
        return finder.find_again(self)

    def known(self) -> None:
        self.owner.advance()

    def found(self, outputs: Mapping[str, Artifact], measures: Measures) -> None:
        """Its outputs are known."""
        self.owner.found(self, outputs, measures)

    def work(self, store: Store | None, keep: bool, batch: int) -> Work:
        return Work(self.inputs, store, keep)

    def waits(self) -> None:
        self.owner.waits(self)

    def started(self) -> None:
        self.owner.started(self)

    def tell(self, event: Callable[..., Event], *details: Any) -> None:
        self.owner.hear(event(self.step.id, *details, element=self.element))

    def computed(self, done: Done, finder: Finder) -> list[Computed]:
        named = self.task_key
        if named is None or named.missing or self.losses:  # weights may have come, and what was lost be made otherwise
            named = finder.named(self)
        return [Computed(named, self.inputs, done.outputs, done.measures)] if named.key else []

    def done(self, done: Done) -> None:
        self.owner.done(self, done)
        self.owner.advance()

    def after(self, failed: Failed) -> Next:
        if failed.upstream:
            return Next.WAIT
        if failed.lost and self.losses < _MOST_LOSSES:
            return Next.REMAKE
        return Next.RETRY if failed.retryable and self.tries <= self.step.retries else Next.FAIL

    def prepare(self, what: Next) -> list[Action]:
        if what is Next.WAIT:
            self.owner.back_in_line(self)
        return self.owner.lost_inputs(self) if what is Next.REMAKE else []

    def remade(self, outcome: Outcome) -> tuple[list[Action], list[Action]]:
        return self.owner.remade(self, outcome)

    def soon_done(self) -> None:
        if self.element is None:
            self.owner.ahead_of(self.step)

    def failed(self, failed: Failed) -> None:
        self.owner.failed(self, failed)
        self.owner.advance()
