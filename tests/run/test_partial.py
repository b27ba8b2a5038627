"""Partial outputs: fewer asked, fewer steps run."""

import pytest

import studio
from tests.support.door import run_log

GRAPH = """
inputs: {a: text, b: text}
nodes:
  x: {use: Upper, in: {text: a}}
  y: {use: Boom, in: {text: b}}
  z: {use: Split, in: {text: x}}
outputs: {one: x, two: y, three: z.length}
"""


def test_only_what_is_wanted_runs():
    log = run_log(GRAPH, a="p", options={"outputs": ["three"]})
    assert log == [("done", "x"), ("done", "z")]
    assert log.outputs == {"three": 1}


def test_inputs_that_nothing_wanted_reads_may_be_missing():
    assert run_log(GRAPH, a="p", options={"outputs": ["one"]}).outputs == {"one": "P"}


def test_an_unknown_output():
    with pytest.raises(studio.UsageError, match=r"no output 'tow'\. Did you mean 'two'"):
        run_log(GRAPH, a="p", options={"outputs": ["tow"]})


def test_an_unknown_step_to_refresh_and_an_unknown_option():
    with pytest.raises(studio.UsageError, match="no step 'q'"):
        run_log(GRAPH, a="p", options={"refresh": ["q"]})
    with pytest.raises(studio.UsageError, match="unknown option 'cash'"):
        run_log(GRAPH, a="p", options={"cash": 1})


def test_a_step_that_no_output_needs_never_runs():
    assert run_log("nodes: {u: {use: Boom, with: {text: a}}, v: {use: Upper, with: {text: a}}}\noutputs: {x: v}") == [
        ("done", "v")
    ]


def test_results_load_one_by_one():
    result = run_log(GRAPH, a="p", options={"outputs": ["one", "three"]}).result
    assert set(result) == {"one", "three"}
    assert len(result) == 2
    with pytest.raises(KeyError, match="there is no output 'two'"):
        result["two"]
