"""Sample: a few of many, evenly from all over, though nobody knows beforehand how many there will be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Sample"]

T = TypeVar("T")


class Sample(Generic[T]):
    """Takes any number of things, and keeps at least `few` of them (all, while there are no more), at most twice that.

    Of what came it keeps every first, second, fourth, eighth …: when they are too many, every other goes.
    """

    def __init__(self, few: int) -> None:
        self.kept: list[T] = []
        self._few = few
        self._count = 0
        self._stride = 1

    def add(self, make: Callable[[], T]) -> None:
        """Takes in one more, which is made only if it is to be kept."""
        if self._count % self._stride == 0:
            self.kept.append(make())
        self._count += 1
        if len(self.kept) > 2 * self._few:
            self.kept = self.kept[::2]
            self._stride *= 2
