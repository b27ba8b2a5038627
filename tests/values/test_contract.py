"""Every kind of value, found by itself: there and back again, and never two values under one digest."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import studio
from studio.values import KINDS
from studio.values.digest import of_bytes, of_file
from tests.support import strategies


def at_rest(kind, value) -> bytes:
    encoded = KINDS[kind].encode(value)
    return encoded.read_bytes() if isinstance(encoded, Path) else encoded


def back(kind, data: bytes, folder: Path):
    if not KINDS[kind].by_path:
        return KINDS[kind].decode(data)
    path = folder / of_bytes(data)
    path.write_bytes(data)
    return KINDS[kind].decode(path)


def same(first, second) -> bool:
    """Equal, and of the same types however deep: `1`, `1.0` and `True` are not the same."""
    if type(first) is not type(second):
        return False
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


def test_every_kind_has_a_strategy():
    assert set(strategies.OF) == set(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_says_what_it_is(name):
    kind = KINDS[name]
    assert kind.name == name
    assert kind.__doc__
    assert kind.suffix.startswith(".")
    assert isinstance(kind.python, type)


@pytest.mark.parametrize("name", KINDS)
def test_there_and_back_again(name, tmp_path):
    @given(strategies.OF[name])
    def check(value):
        kind = KINDS[name]
        coerced = kind.coerce(value)
        assert same(coerced, value)
        data = at_rest(name, coerced)
        restored = back(name, data, tmp_path)
        assert same(restored, value)
        assert at_rest(name, restored) == data  # what is read back is at rest as it was
        assert at_rest(name, pickle.loads(pickle.dumps(value))) == data  # as it goes between processes

    check()


@pytest.mark.parametrize("name", KINDS)
def test_equal_bytes_if_and_only_if_equal_values(name):
    @given(strategies.OF[name], strategies.OF[name])
    def check(first, second):
        equal = same(first, second)
        assert (at_rest(name, first) == at_rest(name, second)) == equal or repr(first) != repr(
            second
        )  # 0.0 is not -0.0
        if not equal:
            assert at_rest(name, first) != at_rest(name, second)

    check()


JUNK = st.sampled_from(
    [None, object(), 1, 1.5, True, "", "no/such/file", b"", b"junk", [], [1], {}, {"a": 1}, (1, 2), ("a", "b"), (None, None),
     ([0.0], float("inf")), ([0.0], None), (object(), 8000), np.zeros(0), np.zeros((2, 2, 2, 2)), np.array(["a"]), np.array([object()]),
     [{"box": 5, "label": "a"}], [{"box": [1, 2, 3, "x"], "label": "a"}], [{"start": 1, "end": 0, "text": ""}], [{"start": None, "end": 0, "text": ""}],
     10**400, float("nan"), float("inf"), 1j, {1: 2}, [[[float("nan")]]], "\ud800", "a\0b", "x" * 5000, Path("/"), Path("/dev/null"), int, np.float64(2), np.bool_(True)]
)  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_what_does_not_fit_is_a_value_error(name):
    @given(JUNK)
    def check(junk):
        try:
            at_rest(name, KINDS[name].coerce(junk))
        except ValueError as error:
            assert str(error).strip()
        except OSError as error:
            assert error.strerror  # told as a path that cannot be read

    check()


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "number": [1, 1.0, 2, -1, 0, 0.0, True and 3],
        "data": [1, 1.0, "1", True, None, [], {}, [1, 2], [2, 1], {"a": 1}, {"a": 1.0}, [[1], 2], [1, [2]]],
        "text": ["1", "1.0", "", " ", "a", "A", "é", "e\u0301"],
        "vector": [
            studio.Vector(np.zeros(shape, dtype))
            for shape in (4, (2, 2), (4, 1), (1, 4), 2)
            for dtype in ("f4", "f8", "i4", "u4", "i8", "f2", "bool")
        ],
        "audio": [
            studio.Audio(np.full(shape, level, "f4"), rate)
            for shape in (8, (4, 2), (8, 2))
            for level in (0, 0.5)
            for rate in (8000, 16000)
        ],
        "image": [
            studio.Image(np.full(shape, level, "u1"))
            for shape in ((2, 3), (3, 2), (2, 3, 3), (2, 3, 4), (6, 1))
            for level in (0, 1)
        ],
    }.items(),
)
def test_different_values_never_share_a_digest(name, values):
    digests = [of_bytes(at_rest(name, value)) for value in values]
    assert len(set(digests)) == len(values)


def test_pixels_in_another_order():
    first = np.arange(12, dtype="u1").reshape(2, 2, 3)
    assert at_rest("image", studio.Image(first)) != at_rest("image", studio.Image(first[::-1]))


def test_a_file_keeps_its_own_bytes(tmp_path):
    tone = studio.Audio(np.linspace(-1, 1, 4000, dtype="f4"), 8000).save(tmp_path / "a.flac")
    opened = KINDS["audio"].coerce(tone)
    assert at_rest("audio", opened) == tone.read_bytes()
    assert of_bytes(at_rest("audio", opened)) == of_file(tone)


def test_a_value_cannot_be_changed():
    vector, sound = studio.Vector([1.0, 2.0]), studio.Audio(np.zeros(4), 8000)
    with pytest.raises(ValueError, match="read-only"):
        vector.array[0] = 5
    with pytest.raises(ValueError, match="read-only"):
        sound.samples[0] = 1
    picture = studio.Image(np.zeros((2, 2), "u1"))
    with pytest.raises(ValueError, match="read-only"):
        picture.array[0, 0] = 1


def test_the_caller_s_array_is_no_part_of_the_value():
    mine = np.zeros(4, "f4")
    vector, sound = studio.Vector(mine), studio.Audio(mine, 8000)
    mine[0] = 1
    assert vector.array[0] == sound.samples[0] == 0


def test_subtitles(tmp_path):
    marks = studio.Segments(
        [{"start": 0, "end": 1.5, "text": " Hello "}, {"start": 3661.0005, "end": 3662, "text": "you"}]
    )
    assert marks.save(tmp_path / "a.srt").read_text().splitlines()[1] == "00:00:00,000 --> 00:00:01,500"
    assert marks.save(tmp_path / "a.vtt").read_text().startswith("WEBVTT\n\n1\n00:00:00.000")
    assert json.loads(marks.save(tmp_path / "a.json").read_text())[1]["text"] == "you"
    assert marks.text == "Hello you"
