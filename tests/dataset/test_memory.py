"""A long data set takes no more memory than a short one, but for what tells its ids apart."""

import gc
import tracemalloc

import psutil
import pytest

from tests.support.dataset import mapped

GRAPH = "inputs: {text: text}\nnodes: {a: {use: Upper, in: {text: text}}, b: {use: Join, in: {texts: [a, text]}}}\noutputs: {x: b}"


def rows(count):
    return ({"text": f"text number {n}"} for n in range(count))


@pytest.mark.slow
def test_no_item_is_kept_when_it_is_over():
    """Some hundred bytes an item, in the end: its id."""
    held = {}
    tracemalloc.start()
    try:
        for number, _ in enumerate(mapped(GRAPH, rows(3_600), {"cache": False}), 1):
            if number in (1_000, 3_500):
                gc.collect()
                held[number], _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (held[3_500] - held[1_000]) / 2_500 < 300


@pytest.mark.slow
def test_a_process_does_not_grow(tmp_path):
    """18,000 items more, with a folder for their results."""
    process = psutil.Process()
    for number, each in enumerate(mapped(GRAPH, rows(20_000), {"cache": False}, resume=tmp_path / "run"), 1):
        if number == 2_000:
            gc.collect()
            before = process.memory_info().rss
        last = each["x"]
    assert last == "TEXT NUMBER 19999+text number 19999"
    assert process.memory_info().rss - before < 25 << 20
