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
from studio.values import KINDS
from studio.values.artifact import Artifact, Damaged
from studio.values.digest import of_bytes, of_file

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
        self._verified: dict[str, tuple[int, int]] = {}  # by digest: the mtime and size it was found sound with

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

    def has(self, artifact: Artifact) -> bool:
        """Whether a sound blob is there; one that is damaged is set aside."""
        try:
            self.verified(artifact)
        except (Damaged, OSError):
            return False
        return True

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
            temporary.chmod(0o444)
            temporary.replace(path)
            self._remember(str(artifact.digest), (stat.st_mtime_ns, stat.st_size))
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

    def _put_file(self, kind: str, source: Path, digest: str | None) -> Artifact:
        digest = digest or of_file(source)
        artifact = Artifact(kind, digest, source.stat().st_size, stored=True)
        if not self.holds(artifact):
            (self._copy if artifact.size > _MOST_AT_ONCE else self._copy_at_once)(source, digest)
        return artifact

    def _copy_at_once(self, source: Path, digest: str) -> None:
        data = source.read_bytes()
        if of_bytes(data) != digest:
            raise ValueError(f"'{source}' changed while it was read")
        self._write(digest, data)

    def _copy(self, source: Path, digest: str) -> None:
        path = self.path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(temporary_beside(str(path)))
        try:
            shutil.copyfile(source, temporary)
            if of_file(temporary) != digest:
                raise ValueError(f"'{source}' changed while it was read")
            temporary.chmod(0o444)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
