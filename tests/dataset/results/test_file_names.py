"""File names for ids: one each, on any file system, and never outside of the folder."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from studio.dataset.results import ResultsFolder
from studio.dataset.results.file_names import name_of

alike = st.text("aAbB .-_/\\é\u0301e:0", max_size=6)
ids = st.text() | alike | st.from_regex(r"[a-z]{1,3}-[0-9a-f]{16}", fullmatch=True)


@pytest.mark.parametrize("id", ["a", "clip-000123.take_2", "0", "_", "é"[:0] + "x" * 116, "f" * 64])
def test_a_plain_id_is_its_own_name(id):
    assert name_of(id, ".wav") == f"{id}.wav"


@pytest.mark.parametrize(
    ("id", "start"),
    [
        ("Take 1/é", "Take_1_e"),
        ("../../x", "x"),
        ("日本", "item"),
        ("", "item"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("ends.", "ends"),
        ("con.txt", "con_txt"),
        ("x" * 200, "x" * 99),
    ],
)
def test_others_are_made_plain_and_told_apart(id, start):
    assert re.fullmatch(re.escape(start) + r"-[0-9a-f]{16}\.wav", name_of(id, ".wav"))


@given(ids)
@example("nul")
@example("\ud800")
@example("a/../..")
def test_a_name_is_safe_anywhere(id):
    name = name_of(id, ".flac")
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.flac", name)
    assert len(name.encode()) <= 120
    assert not re.match(r"(con|prn|aux|nul|com\d|lpt\d)\.", name.lower())


@given(ids, ids)
@example("é", "e\u0301")
@example("A b", "a b")
@example("a b", name_of("a b"))
@example("x" * 200, "x" * 201)
def test_two_ids_have_two_names(one, other):
    if one != other:
        assert name_of(one).lower() != name_of(other).lower()


def test_where_media_go(tmp_path):
    with ResultsFolder.open(tmp_path / "run", {}) as results:
        path = results.media_path("speech", "../../x", ".wav")
        path.write_bytes(b"RIFF")
        assert path.resolve().parent == (tmp_path / "run" / "speech").resolve()
        assert results.media_path("speech", "../../x", ".wav") == path
        assert results.media_path("speech", "a", ".wav") == tmp_path / "run" / "speech" / "a.wav"
    with ResultsFolder.open(tmp_path / "run", {}):
        assert path.read_bytes() == b"RIFF"
