"""Artifact and Store: values at rest, by content. It knows neither keys nor steps.

A blob is named by the digest of its bytes, written to a temporary file and renamed, and hashed again
whenever it is read. What does not match is moved to `quarantine/` and is as good as absent.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from studio.digest import of_bytes, of_data, of_file
from studio.values import KINDS

__all__ = ["ABSENT", "MOST_IN_RECORD", "Artifact", "Column", "Damaged", "Store", "write_atomically"]

MOST_IN_RECORD = 4096  # bytes; smaller plain values stand in the record itself

_MOST_AT_ONCE = 1 << 20  # bytes of a file that is read as a whole, to be copied

_serial = itertools.count()


class Damaged(Exception):
    """A stored value is missing, or is not what its name says."""


@dataclass(slots=True)  # a data set makes very many; frozen, each would take three times as long. Nobody changes one
class Artifact:
    """A value at rest: what edges, keys, records and events carry.

    Small plain values are held `inline`, encoded. Others lie in a store under their `digest`, or
    are still `live` in some process, or both. A list is its `items`.
    """

    kind: str
    digest: str | None = None
    size: int = 0
    inline: bytes | None = None
    items: tuple[Artifact, ...] | None = None
    stored: bool = False
    live: object = field(default=None, compare=False, repr=False)

    @classmethod
    def of_plain(cls, kind: str, encoded: bytes) -> Artifact:
        """A small value, held inline."""
        return cls(kind, of_bytes(encoded), len(encoded), inline=encoded)

    @classmethod
    def of_items(cls, kind: str, items: tuple[Artifact, ...]) -> Artifact:
        """A list of artifacts of one kind."""
        digests = [item.digest for item in items]
        digest = None if None in digests else of_data(digests)
        return cls(kind, digest, sum(item.size for item in items), items=items)

    @property
    def absent(self) -> bool:
        """Whether it stands for nothing."""
        return self.kind == "absent"

    @property
    def movable(self) -> bool:
        """Whether a worker can take it as it is."""
        if self.items is not None:
            return all(item.movable for item in self.items)
        return self.inline is not None or self.live is not None or self.stored

    @property
    def leaves(self) -> tuple[Artifact, ...]:
        """The artifact itself, or all that is in a list."""
        return (self,) if self.items is None else tuple(leaf for item in self.items for leaf in item.leaves)

    def at(self, row: int) -> Artifact:
        """What one of many items has: of a Column its own, of anything else the same as all."""
        return self

    def only(self, rows: Iterable[int]) -> Artifact:
        """What some of many items have, as `at` tells of one."""
        return self

    @property
    def held(self) -> int:
        """Bytes of its live values."""
        if self.absent or KINDS[self.kind].plain:
            return 0
        return sum(leaf.size for leaf in self.leaves if leaf.live is not None)

    def at_rest(self) -> Artifact:
        """The same without its live value."""
        items = None if self.items is None else tuple(item.at_rest() for item in self.items)
        return replace(self, live=None, items=items)


class Column(Artifact):
    """What many items hold at the same place, one after the other: no list of any item's."""

    __slots__ = ()

    def at(self, row: int) -> Artifact:
        return (self.items or ())[row]

    def only(self, rows: Iterable[int]) -> Artifact:
        return Column(self.kind, items=tuple(map(self.at, rows)))


ABSENT = Artifact("absent", of_bytes(b"absent"), inline=b"")  # what an unwired optional port holds


class Store:
    """Blobs by digest, in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = folder / "blobs"
        self.quarantine = folder / "quarantine"
        self.unfinished = f"{folder}/unfinished"  # files that are being written
        self._verified: dict[str, tuple[int, int]] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return (Store, (self.folder,))

    def put(self, kind: str, encoded: bytes | Path, digest: str | None = None) -> Artifact:
        """Keeps some bytes, or a copy of a file; OSError where the disk does not take them."""
        if isinstance(encoded, Path):
            return self._put_file(kind, encoded, digest)
        artifact = Artifact(kind, digest or of_bytes(encoded), len(encoded), stored=True)
        if not self.holds(artifact):
            self._write(str(artifact.digest), encoded)
        return artifact

    def _write(self, digest: str, data: bytes) -> None:
        write_atomically(self.path(digest), data, mode=0o444, by_way_of=self.unfinished)

    def holds(self, artifact: Artifact) -> bool:
        """Whether a sound blob is there already; one that is damaged is set aside."""
        try:
            os.utime(self.verified(artifact))  # a blob in use is not swept
        except (Damaged, OSError):
            return False
        return True

    def receive(self, artifact: Artifact, chunks: Iterable[bytes]) -> None:
        """Keeps a blob that comes from elsewhere, in parts; Damaged if it is not what its name says."""
        path = self.path(str(artifact.digest))
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(_temporary(str(path)))
        try:
            with temporary.open("xb") as file:
                for chunk in chunks:
                    file.write(chunk)
            stat = temporary.stat()
            if stat.st_size != artifact.size or of_file(temporary) != artifact.digest:
                raise Damaged(f"the blob {str(artifact.digest)[:12]} is not what came from elsewhere")
            temporary.chmod(0o444)
            temporary.replace(path)
            self._verified[str(artifact.digest)] = (stat.st_mtime_ns, stat.st_size)
        finally:
            temporary.unlink(missing_ok=True)

    def path(self, digest: str) -> Path:
        """Where the blob of a digest lies."""
        return self.blobs / digest[:2] / digest

    def read(self, artifact: Artifact) -> bytes | Path:
        """The verified bytes of an artifact, or for kinds held by path the verified file; else Damaged."""
        if artifact.inline is not None:
            return artifact.inline
        path = self.verified(artifact)
        return path if KINDS[artifact.kind].by_path else path.read_bytes()

    def verified(self, artifact: Artifact) -> Path:
        """The file of an artifact, once its content is known to match; else it is set aside: Damaged."""
        assert artifact.digest is not None
        path = self.path(artifact.digest)
        try:
            stat = path.stat()
        except OSError:
            raise Damaged(f"the blob {artifact.digest[:12]} is missing") from None
        stamp = (stat.st_mtime_ns, stat.st_size)
        if self._verified.get(artifact.digest) != stamp:
            if stat.st_size != artifact.size or of_file(path) != artifact.digest:
                self.set_aside(path)
                raise Damaged(f"the blob {artifact.digest[:12]} is damaged; it was set aside")
            self._verified[artifact.digest] = stamp
        return path

    def set_aside(self, path: Path) -> None:
        """Moves a file that cannot be trusted to the quarantine."""
        place = self._aside(path.name)
        with contextlib.suppress(FileNotFoundError):  # somebody else was faster
            path.replace(place)

    def set_text_aside(self, name: str, text: bytes) -> None:
        """Writes what stood somewhere, and cannot be trusted, into the quarantine."""
        write_atomically(self._aside(name), text)

    def _aside(self, name: str) -> Path:
        self.quarantine.mkdir(parents=True, exist_ok=True)
        return self.quarantine / f"{name}.{os.getpid()}.{next(_serial)}"

    def _put_file(self, kind: str, source: Path, digest: str | None) -> Artifact:
        digest = digest or of_file(source)
        artifact = Artifact(kind, digest, source.stat().st_size, stored=True)
        if not self.holds(artifact):
            (self._copy if artifact.size > _MOST_AT_ONCE else self._copy_at_once)(source, digest)
        return artifact

    def _copy_at_once(self, source: Path, digest: str) -> None:
        data = source.read_bytes()
        if of_bytes(data) != digest:
            raise Damaged(f"'{source}' changed while it was read")
        self._write(digest, data)

    def _copy(self, source: Path, digest: str) -> None:
        path = self.path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(_temporary(str(path)))
        try:
            shutil.copyfile(source, temporary)
            if of_file(temporary) != digest:
                raise Damaged(f"'{source}' changed while it was read")
            temporary.chmod(0o444)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_atomically(
    path: Path | str, data: bytes, mode: int = 0o600, replace: bool = True, by_way_of: str = ""
) -> bool:
    """All of the data under its name, or nothing; False if it was there and is not to be replaced.

    `by_way_of` is a folder for what is unfinished. Files made in many folders take ext4 four times as long.
    """
    place = os.fspath(path)
    temporary = _temporary(place, by_way_of)
    try:
        with os.fdopen(_new_file(temporary, mode), "wb", buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
        if replace:
            _into_place(os.replace, temporary, place)
        else:
            _into_place(os.link, temporary, place)
        return True
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)  # noqa: PTH108


def _new_file(place: str, mode: int) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(place, flags, mode)
    except FileNotFoundError:
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        return os.open(place, flags, mode)


def _into_place(move: Callable[[str, str], None], temporary: str, place: str) -> None:
    try:
        move(temporary, place)
    except FileNotFoundError:
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        move(temporary, place)


def _temporary(place: str, by_way_of: str = "") -> str:
    folder, _, name = place.rpartition("/")
    return f"{by_way_of or folder or '.'}/.{name[:40]}.{os.getpid()}.{next(_serial)}.tmp"
