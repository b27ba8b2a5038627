"""DatasetRun: a data set taken through a graph, row by row, into a folder. A run that was stopped goes on where it was.

Items that are done stay as they are, as long as neither they nor the graph changed; all others go
through a `Map`, and every one that ends becomes a line of the `Ledger`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from studio.errors import UsageError, did_you_mean
from studio.events import Event
from studio.flow import Course
from studio.inputs import Supply
from studio.items import Item, Items
from studio.ledger import Ledger, Line
from studio.map import ItemFinished, Map
from studio.plan import Plan
from studio.result import Result
from studio.rows import Rows
from studio.store import Store
from studio.values import KINDS

__all__ = ["DatasetRun", "ItemResult", "feeds"]

_AT_ONCE = 64  # lines written together, at most
_SOON = 0.25  # seconds until what has ended is written


class ItemResult(Result):
    """The outputs of one item by name, each loaded when it is looked at."""

    def __init__(self, finished: ItemFinished, store: Store | None) -> None:
        super().__init__(store)
        self.id = finished.item.id
        self.artifacts, self.seconds = dict(finished.outputs), finished.seconds
        self.failures = dict(finished.failures)
        self.exit_code = 1 if self.failures else 0

    @property
    def status(self) -> str:
        """`done` or `failed`."""
        return "failed" if self.failures else "done"

    @property
    def error(self) -> str:
        """What went wrong; nothing if it is done."""
        return "\n".join(f"step '{step}' failed: {why}" if step else why for step, why in self.failures.items())

    def as_row(self, saved: Mapping[str, Any]) -> dict[str, Any]:
        """The item as a line of a data set; media by where they were saved."""
        row = {"id": self.id, "status": self.status, "outputs": self.as_data(saved), "seconds": round(self.seconds, 4)}
        return {**row, "error": self.error or None}


@dataclass
class DatasetRun:
    """One sitting: iterate `events()` to make it happen. Without a ledger nothing is written."""

    items: Items
    map: Map
    ledger: Ledger | None
    store: Store | None
    limit: int | None = None
    retry_failed: bool = False
    kept: int = 0  # items that were over already
    done: int = 0  # items that ended well in this sitting
    failed: int = 0
    began: float = field(default_factory=time.time)

    def events(self) -> Iterator[Event]:
        """Runs, and tells: each item when it is over, and what went wrong around."""

