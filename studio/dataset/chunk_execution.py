"""ChunkExecution: items that go through a plan side by side, each step of all of them as one task. It looks nothing up.

That is worth it where steps are quick and all items go the same way. One that something happens to, as that
a step of it fails, stays behind, and goes on by itself from where it stands once the others are through.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from studio.dataset.items import Item
from studio.dataset.notes import Notes
from studio.dataset.step_stats import RunStats
from studio.errors import InputError
from studio.language.plan import Step
from studio.run.action import Action, ActionState, Owner
from studio.run.chunk_action import ChunkAction
from studio.run.execution import Progress
from studio.run.inputs import Inputs
from studio.run.scheduler import Scheduler
from studio.run.subplan import Subplan
from studio.values.artifact import Artifact, Column

__all__ = ["ChunkExecution", "MemoryInFlight"]


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


class ChunkExecution(Owner):
    """Its rows are its items, by their number among themselves. Every step of them is one ChunkAction."""

    def __init__(
        self,
        subplan: Subplan,
        items: Sequence[tuple[int, Item]],
        due: deque[Action],
        stats: RunStats,
        notes: Notes,
        memory: MemoryInFlight,
        over: Callable[[ChunkExecution], None],
    ) -> None:
        """The items with their numbers among all, their inputs placed; `over` hears when none of them goes on."""
        self.items = items
        self.together = list(range(len(items)))  # the rows that have not stayed behind
        self.seconds = [0.0] * len(items)  # that the steps of each computed
        given = [item.inputs for _, item in items if item.inputs is not None]
        self.scheduler = Scheduler(subplan, Inputs.together(given))
        self._due, self._stats, self._notes, self._memory, self._over = due, stats, notes, memory, over
        self._held = 0  # bytes of what was made
        self._ended: list[ChunkAction] = []
        self._flying = 0

    def goes_on(self, action: ChunkAction) -> bool:
        return action.state is not ActionState.ENDED and self.is_open(action.step.id)

    def is_open(self, id: str) -> bool:
        return id in self.scheduler.open

    def admit(self) -> None:
        """Each item has seen to its own."""

    def admitted_inputs(self, action: ChunkAction) -> dict[str, Artifact]:
        return action.inputs

    def refused(self, error: InputError) -> None:
        raise error  # nothing is admitted here that could be

    def advance(self) -> None:
        ready = self.scheduler.ready
        while ready:
            id = ready.popleft()
            if self.is_open(id) and self.together:
                self._begin(self.scheduler.steps[id])
        if not self._flying and not (self.scheduler.open and self.together):
            self._memory.less(self._held, len(self.items))
            self._over(self)

    def rows(self, artifact: Artifact) -> Iterator[Artifact]:
        """What of an output, or of what a source gave, each row has that did not stay behind."""
        return map(artifact.at, self.together)

    def progress(self) -> Iterator[tuple[int, Item, Progress]]:
        """The items that stayed behind, each with its number."""
        found = {row: Progress() for row in set(range(len(self.items))).difference(self.together)}
        for chunk in self._ended:
            for row, progress in found.items():
                if row in chunk.made:
                    progress.made[chunk.step.id] = chunk.outputs_of(row)
                elif row in chunk.broken:
                    progress.failed[chunk.step.id] = chunk.broken[row]
        return ((*self.items[row], found[row]) for row in sorted(found))

    def release(self) -> None:
        """Lets go of what refers back to it, so that no garbage collector is waited for."""
        self._ended.clear()
        self.scheduler.release()

    def _begin(self, step: Step) -> None:
        try:
            inputs = self.scheduler.inputs.inputs_of(step, admit=True)
        except InputError:  # what all are given is not sound: each will say so
            self.together.clear()
            return
        self._flying += 1
        rows, size = tuple(self.together), len(self.items)
        self._due.append(
            ChunkAction(step, inputs, chunk=self, rows=rows, size=size, leaving=self._leaves, over=self._arrived)
        )

    def _leaves(self, chunk: ChunkAction) -> None:
        self._stats.of[chunk.step.id].waiting += len(chunk.wanted)

    def _arrived(self, chunk: ChunkAction) -> None:
        """All is known of one step of those that were together when it began."""
        chunk.state = ActionState.ENDED
        self._flying -= 1
        self._ended.append(chunk)
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
        for measures in chunk.found:
            step_stats.knew(measures)
        if chunk.outcomes is None:
            step_stats.waiting -= len(chunk.wanted)
            return
        step_stats.waiting -= chunk.outcomes.seconds.count(None) - len(chunk.broken)  # who got no turn waits anew
        step_stats.took_together(chunk.outcomes)
        for place, noted in chunk.outcomes.notes.items():
            self._notes.add_seen(self.items[chunk.wanted[place]][1], noted)
        for row, seconds in chunk.ran():
            self.seconds[row] += seconds
