"""Elements: what has become of the elements of a step that runs once for each of a list."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from studio.executors.task import Failed
from studio.language.plan import Step
from studio.values.artifact import ABSENT, Artifact
from studio.values.measures import Measures

__all__ = ["Elements", "lacks"]

_WINDOW = 128  # elements of one step that are on their way at a time
_MOST_TOLD = 3  # failed elements whose messages are told with their step


def lacks(step: Step, inputs: Mapping[str, Artifact]) -> bool:
    """Whether an element that has these inputs lacks what its node needs."""
    return any(name in inputs and inputs[name].absent and step.requires(name) for name in step.each)


@dataclass
class Elements:
    """Those of one step of one item."""

    step: Step
    given: list[dict[str, Artifact]]  # by element
    admitted: list[dict[str, Artifact]] = field(default_factory=list)  # the same, as workers can take it
    waiting: deque[int] = field(default_factory=deque)  # those whose turn has not come
    running: int = 0
    made: dict[int, Mapping[str, Artifact]] = field(default_factory=dict)
    failed: dict[int, Failed] = field(default_factory=dict)
    ran: list[Measures] = field(default_factory=list)  # what those took that ran
    known: list[Measures] = field(default_factory=list)  # what those once took that were known
    started: bool = False

    def __post_init__(self) -> None:
        """The largest first, where several workers share them: none is then left alone with a long one at the end."""
        order = range(len(self.given))
        several = (self.step.replicas or 1) > 1
        self.waiting.extend(sorted(order, key=self._size, reverse=True) if several else order)

    def _size(self, index: int) -> int:
        given = self.given[index]
        return sum(given[name].size for name in self.step.each if name in given)

    def due(self) -> Iterator[tuple[int, dict[str, Artifact]]]:
        """Those that may go on their way now, with their inputs; one that lacks what it needs gives nothing at once."""
        while self.running < _WINDOW and self.waiting:
            index = self.waiting.popleft()
            inputs = self.given[index]
            if lacks(self.step, inputs):
                self.made[index] = dict.fromkeys(self.step.outputs, ABSENT)
            else:
                self.running += 1
                yield index, inputs

    def end(self, index: int, outputs: Mapping[str, Artifact], measures: Measures, *, cached: bool) -> None:
        """One has its outputs."""
        self.running -= 1
        self.made[index] = outputs
        (self.known if cached else self.ran).append(measures)

    def fail(self, index: int, failed: Failed) -> None:
        """One failed."""
        self.running -= 1
        self.failed[index] = failed

    @property
    def ended(self) -> bool:
        return len(self.made) + len(self.failed) == len(self.given)

    def outputs(self) -> dict[str, Artifact]:
        """The outputs of all elements, as lists."""
        return {
            name: Artifact.of_items(type_.kind, tuple(self.made[index][name] for index in range(len(self.given))))
            for name, type_ in self.step.outputs.items()
        }

    def failure(self) -> Failed:
        """The failures of elements as one of the step."""
        first = [self.failed[index] for index in sorted(self.failed)]
        told = [f"element {index}: {self.failed[index].message}" for index in sorted(self.failed)[:_MOST_TOLD]]
        more = [f"and {len(first) - _MOST_TOLD} more"] if len(first) > _MOST_TOLD else []
        head = f"{len(first)} of {len(self.given)} elements failed"
        return Failed("; ".join([head, *told, *more]), first[0].trace, max(each.exit_code for each in first))
