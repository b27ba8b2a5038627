"""Chunk: items that go through a plan side by side, each step of all of them as one task. It looks nothing up.

That is worth it where steps are quick and all items go the same way. One that something happens to, as that
a step of it fails, stays behind, and goes on by itself from where it stands once the others are through.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from studio.dataset.items import Item
from studio.dataset.step_stats import RunStats
from studio.errors import InputError
from studio.executors.task import Failed
from studio.language.plan import Step
from studio.run.chunk_action import ChunkAction
from studio.run.events import Event
from studio.run.execution import Action, Execution
from studio.run.inputs import Inputs
from studio.run.subplan import Subplan
from studio.values.artifact import Artifact, Column

__all__ = ["ChunkExecution", "MemoryInFlight", "Progress"]


@dataclass
class MemoryInFlight:
    """What all items that are on their way hold in memory, in bytes, and what each held that came to its end lately."""

    bytes: int = 0
    each: float = 0.0

    def more(self, outputs: Iterable[Artifact]) -> int:
        """Something was made; the bytes of it that are held."""
        held = sum(output.held for output in outputs)
        self.bytes += held
        return held

    def less(self, bytes: int, items: int) -> None:
        """Some items have come to their end, and let go of what they held together."""
        self.bytes -= bytes
        self.each += (bytes / items - self.each) * (0.5 if items > 1 else 0.1)


@dataclass(frozen=True)
class Progress:
    """How far an item came that stayed behind: what its steps made, and which of them failed once."""

    made: dict[str, Mapping[str, Artifact]] = field(default_factory=dict)
    failed: dict[str, Failed] = field(default_factory=dict)


class ChunkExecution(Execution):
    """Its rows are its items, by their number among themselves."""

    def __init__(
        self,
        subplan: Subplan,
        items: Sequence[tuple[int, Item]],
        due: deque[Action],
        clean: Callable[[str], str],
        stats: RunStats,
        load: MemoryInFlight,
        over: Callable[[ChunkExecution], None],
    ) -> None:
        """The items with their numbers among all, their inputs placed; `over` hears when none of them goes on."""
        self.items = items
        self.together = list(range(len(items)))  # the rows that have not stayed behind
        self.seconds = [0.0] * len(items)  # that the steps of each computed
        self._memory, self._held = load, 0
        self._chunks: list[ChunkAction] = []  # that have ended
        self._flying = 0
        self._stats, self._over = stats, over
        supplies = [item.inputs for _, item in items if item.inputs is not None]
        super().__init__(subplan, Inputs.together(supplies), due, _unheard, clean)

    def advance(self) -> None:
        super().advance()
        if not self._flying and not (self.scheduler.open and self.together):
            self._memory.less(self._held, len(self.items))
            self._over(self)

    def admit(self) -> None:
        """Each item has seen to its own."""

    def admitted_inputs(self, action: Action) -> dict[str, Artifact]:
        return action.inputs

    def waits(self, action: Action) -> None:
        assert isinstance(action, ChunkAction)
        self._stats.of[action.step.id].waiting += len(action.wanted)

    def rows(self, artifact: Artifact) -> Iterator[Artifact]:
        """What of an output, or of what a source gave, each row has that did not stay behind."""
        return map(artifact.at, self.together)

    def progress(self) -> Iterator[tuple[int, Item, Progress]]:
        """The items that stayed behind, each with its number."""
        found = {row: Progress() for row in set(range(len(self.items))).difference(self.together)}
        for chunk in self._chunks:
            for row, progress in found.items():
                if row in chunk.made:
                    progress.made[chunk.step.id] = chunk.outputs_of(row)
                elif row in chunk.failed:
                    progress.failed[chunk.step.id] = chunk.failed[row]
        return ((*self.items[row], found[row]) for row in sorted(found))

    def release(self) -> None:
        self._chunks.clear()
        super().release()

    def _begin(self, step: Step) -> None:
        if not self.together:
            return
        try:
            inputs = self.scheduler.inputs.inputs_of(step, admit=True)
        except InputError:  # what all are given is not sound: each will say so
            self.together.clear()
            return
        self._flying += 1
        self._due.append(
            ChunkAction(step, self, None, inputs, rows=tuple(self.together), size=len(self.items), over=self._ended)
        )

    def _ended(self, chunk: ChunkAction) -> None:
        """All is known of one step of those that were together when it began."""
        chunk.ended = True
        self._flying -= 1
        self._chunks.append(chunk)
        if len(chunk.made) < len(chunk.rows):
            self.together = [row for row in self.together if row in chunk.made]
        outputs = {
            name: Column(port.kind, items=tuple(chunk.outputs.get(name, ())))
            for name, port in chunk.step.outputs.items()
        }
        self._count(chunk)
        self._held += self._memory.more(outputs.values())
        self.scheduler.end(chunk.step.id, outputs)
        self.advance()

    def _count(self, chunk: ChunkAction) -> None:
        """Counts for each row what is counted of a task; one that failed goes on waiting."""
        step_stats = self._stats.of[chunk.step.id]
        for measures in chunk.known:
            step_stats.knew(measures)
        if chunk.ended_rows is None:
            step_stats.waiting -= len(chunk.wanted)
            return
        step_stats.waiting -= chunk.ended_rows.seconds.count(None) - len(chunk.failed)  # who got no turn waits anew
        step_stats.took_together(chunk.ended_rows)
        for row, measures in chunk.computed():
            self.seconds[row] += measures.seconds


def _unheard(_: Event) -> None:
    """What is told of single tasks is counted here, and told of items that go on by themselves."""
