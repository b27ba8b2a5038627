"""Given: one value that a person hands to a graph or writes into it, known by its digest before it is opened."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from studio.cache.cache import Cache
from studio.cache.file_digests import FileDigests
from studio.cache.packing import pack
from studio.cache.store import Store
from studio.errors import InputError
from studio.executors.handles import InProcess
from studio.language.plan import GraphInput
from studio.paths import absolute
from studio.values import KINDS, File, PortType
from studio.values.artifact import ABSENT, Artifact, Column, Damaged
from studio.values.digest import of_bytes, of_file

__all__ = ["GivenColumn", "GivenPlain", "GivenValue", "rooted"]


def rooted(inputs: Mapping[str, GraphInput], values: Mapping[str, Any]) -> dict[str, Any]:
    """The same values, their paths from the working folder of this moment on."""
    return {name: _rooted(inputs[name].type, value) if name in inputs else value for name, value in values.items()}


def _rooted(type_: PortType, value: Any) -> Any:
    if type_.many and isinstance(value, list | tuple):
        return [_rooted(type_.item(), item) for item in value]
    is_path = KINDS[type_.kind].from_path and isinstance(value, str | Path)
    return absolute(value) if is_path else value


class GivenPlain:
    """A small value that an item gives: what most of a data set is made of."""

    __slots__ = ("artifact", "raw")

    def __init__(self, name: str, kind: str, value: object) -> None:
        try:
            self.raw = value
            self.artifact, _ = pack(kind, value)
        except ValueError as error:
            raise InputError(f"input '{name}': {error}") from None

    def admit(self) -> None:
        """It is what it is."""

    def place(self) -> None:
        """It goes along."""

    def renew(self) -> None:
        """It cannot be lost."""

    def unopened(self) -> GivenPlain:
        """Itself: it is what it is."""
        return self


class GivenColumn:
    """What several items give, placed."""

    __slots__ = ("artifact",)

    def __init__(self, artifacts: Sequence[Artifact]) -> None:
        self.artifact = Column(artifacts[0].kind, items=tuple(artifacts))

    @property
    def raw(self) -> object:
        """Nothing that came as it is."""
        return None

    def admit(self) -> None:
        """Each item sees to its own."""

    def place(self) -> None:
        """Each item has placed its own."""

    def renew(self) -> None:
        """Each item sees to its own."""

    def unopened(self) -> GivenColumn:
        """Itself: each item sees to its own."""
        return self


class GivenValue:
    """One value handed to a graph or to a port."""

    def __init__(
        self,
        name: str,
        type_: PortType,
        raw: object,
        cache: Cache | None,
        files: FileDigests | None,
        folder: Path | None = None,
        notes: list[str] | None = None,
    ) -> None:
        """To `notes` is added what a person should know of how it was read, when it is opened."""
        self._name = name
        self._notes = [] if notes is None else notes
        self._kind = type_.kind
        self._cache, self._files = cache, files
        self._folder = folder  # that relative paths start from; None for the current one
        self._type = type_
        self._raws = [self._path(item) if self._is_path(item) else item for item in self._leaves(type_, raw)]
        self._shape = raw
        self._first = [self._checked(self._known, item) for item in self._raws]  # as they are known unopened
        self._artifacts = self._first
        self._handle = self._placed = False
        self.artifact = self._whole()  # as it enters keys; once `admit` was called, as a worker can take it

    @property
    def raw(self) -> object:
        """The value as it came."""
        return self._shape

    def _formed(self, shape: Any, type_: PortType, leaves: Iterator[Artifact]) -> Artifact:
        """The artifacts in lists as deep as those that were given."""
        if shape is None and type_.optional:
            return ABSENT
        if not type_.many:
            return next(leaves)
        return Artifact.of_items(type_.kind, tuple(self._formed(part, type_.item(), leaves) for part in shape))

    def admit(self) -> None:
        """Opens and checks what is given, and puts it where workers find it; InputError says what is wrong."""
        if not self._handle:
            pairs = zip(self._raws, self._first, strict=True)
            self._artifacts = [self._checked(self._opened, raw, artifact) for raw, artifact in pairs]
            self._handle = True
            self.artifact = self._whole()

    def place(self) -> None:
        """Puts files where workers find them, unopened; InputError if that cannot be done."""
        if not (self._placed or self._handle):
            pairs = zip(self._raws, self._first, strict=True)
            self._artifacts = [self._checked(self._stored, raw, artifact) for raw, artifact in pairs]
            self._placed = True
            self.artifact = self._whole()

    def renew(self) -> None:
        """Does so again, if it is gone from there."""
        if self._cache is None or not self._placed or self._handle:
            return
        if not all(map(self._cache.store.keeps, self._artifacts)):
            self._placed = False
            self.place()

    def unopened(self) -> GivenValue:
        """The same, as it was before it was opened."""
        fresh = copy.copy(self)
        fresh._artifacts, fresh._handle, fresh._placed = self._first, False, False
        fresh.artifact = fresh._whole()
        return fresh

    def _stored(self, raw: object, known: Artifact) -> Artifact:
        if self._cache is None or not self._is_path(raw) or known.inline is not None or known.handle is not None:
            return self._opened(raw, known)
        try:
            return self._cache.store.put(self._kind, self._path(raw), known.digest, known.name)
        except OSError:  # the disk does not take it: it goes on from memory
            return self._opened(raw, known)

    def _whole(self) -> Artifact:
        return self._formed(self._shape, self._type, iter(self._artifacts))

    def _leaves(self, type_: PortType, raw: object) -> list[object]:
        try:
            return type_.leaves(raw)
        except ValueError as error:
            raise InputError(f"{self._name}: {error}") from None

    def _checked(self, make: Callable[..., Artifact], *arguments: Any) -> Artifact:
        try:
            return make(*arguments)
        except Damaged as error:
            raise InputError(f"{self._name}: {error}") from None
        except OSError as error:
            raise InputError(
                f"{self._name}: '{str(error.filename)[:300]}': {(error.strerror or 'unreadable').lower()}"
            ) from None
        except ValueError as error:
            raise InputError(f"{self._name}: {error}") from None

    def _is_path(self, raw: object) -> bool:
        return KINDS[self._kind].from_path and isinstance(raw, str | Path | File)

    def _path(self, raw: object) -> Path:
        if isinstance(raw, File):
            return raw.path
        path = Path(os.path.expanduser(str(raw)))  # noqa: PTH111 the home of nobody stays as it is written
        return absolute(path) if self._folder is None else self._folder / path

    def _known(self, raw: object) -> Artifact:
        if self._is_path(raw) and not KINDS[self._kind].plain and self._files is not None:
            path = self._path(raw)
            if path.is_file():
                return self._hashed(raw, path, self._files)
        return self._opened(raw, None)

    def _hashed(self, raw: object, path: Path, files: FileDigests) -> Artifact:
        """What is known of a file that is not read yet. One that is only passed on is from now on to stay as it is."""
        if not KINDS[self._kind].by_path:
            return Artifact(self._kind, files(path), path.stat().st_size)
        known, value = pack(self._kind, self._now(raw))
        known.digest = files(path)
        value.check()
        return known if self._cache is not None else replace(known, handle=InProcess(value))

    def _opened(self, raw: object, known: Artifact | None) -> Artifact:
        """The value read and checked; with a cache its digest, without one itself."""
        if known is not None and (known.inline is not None or known.handle is not None or known.stored):
            return known
        artifact, handle = pack(self._kind, self._now(raw))
        if handle is None:
            return artifact
        if self._cache is None and known is not None and self._files is not None:
            _as_known(self._files(self._path(raw)), known.digest)
        self._notes += [f"{self._name}: {note}" for note in handle.notes]
        if self._cache is not None:
            artifact = self._kept(self._cache.store, artifact, handle, known)
        if artifact.stored and isinstance(handle, File):
            return artifact  # workers read what the store has: that stays as it is
        return replace(artifact, handle=InProcess(handle))

    def _now(self, raw: object) -> object:
        """What is given, its file as it is now."""
        if isinstance(raw, File):
            return raw.current()
        return self._path(raw) if self._is_path(raw) else raw

    def _kept(self, store: Store, artifact: Artifact, handle: Any, known: Artifact | None) -> Artifact:
        encoded, digest = KINDS[self._kind].encode(handle), known.digest if known else None
        if not isinstance(encoded, Path):
            digest = _as_known(of_bytes(encoded), digest)
        try:
            return store.put(self._kind, encoded, digest, artifact.name)
        except OSError:  # the disk does not take it: the run goes on with what is in memory, or with the file
            if isinstance(encoded, Path):
                digest = _as_known(of_file(encoded), digest)
                handle.check()
            size = artifact.size if isinstance(encoded, Path) else len(encoded)
            return replace(artifact, digest=digest, size=size)


def _as_known(found: str, known: str | None) -> str:
    if known not in (None, found):
        raise ValueError("the file changed while it was read")
    return found
