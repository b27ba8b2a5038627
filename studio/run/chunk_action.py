"""Chunk: one step of many items at a time: one task, in which each item has a key, a lease and a record of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from studio.executors.task import Done, Failed, RowOutcomes
from studio.run.execution import Action
from studio.values.artifact import ABSENT, Artifact

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
    known: list[float] = field(default_factory=list)  # seconds that once took what was not computed now
    each: RowOutcomes | None = None  # what is told of those that were computed, in the order in which they were wanted

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

    def find(self, row: int, outputs: Mapping[str, Artifact], seconds: float) -> None:
        """The outputs of a row are known; they once took so many seconds."""
        for name, artifact in outputs.items():
            self._made(name)[row] = artifact
        self.made.add(row)
        self.known.append(seconds)

    def compute(self, done: Done) -> None:
        """Those that were wanted were computed, and some perhaps failed."""
        self.each = done.each
        assert self.each is not None
        self.failed = {self.wanted[place]: failed for place, failed in self.each.failed.items()}
        for name, column in done.outputs.items():
            items = list(column.items or ())
            if len(self.wanted) == self.size:  # in their order: then it is all there is
                self.outputs[name] = items
                continue
            made = self._made(name)
            for row, artifact in zip(self.wanted, items, strict=True):
                made[row] = artifact
        self.made.update(row for row, _ in self.seconds())

    def share(self) -> None:
        """What came of one row is that of all that wanted the same; where it failed, they try for themselves."""
        for row, other in self.alike.items():
            if other in self.made:
                self.find(row, self.outputs_of(other), 0.0)

    def outputs_of(self, row: int) -> dict[str, Artifact]:
        """What a row gave."""
        return {name: items[row] for name, items in self.outputs.items()}

    def seconds(self) -> Iterable[tuple[int, float]]:
        """The rows that were computed, and the seconds that each took."""
        pairs = zip(self.wanted, self.each.seconds, strict=True) if self.each else ()
        return ((row, took) for row, took in pairs if took is not None)

    def _made(self, name: str) -> list[Artifact]:
        """What has been made for an output port, row by row."""
        if name not in self.outputs:
            self.outputs[name] = [ABSENT] * self.size
        return self.outputs[name]
