"""Pixels: those of a picture as a viewer shows them: in sRGB, in a mode that PNG holds, on a ground"""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import PIL.Image
    from numpy.typing import NDArray
    from PIL.ImageCms import ImageCmsTransform

__all__ = ["PNG_MODES", "as_shown", "in_eight_bits", "in_rgb"]

PNG_MODES = frozenset({"1", "L", "LA", "RGB", "RGBA", "I;16"})  # the modes that PNG holds as they are

_DEEP = 65_535  # the white of sixteen bits
_TOPS = (1, 255, _DEEP)  # what white may be where numbers do not say: a share, eight bits, sixteen bits
_USED = 0.1  # of such a range at the least; where less is used, it is not what was meant
_GROUNDS = (255, 0, 128)  # greys to put under what is transparent, the first one preferred
_NEAR = 64  # levels between a colour and its ground in some channel; nearer ones are hard to tell apart
_STRAIGHT = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA"}  # modes with alpha that PNG does not have, as those it has
_PROFILED = {"L": "RGB", "RGB": "RGB", "RGBA": "RGBA", "CMYK": "RGB"}  # what a colour profile makes of each mode


def as_shown(picture: PIL.Image.Image, *, white: int | None = None, inverted: bool = False) -> PIL.Image.Image:
    """The picture in a mode that PNG holds, its colours in sRGB: itself, if it is so already.

    Grey numbers of 32 bits are put into sixteen (or eight, where they are whole and fit), so that black is 0 and white
    is the least of 1, 255 and 65,535 that holds them all; where they are negative, larger, or use less than a tenth
    of that, black is the least of them and white the greatest. NaN is black.

    white: the number that is white, where the file says so; inverted: 0 is white. ValueError: it has no pixels.
    """
    if not all(picture.size):
        raise ValueError("a picture of no pixels")
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        return _grey(picture, white, inverted)
    return _in_srgb(_straight(picture))


def in_eight_bits(picture: PIL.Image.Image) -> PIL.Image.Image:
    """A picture in a mode of PNG with its sixteen bits, if it has so many, as eight: 65,535 is 255."""
    import numpy as np
    import PIL.Image

    if picture.mode != "I;16":
        return picture
    return PIL.Image.fromarray((np.asarray(picture) // (_DEEP // 255)).astype(np.uint8))


def in_rgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    """A picture in a mode of PNG as RGB, on a grey ground where it is transparent.

    The ground is the one of white, black and mid-grey that hides the least of what is visible: white letters on nothing
    are put on black. White is taken where it does as well as another.
    """
    import PIL.Image

    if picture.mode not in ("LA", "RGBA"):
        return in_eight_bits(picture).convert("RGB")
    picture = picture.convert("RGBA")
    if picture.getchannel("A").getextrema()[0] == 255:
        return picture.convert("RGB")
    ground = PIL.Image.new("RGBA", picture.size, (_ground(picture),) * 3 + (255,))
    return PIL.Image.alpha_composite(ground, picture).convert("RGB")


def _ground(picture: PIL.Image.Image) -> int:
    """The grey on which the least of a picture in RGBA vanishes, to one in a hundred of what is visible."""
    import numpy as np

    pixels = np.asarray(picture)
    least, most, alpha = pixels[..., :3].min(2).astype(int), pixels[..., :3].max(2).astype(int), pixels[..., 3]
    visible = max(int(alpha.sum(dtype=np.int64)), 1)

    def hidden(grey: int) -> float:
        """The share of what is visible that has, in no channel, enough of a distance from a ground."""
        near = (least > grey - _NEAR) & (most < grey + _NEAR)
        return round(int(alpha[near].sum(dtype=np.int64)) / visible, 2)

    return min(_GROUNDS, key=hidden)


def _grey(picture: PIL.Image.Image, white: int | None, inverted: bool) -> PIL.Image.Image:
    """Grey of more than eight bits as "I;16"; as "L" where it is whole numbers up to 255, as "LA" with transparency."""
    import numpy as np
    import PIL.Image

    absent = picture.info.get("transparency")
    if picture.mode == "I;16" and white is None and not inverted and absent is None:
        return picture
    numbers = np.asarray(picture)
    deep = picture.mode.startswith("I;16")
    pixels = _scaled(numbers, 0, white or _DEEP, np.uint16) if deep or white else _spread(numbers)
    if inverted:
        pixels = np.iinfo(pixels.dtype).max - pixels
    grey = PIL.Image.fromarray(pixels)
    if not isinstance(absent, int):
        return grey
    grey = in_eight_bits(grey)
    grey.putalpha(PIL.Image.fromarray(np.where(numbers == absent, 0, 255).astype(np.uint8)))
    return grey


def _spread(numbers: NDArray[Any]) -> NDArray[Any]:
    """Numbers as shades of grey, by their own range."""
    import numpy as np

    finite = numbers[np.isfinite(numbers)]
    least, most = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    top = next((top for top in _TOPS if least >= 0 and _USED * top <= most <= top), None)
    if top is None:
        return _scaled(numbers, least, most, np.uint16)
    return _scaled(numbers, 0, top, np.uint8 if numbers.dtype.kind == "i" and top < _DEEP else np.uint16)


def _scaled(numbers: NDArray[Any], black: float, white: float, depth: type) -> NDArray[Any]:
    """Numbers as whole ones from 0 to the greatest of a depth; all are 0 where there is but one."""
    import numpy as np

    if numbers.dtype.kind == "u" and (black, white) == (0, _DEEP):
        return numbers.astype(depth)
    shares = (numbers.astype(np.float64) - black) / ((white - black) or 1)
    shares = np.nan_to_num(shares, nan=0.0, posinf=1.0, neginf=0.0)
    return np.asarray((np.clip(shares, 0, 1) * np.iinfo(depth).max).round().astype(depth))


def _straight(picture: PIL.Image.Image) -> PIL.Image.Image:
    """A picture whose pixels are colours themselves, with alpha where some are transparent: no palette, no key."""
    mode = picture.mode
    if mode in _STRAIGHT:
        return picture.convert(_STRAIGHT[mode])
    if mode in ("1", "L", "LA", "RGB", "RGBA", "CMYK", "LAB") and "transparency" not in picture.info:
        return picture
    if mode in ("1", "L"):
        return picture.convert("LA")
    untold = mode == "P" and picture.palette is None  # what an ICNS file says of its colours only the decoder knows
    return picture.convert("RGBA" if untold or picture.has_transparency_data else "RGB")


def _in_srgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Colours as a colour profile in the file means them; without one, RGB and grey are sRGB."""
    if picture.mode == "LAB":
        return _converted(picture, None)
    profile = picture.info.get("icc_profile")
    if isinstance(profile, bytes) and picture.mode in (*_PROFILED, "LA"):
        picture = _converted(picture, profile)
    return picture.convert("RGB") if picture.mode == "CMYK" else picture


def _converted(picture: PIL.Image.Image, profile: bytes | None) -> PIL.Image.Image:
    """Colours put into sRGB; as they are, where the profile says they are so already, or cannot be used."""
    import PIL.Image

    mode = "L" if picture.mode == "LA" else picture.mode
    transform = _transform(profile, mode)
    if transform is None:
        return picture
    if picture.mode == "LA":
        grey, alpha = picture.split()
        return PIL.Image.merge("LA", (_applied(transform, grey).convert("L"), alpha))
    found = _applied(transform, picture)
    return found.convert("L") if mode == "L" else found


def _applied(transform: ImageCmsTransform, picture: PIL.Image.Image) -> PIL.Image.Image:
    from PIL import ImageCms

    found = ImageCms.applyTransform(picture, transform)
    assert found is not None  # as it is where a picture is changed in place
    return found


@functools.lru_cache(16)
def _transform(profile: bytes | None, mode: str) -> ImageCmsTransform | None:
    """The way from a profile to sRGB, or from LAB without one; None where there is none to go."""
    from PIL import ImageCms

    try:
        if profile is None:
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        else:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "srgb" in ImageCms.getProfileDescription(source).lower():
                return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, _PROFILED.get(mode, "RGB"))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # broken, or for another kind of colours
        return None
