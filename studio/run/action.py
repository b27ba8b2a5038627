"""Action: one step of one item (or of one element, or of many items), from when its inputs are there until it ended.

An action is what has a key, a lease, a task and a record. It looks nothing up and runs nothing: the engine does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, Protocol

from studio.cache.store import Store
from studio.errors import InputError
from studio.executors.task import Done, Failed, Outcome, Work
from studio.language.plan import Step
from studio.run.events import Event
from studio.run.keys import TaskKey
from studio.values.artifact import Artifact
from studio.values.measures import Measures

__all__ = ["Action", "ActionState", "Computed", "Finder", "LookUp", "Next", "Owner"]


class ActionState(Enum):
    """Where an action stands. Most go down this list; one that is tried again goes back to WAITING."""

    WAITING = "waiting"  # its inputs are there; no executor has it
    AHEAD = "ahead"  # it was sent before its inputs were made: what is heard of it waits until they are
    SENT = "sent"  # an executor has it
    RUNNING = "running"  # a worker has taken it up, and that was told
    REMAKING = "remaking"  # it had ended; what it made was lost, and is made again
    ENDED = "ended"


class LookUp(Enum):
    """What a look at the cache, and at all that is being computed, says of an action."""

    KNOWN = "known"  # it has its outputs
    JOINED = "joined"  # the same is on its way in this run: it waits for that
    ELSEWHERE = "elsewhere"  # another run computes it
    OURS = "ours"  # it is to be computed here


class Next(Enum):
    """What follows when an action did not end well."""

    FAIL = "fail"
    RETRY = "retry"
    REMAKE = "remake"  # what it needs was lost: that is made again, and then it is tried again
    WAIT = "wait"  # it was sent ahead of something that was tried again itself


class Computed(NamedTuple):
    """What was computed for one key, as it can be put on record."""

    named: TaskKey
    inputs: Mapping[str, Artifact]
    outputs: Mapping[str, Artifact]
    measures: Measures


class Owner(ABC):
    """Whose actions they are: the execution of one item, or of several that go together."""

    @abstractmethod
    def goes_on(self, action: Any) -> bool:
        """Whether anybody still waits for what this gives."""

    @abstractmethod
    def is_open(self, id: str) -> bool:
        """Whether a step has not come to its end."""

    @abstractmethod
    def admit(self) -> None:
        """Checks what was given, before anything runs; InputError says what is not sound."""

    @abstractmethod
    def admitted_inputs(self, action: Any) -> dict[str, Artifact]:
        """The inputs, as a worker can take them; InputError where they are not sound."""

    @abstractmethod
    def refused(self, error: InputError) -> None:
        """Hears that what was given is not sound."""

    @abstractmethod
    def advance(self) -> None:
        """Takes up all that is ready."""


class Finder(Protocol):
    """What looks actions up: see `lookups.py`."""

    def find(self, action: Any) -> LookUp:
        """Looks up a single action."""

    def find_again(self, action: Any) -> LookUp:
        """Looks up a single action that another run was computing."""

    def find_rows(self, chunk: Any) -> LookUp:
        """Looks up the rows of a chunk, each of which has a key of its own."""

    def named(self, action: Any) -> TaskKey:
        """The key of a single action, asked for anew."""


@dataclass(eq=False, slots=True)
class Action(ABC):
    """What single actions and chunks have in common: all that the engine needs to know of either."""

    step: Step
    inputs: dict[str, Artifact] = field(default_factory=dict)
    state: ActionState = ActionState.WAITING
    tries: int = 0
    future: Future[Outcome] | None = None
    early: tuple[Any, ...] = ()  # messages about it that came while it was AHEAD

    @property
    @abstractmethod
    def owner(self) -> Owner:
        """Whose it is."""

    @property
    @abstractmethod
    def id(self) -> str:
        """What it is called in messages."""

    @property
    @abstractmethod
    def named(self) -> bool:
        """Whether its key was asked for, or need not be asked for ahead."""

    @abstractmethod
    def name(self, finder: Finder) -> None:
        """Asks for its key."""

    @abstractmethod
    def own_keys(self) -> Iterable[str]:
        """The keys that it is to compute."""

    @abstractmethod
    def look_up(self, finder: Finder) -> LookUp:
        """Asks whether its result is known, being computed, or to be computed; what is known it takes in."""

    @abstractmethod
    def look_again(self, finder: Finder) -> LookUp:
        """The same for one that another run was computing."""

    @abstractmethod
    def known(self) -> None:
        """Goes on with what was known."""

    @abstractmethod
    def work(self, store: Store | None, keep: bool, batch: int) -> Work:
        """What a worker is told; so many rows of a chunk are computed as a batch."""

    @abstractmethod
    def waits(self) -> None:
        """Tells that it is on its way to a worker."""

    @abstractmethod
    def started(self) -> None:
        """A worker has taken it up."""

    @abstractmethod
    def tell(self, event: Callable[..., Event], *details: Any) -> None:
        """Tells what happens to it, where anybody wants to know of single actions."""

    @abstractmethod
    def computed(self, done: Done, finder: Finder) -> list[Computed]:
        """Takes in what was computed, and gives what of it has a key."""

    @abstractmethod
    def done(self, done: Done) -> None:
        """Goes on with what was computed."""

    @abstractmethod
    def after(self, failed: Failed) -> Next:
        """What follows a failure."""

    @abstractmethod
    def prepare(self, what: Next) -> list[Action]:
        """Makes ready what follows; gives the actions that are to be sent for it."""

    @abstractmethod
    def remade(self, outcome: Outcome) -> tuple[list[Action], list[Action]]:
        """What it had made, and was lost, was made again: the actions that can go on, and those that fail for it."""

    @abstractmethod
    def soon_done(self) -> None:
        """Hears that it will be done in a moment: what follows may be sent ahead."""

    @abstractmethod
    def failed(self, failed: Failed) -> None:
        """Goes on without outputs."""
