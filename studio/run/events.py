"""Event: an immutable fact of a run. The terminal, a JSON log and a test all read the same ones."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from studio.values.artifact import Artifact
from studio.values.measures import Measures

__all__ = [
    "Event",
    "RunFinished",
    "RunStarted",
    "StepCached",
    "StepEvent",
    "StepFailed",
    "StepFinished",
    "StepLoading",
    "StepLogged",
    "StepReplaced",
    "StepRestarted",
    "StepSkipped",
    "StepStarted",
    "StepWaiting",
    "Warned",
]


@dataclass(frozen=True)
class Event:
    """Something happened, at a time (seconds since the epoch)."""

    at: float = field(default_factory=time.time, kw_only=True)


@dataclass(frozen=True)
class StepEvent(Event):
    """Something happened to a step, or to one element of a step that runs once per element."""

    step: str
    element: int | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class RunStarted(Event):
    """A run begins, of a graph, with these steps."""

    graph: str
    steps: tuple[str, ...]


@dataclass(frozen=True)
class StepWaiting(StepEvent):
    """A step's inputs are there, and it waits: for a worker, or for another run that computes the same."""

    reason: str = ""


@dataclass(frozen=True)
class StepLoading(StepEvent):
    """A worker is being set up for a step."""


@dataclass(frozen=True)
class StepStarted(StepEvent):
    """A step runs."""


@dataclass(frozen=True)
class StepLogged(StepEvent):
    """A node printed something, and its step still runs. All that it printed comes with the step's end, too.

    Some executors tell of it only then.
    """

    text: str  # one or more whole lines


@dataclass(frozen=True)
class StepRestarted(StepEvent):
    """A step starts over: its worker died, or it failed and is tried again."""

    reason: str


@dataclass(frozen=True)
class StepCached(StepEvent):
    """A step's outputs were known. `measures` is what they once took."""

    key: str
    outputs: Mapping[str, Artifact]
    measures: Measures

    @property
    def seconds(self) -> float:
        """Seconds that they once took."""
        return self.measures.seconds


@dataclass(frozen=True)
class StepFinished(StepEvent):
    """A step is done. `key` is empty if it could not be cached."""

    key: str
    outputs: Mapping[str, Artifact]
    measures: Measures
    log: str = ""

    @property
    def seconds(self) -> float:
        """Seconds that the node took."""
        return self.measures.seconds


@dataclass(frozen=True)
class StepFailed(StepEvent):
    """A step failed; `trace` is for the one who wrote the node."""

    message: str
    trace: str = ""
    exit_code: int = 1
    log: str = ""


@dataclass(frozen=True)
class StepReplaced(StepEvent):
    """A step failed, and its graph says what then: `outputs` stand in for its own; empty if it is skipped."""

    message: str
    trace: str = ""
    log: str = ""
    outputs: Mapping[str, Artifact] = field(default_factory=dict)


@dataclass(frozen=True)
class StepSkipped(StepEvent):
    """A step did not run: its condition does not hold, an input is absent, or something before it failed."""

    reason: str


@dataclass(frozen=True)
class Warned(Event):
    """Something worth knowing that stops nothing."""

    message: str


@dataclass(frozen=True)
class RunFinished(Event):
    """A run is over; `outputs` holds those that there are."""

    outputs: Mapping[str, Artifact]
    seconds: float
