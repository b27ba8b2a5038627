"""Store: values at rest, by content. It knows neither keys nor steps.

A blob is named by the digest of its bytes, written to a temporary file and renamed, and hashed when it is
first read by a process. What does not match is moved to `quarantine/` and is as good as absent.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from studio.files import serial, temporary_beside, write_atomically
from studio.values.artifact import Artifact, Damaged
from studio.values.digest import of_bytes, of_file
from studio.values.private_file import PrivateFile, is_file_name

__all__ = ["Store"]


_MOST_AT_ONCE = 1 << 20  # bytes of a file that is read as a whole, to be copied
_FRESH = 600  # seconds within which another use of a blob is not marked
_MOST_VERIFIED = 50_000  # blobs that are remembered as sound, some 20 MB: a worker may live for weeks


class Store:
    """Blobs by digest, in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = folder / "blobs"
        self.quarantine = folder / "quarantine"
        self.unfinished = f"{folder}/unfinished"  # files that are being written
        self.lent = folder / "lent"  # blobs that are being read under their own names
        self._verified: dict[str, tuple[int, int]] = {}  # by digest: the mtime and size it was found sound with

    def __reduce__(self) -> tuple[object, ...]:
        return (Store, (self.folder,))

    def put(self, kind: str, encoded: bytes | Path, digest: str | None = None, name: str = "") -> Artifact:
        """Keeps some bytes, or a copy of a file, and names it by what was kept.

        digest: what the content is known to be; ValueError where a file is found to be something else.
        name: that of the file, where it is a part of the value. OSError where the disk does not take them.
        """
        if isinstance(encoded, Path):
            return self._put_file(kind, encoded, digest, name)
        artifact = Artifact(kind, digest or of_bytes(encoded), len(encoded), stored=True, name=name)
        if not self.holds(artifact):
            self._write(str(artifact.digest), encoded)
        return artifact

    def _write(self, digest: str, data: bytes) -> None:
        write_atomically(self.path(digest), data, mode=0o444, by_way_of=self.unfinished)

    def has(self, artifact: Artifact) -> bool:
        """Whether a sound blob is there; one that is damaged is set aside."""
        try:
            self.verified(artifact)
        except (Damaged, OSError):
            return False
        return True

    def keeps(self, artifact: Artifact) -> bool:
        """Whether all of a value is sound that lies here, and nowhere else."""
        return all(
            self.has(leaf) for leaf in artifact.leaves if leaf.stored and leaf.inline is None and leaf.handle is None
        )

    def holds(self, artifact: Artifact) -> bool:
        """The same for one that is about to be named: then it counts as used just now."""
        try:
            self._mark(self.verified(artifact), artifact)  # its record may come late: the sweep spares what was used
        except (Damaged, OSError):
            return False
        return True

    def touch(self, artifact: Artifact) -> None:
        """Marks a blob that was found sound as used just now, for those who prune, in whatever process they are."""
        stamp = self._verified.get(str(artifact.digest))
        if stamp is None or time.time() - stamp[0] / 1e9 > _FRESH:
            with contextlib.suppress(OSError):  # it went at this moment, or may only be read
                self._mark(self.path(str(artifact.digest)), artifact)

    def _mark(self, path: Path, artifact: Artifact) -> None:
        now = time.time_ns()
        os.utime(path, ns=(now, now))
        if str(artifact.digest) in self._verified:
            self._remember(str(artifact.digest), (path.stat().st_mtime_ns, artifact.size))

    def receive(self, artifact: Artifact, chunks: Iterable[bytes]) -> None:
        """Keeps a blob that comes from elsewhere, in parts; Damaged if it is not what its name says."""
        path = self.path(str(artifact.digest))
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(temporary_beside(str(path)))
        try:
            with temporary.open("xb") as file:
                for chunk in chunks:
                    file.write(chunk)
            stat = temporary.stat()
            if stat.st_size != artifact.size or of_file(temporary) != artifact.digest:
                raise Damaged(f"the blob {str(artifact.digest)[:12]} is not what came from elsewhere")
            self._take_in(temporary, str(artifact.digest), stat)
        finally:
            temporary.unlink(missing_ok=True)

    def path(self, digest: str) -> Path:
        """Where the blob of a digest lies."""
        return self.blobs / digest[:2] / digest

    def read(self, artifact: Artifact) -> bytes:
        """The verified bytes of an artifact; else Damaged."""
        if artifact.inline is not None:
            return artifact.inline
        path, data = self.verified(artifact), b""
        with contextlib.suppress(FileNotFoundError):  # whoever clears the folder may come in between
            data = path.read_bytes()
        if len(data) != artifact.size:
            raise Damaged(f"the blob {str(artifact.digest)[:12]} went while it was read")
        return data

    def lend(self, artifact: Artifact) -> tuple[PrivateFile, str]:
        """The verified blob as a file of its own name, and its digest; else Damaged.

        It is a hard link, so that no pruning takes it while it is read; where there are none, a symbolic link.
        """
        digest, name = str(artifact.digest), artifact.name or str(artifact.digest)
        if not is_file_name(name):
            raise Damaged(f"the blob {digest[:12]} has a name that is none")
        blob = self.verified(artifact).absolute()
        try:
            lent = PrivateFile(name, self.lent)
            os.link(blob, lent.path)
        except OSError:
            lent = PrivateFile(name)
            lent.path.symlink_to(blob)
            if not blob.exists():
                raise Damaged(f"the blob {digest[:12]} is missing") from None
        return lent, digest

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
                with contextlib.suppress(OSError):  # what may only be read stays where it is
                    self.set_aside(path)
                raise Damaged(f"the blob {artifact.digest[:12]} is damaged; it was set aside")
            self._remember(artifact.digest, stamp)
        return path

    def _remember(self, digest: str, stamp: tuple[int, int]) -> None:
        """Blobs are never written in place, so one that keeps its times is not hashed twice."""
        if len(self._verified) >= _MOST_VERIFIED:
            self._verified.clear()  # costs one more look at each; an order of use would cost at every look
        self._verified[digest] = stamp

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
        return self.quarantine / f"{name}.{os.getpid()}.{next(serial)}"

    def _put_file(self, kind: str, source: Path, digest: str | None, name: str) -> Artifact:
        """What is hashed is the copy: whoever writes to the file meanwhile changes no value."""
        size = source.stat().st_size
        if digest is not None and self._size(digest) == size:
            known = Artifact(kind, digest, size, stored=True, name=name)
            if self.holds(known):
                return known
        if size <= _MOST_AT_ONCE:
            data = source.read_bytes()
            return self.put(kind, data, _as_expected(of_bytes(data), digest, source), name)
        return self._put_copy(kind, source, digest, name)

    def _put_copy(self, kind: str, source: Path, digest: str | None, name: str) -> Artifact:
        temporary = Path(temporary_beside(str(self.path("copy")), self.unfinished))
        temporary.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(source, temporary)
            found, stat = _as_expected(of_file(temporary), digest, source), temporary.stat()
            kept = Artifact(kind, found, stat.st_size, stored=True, name=name)
            if not self.holds(kept):
                self._take_in(temporary, found, stat)
            return kept
        finally:
            temporary.unlink(missing_ok=True)

    def _take_in(self, temporary: Path, digest: str, stat: os.stat_result) -> None:
        """Makes a file that was just found to have this digest a blob."""
        path = self.path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.chmod(0o444)
        temporary.replace(path)
        self._remember(digest, (stat.st_mtime_ns, stat.st_size))

    def _size(self, digest: str) -> int:
        """Bytes of a blob; -1 if there is none."""
        try:
            return self.path(digest).stat().st_size
        except OSError:
            return -1


def _as_expected(found: str, expected: str | None, source: Path) -> str:
    if expected not in (None, found):
        raise ValueError(f"'{source}' changed while it was read")
    return found
