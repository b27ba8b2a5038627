"""Pictures as vision models take them."""

import numpy as np
import PIL.Image
import pytest

from nodes._pictures import rgb
from studio import Image


@pytest.mark.parametrize(
    ("mode", "color", "seen"),
    [
        ("RGB", (10, 20, 30), (10, 20, 30)),
        ("L", 7, (7, 7, 7)),
        ("1", 1, (255, 255, 255)),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
        ("RGBA", (10, 20, 30, 0), (255, 255, 255)),
        ("LA", (0, 0), (255, 255, 255)),
    ],
)
def test_modes(mode, color, seen):
    picture = rgb(Image(PIL.Image.new(mode, (3, 2), color)))
    assert (picture.mode, picture.size, picture.getpixel((0, 0))) == ("RGB", (3, 2), seen)


def test_sixteen_bits():
    assert rgb(Image(np.full((2, 2), 257 * 100, np.uint16))).getpixel((1, 1)) == (100, 100, 100)
