"""How a source is chosen by its look, and what is said where it cannot be; rows that Python gives."""

import subprocess
import sys
from collections import UserDict
from pathlib import Path

import pytest

from studio.dataset.sources import open_rows
from studio.errors import InputError, UsageError

READABLE = (
    "Rows are read from .jsonl, .ndjson (these also as .gz), .csv, .tsv and .parquet, "
    "from a folder or a pattern of media files, and as JSON Lines from '-', which is stdin"
)


def refused(source):
    with pytest.raises(UsageError) as raised:
        open_rows(source, {"image": [".png"]})
    return str(raised.value)


def test_mappings_of_any_kind_are_rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = open_rows([{"a": 1}, UserDict(b=2)])
    assert [(row.place, row.values, row.words) for row in rows] == [
        ("row 1", {"a": 1}, False),
        ("row 2", {"b": 2}, False),
    ]
    assert [row.place for row in rows] == ["row 1", "row 2"]
    assert (rows.count(), rows.folder.absolute(), rows.is_media, rows.name) == (2, tmp_path, False, "rows")


def test_what_is_no_mapping_is_that_rows_error():
    rows = open_rows([{"a": 1}, "a", None, {1: 2}, {"b": 1}])
    assert [row.error for row in rows] == [
        "",
        "str, not a mapping: a row is {'COLUMN': value, …}",
        "NoneType, not a mapping: a row is {'COLUMN': value, …}",
        "the column 1 is no text",
        "",
    ]


def test_an_iterator_is_gone_through_once_and_as_it_is_asked_for():
    asked = []

    def numbers():
        for number in range(3):
            asked.append(number)
            yield {"n": number}

    rows = open_rows(numbers())
    found = iter(rows)
    assert next(found).values == {"n": 0}
    assert asked == [0]
    assert rows.count() is None
    with pytest.raises(InputError, match="gone through already: give a list"):
        iter(rows)


def test_a_mapping_filled_again_is_another_row():
    def again():
        item = {}
        for number in range(3):
            item["n"] = number
            yield item

    assert [row.values["n"] for row in list(open_rows(again()))] == [0, 1, 2]


def test_rows_are_rows_already():
    rows = open_rows([])
    assert open_rows(rows) is rows


def test_suffixes_are_told_in_any_case(tmp_path):
    (tmp_path / "A.JSONL").write_text('{"a": 1}')
    (tmp_path / "A.CSV").write_text("a\n1\n")
    assert [row.values for name in ("A.JSONL", "A.CSV") for row in open_rows(tmp_path / name)] == [{"a": 1}, {"a": "1"}]


def test_what_is_not_there_is_told_with_what_is_near(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("clips.jsonl").write_text("")
    assert refused("clip.jsonl") == f"there is no file or folder 'clip.jsonl'. Did you mean 'clips.jsonl'? {READABLE}"
    assert refused("photos/*.png") == f"there is no file or folder 'photos'. {READABLE}"
    assert refused(Path("x/y.csv")) == f"there is no file or folder 'x/y.csv'. {READABLE}"
    assert refused("") == "rows are given as an iterable of mappings, one a row, not as a str"
    assert refused("x" * 5000).endswith("x': file name too long")


def test_what_cannot_be_read_is_told_with_what_can(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("clips.jsnl", "clips.json", "clips", "clips.csv.gz"):
        Path(name).write_text("{}")
    assert refused("clips.jsnl") == (
        f"'clips.jsnl': files like this hold no rows that can be read. Did you mean '.jsonl'? {READABLE}"
    )
    assert refused("clips") == f"'clips': files like this hold no rows that can be read. {READABLE}"
    assert refused("clips.csv.gz").startswith("'clips.csv.gz': files like this hold no rows")
    assert refused("clips.json").startswith(
        "'clips.json' is one JSON document. Write one object a line, as clips.jsonl"
    )


@pytest.mark.parametrize("source", [3, {"a": 1}, b"clips", None])
def test_what_holds_no_rows_is_told(source):
    assert refused(source) == f"rows are given as an iterable of mappings, one a row, not as a {type(source).__name__}"


def test_pyarrow_is_imported_only_for_parquet():
    code = "import sys, studio.dataset.sources; assert 'pyarrow' not in sys.modules and 'pandas' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
