"""Measures: what a task took, and what its node counted. One record from the worker to events, cache and page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["Measures", "added"]


@dataclass(slots=True)  # not frozen: a data set makes millions, and that would double what one costs
class Measures:
    """What one task took. A new fact about tasks is a field here: whatever carries tasks carries it along."""

    seconds: float = 0.0  # in the node's own code
    spans: Mapping[str, float] = field(default_factory=dict)  # read, compute, encode: seconds each
    began: float = 0.0  # when the worker took it up, in seconds since the epoch
    worker: int = -1  # which of the executor's workers that was
    batch: int = 1  # how many tasks were computed together
    numbers: Mapping[str, float] = field(default_factory=dict)  # of the node's own, by name: tokens, beams …

    @property
    def spent(self) -> float:
        """Seconds of reading, computing and encoding, where they are known."""
        return sum(self.spans.values()) or self.seconds

    @property
    def counted(self) -> str:
        """The node's own numbers in words: `412 tokens, 3 beams`."""
        return ", ".join(f"{number:,.10g} {name}" for name, number in self.numbers.items())

    @staticmethod
    def total(parts: Iterable[Measures]) -> Measures:
        """What several tasks took together: their seconds and numbers added up."""
        several = list(parts)
        return Measures(sum(part.seconds for part in several), numbers=added(part.numbers for part in several))


def added(told: Iterable[Mapping[str, object]]) -> dict[str, float]:
    """Numbers as a node tells them, those of one name added; ValueError for what is none, or has no finite value."""
    found: dict[str, float] = {}
    for numbers in told:
        for name, number in numbers.items():
            plain = number.item() if hasattr(number, "item") else number  # numpy's and torch's
            if isinstance(plain, bool) or not isinstance(plain, int | float) or not math.isfinite(plain):
                raise ValueError(f"the measure '{name}' is {number!r}, but a finite number is wanted")
            found[name] = found.get(name, 0) + plain
    return found
