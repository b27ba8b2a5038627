"""Video and File: values held by their path, never read whole into memory."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, Self

from studio.values.base import Media, MediaKind, existing

__all__ = ["File", "FileKind", "Video", "VideoKind", "tracks"]

_PROBED = 1 << 20  # bytes that are read to see what a file holds
_NO_FILMS = {"image2", "gif", "tty"}  # that FFmpeg takes for one all the same: pictures, text


class File(Media):
    """Any file, by its path. The file must stay as it is while a run reads it."""

    kind = "file"

    def __init__(self, path: str | Path) -> None:
        self.path = existing(path).absolute()
        self._kept: Any = None  # keeps a temporary file alive as long as the value

    @classmethod
    def open(cls, path: str | Path) -> Self:
        return cls(path)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """From bytes, which are written to a temporary file that goes with the value."""
        kept = tempfile.NamedTemporaryFile(prefix="studio-", suffix=cls.__name__.lower())  # noqa: SIM115
        kept.write(data)
        kept.flush()
        value = cls(kept.name)
        value._kept = kept
        return value

    @property
    def nbytes(self) -> int:
        return self.path.stat().st_size

    def to_bytes(self) -> Path:
        return self.path

    def save(self, path: str | Path) -> Path:
        """Copies the file."""
        return Path(shutil.copyfile(self.path, path))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, File) or type(self) is not type(other):
            return NotImplemented
        same_size = self.nbytes == other.nbytes
        return same_size and self.path.read_bytes() == other.path.read_bytes()

    def __hash__(self) -> int:
        return hash((type(self), self.nbytes))

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self).from_bytes, (self.path.read_bytes(),)) if self._kept else (type(self), (self.path,))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"


class Video(File):
    """A film, by its path: MP4, MKV, WebM, AVI, whatever FFmpeg reads."""

    kind = "video"


class FileKind(MediaKind[File]):
    """Any file."""

    name = "file"
    suffix = ".bin"
    by_path = True
    python = File


class VideoKind(MediaKind[Video]):
    """A film."""

    name = "video"
    suffix = ".mp4"
    suffixes = (
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2v", ".vob", ".ogv", ".ogm", ".wmv"),
        *(".asf", ".flv", ".f4v", ".ts", ".m2ts", ".mts", ".mxf", ".3gp", ".3g2"),
    )
    by_path = True
    python = Video

    def holds(self, path: Path) -> bool:
        return any(kind == "video" for kind in tracks(path))


def tracks(path: Path) -> list[str]:
    """The kinds of the tracks in a container of FFmpeg's, without cover art; none of what is a picture, or no such."""
    try:
        import av
        from av.stream import Disposition
    except ImportError:
        return []
    try:
        with av.open(str(path), mode="r", options={"probesize": str(_PROBED)}) as container:
            if container.format.name.endswith("_pipe") or container.format.name in _NO_FILMS:
                return []
            return [each.type for each in container.streams if not each.disposition & Disposition.attached_pic]
    except (av.FFmpegError, OSError, ValueError):
        return []
