"""Packing: what a node returned, on its way out of a worker: encoded, kept if there is a store, live where heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from studio.cache.packing import pack
from studio.cache.store import Store
from studio.executors.task import with_leaves
from studio.values import KINDS, File, PortType
from studio.values.artifact import ABSENT, MOST_IN_RECORD, Artifact

__all__ = ["Packing", "shifted"]


class Packing:
    """Outputs on their way: encoded and kept where there is a store, live where they are heavy."""

    def __init__(self, store: Store | None, handle: list[object] | None = None) -> None:
        """What is live goes behind that of others, if there are any."""
        self._store = store
        self.unkept = ""
        self.handle: list[object] = [] if handle is None else handle

    def of(self, type_: PortType, value: object) -> Artifact:
        """What leaves by a port of this type; ValueError says why it cannot."""
        if value is None and type_.optional:
            return ABSENT
        if not type_.many:
            return self._one(type_.kind, value)
        if not isinstance(value, list | tuple):
            raise ValueError(f"expected a list, not a {type(value).__name__}")
        return Artifact.of_items(type_.kind, tuple(self.of(type_.item(), item) for item in value))

    def _one(self, kind: str, value: object) -> Artifact:
        artifact, handle = pack(kind, value)
        if self._store is not None and not self.unkept:
            artifact = self._kept(artifact, handle)
        if handle is None:
            return artifact
        if handle is not value:  # it was opened here
            for note in handle.notes:
                print(note)  # in the step's log
        if isinstance(handle, File):
            if artifact.stored:
                return artifact  # whoever reads it reads what the store has, whatever becomes of the node's own file
            handle = _snapshot(handle)
        self.handle.append(handle)
        return replace(artifact, handle=len(self.handle) - 1)

    def _kept(self, artifact: Artifact, handle: object) -> Artifact:
        assert self._store is not None
        if artifact.inline is not None and artifact.size <= MOST_IN_RECORD:
            return artifact
        encoded = artifact.inline or KINDS[artifact.kind].encode(handle)
        try:
            stored = self._store.put(artifact.kind, encoded, artifact.digest, artifact.name)
        except OSError as error:
            if isinstance(handle, File):
                _check_there(handle)
            self.unkept = str(error)
            return artifact
        if isinstance(handle, File):
            handle.check()  # that nobody wrote to it since the node returned it, nor while it was copied
        return replace(stored, inline=artifact.inline)


def _snapshot(file: File) -> File:
    """A copy of a node's file, which stays as it is, whatever becomes of that one."""
    try:
        return file.snapshot()
    except OSError as error:
        _check_there(file)
        raise ValueError(f"no copy of its file could be kept: {error}") from None


def shifted(outputs: Mapping[str, Artifact], by: int) -> dict[str, Artifact]:
    """The same, where other live values come before their own."""

    def moved(artifact: Artifact) -> Artifact:
        return artifact if artifact.handle is None else replace(artifact, handle=by + artifact.handle)  # type: ignore[operator]

    return {name: with_leaves(artifact, moved) for name, artifact in outputs.items()}


def _check_there(file: File) -> None:
    if not file.path.exists():
        raise ValueError(f"its file '{file.path.resolve()}' is gone: it has to be there until the task ends")
