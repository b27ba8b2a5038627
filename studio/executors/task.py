"""Task: what a worker is asked to do, by what recipe the worker is made, and what becomes of it: Done or Failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from pydantic import BaseModel

from studio.cache.store import Store
from studio.executors.surroundings import Surroundings
from studio.node.module_source import ModuleSource
from studio.node.node import Node
from studio.node.resources import Resources
from studio.paths import NODES
from studio.values.artifact import Artifact
from studio.values.measures import Measures

__all__ = [
    "ChunkWork",
    "Done",
    "Ended",
    "Failed",
    "Noted",
    "Notify",
    "NotifyMany",
    "Outcome",
    "Recipe",
    "RowOutcomes",
    "Task",
    "Work",
    "with_leaves",
]


@dataclass(frozen=True)
class Recipe:
    """What it takes to make a worker. Workers of one `key` are interchangeable."""

    key: str
    name: str  # of the node, for messages
    node: type[Node]
    config: BaseModel
    resources: Resources
    portable: bool = True  # whether another process finds the class by its name, where these sources are served
    replicas: int = 1  # most workers at a time
    least: int = 1  # workers that are set up as soon as one is needed
    batch: int = 1  # most tasks that a worker is given at once
    once: bool = False  # whether it is of one run alone: nobody can ask for the same again
    sources: tuple[ModuleSource, ...] = field(default=(), repr=False)  # of its code, as this process has it
    in_memory: frozenset[str] = frozenset()  # modules of its code that are no longer what their files say
    surroundings: Surroundings | None = field(default=None, compare=False)  # of who asks; None for any

    def within(self, surroundings: Surroundings) -> Recipe:
        """The same, asked for from there."""
        return replace(self, key=self.key_within(self.key, self.node, surroundings), surroundings=surroundings)

    @staticmethod
    def key_within(key: str, node: type[Node], surroundings: Surroundings) -> str:
        """The key of a recipe that is asked for from there. What a worker sees while it is set up tells it from others.

        That is what model libraries go by, and for a node of the caller's own the working folder.
        """
        return f"{key} {surroundings.tells_apart[not node.__module__.startswith(f'{NODES}.')]}"


@dataclass(slots=True)  # see Artifact
class Work:
    """What a worker is told for one task."""

    inputs: Mapping[str, Artifact]
    store: Store | None = None  # where inputs lie at rest, and outputs are kept
    keep: bool = False  # whether outputs are kept in the store

    alone: ClassVar[bool] = False  # a call of its own: with no other task, and never before its inputs are made
    tried_again: ClassVar[bool] = True  # by the executor, when its worker died

    def with_inputs(self, exchange: Callable[[Artifact], Artifact]) -> Self:
        """The same work, with every single input (and every item of a gathered one) exchanged."""
        return replace(self, inputs={name: with_leaves(artifact, exchange) for name, artifact in self.inputs.items()})

    @property
    def size(self) -> int:
        """Bytes of its inputs."""
        return sum(artifact.size for artifact in self.inputs.values())

    @property
    def rows(self) -> int:
        """How many tasks it stands for."""
        return 1

    def each(self) -> Sequence[Work]:
        """That of each task it stands for."""
        return [self]


@dataclass(slots=True)
class ChunkWork(Work):
    """The same for a chunk of tasks, whose inputs are columns. If it fails as a whole, its rows are tried apart."""

    rows: int = 1
    together: int = 1  # so many rows are computed together, where the node knows how

    alone: ClassVar[bool] = True
    tried_again: ClassVar[bool] = False  # who asked for it tries each row by itself, and so learns whose fault it was

    def each(self) -> Sequence[Work]:
        inputs = self.inputs.items()
        return [
            Work({name: given.at(row) for name, given in inputs}, self.store, self.keep) for row in range(self.rows)
        ]


def with_leaves(artifact: Artifact, exchange: Callable[[Artifact], Artifact]) -> Artifact:
    """An artifact with every single value of it (each item of a gathered one) exchanged."""
    if artifact.items is None:
        return exchange(artifact)
    return replace(artifact, items=tuple(with_leaves(item, exchange) for item in artifact.items))


@dataclass(slots=True)  # see Artifact
class Task:
    """A step whose inputs have arrived: the work, and the kind of worker it needs."""

    step: str
    recipe: Recipe
    work: Work
    timeout: float | None = None  # seconds
    run: str = ""  # whose task it is: runs take turns


Noted = dict[str, tuple[str, ...]]  # what a person should know of the media that a task was given, by their digests


@dataclass(slots=True)  # see Artifact
class Done:
    """A task that ended well: an artifact for each output port, and what it took."""

    outputs: Mapping[str, Artifact]
    measures: Measures = field(default_factory=Measures)
    log: str = ""  # what the node printed
    unkept: str = ""  # why outputs could not be kept in the store
    rows: RowOutcomes | None = None  # of a chunk: then outputs are columns, ABSENT where a row failed
    notes: Noted = field(default_factory=dict)

    @property
    def spent(self) -> float:
        """Seconds of reading, computing and encoding, where they are known."""
        return self.rows.spent if self.rows else self.measures.spent


@dataclass(slots=True)  # see Artifact
class RowOutcomes:
    """The rows of a chunk, one by one."""

    seconds: list[float | None]  # in the node's own code; None for those that failed, or did not get their turn
    spent: float  # seconds: reading, computing and encoding, of all rows that ended well
    batches: dict[int, int]  # such rows, by how many were computed together
    failed: dict[int, Failed]
    numbers: dict[int, dict[str, float]]  # what the node counted, of rows for which it did
    notes: dict[int, Noted]  # of rows that have some

    def measures(self, row: int) -> Measures:
        """What one row took that ended well."""
        return Measures(self.seconds[row] or 0.0, numbers=self.numbers.get(row, {}))


@dataclass(frozen=True)
class Failed:
    """A task, or the setting up of its worker, that did not end well."""

    message: str
    trace: str = ""  # for the one who wrote the node
    exit_code: int = 1
    retryable: bool = True
    log: str = ""
    upstream: bool = False  # it never ran: something it needs was not made
    lost: bool = False  # it never ran: something it needs was made, and is gone since


Outcome = Done | Failed

Notify = Callable[[str, str], None]  # a state, and a detail
NotifyMany = Callable[[int, str, str], None]  # the same of one of many tasks: its place among them comes first


Ended = tuple[Outcome, list[object]]  # an outcome, and the live values that its artifacts refer to by their index
