"""Chunk: one step of many items at a time: one task, in which each item has a key, a lease and a record of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from studio.executors.task import Done, Failed, RowOutcomes
from studio.run.execution import Action
from studio.values.artifact import ABSENT, Artifact
from studio.values.measures import Measures

__all__ = ["ChunkAction"]


@dataclass(eq=False, slots=True)
class ChunkAction(Action):
    """Its inputs are columns, or the same for all; rows are places in a column. `over` hears when all is known."""

    rows: Sequence[int] = ()  # those that it is for
    size: int = 0  # of a column
    over: Callable[[ChunkAction], None] = lambda _: None
    keys: dict[int, str] = field(default_factory=dict)  # of rows that have one
    wanted: list[int] = field(default_factory=list)  # rows that are to be computed
    alike: dict[int, int] = field(default_factory=dict)  # rows that want the same as another, which is computed
    leases: set[str] = field(default_factory=set)  # keys that are ours to compute
    outputs: dict[str, list[Artifact]] = field(default_factory=dict)  # by port; ABSENT where a row has none
    made: set[int] = field(default_factory=set)
    failed: dict[int, Failed] = field(default_factory=dict)
    known: list[Measures] = field(default_factory=list)  # what once took that which was not computed now
    ended_rows: RowOutcomes | None = None  # of those that were computed, in the order of `wanted`

    def of(self, row: int) -> dict[str, Artifact]:
        """The inputs of one row."""
        return {name: given.at(row) for name, given in self.inputs.items()}

    def want(self, rows: Iterable[int]) -> None:
        """These are to be computed; of several that want the same, the first."""
        first: dict[str, int] = {}
        for row in rows:
            key = self.keys.get(row)
            if key is None or first.setdefault(key, row) == row:
                self.wanted.append(row)
            else:
                self.alike[row] = first[key]

    @property
    def asked(self) -> dict[str, Artifact]:
        """The inputs of those that are wanted."""
        if len(self.wanted) == self.size:
            return self.inputs
        return {name: given.only(self.wanted) for name, given in self.inputs.items()}

    def find(self, row: int, outputs: Mapping[str, Artifact], measures: Measures) -> None:
        """The outputs of a row are known, and what they once took."""
        for name, artifact in outputs.items():
            self._made(name)[row] = artifact
        self.made.add(row)
        self.known.append(measures)

    def compute(self, done: Done) -> None:
        """Those that were wanted were computed, and some perhaps failed."""
        self.ended_rows = done.rows
        assert self.ended_rows is not None
        self.failed = {self.wanted[place]: failed for place, failed in self.ended_rows.failed.items()}
        for name, column in done.outputs.items():
            items = list(column.items or ())
            if len(self.wanted) == self.size:  # in their order: then it is all there is
                self.outputs[name] = items
                continue
            made = self._made(name)
            for row, artifact in zip(self.wanted, items, strict=True):
                made[row] = artifact
        self.made.update(row for row, _ in self.computed())

    def share(self) -> None:
        """What came of one row is that of all that wanted the same; where it failed, they try for themselves."""
        for row, other in self.alike.items():
            if other in self.made:
                self.find(row, self.outputs_of(other), Measures())

    def outputs_of(self, row: int) -> dict[str, Artifact]:
        """What a row gave."""
        return {name: items[row] for name, items in self.outputs.items()}

    def computed(self) -> Iterable[tuple[int, Measures]]:
        """The rows that were computed, and what each took."""
        rows = self.ended_rows
        if rows is None:
            return ()
        places = (place for place, took in enumerate(rows.seconds) if took is not None)
        return ((self.wanted[place], rows.measures(place)) for place in places)

    def _made(self, name: str) -> list[Artifact]:
        """What has been made for an output port, row by row."""
        if name not in self.outputs:
            self.outputs[name] = [ABSENT] * self.size
        return self.outputs[name]
