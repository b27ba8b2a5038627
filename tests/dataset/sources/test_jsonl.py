"""JSON Lines: what is read, what is told of a broken line, and that the reading goes on after it."""

import gzip
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.dataset.sources import open_rows
from studio.dataset.sources.jsonl import JsonlStream
from studio.errors import InputError

GOOD = '{"text": "ok"}'


def told(path, *lines, name="clips.jsonl"):
    """The rows of a file of these lines: their values, or places and errors from the file's name on."""
    file = path / name
    data = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    file.write_bytes(data)
    return [row.values or f"{row.place.removeprefix(str(path) + '/')}: {row.error}" for row in open_rows(file)]


def test_a_row_is_an_object_with_its_place(tmp_path):
    (tmp_path / "clips.jsonl").write_text('{"id": 1, "text": "olá", "tags": ["a"], "of": {"x": null}}\n\n  \n{"id": 2}')
    rows = open_rows(tmp_path / "clips.jsonl")
    first, second = rows
    assert first.values == {"id": 1, "text": "olá", "tags": ["a"], "of": {"x": None}}
    assert (first.place, first.error, first.words) == (f"{tmp_path}/clips.jsonl:1", "", False)
    assert second.place.endswith(":4")
    assert [row.place for row in rows] == [first.place, second.place]  # again, from the start
    assert (rows.folder, rows.count(), rows.is_media, rows.columns) == (tmp_path, 4, False, ())


BROKEN = [
    ('{"text": "a" "b"}', "2:14: not JSON: expecting ',' delimiter"),
    ('{"text": ', "2:9: not JSON: expecting value"),
    ('{"text": "a', "2:10: not JSON: unterminated string"),
    (b'{"text": "\xc3\xa3 \xff"}', "2:13: not text in UTF-8"),
    ("[1, 2]", '2:1: a list, not an object: a row is {"COLUMN": VALUE, …}'),
    ("null", '2:1: null, not an object: a row is {"COLUMN": VALUE, …}'),
    ("3", '2:1: a number, not an object: a row is {"COLUMN": VALUE, …}'),
    ('{"a": "\\"a\\":", "b": {"a": 1}, "a" : 2}', "2:32: the key 'a' stands twice"),
    ('{"b": [{"a": 1, "\\u0061": 2}]}', "2:17: the key 'a' stands twice"),
    ('{"a": "NaN", "b": NaN}', "2:19: NaN is no JSON: leave the value out, or write null"),
    ('{"b": [-Infinity]}', "2:8: -Infinity is no JSON: leave the value out, or write null"),
    ("[" * 200_000, "2:1: nested too deep"),
    ('{"a": ' + "1" * 5000 + "}", "2:1: not JSON: exceeds the limit"),
]


@pytest.mark.parametrize(("line", "error"), BROKEN, ids=range(len(BROKEN)))
def test_a_broken_line_is_told_and_stops_nothing(tmp_path, line, error):
    first, broken, last = told(tmp_path, GOOD, line, GOOD)
    assert first == last == {"text": "ok"}
    assert broken.startswith(f"clips.jsonl:{error}")
    assert "\n" not in broken


def test_a_mark_at_the_start_and_windows_line_ends_are_no_matter(tmp_path):
    assert told(tmp_path, b'\xef\xbb\xbf{"a": 1}\r', b'{"a": 2}\r', b"\r") == [{"a": 1}, {"a": 2}]


def test_other_lines_of_unicode_are_text(tmp_path):
    assert told(tmp_path, '{"a": "x\u2028y\u0085z"}') == [{"a": "x\u2028y\u0085z"}]


def test_a_packed_file_is_read_and_its_break_told(tmp_path):
    lines = "".join(json.dumps({"id": number, "noise": str(hash(str(number)))}) + "\n" for number in range(5000))
    packed = tmp_path / "clips.jsonl.gz"
    packed.write_bytes(gzip.compress(lines.encode()))
    rows = open_rows(packed)
    assert [row.values["id"] for row in rows] == list(range(5000))
    assert rows.count() is None
    packed.write_bytes(packed.read_bytes()[:20_000])
    *whole, broken = rows
    assert len(whole) > 100
    assert not any(row.error for row in whole)
    assert "the file breaks off here, and what follows is lost: " in broken.error
    assert broken.place == f"{packed}:{len(whole) + 1}"


def test_a_stream_is_read_once(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"a": 1}\n\nno\n')))
    rows = open_rows("-")
    assert rows.count() is None
    first, broken = rows
    assert (first.place, first.values) == ("stdin:1", {"a": 1})
    assert (broken.place, broken.error) == ("stdin:3:1", "not JSON: expecting value")
    with pytest.raises(InputError, match="stdin was read already"):
        iter(rows)


def test_a_stream_is_not_read_ahead_of_its_rows():
    def lines():
        yield GOOD.encode()
        raise AssertionError("read too far")

    assert next(iter(JsonlStream(lines()))).values == {"text": "ok"}


def test_a_file_that_went_away_is_told(tmp_path):
    told(tmp_path, GOOD)
    rows = open_rows(tmp_path / "clips.jsonl")
    (tmp_path / "clips.jsonl").unlink()
    with pytest.raises(InputError, match=r"clips\.jsonl': no such file"):
        list(rows)


NAMES = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
)


@given(st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=8), st.booleans())
def test_what_was_written_is_read(tmp_path, items, ascii_):
    file = tmp_path / "items.ndjson"
    file.write_text("".join(json.dumps(item, ensure_ascii=ascii_) + "\n" for item in items), encoding="utf-8")
    rows = open_rows(file)
    assert [row.values for row in rows] == items
    assert rows.count() == len(items)


@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=6))
def test_no_line_of_any_bytes_stops_the_next(tmp_path, lines):
    rows = told(tmp_path, *lines, GOOD)
    assert rows[-1] == {"text": "ok"}
    assert len(rows) <= len(lines) + 1


@given(st.lists(st.sampled_from(['{"a":', '"a"', ":", "{", "}", "[", "]", ",", "1", "NaN", '"\\""', " "]), max_size=12))
def test_pieces_of_json_are_rows_or_told(tmp_path, pieces):
    assert told(tmp_path, "".join(pieces), GOOD)[-1] == {"text": "ok"}
