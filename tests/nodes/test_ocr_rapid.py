"""ocr.rapid on words written here, on a printed page and on a photograph."""

import pytest

from nodes.ocr.rapid import Rapid
from studio import Image

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def reader(needs, work):
    """The node with the packaged models."""
    needs("rapidocr", "onnxruntime", "opencv-python-headless")
    return work(Rapid)


def sign(*lines):
    import PIL.Image
    import PIL.ImageDraw
    import PIL.ImageFont

    picture = PIL.Image.new("RGB", (480, 80 * len(lines) + 40), "white")
    for number, line in enumerate(lines):
        PIL.ImageDraw.Draw(picture).text((30, 20 + 80 * number), line, "black", PIL.ImageFont.load_default(44))
    return Image(picture)


def test_reads_line_by_line(reader):
    read = reader.run(sign("No parking", "Open 24 hours"))
    assert read.text == "No parking\nOpen 24 hours"
    first, second = read.boxes
    assert first["label"] == "No parking"
    assert first["box"][3] < second["box"][3]
    assert first["box"][0] == pytest.approx(30, abs=15)


def test_reads_a_printed_page(reader, photo):
    read = reader.run(photo("page.png"))
    assert read.text.startswith("Region-based segmentation\nLet us first determine markers of the coins and the")


def test_reads_nothing_where_nothing_is_written(reader):
    import PIL.Image

    read = reader.run(Image(PIL.Image.new("RGB", (200, 100), "white")))
    assert (read.text, len(read.boxes)) == ("", 0)


def test_takes_pictures_without_colour(reader):
    assert reader.run(Image(sign("No parking").pil.convert("L"))).text == "No parking"


def test_equal_input_gives_equal_output(reader):
    assert reader.run(sign("Exit")) == reader.run(sign("Exit"))


def lines_of(count, width, height, size=28):
    """A picture with so many numbered lines, from the top to the bottom."""
    import PIL.Image
    import PIL.ImageDraw
    import PIL.ImageFont

    picture, font = PIL.Image.new("RGB", (width, height), "white"), PIL.ImageFont.load_default(size)
    step = height / count
    for number in range(count):
        PIL.ImageDraw.Draw(picture).text((20, number * step + 10), f"line {number:03d}", "black", font)
    return picture, step


@pytest.mark.slow
def test_reads_all_lines_of_a_long_picture(reader):
    picture, step = lines_of(16, 200, 3_200)
    read = reader.run(Image(picture))
    assert read.text.splitlines() == [f"line {number:03d}" for number in range(16)]
    assert all(abs(mark["box"][1] - number * step - 10) < 15 for number, mark in enumerate(read.boxes))


@pytest.mark.slow
def test_reads_a_line_that_is_longer_than_the_reader_looks(reader):
    import PIL.Image
    import PIL.ImageDraw
    import PIL.ImageFont

    words = " ".join(f"word {number}" for number in range(24))
    font = PIL.ImageFont.load_default(44)
    picture = PIL.Image.new("RGB", (int(font.getlength(words)) + 40, 80), "white")
    PIL.ImageDraw.Draw(picture).text((20, 15), words, "black", font)
    assert picture.width > 3500
    assert reader.run(Image(picture)).text.replace(" ", "") == words.replace(" ", "")


def test_reads_a_picture_that_was_taken_standing(reader):
    import io

    import PIL.Image

    turned, exif = sign("No parking", "Open 24 hours").pil.transpose(PIL.Image.Transpose.ROTATE_90), PIL.Image.Exif()
    exif[274] = 6
    target = io.BytesIO()
    turned.save(target, "JPEG", exif=exif)
    assert reader.run(Image.from_bytes(target.getvalue())).text == "No parking\nOpen 24 hours"


def test_reads_white_letters_on_nothing(reader):
    import PIL.Image
    import PIL.ImageOps

    letters = PIL.Image.new("RGBA", (480, 120), "white")
    letters.putalpha(PIL.ImageOps.invert(sign("No parking").pil.convert("L")))
    assert reader.run(Image(letters)).text == "No parking"


def test_a_page_on_its_head_is_read_from_its_own_top(reader):
    page = sign("The first line", "and the second", "then a third")
    upright, turned = reader.run(page), reader.run(Image(page.pil.rotate(180)))
    assert turned.text == upright.text != ""
    first, *_, last = turned.boxes
    assert first["box"][1] > last["box"][1]
