"""Files as rows: folders, patterns, their order, and one kind at a time."""

import glob
import json
import os

import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.dataset.sources import open_rows
from studio.errors import InputError, UsageError

MEDIA = {"audio": [".wav", ".mp3"], "image": [".png", ".JPG"]}


def lay(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def ids(rows):
    return [row.values.get("id") or row.error for row in rows]


def test_a_row_is_a_file(tmp_path, monkeypatch):
    lay(tmp_path, "photos/a/cat.png")
    monkeypatch.chdir(tmp_path)
    rows = open_rows("photos", MEDIA)
    (row,) = rows
    assert row.place == "photos/a/cat.png"
    assert row.values == {"file": tmp_path / "photos/a/cat.png", "id": "a/cat.png"}
    assert (rows.is_media, rows.kind, rows.count(), rows.name) == (True, "image", 1, "photos")
    assert rows.folder / row.values["file"] == row.values["file"]


def test_files_come_in_the_order_of_people_and_hidden_ones_not_at_all(tmp_path):
    lay(tmp_path, "b/x.png", "clip10.png", "clip2.JPG", "Clip1.jpg", "a01.png", "a1.png", ".x.png", ".git/y.png")
    lay(tmp_path, "notes.txt", "b/.z.png", "b10/x.png", "b2/x.png", "b2/.hidden/x.png")
    rows = open_rows(tmp_path, MEDIA)
    names = ["a01.png", "a1.png", "b/x.png", "b2/x.png", "b10/x.png", "Clip1.jpg", "clip2.JPG", "clip10.png"]
    assert ids(rows) == ids(rows) == names
    assert rows.count() == len(names)


def test_without_kinds_every_file_is_an_item(tmp_path):
    lay(tmp_path, "a.txt", "b.png")
    rows = open_rows(tmp_path)
    assert (ids(rows), rows.kind) == (["a.txt", "b.png"], "file")


PATTERNS = {
    "*.png": ["1.png", "2.png"],
    "a/*.png": ["3.png"],
    "**/*.png": ["1.png", "2.png", "a/3.png", "a/b/4.png", "c/b/5.png"],
    "*/b/*": ["a/b/4.png", "c/b/5.png"],
    "**/b/**": ["a/b/4.png", "c/b/5.png"],
    "a/**/*.png": ["3.png", "b/4.png"],
    "[ac]/**/b/?.png": ["a/b/4.png", "c/b/5.png"],
    "**/**/3.png": ["a/3.png"],
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_finds_what_it_says(tmp_path, pattern):
    lay(tmp_path, "1.png", "2.png", "a/3.png", "a/b/4.png", "c/b/5.png", ".h/6.png", "a/.7.png", "a/b/x.txt")
    assert ids(open_rows(tmp_path / pattern, MEDIA)) == PATTERNS[pattern]


PARTS = st.sampled_from(["a", "b", ".h", "a1", "*", "**", "?", "[ab]", "a*"])
FILES = [f"{one}/{two}/{name}" for one in ("a", "b", ".h") for two in ("a1", "b") for name in ("a", "b", ".h", "a1x")]


@given(st.lists(PARTS, min_size=1, max_size=4).filter(lambda parts: glob.has_magic("/".join(parts))))
def test_patterns_mean_what_they_mean_in_python(tmp_path, parts):
    lay(tmp_path, *FILES, "a/x", "x")
    expected = {path for path in glob.glob(str(tmp_path / "/".join(parts)), recursive=True) if os.path.isfile(path)}
    try:
        found = [row.place for row in open_rows(tmp_path / "/".join(parts))]
    except (InputError, UsageError):
        found = []
    assert sorted(found) == sorted(expected)


def test_one_file_is_one_item(tmp_path):
    lay(tmp_path, "a[1].png", "a1.png")
    rows = open_rows(tmp_path / "a[1].png", MEDIA)
    assert ids(rows) == ["a[1].png"]


def test_a_folder_with_a_bracket_is_a_folder(tmp_path):
    lay(tmp_path, "set[1]/a.png", "set1/b.png")
    assert ids(open_rows(tmp_path / "set[1]", MEDIA)) == ["a.png"]


def test_links_are_followed_but_not_in_a_circle(tmp_path):
    lay(tmp_path, "set/a.png", "far/b.png")
    (tmp_path / "set/far").symlink_to(tmp_path / "far")
    (tmp_path / "set/round").symlink_to(tmp_path / "set")
    (tmp_path / "set/gone.png").symlink_to(tmp_path / "nowhere.png")
    assert ids(open_rows(tmp_path / "set", MEDIA)) == ["a.png", "far/b.png", "gone.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root opens every folder")
def test_a_folder_that_cannot_be_opened_is_one_row(tmp_path):
    lay(tmp_path, "a.png", "b/x.png", "c.png")
    (tmp_path / "b").chmod(0)
    try:
        rows = open_rows(tmp_path, MEDIA)
        assert ids(rows) == ["a.png", "permission denied", "c.png"]
    finally:
        (tmp_path / "b").chmod(0o755)


def test_a_name_that_is_not_text_is_that_rows_error(tmp_path):
    lay(tmp_path, "a.png")
    odd = os.fsencode(tmp_path) + b"/b\xff.png"
    try:
        open(odd, "wb").close()
    except OSError:
        pytest.skip("this file system takes no such name")
    _good, broken = open_rows(tmp_path, MEDIA)
    assert broken.place.encode() == os.fsencode(tmp_path) + rb"/b\udcff.png"
    assert broken.error == "its name is not text in UTF-8: rename it"


@pytest.mark.parametrize(
    ("names", "source", "error"),
    [
        ([], "set", "'set': there is no file here"),
        (["a.png"], "set/*.wav", "'set/*.wav': no file matches this pattern"),
        (
            ["a.txt", "b.txt"],
            "set",
            "'set': none of the 2 files here can be read: a.txt, b.txt. A file of an item ends in .jpg, .mp3, .png, .wav",
        ),
        (
            ["a.png", "b/c.wav", "b/d.wav"],
            "set",
            "'set' holds files of several kinds: 2 of audio, 1 of image. Choose by a pattern: 'set/**/*.wav'",
        ),
    ],
)
def test_what_cannot_be_a_data_set_is_told(tmp_path, monkeypatch, names, source, error):
    (tmp_path / "set").mkdir()
    lay(tmp_path / "set", *names)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as raised:
        open_rows(source, MEDIA)
    assert str(raised.value) == error


# What is left out ----------------------------------------------------------------------------------------------------

PICTURES = {"image": [".png", ".jpg"]}


def picture(path, format):
    PIL.Image.new("L", (8, 6), 90).save(path, format)


def test_what_can_be_read_is_taken_whatever_it_is_called_and_the_rest_named(tmp_path):
    for name, format in {"a.png": "PNG", "b": "PNG", "c.tga": "TGA", "d.JFIF": "JPEG", "e.mp3": "GIF"}.items():
        picture(tmp_path / name, format)
    picture(tmp_path / "f.txt", "PNG")
    lay(tmp_path, "broken.png", "g.bin", "h", ".DS_Store", "Thumbs.db", "sub/desktop.ini", "sub/.hidden/x.txt")
    (tmp_path / "i.csv").write_text("a,b")
    rows = open_rows(tmp_path, PICTURES)
    assert ids(rows) == ids(rows) == ["a.png", "b", "broken.png", "c.tga", "d.JFIF", "e.mp3"]
    assert rows.count() == 6
    assert rows.left_out.names == ["f.txt", "g.bin", "h", "i.csv"]
    assert str(rows.left_out) == "left out: 4 of 10 files, which hold no image: f.txt, g.bin, h, i.csv"


def test_of_many_the_first_are_named_and_all_counted(tmp_path):
    lay(tmp_path, "a.png", *(f"{n}.txt" for n in range(150)), *(f"{n}.JSON" for n in range(5)), "last")
    left_out = open_rows(tmp_path, PICTURES).left_out
    assert (left_out.count, left_out.files, len(left_out.names)) == (156, 157, 100)
    told = "0.JSON, 0.txt, 1.JSON, 1.txt, 2.JSON, 2.txt, 3.JSON, 3.txt and 148 more"
    assert str(left_out).endswith(f"{told} (150 × .txt, 5 × .json, 1 × no suffix)")
    assert left_out.as_data()["suffixes"] == {".txt": 150, ".json": 5, "no suffix": 1}


def test_one_file_of_an_odd_name(tmp_path):
    picture(tmp_path / "scan.page1", "TIFF")
    assert ids(open_rows(tmp_path / "scan.page1", PICTURES)) == ["scan.page1"]
    with pytest.raises(UsageError, match="files like this hold no rows"):
        lay(tmp_path, "x.page1")
        open_rows(tmp_path / "x.page1", PICTURES)


def test_the_folder_of_results_is_no_part_of_the_data(tmp_path):
    lay(tmp_path, "a.png", "runs/first/image/a.png", "runs/first/results.jsonl", "runs/b.png")
    rows = open_rows(tmp_path, PICTURES, tmp_path / "runs" / "first")
    assert (ids(rows), rows.count(), rows.left_out.count) == (["a.png", "runs/b.png"], 2, 0)


def test_sounds_and_films_are_told_apart(tmp_path):
    import av
    import numpy as np

    for name, tracks in {"talk": "a", "film": "av", "mute": "v"}.items():
        with av.open(str(tmp_path / name), "w", format="matroska") as container:
            sound = container.add_stream("pcm_s16le", rate=8000, layout="mono") if "a" in tracks else None
            film = container.add_stream("mpeg4", rate=10, width=32, height=32) if "v" in tracks else None
            if sound:
                frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
                frame.rate = 8000
                container.mux(sound.encode(frame) + sound.encode(None))
            if film:
                frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")
                container.mux(film.encode(frame) + film.encode(None))
    picture(tmp_path / "picture", "PNG")
    picture(tmp_path / "moving", "GIF")
    (tmp_path / "words").write_text("Nothing but words. " * 100)
    assert ids(open_rows(tmp_path, {"audio": [".wav"]})) == ["film", "talk"]
    assert ids(open_rows(tmp_path, {"video": [".mp4"]})) == ["film", "mute"]
    assert ids(open_rows(tmp_path, {"image": [".png"]})) == ["moving", "picture"]


def test_the_command_says_what_is_left_out(studio_map):
    here = studio_map.folder
    (here / "pics").mkdir()
    picture(here / "pics" / "a.png", "PNG")
    (here / "pics" / "notes.txt").write_text("notes")
    (here / "g.yaml").write_text(
        "inputs: {image: image}\nnodes:\n  b: {use: 'tests.support.fakes:Brightness', in: {image: image}}\n"
        "  n: {use: 'tests.support.fakes:JoinHoled', in: {texts: t}, scope: dataset}\n"
        "  t: {use: text.template, with: {template: x}}\noutputs: {b: b, n: n}"
    )
    told = "left out: 1 of 2 files, which hold no image: notes.txt"
    out, err = studio_map("g.yaml", "pics", "--out", "pics/run")
    assert told in out.splitlines()
    assert told in err
    assert told in (here / "pics" / "run" / "report.html").read_text()
    assert json.loads((here / "pics" / "run" / "dataset.json").read_text())["left_out"]["names"] == ["notes.txt"]
    out, _ = studio_map("g.yaml", "pics", "--out", "pics/run", "--json")
    assert json.loads(out)["left_out"] == {"count": 1, "files": 2, "names": ["notes.txt"], "suffixes": {".txt": 1}}
