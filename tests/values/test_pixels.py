"""Pictures as viewers show them: every mode, every depth, colour profiles, and the ground under what is transparent."""

import io

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest

from studio import Image

RAMP = np.linspace(0, 1, 12 * 16).reshape(12, 16)  # from black to white
COLOURS = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8))


def file_of(picture, form="TIFF", **options) -> bytes:
    target = io.BytesIO()
    picture.save(target, form, **options)
    return target.getvalue()


def opened(picture, form="TIFF", **options) -> Image:
    return Image.from_bytes(file_of(picture, form, **options))


def grey_in_tiff(numbers, *, photometric=1, bits=None, big=False) -> bytes:
    """A TIFF with one strip of numbers, for what Pillow does not write."""
    numbers = np.asarray(numbers)
    depth, form = bits or numbers.itemsize * 8, {"u": 1, "i": 2, "f": 3}[numbers.dtype.kind]
    order = ">" if big else "<"
    raw = numbers.astype(numbers.dtype.newbyteorder(order)).tobytes()
    height, width = numbers.shape
    tags = {256: width, 257: height, 258: depth, 259: 1, 262: photometric, 273: 8, 277: 1, 278: height, 279: len(raw)}
    head = (b"MM\0*" if big else b"II*\0") + np.array([8 + len(raw)], order + "u4").tobytes()
    entries = b"".join(
        np.array([tag, 4], order + "u2").tobytes() + np.array([1, value], order + "u4").tobytes()
        for tag, value in sorted({**tags, 339: form}.items())
    )
    return head + raw + np.array([len(tags) + 1], order + "u2").tobytes() + entries + b"\0\0\0\0"


def shades(image: Image) -> np.ndarray:
    return np.asarray(image.rgb())[..., 0].astype(int)


@pytest.mark.parametrize(
    ("mode", "color", "seen"),
    [
        ("RGB", (10, 20, 30), (10, 20, 30)),
        ("L", 7, (7, 7, 7)),
        ("1", 1, (255, 255, 255)),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
        ("RGBA", (10, 20, 30, 0), (255, 255, 255)),
        ("LA", (0, 0), (255, 255, 255)),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
        ("RGBX", (10, 20, 30, 0), (10, 20, 30)),
    ],
)
def test_modes(mode, color, seen):
    picture = Image(PIL.Image.new(mode, (3, 2), color)).rgb()
    assert (picture.mode, picture.size, picture.getpixel((0, 0))) == ("RGB", (3, 2), seen)


@pytest.mark.parametrize("mode", ["RGBX", "RGBA", "RGBa", "CMYK", "YCbCr", "HSV", "LAB"])
def test_every_way_to_write_colours(mode):
    if mode == "LAB":
        profiles = PIL.ImageCms.createProfile("sRGB"), PIL.ImageCms.createProfile("LAB")
        written = PIL.ImageCms.profileToProfile(COLOURS, *profiles, outputMode="LAB")
    else:
        written = COLOURS.convert("RGBA").convert(mode) if mode == "RGBa" else COLOURS.convert(mode)
    assert np.abs(np.asarray(Image(written).rgb()).astype(int) - np.asarray(COLOURS)).mean() < 3


@pytest.mark.parametrize(("big", "photometric"), [(False, 1), (False, 0), (True, 1)])
def test_sixteen_bits(big, photometric):
    numbers = (RAMP * 65_535).round().astype(np.uint16)
    image = Image.from_bytes(grey_in_tiff(numbers, photometric=photometric, big=big))
    assert image.pil.mode == "I;16"
    assert (image.array == (numbers if photometric else 65_535 - numbers)).all()
    assert (shades(image) == image.array // 257).all()


def test_sixteen_bits_in_every_order_of_pillow():
    numbers = (RAMP * 65_535).round().astype(np.uint16)
    for mode, order in (("I;16", "<u2"), ("I;16L", "<u2"), ("I;16B", ">u2")):
        picture = PIL.Image.frombytes(mode, (16, 12), numbers.astype(order).tobytes())
        assert (Image(picture).array == numbers).all()


def test_twelve_bits_are_white_at_their_own_end():
    pixels = bytes.fromhex("fff7ff000fff")  # two numbers in three bytes: 4095, 2047, 0, 4095
    whole = grey_in_tiff(np.frombuffer(pixels, np.uint8).reshape(1, 6), bits=12)
    image = Image.from_bytes(whole.replace(np.array([6], "<u4").tobytes(), np.array([4], "<u4").tobytes(), 1))
    assert shades(image).tolist() == [[255, 127, 0, 255]]


@pytest.mark.parametrize(
    ("dtype", "low", "high", "seen"),
    [
        (np.int32, 0, 255, (0, 255)),
        (np.int32, 0, 1, (0, 255)),
        (np.int32, 0, 65_535, (0, 255)),
        (np.int32, 7_000, 21_000, (27, 81)),  # sixteen bits in a wider box
        (np.int32, -500, 3_000, (0, 255)),
        (np.int32, 100_000, 4_000_000, (0, 255)),
        (np.int16, -500, 3_000, (0, 255)),
        (np.float32, 0, 1, (0, 255)),
        (np.float32, 0.25, 0.75, (63, 191)),
        (np.float32, 0, 255, (0, 255)),
        (np.float32, 0, 65_535, (0, 255)),
        (np.float32, -1, 1, (0, 255)),
        (np.float32, 0, 1.02, (0, 255)),  # a little too white
        (np.float32, 1e-9, 1e-7, (0, 255)),
        (np.float32, -3e38, 3e38, (0, 255)),
    ],
)
def test_numbers_of_thirty_two_bits_by_their_own_range(dtype, low, high, seen):
    numbers = (RAMP.astype(np.float64) * (high - low) + low).astype(dtype)
    found = shades(Image.from_bytes(grey_in_tiff(numbers)))
    assert (found.min(), found.max()) == seen
    assert len(np.unique(found)) > 40 or high == 1
    assert (np.diff(found.ravel()) >= 0).all()
    inverted = shades(Image.from_bytes(grey_in_tiff(numbers, photometric=0))) if dtype is np.float32 else 255 - found
    assert np.abs(inverted - (255 - found)).max() <= 1


def test_numbers_that_are_none():
    numbers = np.array([[np.nan, 0.0, 0.5, 1.0, np.inf, -np.inf]], np.float32)
    assert shades(Image(PIL.Image.fromarray(numbers))).tolist() == [[0, 0, 127, 255, 255, 0]]
    for value in (np.nan, np.inf, 0.0, 5.0, -1.0):
        assert shades(Image(PIL.Image.fromarray(np.full((2, 2), value, np.float32)))).shape == (2, 2)


def test_a_grey_map_of_sixteen_bits_keeps_its_range(tmp_path):
    path = tmp_path / "dark.pgm"
    path.write_bytes(b"P5 2 1 65535\n" + np.array([257, 2570], ">u2").tobytes())
    assert shades(Image.open(path)).tolist() == [[1, 10]]


def keyed():
    """Pictures of a white dot on nothing, written in every way that files know."""
    yield "RGBA", PIL.Image.new("RGBA", (9, 9), (255, 255, 255, 0)), {}
    yield "LA", PIL.Image.new("LA", (9, 9), (255, 0)), {}
    yield "L", PIL.Image.new("L", (9, 9), 200), {"transparency": 200}
    yield "RGB", PIL.Image.new("RGB", (9, 9), (1, 2, 3)), {"transparency": (1, 2, 3)}
    yield "1", PIL.Image.new("1", (9, 9), 0), {"transparency": 0}
    palette = PIL.Image.new("P", (9, 9), 0)
    palette.putpalette([255, 255, 255, 255, 255, 255])
    yield "P", palette, {"transparency": 0}
    yield "P of alphas", palette, {"transparency": bytes([0, 255])}
    yield "I;16", PIL.Image.new("I;16", (9, 9), 7), {"transparency": 7}


@pytest.mark.parametrize(("picture", "options"), [pytest.param(*rest, id=name) for name, *rest in keyed()])
def test_white_on_nothing_is_seen(picture, options):
    dot = {"RGBA": (255,) * 4, "LA": (255, 255), "RGB": (255,) * 3, "P": 1, "1": 1, "I;16": 65_535}
    picture = picture.copy()
    picture.paste(dot.get(picture.mode, 255), (3, 3, 6, 6))
    image = opened(picture, "PNG", **options)
    assert image.pil.mode in ("LA", "RGBA")
    found = shades(image)
    assert found[4, 4] == 255
    assert found[0, 0] == 0


@pytest.mark.parametrize(
    ("colours", "ground"),
    [
        (["white"], 0),
        (["#eee"], 0),
        (["black"], 255),
        (["#333"], 255),
        (["gray"], 255),
        (["yellow"], 255),
        (["black", "white"], 128),
        (["teal", "white"], 0),
        (["teal", "black"], 255),
        ([], 255),
    ],
)
def test_the_ground_hides_nothing(colours, ground):
    picture = PIL.Image.new("RGBA", (20, 10))
    for number, colour in enumerate(colours):
        picture.paste(colour, (4 * number + 4, 3, 4 * number + 7, 8))
    assert Image(picture).rgb().getpixel((0, 0)) == (ground,) * 3


def wide_profile() -> bytes:
    """A colour profile of wider colours than sRGB: one of its primaries is moved."""
    profile = bytearray(PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes())
    assert b"sRGB" in profile or b"s\0R\0G\0B" in profile
    profile = profile.replace(b"sRGB", b"wide").replace(b"s\0R\0G\0B", b"w\0i\0d\0e")
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"  # red and green change places
    return bytes(profile)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_colours_are_those_that_the_profile_means(form):
    red = PIL.Image.new("RGB", (8, 8), (250, 5, 5))
    assert opened(red, form).rgb().getpixel((4, 4))[0] > 240
    swapped = opened(red, form, icc_profile=wide_profile()).rgb().getpixel((4, 4))
    assert swapped[1] > 240 > 50 > swapped[0]


def test_a_profile_leaves_alpha_alone():
    picture = PIL.Image.new("RGBA", (2, 2), (250, 5, 5, 77))
    assert opened(picture, "PNG", icc_profile=wide_profile()).pil.getpixel((0, 0))[3] == 77


@pytest.mark.parametrize("profile", [b"nothing of the kind", b"\0" * 128, wide_profile()[:200]])
def test_a_profile_that_cannot_be_used_is_left_aside(profile):
    assert opened(COLOURS, "PNG", icc_profile=profile) == Image(COLOURS)
    assert opened(COLOURS.convert("L"), "PNG", icc_profile=wide_profile()) == Image(COLOURS.convert("L"))


def test_it_is_the_same_after_a_rest():
    for picture in (*(file_of(picture, "PNG", **options) for _, picture, options in keyed()), file_of(COLOURS, "JPEG")):
        image = Image.from_bytes(picture)
        assert Image.from_bytes(Image(image.pil).to_bytes()) == image
