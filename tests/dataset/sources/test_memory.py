"""Any number of rows takes the memory of one."""

import csv
import itertools
import json
import tracemalloc

import pytest

from studio.dataset.sources import open_rows

COUNT = 200_000


def item(number):
    return {"id": f"clip{number}", "text": f"a text of some length, the {number}th of its kind", "n": number}


def as_jsonl(path):
    path = path / "rows.jsonl"
    with path.open("w") as file:
        file.writelines(json.dumps(item(number)) + "\n" for number in range(COUNT))
    return path


def as_csv(path):
    path = path / "rows.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["id", "text", "n"], *(item(number).values() for number in range(COUNT))])
    return path


def as_parquet(path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"text": [item(number)["text"] for number in range(COUNT)]}), path / "rows.parquet")
    return path / "rows.parquet"


def as_python(path):
    return (item(number) for number in range(COUNT))


@pytest.mark.slow
@pytest.mark.parametrize("write", [as_jsonl, as_csv, as_parquet, as_python])
def test_memory_is_flat(tmp_path, write):
    rows = open_rows(write(tmp_path))
    tracemalloc.start()
    try:
        found = iter(rows)
        read = sum(1 for _ in itertools.islice(found, 2000))
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        read += sum(1 for _ in found)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert read == COUNT
    assert most - before < 1 << 20


def test_a_folder_takes_the_memory_of_its_names(tmp_path):
    for number in range(5000):
        (tmp_path / f"clip{number}.png").touch()
    tracemalloc.start()
    try:
        rows = open_rows(tmp_path)
        tracemalloc.reset_peak()
        _, most = tracemalloc.get_traced_memory()
        read = sum(1 for _ in rows)
    finally:
        tracemalloc.stop()
    assert read == rows.count() == 5000
    assert most < 5000 * 600
