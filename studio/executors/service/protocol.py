"""Protocol: what a service and its clients say to each other, and where values are that they speak of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Bye",
    "Cancel",
    "DueValue",
    "Ended",
    "Fetch",
    "Forget",
    "GetStatus",
    "HeldValue",
    "Hello",
    "MadeValue",
    "Message",
    "NewRecipe",
    "NotUnderstood",
    "Preload",
    "Preloaded",
    "ShutDown",
    "State",
    "Status",
    "Submit",
    "Value",
    "ValuePlace",
    "Welcome",
    "from_plain",
    "place_from_plain",
    "place_to_plain",
    "to_plain",
]

Plain = list[Any]  # lists, dicts, text, numbers and bytes, as a channel sends them


class NotUnderstood(Exception):
    """The other side says what is no message."""


# What clients say ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hello:
    """The first: what is there to share out? A Welcome answers."""


@dataclass(frozen=True, slots=True)
class NewRecipe:
    """A recipe, and the name by which tasks will ask for it; and one by which none will any more."""

    name: str
    instead_of: str
    shipped: Plain


@dataclass(frozen=True, slots=True)
class Submit:
    """A task; State and Ended tell of it by its number."""

    number: int
    recipe: str  # its name
    step: str
    work: Plain
    timeout: float | None
    run: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """A task is to stop."""

    number: int


@dataclass(frozen=True, slots=True)
class Forget:
    """What these tasks made is wanted no more."""

    numbers: list[int]


@dataclass(frozen=True, slots=True)
class Fetch:
    """A value that a task made is wanted here. A Value answers, with the number of this request."""

    request: int
    task: int
    place: int


@dataclass(frozen=True, slots=True)
class Preload:
    """Workers of these recipes are to be set up. Preloaded answers."""

    recipes: list[Plain]


@dataclass(frozen=True, slots=True)
class GetStatus:
    """How does the service stand? A Status answers."""


@dataclass(frozen=True, slots=True)
class ShutDown:
    """The service is to end. Bye answers."""


# What the service says -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Welcome:
    """What there is to share out."""

    machine: dict[str, Any]


@dataclass(frozen=True, slots=True)
class State:
    """A task has come to a state: loading, running, restarting; or `log`, and what its node printed."""

    number: int
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A task has its outcome; None if it was cancelled."""

    number: int
    outcome: Plain | None
    worker: int


@dataclass(frozen=True, slots=True)
class Value:
    """A value that was asked for; or why it cannot be had."""

    request: int
    data: bytes | None
    why: str


@dataclass(frozen=True, slots=True)
class Preloaded:
    """Of each recipe whether there is room for a worker."""

    fits: list[bool]


@dataclass(frozen=True, slots=True)
class Status:
    """How the service stands, for people and programs."""

    told: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bye:
    """The service ends."""


Message = (
    Hello
    | NewRecipe
    | Submit
    | Cancel
    | Forget
    | Fetch
    | Preload
    | GetStatus
    | ShutDown
    | Welcome
    | State
    | Ended
    | Value
    | Preloaded
    | Status
    | Bye
)


# Where an input is, as a client tells of it ------------------------------------------


@dataclass(frozen=True, slots=True)
class HeldValue:
    """The client had it: it comes along, encoded, with the name of its file, if that is a part of it."""

    kind: str
    encoded: bytes
    name: str


@dataclass(frozen=True, slots=True)
class MadeValue:
    """A task has made it: the task's number, and the place among the values it made."""

    task: int
    place: int


@dataclass(frozen=True, slots=True)
class DueValue:
    """A task will make it: the task's number, and the port that the value leaves by."""

    task: int
    port: str


ValuePlace = HeldValue | MadeValue | DueValue


# As plain data ---------------------------------------------------------------------

_MESSAGES: dict[str, type[Message]] = {form.__name__: form for form in Message.__args__}
_PLACES: dict[str, type[ValuePlace]] = {form.__name__: form for form in ValuePlace.__args__}


def to_plain(messages: Iterable[Message]) -> Plain:
    """Messages as they travel: all that is said at once goes together."""
    return [_plain(message) for message in messages]


def from_plain(told: Any) -> list[Message]:
    """Messages that have come; NotUnderstood if one is none."""
    if not isinstance(told, list):
        raise NotUnderstood(f"expected messages, not a {type(told).__name__}")
    return [_formed(_MESSAGES, each) for each in told]


def place_to_plain(place: ValuePlace) -> Plain:
    """Where a value is, as it travels in a task's work."""
    return _plain(place)


def place_from_plain(told: Any) -> ValuePlace:
    """The same as it has come."""
    place: ValuePlace = _formed(_PLACES, told)
    return place


def _plain(said: Any) -> Plain:
    return [type(said).__name__, *(getattr(said, name) for name in said.__slots__)]


def _formed(forms: Mapping[str, Callable[..., Any]], told: Any) -> Any:
    try:
        name, *details = told
        return forms[name](*details)
    except (TypeError, ValueError, KeyError):
        raise NotUnderstood(f"expected one of {', '.join(forms)}, with what belongs to it") from None
