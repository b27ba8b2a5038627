"""The results as a Parquet table: what goes in comes out, with the type that all of a column has."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import studio
from studio.dataset.results import parquet as ours
from studio.dataset.results import write_parquet
from tests.support.strategies import data

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def table(folder, *outputs, **more):
    rows = [
        {"id": str(n), "status": "done", "outputs": each, "seconds": 0.5, "error": None, **more}
        for n, each in enumerate(outputs)
    ]
    (folder / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return pq.read_table(write_parquet(folder))


def column(folder, *values):
    """The type of a column of these values, and the values that come out again."""
    found = table(folder, *({"x": value} for value in values)).column("x")
    return str(found.type), found.to_pylist()


def test_a_table(tmp_path):
    (tmp_path / "results.jsonl").write_text(
        '{"id": "a", "status": "done", "outputs": {"said": "olá", "n": 1, "speech": "speech/a.wav"}, "seconds": 1, "error": null}\n'
        '{"id": "b", "status": "failed", "outputs": {}, "seconds": 0.25, "error": "step \'hear\' failed"}\n'
        '{"id": "c", "status": "done", "outputs": {"n": 2.5, "status": "odd"}, "seconds": 0.5, "error": null}\n'
    )
    assert write_parquet(tmp_path) == tmp_path / "results.parquet"
    found = pq.read_table(tmp_path / "results.parquet")
    assert found.column_names == ["id", "status", "seconds", "error", "said", "n", "speech", "outputs.status"]
    assert found.to_pydict() == {
        "id": ["a", "b", "c"],
        "status": ["done", "failed", "done"],
        "seconds": [1.0, 0.25, 0.5],
        "error": [None, "step 'hear' failed", None],
        "said": ["olá", None, None],
        "n": [1.0, None, 2.5],
        "speech": ["speech/a.wav", None, None],
        "outputs.status": [None, None, "odd"],
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.jsonl", "results.parquet"]


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([1, None, 2], "int64"),
        ([1, 2.5], "double"),
        ([True, None], "bool"),
        (["a", "b"], "string"),
        ([None, None], "string"),
        ([[1], [], None, [2]], "list<element: int64>"),
        ([[]], "list<element: string>"),
        ([[[1.5]], [[], [2]]], "list<element: list<element: double>>"),
        ([2**63 - 1, 1], "int64"),
    ],
)
def test_types_in_common(tmp_path, values, type_):
    assert column(tmp_path, *values) == (type_, values)


def test_structs(tmp_path):
    type_, found = column(tmp_path, {"a": 1}, {"b": [{"c": "x"}]}, None, {"a": 0.5, "b": None})
    assert type_ == "struct<a: double, b: list<element: struct<c: string>>>"
    assert found == [{"a": 1, "b": None}, {"a": None, "b": [{"c": "x"}]}, None, {"a": 0.5, "b": None}]


@pytest.mark.parametrize(
    "values",
    [
        [1, "a"],
        ["a", 1.5],
        [True, 1],
        [[1, "a"]],
        [[1], 1],
        [{"a": 1}, [["a", 1]]],
        [{"a": 1}, {"a": "x"}],
        [{}],
        [[{}], []],
        [2**70],
        [2**60 + 1, 0.5],
        ["\ud800"],
        [{"\ud800": 1}],
        [{str(n): n} for n in range(200)],
        [{str(n): n for n in range(200)}],
    ],
    ids=str,
)
def test_what_has_nothing_in_common_is_json(tmp_path, values):
    type_, found = column(tmp_path, None, *values)
    assert type_ == "string"
    assert found[0] is None
    assert [json.loads(text) for text in found[1:]] == values


@given(st.lists(data, max_size=6))
def test_nothing_is_lost(tmp_path_factory, values):
    type_, found = column(tmp_path_factory.mktemp("table"), "marker" if not values else None, *values)
    for value, back in zip(values, found[1:], strict=True):
        if type_ == "string" and value is not None and back != value:
            assert json.loads(back) == value
        else:
            assert _without_nulls(back) == _without_nulls(value)


def _without_nulls(value):
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def test_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(ours, "_GROUP_ROWS", 10)
    found = table(tmp_path, *({"n": n if n < 30 else n + 0.5} for n in range(35)))
    assert found.column("n").to_pylist() == [n if n < 30 else n + 0.5 for n in range(35)]
    assert pq.ParquetFile(tmp_path / "results.parquet").num_row_groups == 4


def test_no_rows(tmp_path):
    assert table(tmp_path).column_names == ["id", "status", "seconds", "error"]


def test_deep_data(tmp_path):
    value = "x"
    for _ in range(100):
        value = [value]
    type_, found = column(tmp_path, value)
    assert (type_, json.loads(found[0])) == ("string", value)


def test_an_error_with_parts(tmp_path):
    found = table(tmp_path, {}, error={"step": "hear", "message": "no"})
    assert found.column("error").to_pylist() == [{"step": "hear", "message": "no"}]


def test_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(studio.MissingExtra, match=r"icode-studio\[parquet\]"):
        write_parquet(tmp_path)


def test_where_it_cannot_be_written(tmp_path):
    with pytest.raises(studio.StoreError, match=r"results\.parquet' cannot be written: No such file"):
        write_parquet(tmp_path)
    (tmp_path / "results.jsonl").write_text("")
    (tmp_path / "results.parquet").mkdir()
    with pytest.raises(studio.StoreError, match=r"results\.parquet' cannot be written: Is a directory"):
        write_parquet(tmp_path)
    assert not (tmp_path / ".results.parquet.part").exists()
