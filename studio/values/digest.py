"""The hash of a content: of bytes, of a file, of plain data. It knows no value, no step and no cache.

Every digest is BLAKE3-256 in hexadecimal. Plain data is encoded with a tag for every type and a
length before every part, so that two different things never share an encoding: `1`, `1.0`, `"1"`
and `True` are four. What has no canonical encoding raises `Uncacheable`, and never becomes a constant.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from blake3 import blake3

__all__ = ["Uncacheable", "canonical", "of_bytes", "of_data", "of_file"]

_MAPPED_BYTES = 1 << 20  # from here on mapping a file and hashing it with several threads is quicker than reading it


class Uncacheable(Exception):
    """Something in a key has no canonical encoding; its text says what."""


def of_bytes(data: bytes | memoryview) -> str:
    """The digest of some bytes."""
    return blake3(data).hexdigest()


def of_data(data: object) -> str:
    """The digest of plain data (None, bool, int, float, str, bytes, lists, dicts), types told apart."""
    return blake3(canonical(data)).hexdigest()


def of_file(path: Path) -> str:
    """The digest of a file's bytes."""
    if path.stat().st_size < _MAPPED_BYTES:
        return of_bytes(path.read_bytes())
    hasher = blake3(max_threads=blake3.AUTO)
    hasher.update_mmap(path)
    return hasher.hexdigest()


def canonical(data: object) -> bytes:
    """One byte string for each piece of plain data; dicts regardless of their order."""
    encode = _ENCODERS.get(type(data))
    if encode is None:
        raise Uncacheable(f"a {type(data).__name__} has no canonical form")
    return encode(data)


def _tagged(tag: bytes, body: bytes) -> bytes:
    return tag + struct.pack(">Q", len(body)) + body


def _dict(data: dict[object, object]) -> bytes:
    items = sorted((canonical(key), canonical(value)) for key, value in data.items())
    return _tagged(b"d", b"".join(key + value for key, value in items))


def _list(data: list[object] | tuple[object, ...]) -> bytes:
    return _tagged(b"l", b"".join(map(canonical, data)))


_ENCODERS: dict[type, Callable[..., bytes]] = {
    type(None): lambda _: b"n",
    bool: lambda value: b"T" if value else b"F",
    int: lambda value: _tagged(b"i", str(value).encode()),
    float: lambda value: b"f" + struct.pack(">d", value),
    str: lambda value: _tagged(b"s", value.encode("utf-8", "surrogatepass")),
    bytes: lambda value: _tagged(b"b", value),
    list: _list,
    tuple: _list,
    dict: _dict,
}
