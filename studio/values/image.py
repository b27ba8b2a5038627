"""Image: a picture, decoded when it is looked at."""

from __future__ import annotations

import functools
import io
from functools import cached_property
from pathlib import Path
from sys import getrefcount
from typing import TYPE_CHECKING, Any, Self

from studio.values.base import TEMPORARY, Media, MediaKind
from studio.values.picture_file import all_pages, first_page, readable, upright
from studio.values.pixels import as_shown, in_eight_bits, in_rgb

if TYPE_CHECKING:
    import PIL.Image
    from numpy.typing import NDArray

__all__ = ["Image", "ImageKind"]

_BLOCKS = 8  # of a picture's memory, 16 MB each at most

_FORMATS = 256  # modes and sizes of which it is remembered how their files begin

_DEEP = {".png", ".tif", ".tiff"}  # suffixes of formats that hold every picture as it is
_WITH_ALPHA = {".webp", ".gif", ".avif"}

_PNG = b"\x89PNG\r\n\x1a\n"


class Image(Media):
    """A picture: a PIL image in `pil`, an array (height, width[, channels]) in `array`."""

    kind = "image"
    _source: bytes | None = None  # the bytes of a file that nobody touched
    _encoded: bytes | None = None  # those that the pixels became
    _count = 1  # pages of the file, once it is decoded

    def __init__(self, picture: PIL.Image.Image | NDArray[Any]) -> None:
        import PIL.Image

        _keep_memory()
        given = getrefcount(picture) <= TEMPORARY
        if not isinstance(picture, PIL.Image.Image):
            picture, given = _from_array(picture), True
        self.__dict__["_picture"] = _as_shown(picture, given=given)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """From the bytes of a PNG, JPEG, WebP, GIF, BMP or TIFF file, decoded to be sure; they are kept as they are.

        What it shows is what a viewer shows: its first page, upright, in sRGB. ValueError says what is no picture.
        """
        image = cls.__new__(cls)
        image._source = data
        image._picture  # noqa: B018
        return image

    @cached_property
    def _picture(self) -> PIL.Image.Image:
        _keep_memory()
        page, self._count = first_page(self._source or b"")
        return _alone(page, given=True)

    def rgb(self) -> PIL.Image.Image:
        """The picture in RGB of eight bits, as models take it; transparent parts get a ground.

        That is white; where more of the picture would vanish on white than on black or mid-grey, one of these.
        """
        return in_rgb(self.pil)

    def pages(self, most: int) -> list[Image]:
        """All pages or frames of the file that this is; of none, the picture alone. ValueError: more than `most`."""
        if self._source is None:
            return [self]
        _keep_memory()
        return [Image(page) for page in all_pages(self._source, most)]

    @property
    def notes(self) -> tuple[str, ...]:
        told = f"it has {self._count:,} pages; nodes see the first, and 'image.pages' gives all"
        return (told,) if self._count > 1 else ()

    @property
    def pil(self) -> PIL.Image.Image:
        """The picture as PIL holds it. Who changes it in place changes a copy of their own, and never this value."""
        import PIL.Image

        shown = PIL.Image.Image()._new(self._picture.im)
        shown.readonly = 1  # so PIL copies before it writes
        return shown

    @property
    def array(self) -> NDArray[Any]:
        """The pixels, read-only: (height, width) or (height, width, channels), uint8 (uint16 for I;16)."""
        import numpy as np

        pixels = np.asarray(self.pil)
        pixels.flags.writeable = False
        return pixels

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in pixels."""
        return self._picture.size

    @property
    def nbytes(self) -> int:
        width, height = self.size
        return width * height * len(self.pil.getbands())

    def to_bytes(self) -> bytes:
        if self._source is not None:
            return self._source
        if self._encoded is None:  # as it is: to compress it would take longer than most steps (decisions/0016)
            self._encoded = _tiff_head(self.pil.mode, self.pil.size) + self.pil.tobytes()
        return self._encoded

    def save(self, path: str | Path) -> Path:
        """Writes PNG, JPEG, WebP …, as the suffix says."""
        path = Path(path)
        if path.suffix.lower() == ".png" and (self._source or b"").startswith(_PNG):
            path.write_bytes(self._source or b"")
            return path
        try:
            self._as_held_by(path.suffix.lower()).save(path, compress_level=1)  # of PNG; other formats do not know it
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"cannot write a picture as '{path.name}': {error}") from None
        return path

    def _as_held_by(self, suffix: str) -> PIL.Image.Image:
        """As much of the picture as the formats of a suffix hold."""
        if suffix in _DEEP:
            return self.pil
        if suffix not in _WITH_ALPHA:
            return self.rgb()
        return self.pil.convert("RGBA") if self.pil.mode == "LA" else in_eight_bits(self.pil)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Image):
            return NotImplemented
        mine, theirs = self.pil, other.pil
        return mine.mode == theirs.mode and mine.size == theirs.size and mine.tobytes() == theirs.tobytes()

    def __hash__(self) -> int:
        return hash(self.size)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pixels go as an array: Ray carries those beside all else, and a picture is copied once, not thrice."""
        import numpy as np

        if self._source is not None:
            return (_untouched, (self._source,))
        mode, size = self.pil.mode, self.pil.size
        head = len(_tiff_head(mode, size)) if self._encoded else 0
        return (_of_pixels, (mode, size, np.frombuffer(self._encoded or self.pil.tobytes(), np.uint8, offset=head)))

    def __repr__(self) -> str:
        return f"Image({self.size[0]} × {self.size[1]}, {self.pil.mode})"


class ImageKind(MediaKind[Image]):
    """A picture."""

    name = "image"
    suffix = ".png"
    suffixes = (
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".avif", ".tif", ".tiff", ".jp2", ".j2k"),
        *(".bmp", ".dib", ".tga", ".ico", ".pcx", ".psd", ".qoi", ".ppm", ".pgm", ".pbm", ".pnm"),
    )
    python = Image

    def holds(self, path: Path) -> bool:
        import PIL.Image
        import PIL.ImageFile

        try:
            with PIL.Image.open(path) as picture:  # reads no more than its head
                return not isinstance(picture, PIL.ImageFile.StubImageFile) and picture.format != "MPEG"
        except Exception:  # whatever a plugin makes of bytes that are not its own
            return False

    def convert(self, raw: object) -> Image:
        origin = type(raw).__module__
        if origin.startswith(("PIL.", "numpy")):
            return Image(raw)  # type: ignore[arg-type]
        return super().convert(raw)


@functools.cache
def _keep_memory() -> None:
    """Has Pillow keep the memory of a few pictures that are gone, unless somebody has settled that.

    It gives each back to the system otherwise, and pages fresh from there cost a picture more than its decoding.
    """
    from PIL import _imaging

    if not _imaging.get_blocks_max():
        _imaging.set_blocks_max(_BLOCKS)


def _untouched(source: bytes) -> Image:
    image = Image.__new__(Image)
    image._source = source
    return image


def _of_pixels(mode: str, size: tuple[int, int], pixels: NDArray[Any]) -> Image:
    import PIL.Image

    _keep_memory()
    image = Image.__new__(Image)
    image.__dict__["_picture"] = PIL.Image.frombytes(mode, size, pixels)
    return image


def _as_shown(picture: PIL.Image.Image, *, given: bool) -> PIL.Image.Image:
    """A picture of Pillow's as viewers show it, alone: no palette, no metadata; a copy, unless it was given away."""
    from PIL.ImageFile import ImageFile

    with readable():
        picture.load()
        turned = upright(picture) if isinstance(picture, ImageFile) else picture  # others say how they were turned
        shown = as_shown(turned)
        return _alone(shown, given=given or shown is not picture)


def _alone(picture: PIL.Image.Image, *, given: bool) -> PIL.Image.Image:
    """The pixels themselves; a copy, unless they were given away."""
    import PIL.Image

    picture.load()
    own = given and not picture.readonly  # as one is that lies in the memory of an array
    return PIL.Image.Image()._new(picture.im if own else picture.im.copy())


@functools.lru_cache(_FORMATS)
def _tiff_head(mode: str, size: tuple[int, int]) -> bytes:
    """What Pillow writes before the pixels of a picture of this kind; to have it write them takes twice as long."""
    import PIL.Image

    blank, target = PIL.Image.new(mode, size), io.BytesIO()
    blank.save(target, "TIFF")
    return target.getvalue().removesuffix(blank.tobytes())


def _from_array(pixels: Any) -> PIL.Image.Image:
    import numpy as np
    import PIL.Image

    pixels = np.asarray(pixels)
    flat = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
    if pixels.dtype not in (np.uint8, np.uint16, np.bool_) or not flat or not pixels.size:
        raise ValueError(
            f"pixels are uint8 of shape (height, width[, 3 or 4]), not {pixels.dtype} of shape {pixels.shape}"
        )
    if pixels.dtype == np.uint16 and pixels.ndim != 2:
        raise ValueError("16-bit pixels have one channel")
    return PIL.Image.fromarray(np.ascontiguousarray(pixels))
