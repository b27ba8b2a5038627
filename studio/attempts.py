"""Attempts: what a run knows of each task while it is on its way: a step, or one element of one with `each`."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from studio.cache import Parts
from studio.plan import Step
from studio.store import Artifact
from studio.worker import Failed, Outcome

__all__ = ["Attempt", "Elements"]

_MOST_TOLD = 3  # failed elements whose messages are told with their step


@dataclass
class Attempt:
    """One task of the run, from the moment its inputs are there: a step, or one element of it."""

    step: Step
    config: BaseModel
    element: int | None = None
    inputs: dict[str, Artifact] = field(default_factory=dict)
    parts: Parts | None = None
    key: str = ""
    uncached: str = ""  # why it has no key
    leased: bool = False
    tries: int = 0
    losses: int = 0  # of what it needs
    again: bool = False  # its outputs were lost, and then its inputs, too
    future: Future[Outcome] | None = None
    ended: bool = False
    announced: bool = False  # told as started, before its worker said so
    early: list[tuple[str, Any]] = field(default_factory=list)  # heard before what it needs was done

    @property
    def id(self) -> str:
        """What messages about it carry."""
        return self.step.id if self.element is None else f"{self.step.id}[{self.element}]"


@dataclass
class Elements:
    """A step that runs once per element: what has become of them."""

    step: Step
    given: list[dict[str, Artifact]]  # by element
    admitted: list[dict[str, Artifact]] = field(default_factory=list)  # the same, as workers can take it
    waiting: deque[int] = field(default_factory=deque)  # those whose turn has not come
    running: int = 0
    made: dict[int, Mapping[str, Artifact]] = field(default_factory=dict)
    failed: dict[int, Failed] = field(default_factory=dict)
    cached: int = 0
    seconds: float = 0.0  # that those took which ran
    saved: float = 0.0  # that the cached ones once took
    started: bool = False

    def __post_init__(self) -> None:
        """The largest first, where several workers share them: none is then left alone with a long one at the end."""
        order = range(len(self.given))
        several = (self.step.replicas or 1) > 1
        self.waiting.extend(sorted(order, key=self._size, reverse=True) if several else order)

    def _size(self, index: int) -> int:
        return sum(self.given[index][name].size for name in self.step.each)

    @property
    def ended(self) -> bool:
        return len(self.made) + len(self.failed) == len(self.given)

    def outputs(self) -> dict[str, Artifact]:
        """The outputs of all elements, as lists."""
        return {
            name: Artifact.of_items(type_.kind, tuple(self.made[index][name] for index in range(len(self.given))))
            for name, type_ in self.step.outputs.items()
        }

    def failure(self) -> Failed:
        """The failures of elements as one of the step."""
        first = [self.failed[index] for index in sorted(self.failed)]
        told = [f"element {index}: {self.failed[index].message}" for index in sorted(self.failed)[:_MOST_TOLD]]
        more = [f"and {len(first) - _MOST_TOLD} more"] if len(first) > _MOST_TOLD else []
        head = f"{len(first)} of {len(self.given)} elements failed"
        return Failed("; ".join([head, *told, *more]), first[0].trace, max(each.exit_code for each in first))
