"""Pictures: whose pixels they are, and the bytes that they become."""

import io
import pickle

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
from hypothesis import example, given

from studio import Image
from studio.values.base import TEMPORARY
from tests.support.strategies import pictures

MODES = ("1", "L", "LA", "RGB", "RGBA", "I;16")
NOISE = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (1300, 1501), dtype=np.uint8))
LARGE = [Image(NOISE.convert(mode)) for mode in ("1", "L", "LA", "RGB", "RGBA")]


@given(pictures())
@example(LARGE[0])
@example(LARGE[1])
@example(LARGE[2])
@example(LARGE[3])
@example(LARGE[4])
def test_the_bytes_are_those_that_pillow_writes(image):
    whole = io.BytesIO()
    image.pil.save(whole, "TIFF")
    assert image.to_bytes() == whole.getvalue()
    assert Image.from_bytes(image.to_bytes()) == image


@given(pictures())
def test_it_travels_the_same_before_it_is_encoded_and_after(image):
    fresh = pickle.loads(pickle.dumps(image))
    image.to_bytes()
    assert pickle.loads(pickle.dumps(image)) == image == fresh
    assert fresh.to_bytes() == image.to_bytes()


@pytest.mark.parametrize("mode", MODES)
def test_a_picture_that_a_caller_holds_stays_the_callers(mode):
    picture = PIL.Image.new(mode, (8, 8))
    pixels, image = picture.load(), Image(picture)
    before = image.pil.tobytes()
    pixels[0, 0] = (9,) * len(picture.getbands()) if len(picture.getbands()) > 1 else 9
    PIL.ImageDraw.Draw(picture).line((0, 0, 8, 8), fill="white" if mode != "I;16" else 60_000)
    assert image.pil.tobytes() == before != picture.tobytes()


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3), (8, 8, 4)])
def test_an_array_that_a_caller_holds_stays_the_callers(shape):
    array = np.zeros(shape, np.uint8)
    image = Image(array)
    array[:] = 255
    assert not image.array.any()
    array = np.zeros(shape, np.uint8)
    image = Image(PIL.Image.fromarray(array))  # which lies in the array's memory
    array[:] = 255
    assert not image.array.any()


@pytest.mark.parametrize("mode", MODES)
def test_who_draws_on_a_picture_draws_on_a_copy(mode):
    image = Image(PIL.Image.new(mode, (8, 8)))
    before, white = image.pil.tobytes(), "white" if mode != "I;16" else 60_000
    picture = image.pil
    PIL.ImageDraw.Draw(picture).line((0, 0, 8, 8), fill=white)
    picture.paste(white, (0, 0, 2, 2))
    assert picture.tobytes() != before
    assert Image(picture).pil.tobytes() == picture.tobytes()  # which is a value of its own
    assert image.pil.tobytes() == image.to_bytes()[-len(before) :] == before
    picture.thumbnail((2, 2), PIL.Image.Resampling.NEAREST, reducing_gap=None)
    assert image.size == (8, 8)


@pytest.mark.skipif(not TEMPORARY, reason="this Python does not tell who holds an argument")
def test_what_nobody_holds_is_not_copied():
    cores = []

    def fresh():
        picture = PIL.Image.new("RGB", (640, 480), "teal")
        cores.append(picture.im)
        return picture

    image = Image(fresh())
    assert image.pil.im is cores[0]
    assert not image.pil.info
