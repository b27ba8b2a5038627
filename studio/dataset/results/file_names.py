"""File names for ids: safe on any file system, and no two alike. They know no folder.

An id of small letters, digits and `._-` is its own name. Any other is made plain, and the digest of
the id joins it: what looks alike then (`A b`, `a/b`, on a disk that takes `A` for `a`) stays apart.
"""

from __future__ import annotations

import re
import unicodedata

from studio.values.digest import of_bytes

__all__ = ["name_of"]

_MOST = 120  # bytes in a name, its suffix included
_DIGEST = 16  # letters of the digest in a name
_PLAIN = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_-])?")
_TAKEN = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")  # devices, on some systems
_DIGESTED = re.compile(rf".*-[0-9a-f]{{{_DIGEST}}}")  # as only a name with a digest may end


def name_of(id: str, suffix: str = "") -> str:
    """The file name of an id."""
    room = _MOST - len(suffix.encode())
    if len(id) <= room and _PLAIN.fullmatch(id) and not _TAKEN.fullmatch(id) and not _DIGESTED.fullmatch(id):
        return id + suffix
    letters = unicodedata.normalize("NFKD", id).encode("ascii", "ignore").decode()  # é is an e
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", letters)[: room - _DIGEST - 1].strip("_")
    return f"{plain or 'item'}-{of_bytes(id.encode('utf-8', 'surrogatepass'))[:_DIGEST]}{suffix}"
