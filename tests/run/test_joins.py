"""Joins: several wires into one list."""

import pytest

from tests.support.door import outputs, run_log


def test_wires_gather_in_their_order():
    graph = "inputs: {a: text, b: text}\nnodes: {j: {use: Join, in: {texts: [b, a, b]}}}\noutputs: {x: j}"
    assert outputs(graph, a="A", b="B") == {"x": "B+A+B"}
    assert run_log(graph, a="B", b="A").steps("done") == ["j"]  # order is content


def test_no_wires_give_an_empty_list():
    assert outputs("nodes: {j: {use: Join, in: {texts: []}}}\noutputs: {x: j}") == {"x": ""}


def test_a_list_goes_whole():
    graph = "inputs: {all: 'list[text]'}\nnodes: {j: {use: Join, in: {texts: all}}}\noutputs: {x: j, all: all}"
    assert outputs(graph, all=["p", "q"]) == {"x": "p+q", "all": ["p", "q"]}


def test_an_output_gathers():
    graph = "inputs: {a: text}\nnodes: {u: {use: Upper, in: {text: a}}}\noutputs: {x: [a, u]}"
    assert outputs(graph, a="a") == {"x": ["a", "A"]}


def test_vectors_gather():
    graph = """
inputs: {a: text, b: text}
nodes:
  p: {use: Embed, in: {text: a}}
  q: {use: Embed, in: {text: b}}
  sum: {use: Total, in: {vectors: [p, q]}}
outputs: {x: sum}
"""
    assert outputs(graph, a="a", b="b") == {"x": 97.0 + 98.0}
    assert run_log(graph, a="a", b="b").steps("cached") == ["p", "q", "sum"]


@pytest.mark.parametrize("given", ["p", ["p", 1], 5])
def test_a_list_input_takes_a_list(given):
    import studio

    with pytest.raises(studio.InputError, match="input 'all'"):
        run_log("inputs: {all: 'list[text]'}\nnodes: {j: {use: Join, in: {texts: all}}}\noutputs: {x: j}", all=given)
