"""Event: an immutable fact of a run. The terminal, a JSON log and a test all read the same ones."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from studio.store import Artifact

__all__ = [
    "Event",
    "RunFinished",
    "RunStarted",
    "StepCached",
    "StepFailed",
    "StepFinished",
    "StepLoading",
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
class RunStarted(Event):
    """A run begins, of a graph, with these steps."""

    graph: str
    steps: tuple[str, ...]


@dataclass(frozen=True)
class StepWaiting(Event):
    """A step's inputs are there, and it waits: for a worker, or for another run that computes the same."""

    step: str
    reason: str = ""


@dataclass(frozen=True)
class StepLoading(Event):
    """A worker is being set up for a step."""

    step: str


@dataclass(frozen=True)
class StepStarted(Event):
    """A step runs."""

    step: str


@dataclass(frozen=True)
class StepRestarted(Event):
    """A step starts over: its worker died, or it failed and is tried again."""

    step: str
    reason: str


@dataclass(frozen=True)
class StepCached(Event):
    """A step's outputs were known. `seconds` is what they once took."""

    step: str
    key: str
    outputs: Mapping[str, Artifact]
    seconds: float


@dataclass(frozen=True)
class StepFinished(Event):
    """A step is done. `key` is empty if it could not be cached."""

    step: str
    key: str
    outputs: Mapping[str, Artifact]
    seconds: float
    spans: Mapping[str, float] = field(default_factory=dict)
    log: str = ""


@dataclass(frozen=True)
class StepFailed(Event):
    """A step failed; `trace` is for the one who wrote the node."""

    step: str
    message: str
    trace: str = ""
    exit_code: int = 1
    log: str = ""


@dataclass(frozen=True)
class StepSkipped(Event):
    """A step did not run, because something before it failed."""

    step: str
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
