"""Tiff: what TIFF files say of their numbers that Pillow passes over. It refuses, or puts right; Pillow decodes"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import PIL.Image
    import PIL.ImageFile

__all__ = ["as_meant", "readied"]

_BITS, _COMPRESSION, _PLANES, _COLOURS, _FORMAT = 258, 259, 284, 320, 339  # tags
_SEPARATE, _NONE, _SIGNED = 2, 1, 2  # of planes, of compression, of the format of numbers
_NATIVE = {"F;32BF": "F;32NF", "I;16BS": "I;16NS", "I;32BS": "I;32NS"}  # big-endian, and in the order of this machine


def readied(picture: PIL.ImageFile.ImageFile) -> None:
    """Before a page is decoded; ValueError says which kind of planes Pillow would mix up.

    What libtiff unpacks is in the order of this machine, and not in that of the file.
    """
    tags: Any = cast("Any", picture).tag_v2
    bits = tags.get(_BITS, (1,))
    deep = max(bits) > 8 and tags.get(_COMPRESSION, _NONE) == _NONE
    if tags.get(_PLANES) == _SEPARATE and len(bits) > 1 and (deep or len(bits) == 2):
        raise ValueError("a TIFF whose channels lie in planes, of a kind that is not read: write them side by side")
    picture.tile = [
        tile._replace(args=(_NATIVE.get(tile.args[0], tile.args[0]), *tile.args[1:]))
        if tile.codec_name == "libtiff" and isinstance(tile.args, tuple)
        else tile
        for tile in picture.tile
    ]


def as_meant(picture: PIL.ImageFile.ImageFile) -> PIL.Image.Image:
    """A page that was decoded, its numbers with the sign that they have, and its palette as bright as it is meant."""
    import numpy as np
    import PIL.Image

    tags: Any = cast("Any", picture).tag_v2
    bits, signed = tags.get(_BITS), tags.get(_FORMAT, (1,))[0] == _SIGNED
    if picture.mode == "P" and max(colours := tags.get(_COLOURS, (0,))) < 256:  # of eight bits, which is not allowed
        picture.putpalette(bytes(np.array(colours, np.uint8).reshape(3, -1).T.tobytes()))
    if picture.mode == "L" and bits == (8,) and signed:
        return PIL.Image.fromarray(np.asarray(picture).view(np.int8).astype(np.int32))
    if picture.mode == "I" and bits == (32,) and not signed and picture.getextrema()[0] < 0:  # type: ignore[operator]
        return PIL.Image.fromarray(np.asarray(picture).view(np.uint32).astype(np.float32))
    return picture
