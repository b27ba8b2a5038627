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
