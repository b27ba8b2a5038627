"""Files of pictures: upright, page by page, and refused in one line where they cannot be read."""

import io
import struct

import numpy as np
import PIL.Image
import pytest
from PIL.Image import Transpose

from studio import Image

PIXELS = np.kron(np.random.default_rng(1).integers(0, 256, (3, 5, 3), dtype=np.uint8), np.ones((16, 16, 1), np.uint8))
STANDING = PIL.Image.fromarray(PIXELS)
TURNS = {
    1: None,
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
FORMS = {
    "JPEG": {"quality": 95},
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "packed TIFF": {"compression": "tiff_lzw"},
    "MPO": {},
}


def file_of(picture, form, **options) -> bytes:
    target = io.BytesIO()
    picture.save(target, form.rsplit(maxsplit=1)[-1], **{**FORMS.get(form, {}), **options})
    return target.getvalue()


def turned_by(orientation) -> PIL.Image.Exif:
    exif = PIL.Image.Exif()
    exif[274] = orientation
    return exif


def alike(one, other) -> bool:
    """Whether two pictures are the same but for what JPEG does to them."""
    return one.size == other.size and np.abs(np.asarray(one, int) - np.asarray(other, int)).mean() < 12


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("orientation", TURNS)
def test_upright(form, orientation, tmp_path):
    data = file_of(STANDING, form, exif=turned_by(orientation))
    turn = TURNS[orientation]
    image = Image.from_bytes(data)
    assert alike(image.pil, STANDING if turn is None else STANDING.transpose(turn))
    assert image.to_bytes() == data  # at rest it is the file that it was
    assert Image(PIL.Image.open(io.BytesIO(data))) == image
    for suffix in (".png", ".jpg", ".webp"):
        assert alike(Image.open(image.save(tmp_path / f"saved{suffix}")).pil, image.pil)


@pytest.mark.parametrize("orientation", [0, 9, 255, 65_535])
def test_an_orientation_that_there_is_not(orientation):
    assert alike(Image.from_bytes(file_of(STANDING, "JPEG", exif=turned_by(orientation))).pil, STANDING)


@pytest.mark.filterwarnings("ignore")  # PIL warns of some metadata, and reads on
@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01"]
)
def test_a_broken_orientation(exif):
    assert alike(Image.from_bytes(file_of(STANDING, "JPEG", exif=exif)).pil, STANDING)


def test_a_picture_that_was_turned_by_hand_is_turned_once():
    opened = PIL.Image.open(io.BytesIO(file_of(STANDING, "JPEG", exif=turned_by(6))))
    assert Image(opened.transpose(Transpose.ROTATE_270)).size == STANDING.size[::-1]


def several(form, **options) -> bytes:
    others = [STANDING.transpose(Transpose.FLIP_LEFT_RIGHT), STANDING.transpose(Transpose.ROTATE_180)]
    return file_of(STANDING, form, save_all=True, append_images=others, **options)


@pytest.mark.parametrize("form", ["TIFF", "packed TIFF", "GIF", "WEBP", "PNG", "MPO"])
def test_all_pages(form):
    image = Image.from_bytes(several(form))
    first, second, third = image.pages(3)
    assert first == image
    assert alike(second.rgb(), STANDING.transpose(Transpose.FLIP_LEFT_RIGHT))
    assert alike(third.rgb(), STANDING.transpose(Transpose.ROTATE_180))
    assert "3 pages" in image.notes[0]
    with pytest.raises(ValueError, match="3 pages, more than 'most' allows: 2"):
        image.pages(2)


def test_pages_are_each_of_their_own_size_turn_and_mode():
    from PIL.TiffImagePlugin import AppendingTiffWriter

    target = io.BytesIO()
    with AppendingTiffWriter(target) as writer:
        for number, orientation in enumerate((1, 6, 1, 3)):
            page = STANDING.crop((0, 0, 40 + number, 20)).convert("1" if number == 2 else "RGB")
            page.save(writer, "TIFF", exif=turned_by(orientation))
            writer.newFrame()
    found = Image.from_bytes(target.getvalue()).pages(9)
    assert [(page.size, page.pil.mode) for page in found] == [
        ((40, 20), "RGB"), ((20, 41), "RGB"), ((42, 20), "1"), ((43, 20), "RGB"),
    ]  # fmt: skip


def test_one_page():
    image = Image.from_bytes(file_of(STANDING, "PNG"))
    assert (image.pages(1), image.notes) == ([image], ())
    made = Image(STANDING)
    assert (made.pages(1), made.notes) == ([made], ())


def dds_of_no_format() -> bytes:
    head = struct.pack("<7I44x", 124, 0x1007, 4, 4, 0, 0, 0)
    return b"DDS " + head + struct.pack("<2I4s5I", 32, 4, b"XXXX", 0, 0, 0, 0, 0) + b"\0" * 100


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
TIFF_OF_NO_KIND = file_of(STANDING, "TIFF").replace(
    b"\x03\x01\x03\0\x01\0\0\0\x01\0", b"\x03\x01\x03\0\x01\0\0\0\x63\0"
)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (dds_of_no_format(), "cannot be read"),
        (EPS, "format EPS, which is not read"),
        (TIFF_OF_NO_KIND, "of a kind that can"),
        (file_of(STANDING, "JPEG")[:-40], "truncated"),
        (file_of(STANDING, "TIFF")[:-40], "cannot be read|no picture of"),
        (several("GIF")[:60], "cannot be read|no picture of"),
        (b"P5 0 5 255\n", "no pixels|cannot be read|no picture of"),
        (b"P5 2 2 99999999999\n\0\0\0\0", "cannot be read|no picture of"),
    ],
)
def test_refused(data, says):
    with pytest.raises(ValueError, match=says) as caught:
        Image.from_bytes(data)
    assert len(str(caught.value).splitlines()) == 1


def test_a_picture_of_pillow_is_refused_in_the_same_way():
    with pytest.raises(ValueError, match="truncated"):
        Image(PIL.Image.open(io.BytesIO(file_of(STANDING, "JPEG")[:-40])))
    with pytest.raises(ValueError, match="no pixels"):
        Image(PIL.Image.new("RGB", (0, 5)))


def test_what_a_format_cannot_hold_is_put_on_a_ground(tmp_path):
    """Not laid bare: under what is transparent there may be anything."""
    hidden = PIL.Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    hidden.paste((0, 0, 255, 255), (0, 0, 8, 16))
    saved = PIL.Image.open(Image(hidden).save(tmp_path / "flat.jpg"))
    assert min(saved.getpixel((14, 8))) > 200
    deep = Image(np.full((4, 4), 30_000, np.uint16))
    for name in ("deep.jpg", "deep.webp", "deep.bmp"):
        assert abs(PIL.Image.open(deep.save(tmp_path / name)).convert("L").getpixel((1, 1)) - 30_000 // 257) < 3


def test_a_png_with_a_wrong_checksum():
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    target = io.BytesIO()
    PIL.Image.fromarray(noise).save(target, "PNG", compress_level=0)
    data = target.getvalue()
    Image.from_bytes(data + b"whatever stands behind it")
    with pytest.raises(ValueError, match="a checksum of its pixels is wrong"):
        Image.from_bytes(data[:2000] + bytes([data[2000] ^ 1]) + data[2001:])


def test_an_icon_with_a_palette():
    target = io.BytesIO()
    PIL.Image.new("RGB", (64, 64), "red").quantize(4).save(target, "ICNS")
    assert Image.from_bytes(target.getvalue()).rgb().getpixel((5, 5)) == (255, 0, 0)


@pytest.mark.parametrize("suffix", [".png", ".gif", ".webp", ".tif"])
def test_grey_with_transparency_is_saved_with_it(suffix, tmp_path):
    picture = PIL.Image.new("LA", (40, 40), (255, 0))
    picture.paste((200, 255), (10, 10, 30, 30))
    again = Image.open(Image(picture).save(tmp_path / f"a{suffix}")).pil.convert("RGBA")
    assert (again.getpixel((2, 2))[3], again.getpixel((20, 20))[3]) == (0, 255)
