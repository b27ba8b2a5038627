"""What of a file was lost or left aside is told once: with its row, of the first rows, and counted for the others."""

import io

import numpy as np
import PIL.Image
import pytest
import soundfile

import studio
from studio import Audio, Node
from tests.support import fakes
from tests.support.dataset import mapped
from tests.support.door import run_log

SEE = "inputs: {picture: image}\nnodes: {see: {use: Brightness, in: {image: picture}}}\noutputs: {light: see}"
TWICE = """
inputs: {picture: image, ground: image}
nodes:
  see: {use: Brightness, in: {image: picture}}
  again: {use: Brightness, in: {image: picture}}
  below: {use: Brightness, in: {image: ground}}
outputs: {light: see, more: again, below: below}
"""
PAGES = "it has 3 pages; nodes see the first, and 'image.pages' gives all"


class Length(Node):
    """How long sounds are."""

    def run(self, sounds: list[Audio]) -> float:
        return sum(sound.seconds for sound in sounds)


class Recorded(Node):
    """A recording that is cut off, as a file."""

    def run(self, text: str) -> Audio:
        return cut_off()


def fax(shade, pages=3) -> bytes:
    first, *others = [PIL.Image.new("L", (8, 8), shade) for _ in range(pages)]
    target = io.BytesIO()
    first.save(target, "TIFF", save_all=True, append_images=others)
    return target.getvalue()


def cut_off() -> bytes:
    target = io.BytesIO()
    soundfile.write(target, np.zeros(8000, np.float32) + 0.1, 8000, format="WAV")
    return target.getvalue()[:8000]


def warned(events) -> list[str]:
    return [event.message for event in events if isinstance(event, studio.Warned)]


@pytest.fixture
def faxes(tmp_path):
    """A folder of pictures, all of three pages but one."""
    folder = tmp_path / "faxes"
    folder.mkdir()
    for number in range(9):
        (folder / f"{number}.tif").write_bytes(fax(number, 1 if number == 4 else 3))
    return folder


@pytest.mark.parametrize("cache", [True, False])
def test_rows(cache, faxes, tmp_path):
    run = mapped(SEE, faxes, {"cache": tmp_path / "cache" if cache else False}).run
    told = warned(run.events())
    assert told == [f"{faxes / str(number)}.tif: input 'picture': {PAGES}" for number in (0, 1, 2, 3, 5)]
    assert run.summary().as_data()["noted"] == 8
    assert "8 rows gave files of which not all was read" in str(run.summary())


def test_a_file_of_all_rows_and_one_that_two_steps_read(tmp_path):
    (tmp_path / "a.tif").write_bytes(fax(1))
    (tmp_path / "b.tif").write_bytes(fax(2))
    options = {"cache": tmp_path / "cache"}
    run = mapped(TWICE, [{"picture": tmp_path / "a.tif"}] * 3, options, ground=tmp_path / "b.tif").run
    assert sorted(warned(run.events())) == [f"input 'ground': {PAGES}", f"row 1: input 'picture': {PAGES}"]
    again = mapped(TWICE, [{"picture": tmp_path / "a.tif"}], options, ground=tmp_path / "b.tif").run
    assert not warned(again.events())


def test_rows_in_which_nothing_was_lost_say_nothing(tmp_path):
    (tmp_path / "a.tif").write_bytes(fax(1, 1))
    run = mapped(SEE, [{"picture": tmp_path / "a.tif"}], {"cache": tmp_path / "cache"}).run
    assert not warned(run.events())
    assert "noted" not in run.summary().as_data()


@pytest.mark.parametrize("cache", [True, False])
def test_sound_in_a_list(cache, tmp_path):
    (tmp_path / "a.wav").write_bytes(cut_off())
    graph = "inputs: {sounds: 'list[audio]'}\nnodes: {n: {use: Length, in: {sounds: sounds}}}\noutputs: {x: n}"
    options = {"cache": tmp_path / "cache" if cache else False}
    log = run_log(graph, nodes=[Length], options=options, sounds=[tmp_path / "a.wav"])
    (told,) = warned(log.events)
    assert told.startswith("input 'sounds': the file is cut off")
    again = run_log(graph, nodes=[Length], options=options, sounds=[tmp_path / "a.wav"])
    assert len(warned(again.events)) == (0 if cache else 1)


def test_constants(tmp_path):
    (tmp_path / "a.tif").write_bytes(fax(1))
    path = tmp_path / "g.yaml"
    path.write_text("nodes: {see: {use: Brightness, with: {image: a.tif}}}\noutputs: {light: see}")
    log = run_log(studio.load(path, nodes=fakes.ALL))
    assert warned(log.events) == [f"step 'see', port 'image': {PAGES}"]


def test_what_a_node_gives_is_told_where_its_step_prints(capsys):
    graph = "inputs: {text: text}\nnodes: {n: {use: Recorded, in: {text: text}}}\noutputs: {x: n}"
    log = run_log(graph, nodes=[Recorded], text="a")
    assert not warned(log.events)
    assert "the file is cut off" in capsys.readouterr().out
