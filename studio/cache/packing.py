"""Packing: a value as an artifact, and an artifact as a value again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from studio.cache.store import Store
from studio.values import KINDS
from studio.values.artifact import Artifact, Damaged

__all__ = ["notes_of", "pack", "unpack"]


Fetch = Callable[[object], object]  # gets the value that a handle stands for


def pack(kind: str, raw: object) -> tuple[Artifact, Any]:
    """A value as an artifact. A plain value is in the artifact; media are not, and are returned beside it."""
    how = KINDS[kind]
    value = how.coerce(raw)
    if not how.plain:
        return Artifact(kind, size=value.nbytes, name=value.name), value
    encoded = how.encode(value)
    assert isinstance(encoded, bytes)
    return Artifact.of_plain(kind, encoded), None


def unpack(artifact: Artifact, fetch: Fetch, store: Store | None) -> Any:
    """The value of an artifact: in it, in memory behind its handle, or in the store. Each caller gets its own copy."""
    if artifact.inline:
        return KINDS[artifact.kind].decode(artifact.inline)
    if artifact.absent:
        return None
    if artifact.items is not None:
        return [unpack(item, fetch, store) for item in artifact.items]
    kind = KINDS[artifact.kind]
    if artifact.handle is not None:
        value: Any = fetch(artifact.handle)
        return value.linked() if kind.by_path else value
    if store is None:
        raise Damaged(f"a {artifact.kind} is neither in memory nor in a store")
    if kind.by_path:
        return kind.python.lent(*store.lend(artifact))  # type: ignore[attr-defined]
    return kind.decode(store.read(artifact))


def notes_of(artifact: Artifact, value: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What a person should know of the media in a value that was unpacked, each by its digest."""
    if artifact.items is not None and value is not None:
        for item, each in zip(artifact.items, value, strict=True):
            yield from notes_of(item, each)
    elif artifact.digest and value is not None and value.notes:
        yield artifact.digest, value.notes
