"""Shelf: where the media of a page lie: inside it, or, where they are large, as files beside it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

__all__ = ["Shelf"]

INLINE = 4 << 20  # bytes; a single medium that is larger lies beside the page
ALL_INLINE = 24 << 20  # bytes; once the media inside the page are more, the others lie beside it


class Shelf:
    """Places media, and gives the address by which the page finds each.

    folder: where files beside the page go; it is made with the first of them. None: all go inside.
    """

    def __init__(self, folder: Path | None = None, inline: int = INLINE, all_inline: int = ALL_INLINE) -> None:
        self.folder = folder
        self._inline, self._all_inline = inline, all_inline
        self.inside = 0  # bytes of media in the page
        self.beside: list[Path] = []

    def place(self, content: bytes | Path, mime: str, suffix: str) -> str:
        """The address of some content: a data: URI, or that of a file beside the page."""
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        if self.folder is not None and (size > self._inline or self.inside + size > self._all_inline):
            return self._put_beside(content, suffix)
        self.inside += size
        data = content.read_bytes() if isinstance(content, Path) else content
        return f"data:{mime};base64,{base64.b64encode(data).decode()}"

    def _put_beside(self, content: bytes | Path, suffix: str) -> str:
        assert self.folder is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{len(self.beside) + 1:03}{suffix}"
        _writer(content)(path)
        self.beside.append(path)
        return quote(f"{self.folder.name}/{path.name}")


def _writer(content: bytes | Path) -> Callable[[Path], object]:
    if isinstance(content, bytes):
        return lambda path: path.write_bytes(content)
    return lambda path: path.write_bytes(content.read_bytes())
