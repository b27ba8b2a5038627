"""Random graphs with every construct of the language, for many items at once, against the reference interpreter."""

from collections import Counter
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import studio
from studio.executors import executor_class
from tests.language.test_language import LOST, Reference, fails, graphs
from tests.support.dataset import mapped
from tests.support.fakes import Deed, Join, JoinHoled, Letters

ITEMS = [
    {"p": "ab", "q": "", "o": None},
    {"p": "s", "q": "ba", "o": "x"},
    {"p": "", "q": "", "o": None},
    {"p": "bas", "q": "", "o": "a"},
    {"p": "ab", "q": "", "o": None},  # the first one again
    {"p": "xyz", "q": "zs", "o": ""},
    {"p": "b", "q": "a", "o": "b"},
]
GRAPH = {"inputs": {"p": "text", "q": "text", "o": "text?"}}
_numbers = count()


@pytest.fixture(scope="module")
def local():
    executor = executor_class("local")(studio.Machine(cpus=4, memory=1 << 40))
    yield executor
    executor.close()


def written(nodes, tally) -> dict:
    """The steps as a graph has them, each deed told in the tally."""
    steps = {id: {key: value for key, value in node.items() if key != "test"} for id, node in nodes.items()}
    for step in steps.values():
        if step["use"] == "Deed":
            step["with"] = {**step["with"], "tally": str(tally)}
    return steps


def check(case, executor, folder, window, ordered):
    nodes, wanted = case
    references, expected = [], []
    for inputs in ITEMS:
        reference = Reference(nodes, inputs)
        outputs = {f"o{n}": reference.wire(wire) for n, wire in enumerate(wanted)}
        references.append(reference)
        expected.append({name: value for name, value in outputs.items() if value is not LOST})
    runs = sum((reference.runs for reference in references), Counter())
    kept = folder / f"kept{next(_numbers)}"
    for cache in (False, folder / "cache", folder / "cache"):
        tally = kept if cache else folder / f"tally{next(_numbers)}"
        tally.touch()
        graph = {**GRAPH, "nodes": written(nodes, tally), "outputs": {f"o{n}": wire for n, wire in enumerate(wanted)}}
        results = mapped(
            studio.load(graph, nodes=(Deed, Join, JoinHoled, Letters)),
            [{"id": str(n), **inputs} for n, inputs in enumerate(ITEMS)],
            {"executor": executor, "cache": cache, "window": window, "ordered": ordered},
        )
        found = list(results)
        if ordered:
            assert [each.id for each in found] == [str(n) for n in range(len(ITEMS))]
        found.sort(key=lambda each: int(each.id))
        assert [dict(each) for each in found] == expected
        assert [set(each.failures) for each in found] == [reference.failed for reference in references]
        assert [each.status == "failed" for each in found] == [bool(reference.failed) for reference in references]
        for id, step_stats in results.run.stats.of.items():
            assert step_stats.skipped + step_stats.replaced == sum(
                id in reference.skipped | reference.replaced for reference in references
            ), id
        if not cache:
            assert Counter(tally.read_text().splitlines()) == runs
    made = Counter(kept.read_text().splitlines())
    assert made.keys() == runs.keys()
    again = {line for line in runs if fails(nodes, line)}
    assert all(times <= (2 * runs[line] if line in again else 1) for line, times in made.items())


@given(case=graphs(), window=st.integers(1, 9), ordered=st.booleans())
@settings(max_examples=20)
def test_local(case, window, ordered, local, tmp_path_factory):
    check(case, local, tmp_path_factory.mktemp("c"), window, ordered)


@pytest.mark.slow
@given(case=graphs(), window=st.integers(1, 9), ordered=st.booleans())
@settings(max_examples=40)
def test_more_of_them(case, window, ordered, local, tmp_path_factory):
    check(case, local, tmp_path_factory.mktemp("c"), window, ordered)


@pytest.mark.ray
@pytest.mark.slow
@given(case=graphs(), window=st.integers(1, 9), ordered=st.booleans())
@settings(max_examples=8, suppress_health_check=list(HealthCheck))
def test_ray(case, window, ordered, ray_executor, tmp_path_factory):
    check(case, ray_executor, tmp_path_factory.mktemp("c"), window, ordered)


INNER = """
inputs: {text: text, note: text?}
nodes:
  cut: {use: 'tests.support.fakes:Letters', in: {text: text}}
  each: {use: 'tests.support.fakes:Deed', in: {text: cut, note: note}, each: text, with: {name: i, fails_on: f, silent_on: s}, on_error: skip}
  all: {use: 'tests.support.fakes:JoinHoled', in: {texts: each}}
outputs: {joined: all, parts: each}
"""
PLAIN = """
inputs: {text: text, note: text?}
nodes:
  deed: {use: 'tests.support.fakes:Deed', in: {text: text, note: note}, with: {name: p, silent_on: s}}
  up: {use: 'tests.support.fakes:Upper', in: {text: deed}}
outputs: {up: up}
"""
OUTER = """
inputs: {text: text, note: text?}
nodes:
  words: {use: 'tests.support.fakes:Letters', in: {text: text}}
  inner: {use: ./inner.yaml, in: {text: text, note: note}}
  many: {use: ./plain.yaml, in: {text: words}, each: text}
  long: {use: 'tests.support.fakes:Upper', in: {text: text}, when: len(text) > 2}
  one: {use: 'tests.support.fakes:Upper', in: {text: {first_of: [long, inner.joined, text]}}, with: {end: z}}
outputs: {joined: inner.joined, parts: inner.parts, many: many.up, one: one}
"""


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("cache", [True, False])
def test_graphs_in_graphs_give_each_item_what_a_run_of_its_own_gives(local, tmp_path, ordered, cache):
    (tmp_path / "inner.yaml").write_text(INNER)
    (tmp_path / "outer.yaml").write_text(OUTER)
    (tmp_path / "plain.yaml").write_text(PLAIN)
    graph = studio.load(tmp_path / "outer.yaml")
    rows = [{"id": text, "text": text, "note": note} for text, note in zip(
        ["ab", "abc", "f", "fab", "s", "xs", "y", "q", "zzzz", "bfs"], ["n", None] * 5, strict=True)]  # fmt: skip
    options = {"executor": local, "cache": False}
    wanted = {}
    for row in rows:
        run, result = graph.start({name: row[name] for name in ("text", "note") if row[name] is not None}, options)
        list(map(result.hear, run.events()))
        wanted[row["id"]] = dict(result), result.failures
    found = mapped(graph, rows, {"executor": local, "window": 3, "ordered": ordered, **({} if cache else options)})
    assert {each.id: (dict(each), each.failures) for each in found} == wanted
