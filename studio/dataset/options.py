"""Options: what a person may say of a run over a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from studio.errors import UsageError

__all__ = ["Options"]


_AT_ONCE = 256  # lines written together, at most


@dataclass(frozen=True)
class Options:
    """What a person may say of a run over a data set."""

    columns: Mapping[str, str] = field(default_factory=dict)  # the column that feeds an input, if not of its name
    id: str = ""  # the column that tells items apart
    window: int = 1024  # items on their way at a time, until they are written
    ordered: bool = True  # results in the order of the data
    limit: int | None = None  # items, from the first
    retry_failed: bool = False
    refresh: frozenset[str] = frozenset()  # steps to run again
    outputs: frozenset[str] = frozenset()  # those wanted; empty for all

    @property
    def lines(self) -> int:
        """How many are written together. Those not written yet are part of the window: it is all that a kill costs."""
        return min(_AT_ONCE, -(-self.window // 4))

    def __post_init__(self) -> None:
        for name, count in (("window", self.window), ("limit", self.limit)):
            if count is not None and count < 1:
                raise UsageError(f"{name} is {count}, but at least one item must be on its way: give 1 or more")
