"""Handle: what stands in an artifact for a value that is still in some process, or that is only promised."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Protocol

from studio.executors.task import Done, Failed, Outcome, Task
from studio.values.artifact import Artifact

__all__ = ["Handle", "InProcess", "Promised", "fetched", "kept_promise", "makers_of", "with_handles"]


class Handle(Protocol):
    """A heavy value that is still in some process: `get` brings it here."""

    def get(self) -> object:
        """The value."""


def fetched(handle: Any) -> object:
    """The value that a handle stands for."""
    held: Handle = handle
    return held.get()


@dataclass(frozen=True)
class InProcess:
    """A live value that is in this very process."""

    value: object

    def get(self) -> object:
        return self.value


@dataclass(frozen=True)
class Promised:
    """A live value that a task has yet to make: the task's future, and the port that the value leaves by."""

    future: Future[Outcome]
    port: str


def makers_of(task: Task) -> list[Future[Outcome]]:
    """The futures of the tasks whose outputs this one has been promised; to a chunk none is."""
    given = () if task.work.alone else task.work.inputs.values()
    sources = [artifact for artifact in given if artifact.handle is not None or artifact.items]
    if not sources:
        return []
    leaves = [leaf for artifact in sources for leaf in artifact.leaves]
    return list(
        {id(leaf.handle.future): leaf.handle.future for leaf in leaves if isinstance(leaf.handle, Promised)}.values()
    )


def kept_promise(artifact: Artifact) -> Artifact:
    """The artifact that was promised, now that it is made; any other as it is."""
    if not isinstance(artifact.handle, Promised):
        return artifact
    made = artifact.handle.future.result()
    assert isinstance(made, Done)
    return made.outputs[artifact.handle.port]


def with_handles(outcome: Outcome, handle: Callable[[Any], object]) -> Outcome:
    """The outcome, with every live value of its artifacts exchanged."""
    if isinstance(outcome, Failed):
        return outcome
    return replace(outcome, outputs={name: exchanged(artifact, handle) for name, artifact in outcome.outputs.items()})


def exchanged(artifact: Artifact, handle: Callable[[Any], object]) -> Artifact:
    """The artifact, with what stands for its live value (or those of its items) exchanged."""
    if artifact.items is not None:
        return replace(artifact, items=tuple(exchanged(item, handle) for item in artifact.items))
    return artifact if artifact.handle is None else replace(artifact, handle=handle(artifact.handle))
