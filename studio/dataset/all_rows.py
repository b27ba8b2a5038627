"""AllRows: what each row of a data set gave to the steps that run once over all of them, and how many these count."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.cache.cache import Cache
from studio.dataset.item_result import failed_steps
from studio.dataset.items import Item
from studio.dataset.sources import LeftOut
from studio.dataset.summary import RowCounts
from studio.files import write_atomically
from studio.language.plan import Edge, Plan, Source, Step
from studio.values.artifact import ABSENT, Artifact

__all__ = ["AllRows"]


@dataclass(frozen=True, slots=True)
class _Row:
    position: int
    values: Sequence[Artifact]  # by source
    failed: bool


class AllRows:
    """Rows are added as they end; then each step is given those that it counts, in the order of the data.

    A row that failed counts for a step that asks for such rows: one with a port of `list[T?]`. What its failed
    steps were to make is absent then, and so is all that needs it, in whichever session they failed.
    """

    def __init__(self, plan: Plan, steps: Iterable[Step], sources: Sequence[Source]) -> None:
        """The sources are those that any of the steps reads of all rows."""
        self._sources = list(sources)
        self._upstream = [plan.closure(plan.makers([Edge((source,))]), spares=True) for source in sources]
        self._rows: dict[int, _Row] = {}  # by position
        self._given: dict[str, dict[str, Artifact]] = {}  # by step and port
        self._steps = [step for step in steps if _gathers(step)]
        self._failed_before: dict[frozenset[str], list[Item]] = {}  # by the steps that make what there is of them
        self._known_failures: dict[int, set[str]] = {}  # of these, by position
        self.counts: dict[str, RowCounts] = {}  # by step, once it was given its rows

    @property
    def _failed(self) -> int:
        """How many of them failed."""
        return sum(row.failed for row in self._rows.values())

    def save(self, folder: Path, outputs: Mapping[str, Any], failures: Mapping[str, str], left_out: LeftOut) -> None:
        """Writes to `dataset.json` how many rows there are and how many each step counted, and what the steps gave."""
        steps = {id: counts.as_data() for id, counts in self.counts.items()}
        whole = {"rows": len(self._rows), "failed": self._failed, "steps": steps}
        whole |= {"left_out": left_out.as_data()} if left_out.count else {}
        text = json.dumps({**whole, "outputs": outputs, "failures": failures}, ensure_ascii=False, indent=1)
        write_atomically(folder / "dataset.json", text.encode() + b"\n", mode=0o644)

    def add(self, position: int, values: Sequence[Artifact], failures: Collection[str]) -> None:
        """A row is over: what it gave, by source, and which of its steps failed (none by name: what it was given).

        It takes the place of what the row gave before, if it did. But a row that was done, and cannot be made again,
        has not failed: it keeps what it gave, and who wants to read that is told that it is lost.
        """
        before = self._rows.get(position)
        if failures and before is not None and not before.failed:
            return
        failed = self._known_failures.get(position, set()).union(failures)
        if failed:
            values = [
                ABSENT if upstream & failed or ("" in failed and (upstream or value.inline is None)) else value
                for value, upstream in zip(values, self._upstream, strict=True)
            ]
        self._rows[position] = _Row(position, values, bool(failed))

    def stays_failed(self, item: Item, row: Mapping[str, object]) -> None:
        """An item failed in an earlier session, as its row of the results tells, and is not tried again."""
        failed = self._known_failures[item.position] = failed_steps(str(row.get("error")))
        untouched = [] if "" in failed else [steps for steps in self._upstream if not steps & failed]
        sound = frozenset[str]().union(*untouched)
        self._failed_before.setdefault(sound, []).append(item)

    def failed_before(self) -> Iterable[tuple[Collection[str], list[Item]]]:
        """Items that stay failed, and the steps that make what they gave all the same."""
        return self._failed_before.items()

    def lost(self, cache: Cache | None) -> set[int]:
        """The positions of the rows of which something is gone from the cache."""
        if cache is None:
            return set()
        return {row.position for row in self._rows.values() if not all(map(cache.store.keeps, row.values))}

    def settle(self) -> None:
        """All rows are there."""
        self._rows = dict(sorted(self._rows.items()))
        for step in self._steps:
            self._given[step.id] = self._counted(step)

    def of(self, step: Step) -> Mapping[str, Artifact]:
        """What a step is given of all rows, by port: lists of one length."""
        return self._given[step.id]

    def _counted(self, step: Step) -> dict[str, Artifact]:
        """The lists of a step, and how many rows stand in them."""
        edges = _gathers(step)
        places = {name: self._sources.index(edge.sources[0]) for name, edge in edges.items()}
        needed = [places[name] for name, edge in edges.items() if not edge.holed]
        asks = any(edge.holed for edge in edges.values())
        whole = [row for row in self._rows.values() if not any(row.values[place].absent for place in needed)]
        chosen = [row.values for row in whole if asks or not row.failed]
        lacked = sum(
            not row.failed and any(row.values[place].absent for place in places.values()) for row in self._rows.values()
        )
        self.counts[step.id] = RowCounts(len(self._rows), len(chosen), self._failed, lacked)
        return {name: _listed([values[place] for values in chosen]) for name, place in places.items()}


def _gathers(step: Step) -> dict[str, Edge]:
    """The edges by which a step is given something of all rows."""
    return {name: edge for name, edge in step.edges.items() if edge.form == "rows"}


def _listed(values: Sequence[Artifact]) -> Artifact:
    kind = next((value.kind for value in values if not value.absent), "data")
    return Artifact.of_items(kind, tuple(values))
