"""Parquet: values as plain data, damaged parts, and no more memory than a batch."""

import datetime as dt
import decimal
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.dataset.sources import open_rows
from studio.errors import InputError, MissingExtra

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def rows_of(path, table, **how):
    pq.write_table(table, path / "clips.parquet", **how)
    return open_rows(path / "clips.parquet")


def test_a_row_has_its_values_by_column(tmp_path):
    rows = rows_of(tmp_path, pa.table({"id": [1, 2, 3], "text": ["a", None, "olá"]}), row_group_size=2)
    assert [row.values for row in rows] == [{"id": 1, "text": "a"}, {"id": 2, "text": None}, {"id": 3, "text": "olá"}]
    assert [row.place for row in rows] == [f"{tmp_path}/clips.parquet:{number}" for number in (1, 2, 3)]
    assert not any(row.words or row.error for row in rows)
    assert (rows.count(), rows.columns, rows.folder) == (3, ("id", "text"), tmp_path)


def test_media_come_as_bytes_or_as_a_path(tmp_path):
    media = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    pictures = [{"bytes": b"png", "path": "a.png"}, {"bytes": None, "path": "b.png"}, None]
    table = pa.table(
        {
            "raw": pa.array([b"x", b"", None]),
            "image": pa.array(pictures, media),
            "images": pa.array([pictures, [], None], pa.list_(media)),
        }
    )
    assert [row.values for row in rows_of(tmp_path, table)] == [
        {"raw": b"x", "image": b"png", "images": [b"png", "b.png", None]},
        {"raw": b"", "image": "b.png", "images": []},
        {"raw": None, "image": None, "images": None},
    ]


def test_values_are_plain_data(tmp_path):
    table = pa.table(
        {
            "when": [dt.datetime(2026, 1, 2, 3, 4, 5)],
            "day": [dt.date(2026, 1, 2)],
            "took": [dt.timedelta(seconds=1.5)],
            "price": [decimal.Decimal("2.50")],
            "whole": [decimal.Decimal("3.00")],
            "of": [{"x": [1, 2], "y": {"bytes": 1}}],
            "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
            "kind": pa.array(["b"]).dictionary_encode(),
        }
    )
    (row,) = rows_of(tmp_path, table)
    assert row.values == {
        "when": "2026-01-02T03:04:05",
        "day": "2026-01-02",
        "took": 1.5,
        "price": 2.5,
        "whole": 3,
        "of": {"x": [1, 2], "y": {"bytes": 1}},
        "map": [["a", 1]],
        "kind": "b",
    }
    assert type(row.values["whole"]) is decimal.Decimal


def test_no_digit_of_a_decimal_or_a_length_of_time_is_lost(tmp_path):
    table = pa.table(
        {
            "price": [decimal.Decimal("12345678901234567.89")],
            "took": pa.array([10**17 + 1], pa.duration("us")),
            "at": pa.array([86_399_999_999_999], pa.time64("ns")),
        }
    )
    (row,) = rows_of(tmp_path, table)
    assert row.values == {
        "price": decimal.Decimal("12345678901234567.89"),
        "took": decimal.Decimal("100000000000.000001"),
        "at": "23:59:59.999999999",
    }


def test_a_value_that_python_has_no_type_for_is_that_rows_error(tmp_path):
    beyond = pa.array([0, 1 << 62, 86_400_000_000], pa.int64()).cast(pa.timestamp("us"))  # the year 148108
    first, broken, last = rows_of(tmp_path, pa.table({"when": beyond}))
    assert (first.values["when"], last.values["when"]) == ("1970-01-01T00:00:00", "1970-01-02T00:00:00")
    assert broken.error
    assert broken.place.endswith(":2")


def test_a_damaged_part_is_told_and_the_others_are_read(tmp_path):
    noise = [f"{number * 7919 % 10007:08}" for number in range(3000)]
    file = tmp_path / "clips.parquet"
    how = {"row_group_size": 1000, "use_dictionary": False, "write_page_checksum": True}
    pq.write_table(pa.table({"text": noise}), file, **how)
    about = pq.ParquetFile(file).metadata.row_group(1).column(0)
    data = bytearray(file.read_bytes())
    middle = about.data_page_offset + about.total_compressed_size // 2
    data[middle : middle + 200] = b"\xff" * 200
    file.write_bytes(data)
    rows = list(open_rows(file))
    (broken,) = [row for row in rows if row.error]
    assert broken.place == f"{file}:1001"
    assert broken.error.startswith("rows 1001 to 2000 are damaged: ")
    assert [row.values["text"] for row in rows if not row.error] == noise[:1000] + noise[2000:]
    assert rows[-1].place == f"{file}:3000"


def test_what_is_no_parquet_is_an_error_of_the_file(tmp_path):
    (tmp_path / "clips.parquet").write_text("not this")
    with pytest.raises(InputError, match=r"clips\.parquet' is not Parquet, or damaged: "):
        open_rows(tmp_path / "clips.parquet")


def test_two_columns_of_one_name_are_an_error_of_the_file(tmp_path):
    with pytest.raises(InputError, match="two columns are called 'a'"):
        rows_of(tmp_path, pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]))


def test_without_its_library_the_extra_is_named(tmp_path, monkeypatch):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"needs the package 'pyarrow'.*icode-studio\[parquet\]"):
        open_rows(tmp_path / "a.parquet")


def test_large_values_are_read_a_few_at_a_time(tmp_path):
    noise = [number.to_bytes(4, "big") * 64_000 for number in range(400)]  # 100 MB in one group of rows
    how = {"use_dictionary": False, "compression": "none", "write_batch_size": 8}
    rows = rows_of(tmp_path, pa.table({"raw": noise}), **how)
    before, most = pa.total_allocated_bytes(), 0
    for number, row in enumerate(rows):
        most = max(most, pa.total_allocated_bytes() - before)
        assert row.values["raw"] == noise[number]
    assert most < 30 << 20


CELLS = {
    pa.int64(): st.integers(-(1 << 63), (1 << 63) - 1),
    pa.float64(): st.floats(allow_nan=False),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(st.characters(codec="utf-8"), max_size=8),
    pa.binary(): st.binary(max_size=8),
    pa.list_(pa.int64()): st.lists(st.integers(0, 9), max_size=3),
}


@given(st.data(), st.integers(1, 5))
def test_what_was_written_is_read(tmp_path, data, group):
    types = data.draw(st.lists(st.sampled_from(list(CELLS)), min_size=1, max_size=4))
    schema = pa.schema([(f"c{number}", type_) for number, type_ in enumerate(types)])
    one = st.fixed_dictionaries({field.name: st.none() | CELLS[field.type] for field in schema})
    items = data.draw(st.lists(one, max_size=12))
    rows = rows_of(tmp_path, pa.Table.from_pylist(items, schema), row_group_size=group)
    assert [row.values for row in rows] == items
    assert rows.count() == len(items)
