"""Video and File: values held by their path, never read whole into memory."""

from __future__ import annotations

import mmap
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple, Self

from studio.values.base import Media, MediaKind, existing
from studio.values.digest import of_file
from studio.values.private_file import PrivateFile, is_file_name

__all__ = ["Changed", "File", "FileKind", "Video", "VideoKind", "tracks"]

_PROBED = 1 << 20  # bytes that are read to see what a file holds
_NO_FILMS = {"image2", "gif", "tty"}  # that FFmpeg takes for one all the same: pictures, text


class Changed(ValueError):
    """A file is not what it was when its value was made; the text names it."""


class _Stamp(NamedTuple):
    """What tells that a file was changed, on whatever machine its folder is mounted."""

    inode: int
    size: int
    modified: int  # ns
    state: int  # ns; this one changes also where a link to the file is made or removed

    @classmethod
    def of(cls, path: Path) -> _Stamp:
        stat = os.stat(path)  # noqa: PTH116  half the time of a Path
        return cls(stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


class File(Media):
    """Any file: its content and its name, at a path.

    The value is the file as it is when the value is made. If the file changes after that, whoever uses the
    value is told so, and never given the later content. `name` gives it another name than the path's.
    """

    kind = "file"

    def __init__(self, path: str | Path, name: str | None = None) -> None:
        self.path = existing(path).absolute()
        self._kept: PrivateFile | None = None  # a file that goes when the value goes
        self._digest = ""  # of the content, where it is known
        if name is not None and name != self.path.name:
            self._kept = PrivateFile(_checked_name(name))
            self._kept.path.symlink_to(self.path)
            self.path = self._kept.path
        _checked_name(self.path.name)
        self._stamp = _Stamp.of(self.path)
        if os.stat(self.path).st_nlink > 1:  # noqa: PTH116  who has the other links may change its times: a store does
            self._digest = of_file(self.path)

    @classmethod
    def open(cls, path: str | Path) -> Self:
        return cls(path)

    @classmethod
    def from_bytes(cls, data: bytes, name: str | None = None) -> Self:
        """From bytes, which are written to a temporary file that goes with the value.

        Without a name it is called `file`, or `video`.
        """
        kept = PrivateFile(_checked_name(name or cls.kind))
        with kept.path.open("xb") as file:
            file.write(data)
        value = cls(kept.path)
        value._kept = kept
        return value

    @classmethod
    def lent(cls, kept: PrivateFile, digest: str) -> Self:
        """From a file that a store has lent, whose content is known to have this digest."""
        value = cls.__new__(cls)
        value.path, value._kept, value._stamp, value._digest = kept.path, kept, _Stamp.of(kept.path), digest
        return value

    @property
    def name(self) -> str:
        """What the file is called: this is a part of the value, and the folder is not."""
        return self.path.name

    @property
    def nbytes(self) -> int:
        return self._stamp.size

    def check(self) -> None:
        """Changed, if the file is not what it was when this value was made."""
        try:
            now = _Stamp.of(self.path)
            if now == self._stamp or (self._kept and now[:3] == self._stamp[:3]):  # others may have links to it
                return
            if self._digest and of_file(self.path) == self._digest:
                return
        except OSError:
            if self._kept and not os.path.lexists(self.path):
                return  # it was moved or removed by whom it was lent, and to nobody else
        raise Changed(f"the file '{self.path}' has changed since its value was made")

    def current(self) -> Self:
        """The same file, as it is now."""
        return self if self._kept and self._digest else self._at(self.path, self._kept)

    def linked(self) -> Self:
        """The same for one more user: a file that goes with the value has a link for each, to do with as they like."""
        if self._kept is None:
            return self
        try:
            kept = PrivateFile(self.name)
            os.link(self.path, kept.path)
        except OSError:
            return self
        twin = object.__new__(type(self))
        twin.__dict__ = {**self.__dict__, "path": kept.path, "_kept": kept}
        return twin

    def snapshot(self) -> Self:
        """A copy that nobody else writes to, and that goes when the value goes; Changed, or OSError."""
        kept = PrivateFile(self.name)
        shutil.copyfile(self.path, kept.path)
        self.check()
        kept.path.chmod(0o444)
        return self._at(kept.path, kept)

    def _at(self, path: Path, kept: PrivateFile | None) -> Self:
        twin = object.__new__(type(self))
        twin.__dict__ = {**self.__dict__, "path": path, "_kept": kept, "_stamp": _Stamp.of(path), "_digest": ""}
        return twin

    def to_bytes(self) -> Path:
        return self.path

    def save(self, path: str | Path) -> Path:
        """Copies the file."""
        saved = Path(shutil.copyfile(self.path, path))
        self.check()
        return saved

    def __eq__(self, other: object) -> bool:
        """Whether the contents are equal."""
        if not isinstance(other, File) or type(self) is not type(other):
            return NotImplemented
        same_size = self.nbytes == other.nbytes
        return same_size and self.path.read_bytes() == other.path.read_bytes()

    def __hash__(self) -> int:
        return hash((type(self), self.nbytes))

    def __reduce__(self) -> tuple[Any, ...]:
        """By its path; but a file that goes with the value goes as an array: Ray carries those beside all else."""
        if self._kept is None:
            return (_by_path, (type(self), self.path, self._stamp, self._digest))
        import numpy as np

        with self.path.open("rb") as file:
            content = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
        self.check()
        return (type(self).from_bytes, (content, self.name))

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
    python: type[File] = File

    def decode(self, source: bytes | Path, name: str = "") -> File:
        return self.python(source) if isinstance(source, Path) else self.python.from_bytes(source, name or None)


class VideoKind(FileKind):
    """A film."""

    name = "video"
    suffix = ".mp4"
    suffixes = (
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2v", ".vob", ".ogv", ".ogm", ".wmv"),
        *(".asf", ".flv", ".f4v", ".ts", ".m2ts", ".mts", ".mxf", ".3gp", ".3g2"),
    )
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
        with av.open(str(path), mode="r", metadata_errors="replace", options={"probesize": str(_PROBED)}) as container:
            if container.format.name.endswith("_pipe") or container.format.name in _NO_FILMS:
                return []
            return [each.type for each in container.streams if not each.disposition & Disposition.attached_pic]
    except (av.FFmpegError, OSError, ValueError):
        return []


def _by_path(cls: type[File], path: Path, stamp: _Stamp, digest: str) -> File:
    """A value that came from another process: its file is to be what it was there."""
    value = cls.__new__(cls)
    value.path, value._kept, value._stamp, value._digest = path, None, stamp, digest
    return value


def _checked_name(name: str) -> str:
    if not is_file_name(name):
        raise ValueError(
            f"{name!r} cannot be the name of a file here: that is text in UTF-8 of 255 bytes at most, without '/'; "
            "rename it, or give another: File(path, name=…)"
        )
    return name
