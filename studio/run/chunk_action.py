"""ChunkAction: one step of many items at a time: one task, in which each has a key, a lease and a record of its own.

It is never tried again as a whole: rows that failed, or did not get their turn, go on by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from studio.cache.record import Basis
from studio.cache.store import Store
from studio.executors.task import ChunkWork, Done, Failed, Outcome, RowOutcomes
from studio.run.action import Action, Computed, Finder, LookUp, Next, Owner
from studio.run.events import Event
from studio.run.keys import TaskKey
from studio.values.artifact import ABSENT, Artifact
from studio.values.measures import Measures

__all__ = ["ChunkAction"]


def _nobody(_: ChunkAction) -> None:
    """Hears nothing."""


@dataclass(eq=False, slots=True)
class ChunkAction(Action):
    """Its inputs are columns, or the same for all; rows are places in a column."""

    chunk: Any = None  # the Owner of all its rows
    rows: Sequence[int] = ()  # those that it is for
    size: int = 0  # of a column
    leaving: Callable[[ChunkAction], None] = _nobody  # hears when it is on its way to a worker
    over: Callable[[ChunkAction], None] = _nobody  # hears when all that can be known of it is known
    basis: Basis | None = None
    keys: dict[int, str] = field(default_factory=dict)  # of rows that have one
    wanted: list[int] = field(default_factory=list)  # rows that are to be computed
    alike: dict[int, int] = field(default_factory=dict)  # rows that want the same as another, which is computed
    outputs: dict[str, list[Artifact]] = field(default_factory=dict)  # by port; ABSENT where a row has none
    made: set[int] = field(default_factory=set)
    broken: dict[int, Failed] = field(default_factory=dict)  # rows that failed
    found: list[Measures] = field(default_factory=list)  # what once took that which was not computed now
    outcomes: RowOutcomes | None = None  # of those that were computed, in the order of `wanted`

    @property
    def owner(self) -> Owner:
        owner: Owner = self.chunk
        return owner

    @property
    def id(self) -> str:
        return self.step.id

    @property
    def named(self) -> bool:
        return True

    def name(self, finder: Finder) -> None:
        """Its rows are named, and the tier asked for them, when they are looked up."""

    def own_keys(self) -> Iterable[str]:
        return (self.keys[row] for row in self.wanted if row in self.keys)

    def look_up(self, finder: Finder) -> LookUp:
        return finder.find_rows(self)

    def look_again(self, finder: Finder) -> LookUp:
        return LookUp.ELSEWHERE  # it never waits as a whole

    def known(self) -> None:
        self.over(self)

    def work(self, store: Store | None, keep: bool, batch: int) -> ChunkWork:
        whole = len(self.wanted) == self.size
        asked = self.inputs if whole else {name: given.only(self.wanted) for name, given in self.inputs.items()}
        return ChunkWork(asked, store, keep, len(self.wanted), batch)

    def waits(self) -> None:
        self.leaving(self)

    def started(self) -> None:
        """Workers take rows up one after the other."""

    def tell(self, event: Callable[..., Event], *details: Any) -> None:
        """What happens to rows is counted, and not told."""

    def computed(self, done: Done, finder: Finder) -> list[Computed]:
        rows = self._take(done)
        if not self.keys:
            return []
        return [
            Computed(TaskKey(self.keys[row], self.basis), self.of(row), self.outputs_of(row), rows.measures(place))
            for place, row in enumerate(self.wanted)
            if row in self.keys and rows.seconds[place] is not None
        ]

    def done(self, done: Done) -> None:
        for row, other in self.alike.items():  # where the other failed, they try for themselves
            if other in self.made:
                self.find(row, self.outputs_of(other), Measures())
        self.over(self)

    def after(self, failed: Failed) -> Next:
        return Next.FAIL  # as a whole: each row is to try for itself

    def prepare(self, what: Next) -> list[Action]:
        return []

    def remade(self, outcome: Outcome) -> tuple[list[Action], list[Action]]:
        return [], []  # what its rows lost, each makes again by itself

    def soon_done(self) -> None:
        """What follows goes to workers as a chunk of its own."""

    def failed(self, failed: Failed) -> None:
        self.over(self)

    # Rows --------------------------------------------------------------------

    def of(self, row: int) -> dict[str, Artifact]:
        """The inputs of one row."""
        return {name: given.at(row) for name, given in self.inputs.items()}

    def want(self, rows: Iterable[int]) -> None:
        """Has these computed; of several that want the same, the first."""
        first: dict[str, int] = {}
        for row in rows:
            key = self.keys.get(row)
            if key is None or first.setdefault(key, row) == row:
                self.wanted.append(row)
            else:
                self.alike[row] = first[key]

    def find(self, row: int, outputs: Mapping[str, Artifact], measures: Measures) -> None:
        """The outputs of a row are known, and what they once took."""
        for name, artifact in outputs.items():
            self._column(name)[row] = artifact
        self.made.add(row)
        self.found.append(measures)

    def outputs_of(self, row: int) -> dict[str, Artifact]:
        """What a row gave."""
        return {name: items[row] for name, items in self.outputs.items()}

    def ran(self) -> Iterable[tuple[int, float]]:
        """The rows that were computed, and the seconds that each took."""
        pairs = zip(self.wanted, self.outcomes.seconds, strict=True) if self.outcomes else ()
        return ((row, took) for row, took in pairs if took is not None)

    def _take(self, done: Done) -> RowOutcomes:
        """Takes in the outputs of those that were wanted, of which some may have failed."""
        assert done.rows is not None
        self.outcomes = done.rows
        self.broken = {self.wanted[place]: failed for place, failed in done.rows.failed.items()}
        for name, column in done.outputs.items():
            items = list(column.items or ())
            if len(self.wanted) == self.size:  # in their order: then it is all there is
                self.outputs[name] = items
                continue
            made = self._column(name)
            for row, artifact in zip(self.wanted, items, strict=True):
                made[row] = artifact
        self.made.update(row for row, _ in self.ran())
        return done.rows

    def _column(self, name: str) -> list[Artifact]:
        """What has been made for an output port, row by row."""
        if name not in self.outputs:
            self.outputs[name] = [ABSENT] * self.size
        return self.outputs[name]
