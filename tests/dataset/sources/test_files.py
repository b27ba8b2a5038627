"""Files as rows: folders, patterns, their order, and one kind at a time."""

import glob
import os

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
            "'set': none of the 2 files here can be read. A file of an item ends in .jpg, .mp3, .png, .wav",
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
