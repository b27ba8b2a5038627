"""PictureFile: what the file of a picture shows: its first page, or all of them, upright. It runs nothing."""

from __future__ import annotations

import functools
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from studio.values.pixels import as_shown
from studio.values.tiff import as_meant, readied

if TYPE_CHECKING:
    import PIL.Image
    import PIL.ImageFile

__all__ = ["all_pages", "first_page", "readable", "upright"]

_MAX_PIXELS = 178_956_970  # past this a picture is more likely a bomb

_PNG = b"\x89PNG\r\n\x1a\n"
_FOREIGN = {"EPS", "IPTC", "WMF"}  # formats that Pillow gives to other programs, or that may hold one of these
_LAYERED = {"PSD"}  # formats whose further pictures are no pages: the first one shows them all
_WHITE_IS_ZERO, _PHOTOMETRIC, _BITS, _ORIENTATION = 0, 262, 258, 274  # of TIFF; the last one of EXIF, too
_TWELVE_BITS = 4_095


class _Refused(ValueError):
    """A file that is not read; the text says what it is."""


def first_page(data: bytes) -> tuple[PIL.Image.Image, int]:
    """What a file shows first, in a mode that PNG holds, and of how many pages; ValueError says what it is instead."""
    with readable():
        picture = _opened(data)
        count = _count(picture)
        return _page(picture), count


def all_pages(data: bytes, most: int) -> list[PIL.Image.Image]:
    """All pages, each upright and of its own size; ValueError if they are more than `most`, or one is broken."""
    with readable():
        picture = _opened(data)
        count = _count(picture)
        if count > most:
            raise _Refused(f"a file of {count:,} pages, more than 'most' allows: {most:,}")
        return [_turned_to(picture, number) for number in range(count)]


def upright(picture: PIL.Image.Image) -> PIL.Image.Image:
    """The picture turned as its file says (EXIF orientation); itself, where the file says nothing that makes sense."""
    try:
        orientation = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # whatever is wrong with what a camera wrote beside the pixels
        return picture
    turn = None if orientation == 1 else _turns().get(orientation)
    return picture if turn is None else picture.transpose(turn)


@functools.cache
def _turns() -> dict[Any, PIL.Image.Transpose]:
    """What puts a picture upright, by what EXIF says of it."""
    from PIL.Image import Transpose

    return {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }


@contextmanager
def readable() -> Iterator[None]:
    """Whatever Pillow raises inside becomes a ValueError in one line: its decoders raise anything at broken files."""
    import PIL.Image

    try:
        yield
    except _Refused:
        raise
    except PIL.Image.DecompressionBombError as error:
        raise _Refused(f"too large a picture: {error}") from None
    except MemoryError:
        raise _Refused("too large a picture for the memory there is") from None
    except PIL.UnidentifiedImageError:
        raise _Refused("no picture of a kind that can be read (PNG, JPEG, WebP, GIF, BMP, TIFF)") from None
    except Exception as error:
        told = " ".join(str(error).split())[:200] or type(error).__name__
        raise _Refused(f"a broken picture, or of a kind that cannot be read: {told}") from None


def _opened(data: bytes) -> PIL.ImageFile.ImageFile:
    """The file with nothing decoded."""
    import PIL.Image

    picture = PIL.Image.open(io.BytesIO(data))
    if picture.format == "PNG":
        _check_pixels(data)
    if picture.format in _FOREIGN:
        raise _Refused(f"a picture in the format {picture.format}, which is not read: make it a PNG")
    return picture


def _check_pixels(data: bytes) -> None:
    """Refuses a PNG of which what holds pixels is not what was written: Pillow passes over its checksums.

    A chunk is its length, its name, what it holds, and the checksum of name and content.
    """
    place, view = len(_PNG), memoryview(data)
    while len(data) >= place + 12:
        end = place + 8 + int.from_bytes(view[place : place + 4], "big")
        pixels = view[place + 4 : place + 8].tobytes() in (b"IDAT", b"fdAT")
        checked, told = view[place + 4 : end], view[end : end + 4]
        if pixels and len(told) == 4 and zlib.crc32(checked) != int.from_bytes(told, "big"):
            raise _Refused("a broken picture: a checksum of its pixels is wrong")
        place = end + 4


def _page(picture: PIL.ImageFile.ImageFile) -> PIL.Image.Image:
    """The page at which a file stands."""
    width, height = picture.size
    if width * height > _MAX_PIXELS:
        raise _Refused(f"a picture of {width:,} × {height:,} pixels: more than the {_MAX_PIXELS:,} allowed")
    if picture.format == "TIFF":
        readied(picture)
    picture.load()
    tags = getattr(picture, "tag_v2", {})
    deep = picture.mode == "F" or picture.mode.startswith("I")
    inverted = deep and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO  # which Pillow sees to in eight bits alone
    shown = as_meant(picture) if picture.format == "TIFF" else picture  # which Pillow has turned by itself
    return as_shown(upright(shown), white=_white(picture), inverted=inverted)


def _white(picture: PIL.ImageFile.ImageFile) -> int | None:
    """The number that is white, where the format says it otherwise than by the mode."""
    if picture.mode == "I" and picture.format in ("PNG", "PPM"):
        return 65_535
    return _TWELVE_BITS if getattr(picture, "tag_v2", {}).get(_BITS) == (12,) else None


def _count(picture: PIL.ImageFile.ImageFile) -> int:
    return 1 if picture.format in _LAYERED else getattr(picture, "n_frames", 1)


def _turned_to(picture: PIL.ImageFile.ImageFile, number: int) -> PIL.Image.Image:
    if number:
        if picture.format == "TIFF":
            picture.info = {}  # or a page without a colour profile would have that of the one before
        picture.seek(number)
    page = _page(picture)
    return page.copy() if page is picture else page
