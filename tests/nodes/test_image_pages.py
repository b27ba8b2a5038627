"""image.pages: what else is in a file that other nodes see the first page of; and that this is told."""

import io

import PIL.Image
import pytest

import studio
from studio import Image
from tests.support.door import run_log

COLOURS = ["red", "lime", "blue"]
GRAPH = """
inputs: {picture: image}
nodes:
  pages: {use: image.pages, with: {most: 5}, in: {image: picture}}
outputs: {pages: pages}
"""
FIRST = "inputs: {picture: image}\nnodes: {see: {use: Brightness, in: {image: picture}}}\noutputs: {light: see}"


def several(form, count=3) -> bytes:
    first, *others = [PIL.Image.new("RGB", (20 + n, 10), colour) for n, colour in enumerate((COLOURS * 2)[:count])]
    if form != "TIFF":
        others = [other.resize(first.size) for other in others]
    target = io.BytesIO()
    first.save(target, form, save_all=True, append_images=others)
    return target.getvalue()


@pytest.mark.parametrize("form", ["TIFF", "GIF", "PNG"])
def test_every_page(form):
    pages = run_log(GRAPH, nodes=(), picture=several(form)).outputs["pages"]
    assert [page.rgb().getpixel((5, 5)) for page in pages] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    assert [page.size[0] for page in pages] == ([20, 21, 22] if form == "TIFF" else [20, 20, 20])


def test_a_cached_list_of_pages_is_the_same(tmp_path):
    log = [run_log(GRAPH, nodes=(), picture=several("TIFF"), options={"cache": tmp_path}) for _ in range(2)]
    assert log[0].outputs == log[1].outputs
    assert ("cached", "pages") in log[1]


def test_more_pages_than_are_taken():
    log = run_log(GRAPH, nodes=(), picture=several("TIFF", 6))
    (failed,) = log.of(studio.StepFailed)
    assert "6 pages, more than 'most' allows: 5" in failed.message


def test_who_takes_the_first_page_is_told():
    log = run_log(FIRST, picture=several("TIFF"))
    (warned,) = log.of(studio.Warned)
    assert warned.message == "input 'picture': it has 3 pages; nodes see the first, and 'image.pages' gives all"
    assert not run_log(FIRST, picture=Image.from_bytes(several("TIFF", 1))).of(studio.Warned)
