"""Media files as rows, a file a row: those of a folder, or those that a pattern finds. It opens none of them."""

from __future__ import annotations

import functools
import mimetypes
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from studio.dataset.sources.base import LeftOut, Row, Rows, why
from studio.errors import InputError
from studio.paths import absolute
from studio.values import KINDS

__all__ = ["FileRows", "Media", "kind_held"]

Media = Mapping[str, Collection[str]]  # the suffixes of each kind: {"audio": [".wav", ".mp3"]}

_TRIED = ("video", "image", "audio")  # in this order a file is looked into: a film has sound, too
_UNKNOWN = "application/octet-stream"
_LOOKED_INTO = ("audio/", "image/", "video/", _UNKNOWN)  # what suffixes say of the files that are opened
_NO_FILES = ("thumbs.db", "desktop.ini")  # that a system leaves in folders, and nobody put there
_SHOWN = 8  # names
_NUMBERS = re.compile("([0-9]+)")


class FileRows(Rows):
    """The files below a folder, hidden ones left out, in natural order: clip2 before clip10.

    pattern: which of them, from the folder; `**` stands for any folders between.
    media: the kinds that are taken; with none, every file is. A file whose suffix is of none of them is looked
        into, as what it holds may be all the same; the others are `left_out`.
    apart: a folder whose files are no items, though they may lie among them: that of the results.
    Files of two kinds are an error; `kind` is the one they are of.
    """

    is_media = True
    columns = ("file", "id")

    def __init__(
        self, folder: Path, pattern: str = "**/*", media: Media | None = None, apart: Path | None = None
    ) -> None:
        self.name = str(folder if pattern == "**/*" else folder / pattern)
        self._given, self.folder = folder, absolute(folder)
        parts = [part for part in pattern.split("/") if part]
        self._parts = [*parts, "*"] if parts[-1] == "**" else parts
        self._kinds = {suffix.lower(): kind for kind, suffixes in (media or {}).items() for suffix in suffixes}
        self._media = [name for name in _TRIED if name in (media or {})]
        self._told: dict[str, str] = {}  # the kinds of files whose suffixes do not tell them
        self._apart = _place(apart.stat()) if apart is not None and apart.is_dir() else None
        self.left_out = LeftOut()
        self.kind, self._count = self._counted()
        self.left_out.kind = self.kind

    def __iter__(self) -> Iterator[Row]:
        for name, error in self._found():
            place = str(self._given / name)
            if error:
                yield Row(_shown(place), error=error)
            elif not _is_text(name):
                yield Row(_shown(place), error="its name is not text in UTF-8: rename it")
            elif self._kind(name):
                yield Row(place, {"file": self.folder / name, "id": name})

    def count(self) -> int:
        return self._count

    def _counted(self) -> tuple[str, int]:
        """The kind of the files and how many there are; InputError if there are none, or of two kinds."""
        counts: Counter[str] = Counter()
        suffixes: dict[str, str] = {}
        broken = ""
        for name, error in self._found():
            broken = broken or error
            if not error and (kind := self._kind(name) or self._looked_into(name)):
                counts[kind] += 1
                suffixes.setdefault(kind, _suffix(name))
            elif not error and not name.lower().endswith(_NO_FILES):
                self.left_out.add(name)
        self.left_out.files = counts.total() + self.left_out.count
        if not counts:
            raise InputError(f"'{self.name}': {broken or self._nothing()}")
        if len(counts) > 1:
            (kind, _), *_ = found = counts.most_common()
            told = ", ".join(f"{count} of {kind}" for kind, count in found)
            pattern = self._given / "**" / f"*{suffixes[kind]}"
            raise InputError(f"'{self.name}' holds files of several kinds: {told}. Choose by a pattern: '{pattern}'")
        return counts.popitem()

    def _nothing(self) -> str:
        others = self.left_out
        if not others.count:
            return "there is no file here" if self._parts == ["**", "*"] else "no file matches this pattern"
        known, shown = ", ".join(sorted(self._kinds)), ", ".join(others.names[:_SHOWN])
        more = " …" if others.count > _SHOWN else ""
        return f"none of the {others.count} files here can be read: {shown}{more}. A file of an item ends in {known}"

    def _kind(self, name: str) -> str:
        """The kind of a file, as its suffix says, or as it was seen to be; nothing, if it is of none of them."""
        return (self._kinds.get(_suffix(name).lower()) or self._told.get(name, "")) if self._kinds else "file"

    def _looked_into(self, name: str) -> str:
        """The kind of a file whose suffix does not tell it; what is text or a document by its suffix stays closed."""
        if (kind := kind_held(self.folder / name, self._media)) and _is_text(name):
            self._told[name] = kind
        return kind

    def _found(self) -> Iterator[tuple[str, str]]:
        """The files that match, by their paths from the folder; for a folder that cannot be read, why."""
        return self._below("", self._reached({0}), ())

    def _below(self, inner: str, reached: set[int], above: tuple[tuple[int, int], ...]) -> Iterator[tuple[str, str]]:
        """What matches below a folder; `reached`: the parts of the pattern that its entries may match."""
        folder = self.folder / inner
        try:
            stat = folder.stat()
            names = _entries(folder)
        except OSError as error:
            yield inner, why(error)
            return
        if (here := _place(stat)) in above or here == self._apart:
            return  # a link led back into a folder around it
        for name in names:
            if not name.endswith("/"):
                if len(self._parts) - 1 in reached and _matches(name, self._parts[-1]):
                    yield inner + name, ""
            elif further := self._reached(self._after(name[:-1], reached)):
                yield from self._below(inner + name, further, (*above, here))

    def _after(self, name: str, reached: set[int]) -> set[int]:
        """The parts that may match what is inside a folder of this name."""
        found = set()
        for index in reached:
            if self._parts[index] == "**":
                found |= {index} if _matches(name, "*") else set()
            elif index + 1 < len(self._parts) and _matches(name, self._parts[index]):
                found.add(index + 1)
        return found

    def _reached(self, indexes: set[int]) -> set[int]:
        """These parts, and those after them, as `**` may also stand for no folder at all."""
        found = set(indexes)
        for index, part in enumerate(self._parts):
            if index in found and part == "**":
                found.add(index + 1)
        return found


def kind_held(path: Path, kinds: Iterable[str]) -> str:
    """Which of some kinds a file holds, whatever it is called; nothing if none, or if it says to be something else."""
    says = _types().guess_type(path.name)[0] or _UNKNOWN
    try:
        if not says.startswith(_LOOKED_INTO) or not path.is_file() or not path.stat().st_size:
            return ""
    except OSError:
        return ""
    return next((kind for kind in kinds if KINDS[kind].holds(path)), "")


@functools.cache
def _types() -> mimetypes.MimeTypes:
    """What suffixes say, the same on every machine."""
    return mimetypes.MimeTypes()


def _place(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_dev, stat.st_ino


def _entries(folder: Path) -> list[str]:
    """The names in a folder in natural order, those of folders with a slash at the end."""
    with os.scandir(folder) as entries:
        names = [f"{entry.name}/" if entry.is_dir() else entry.name for entry in entries]
    return sorted(names, key=_natural)


def _natural(name: str) -> tuple[list[str | int], str]:
    parts: list[str | int] = list(_NUMBERS.split(name.removesuffix("/").casefold()))
    parts[1::2] = map(int, parts[1::2])
    return parts, name


def _matches(name: str, part: str) -> bool:
    return fnmatchcase(name, part) and (not name.startswith(".") or part.startswith("."))


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1]  # noqa: PTH122 far quicker than a Path


def _shown(place: str) -> str:
    return place.encode(errors="backslashreplace").decode()


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
