"""Once per element: order, zips, caching by the element, failures, empty lists."""

import pytest

import studio
from tests.support.door import load, outputs, ran, run_log

EACH = "inputs: {ts: 'list[text]'}\nnodes: {c: {use: Counter, each: text, in: {text: ts}, with: {tally: TALLY}}}\noutputs: {x: c}"


def each(folder) -> str:
    return EACH.replace("TALLY", str(folder / "tally"))


def test_outputs_are_lists_in_order():
    graph = "inputs: {ts: 'list[text]'}\nnodes: {s: {use: Split, each: text, in: {text: ts}}}\noutputs: {a: s.first, n: s.length}"
    assert outputs(graph, ts=["one", "to", ""]) == {"a": ["o", "t", ""], "n": [3, 2, 0]}


def test_several_ports_go_side_by_side_and_others_are_shared():
    graph = "inputs: {a: 'list[text]', b: text}\nnodes: {p: {use: Pair, each: left, in: {left: a, right: b}}}\noutputs: {x: p}"
    assert outputs(graph, a=["1", "2"], b="z") == {"x": ["(1 z)", "(2 z)"]}
    zipped = "inputs: {a: 'list[text]', b: 'list[text]'}\nnodes: {p: {use: Pair, each: [left, right], in: {left: a, right: b}}}\noutputs: {x: p}"
    assert outputs(zipped, a=["1", "2"], b=["y", "z"]) == {"x": ["(1 y)", "(2 z)"]}


def test_lists_of_different_lengths_are_told():
    graph = "inputs: {a: 'list[text]', b: 'list[text]'}\nnodes: {p: {use: Pair, each: [left, right], in: {left: a, right: b}}}\noutputs: {x: p}"
    log = run_log(graph, a=["1"], b=[])
    assert log.result.failures == {"p": "the lists of 'each' differ in length: left has 1, right has 0"}


def test_an_empty_list_gives_an_empty_list(tmp_path):
    assert outputs(each(tmp_path), ts=[]) == {"x": []}
    assert ran(tmp_path / "tally") == 0


def test_elements_are_cached_one_by_one(tmp_path):
    outputs(each(tmp_path), ts=["a", "b", "c"])
    assert outputs(each(tmp_path), ts=["c", "new", "a"]) == {"x": ["c", "new", "a"]}
    assert ran(tmp_path / "tally") == 4
    log = run_log(each(tmp_path), ts=["new", "b"])
    assert log.result.steps["c"].status == "cached"
    mixed = run_log(each(tmp_path), ts=["newer", "b", "a"]).result.steps["c"]
    assert mixed.elements == {"done": 1, "cached": 2}
    assert mixed.as_data()["elements"] == {"done": 1, "cached": 2}
    assert {event.element for event in log.of(studio.StepCached)} == {0, 1, None}


def test_a_step_without_each_shares_the_cache_of_its_elements(tmp_path):
    outputs(each(tmp_path), ts=["a", "b"])
    single = f"inputs: {{t: text}}\nnodes: {{c: {{use: Counter, in: {{text: t}}, with: {{tally: {tmp_path / 'tally'}}}}}}}\noutputs: {{x: c}}"
    assert run_log(single, t="b").steps("cached") == ["c"]


def test_equal_elements_are_computed_once(tmp_path):
    assert outputs(each(tmp_path), ts=["a"] * 20) == {"x": ["a"] * 20}
    assert ran(tmp_path / "tally") == 1


def test_all_the_others_run_and_are_kept_if_one_fails(tmp_path):
    graph = f"inputs: {{ts: 'list[text]'}}\nnodes: {{d: {{use: Deed, each: text, in: {{text: ts}}, with: {{name: d, tally: {tmp_path / 'tally'}, fails_on: bad}}}}}}\noutputs: {{x: d}}"
    log = run_log(graph, ts=["a", "bad 1", "b", "bad 2"])
    assert log.result.failures["d"].startswith("2 of 4 elements failed; element 1: ValueError: no bad")
    assert [event.element for event in log.of(studio.StepFailed)][:2] == [1, 3]
    assert run_log(graph, ts=["a", "b"]).result.steps["d"].status == "cached"


def test_elements_of_elements():
    graph = """
inputs: {ts: "list[text]"}
nodes:
  letters: {use: Letters, each: text, in: {text: ts}}
  words: {use: Join, each: texts, in: {texts: letters}}
outputs: {letters: letters, words: words}
"""
    assert outputs(graph, ts=["abcd", "x"]) == {"letters": [["a", "b", "c"], ["x"]], "words": ["a+b+c", "x"]}
    assert studio.load(
        {
            "inputs": {"x": "list[list[text]]"},
            "nodes": {"j": {"use": "text.join", "each": "texts", "in": {"texts": "x"}}},
            "outputs": {"y": "j"},
        }
    ).run(x=[["a"], []])["y"] == ["a", ""]


def test_more_elements_than_are_on_their_way_at_a_time(tmp_path):
    words = [f"w{n}" for n in range(1000)]
    assert outputs(each(tmp_path), ts=words) == {"x": words}
    assert ran(tmp_path / "tally") == 1000


def test_an_element_that_is_absent_is_absent_in_the_result(tmp_path):
    graph = "inputs: {ts: 'list[text]'}\nnodes: {p: {use: Perhaps, each: text, in: {text: ts}}, u: {use: Upper, each: text, in: {text: p}}}\noutputs: {x: u}"
    assert outputs(graph, ts=["a", "", "b"]) == {"x": ["A", None, "B"]}


def test_media_elements_and_gathered_ones(tmp_path):
    graph = """
nodes:
  low: {use: Tone, with: {hertz: 200}}
  high: {use: Tone, with: {hertz: 800}}
  loud: {use: Louder, each: audio, in: {audio: [low, high]}, with: {by: 2.0}}
  level: {use: Loudness, each: audio, in: {audio: loud}}
outputs: {level: level, loud: loud}
"""
    for cache in (tmp_path / "c", tmp_path / "c", False):
        log = run_log(graph, options={"cache": cache})
        assert len(log.outputs["loud"]) == len(log.outputs["level"]) == 2


def test_why_counts_the_elements(tmp_path):
    outputs(each(tmp_path), ts=["a", "b"])
    verdict = load(each(tmp_path)).why(ts=["a", "b", "c"])[0]
    assert str(verdict).startswith("runs: 1 of 3 elements are not known; element 2: input 'text': other content")
    assert load(each(tmp_path)).why(ts=["b", "a"])[0].cached


@pytest.mark.ray
def test_on_ray(tmp_path, ray_executor):
    log = run_log(each(tmp_path), options={"executor": ray_executor}, ts=["a", "b", "a"])
    assert log.outputs == {"x": ["a", "b", "a"]}
    assert ran(tmp_path / "tally") == 2
