"""What stands before what: a graph as networkx has it, cycles in words, levels in drawings."""

from collections import Counter

import networkx as nx
import pytest

import studio
from tests.support.door import load

EVERY_FORM = """
graph: every form
inputs: {text: text, flag: bool, note: "text?"}
nodes:
  one: {use: Upper, in: {text: text}}
  many: {use: Join, in: {texts: [one, text]}}
  first: {use: Upper, in: {text: {first_of: [one, text]}}}
  list: {use: Letters, in: {text: text}}
  each: {use: Upper, each: text, in: {text: list}}
  guarded: {use: Upper, in: {text: one}, when: flag}
  spared: {use: Upper, in: {text: one}, on_error: {use: many}}
  rows: {use: Join, in: {texts: one}, scope: dataset}
  constant: {use: Upper, with: {text: x}}
outputs: {rows: rows, c: each, d: [one, many], e: {first_of: [guarded, one]}}
"""


@pytest.fixture(scope="module")
def graph():
    return load(EVERY_FORM).to_networkx()


def edges(graph):
    """(start, end, ports, role, form, type) of every edge."""
    return {
        (start, end, f"{w['source_port']}>{w['target_port']}", w["role"], w["form"], w["type"])
        for start, end, w in graph.edges(data=True)
    }


def test_nodes_are_inputs_steps_and_outputs(graph):
    assert isinstance(graph, nx.MultiDiGraph)
    assert graph.graph == {"name": "every form"}
    assert Counter(nx.get_node_attributes(graph, "kind").values()) == {"input": 3, "step": 9, "output": 4}
    assert graph.nodes["input:text"] == {"kind": "input", "type": "text", "required": True}
    assert graph.nodes["input:note"] == {"kind": "input", "type": "text?", "required": False}
    assert graph.nodes["one"] == {"kind": "step", "use": "Upper", "scope": "item", "each": ""}
    assert graph.nodes["each"]["each"] == "text"
    assert graph.nodes["rows"]["scope"] == "dataset"
    assert graph.nodes["output:rows"] == {"kind": "output", "type": "text"}  # a step and an output of one name
    assert graph.nodes["output:d"] == {"kind": "output", "type": "list[text]"}


def test_every_wire_is_an_edge(graph):
    assert edges(graph) == {
        ("input:text", "one", ">text", "input", "one", "text"),
        ("one", "many", "text>texts", "input", "many", "text"),
        ("input:text", "many", ">texts", "input", "many", "text"),
        ("one", "first", "text>text", "input", "first", "text"),
        ("input:text", "first", ">text", "input", "first", "text"),
        ("input:text", "list", ">text", "input", "one", "text"),
        ("list", "each", "text>text", "input", "one", "list[text]"),
        ("one", "guarded", "text>text", "input", "one", "text"),
        ("input:flag", "guarded", ">", "when", "one", "bool"),
        ("one", "spared", "text>text", "input", "one", "text"),
        ("many", "spared", "text>text", "instead", "one", "text"),
        ("one", "rows", "text>texts", "input", "rows", "text"),
        ("rows", "output:rows", "text>", "output", "one", "text"),
        ("each", "output:c", "text>", "output", "one", "list[text]"),
        ("one", "output:d", "text>", "output", "many", "text"),
        ("many", "output:d", "text>", "output", "many", "text"),
        ("guarded", "output:e", "text>", "output", "first", "text"),
        ("one", "output:e", "text>", "output", "first", "text"),
    }
    assert graph.number_of_edges() == 18


def test_two_wires_between_two_steps_are_two_edges():
    text = "inputs: {t: text}\nnodes: {p: {use: Pair, in: {left: t, right: t}}}\noutputs: {o: p}"
    assert sorted(w["target_port"] for w in load(text).to_networkx()["input:t"]["p"].values()) == ["left", "right"]


def test_the_algorithms_of_networkx_hold_on_it(graph):
    assert nx.is_directed_acyclic_graph(graph)
    assert nx.ancestors(graph, "output:c") == {"each", "list", "input:text"}
    assert nx.dag_longest_path(graph)[:3] == ["input:text", "one", "many"]
    assert {id for id in graph if graph.nodes[id]["kind"] == "step" and not nx.descendants(graph, id)} == {
        "first",
        "spared",
        "constant",
    }
    assert "".join(nx.generate_graphml(graph)).count("<edge ") == 18


def test_a_graph_inside_is_gone_through(tmp_path):
    (tmp_path / "inner.yaml").write_text(
        "inputs: {t: text, ts: 'list[text]'}\n"
        "nodes: {up: {use: Upper, in: {text: t}}, all: {use: Join, in: {texts: ts}}}\n"
        "outputs: {up: up, t: t, all: all}"
    )
    (tmp_path / "outer.yaml").write_text(
        "inputs: {t: text}\n"
        "nodes: {j: {use: ./inner.yaml, in: {t: t, ts: [k.up, t]}}, k: {use: ./inner.yaml, in: {t: t}, with: {ts: [a]}}}\n"
        "outputs: {up: j.up, t: j.t, all: j.all}"
    )
    graph = load(tmp_path / "outer.yaml").to_networkx()
    assert {id for id in graph if graph.nodes[id]["kind"] == "step"} == {"j/up", "j/all", "k/up", "k/all"}
    assert edges(graph) == {
        ("input:t", "j/up", ">text", "input", "one", "text"),
        ("input:t", "k/up", ">text", "input", "one", "text"),
        ("k/up", "j/all", "text>texts", "input", "many", "text"),  # gathered outside, read inside
        ("input:t", "j/all", ">texts", "input", "many", "text"),
        ("j/up", "output:up", "text>", "output", "one", "text"),
        ("input:t", "output:t", ">", "output", "one", "text"),
        ("j/all", "output:all", "text>", "output", "one", "text"),
    }


def test_a_wrong_graph_has_none():
    with pytest.raises(studio.GraphError, match="there is no step or input 'nobody'"):
        load("nodes: {s: {use: Upper, in: {text: nobody}}}\noutputs: {o: s}").to_networkx()


def test_every_knot_of_steps_is_told_once():
    ring = "".join(f"  s{n}: {{use: Pair, in: {{left: s{(n + 1) % 9}, right: s{(n + 2) % 9}}}}}\n" for n in range(9))
    with pytest.raises(studio.GraphError) as caught:
        load(
            f"nodes:\n{ring}  a: {{use: Upper, in: {{text: b}}}}\n  b: {{use: Upper, in: {{text: a}}}}\noutputs: {{o: a}}"
        ).check()
    assert [problem.message.partition(": ")[0] for problem in caught.value.problems] == ["the steps form a cycle"] * 2
    assert caught.value.problems[1].message.endswith("a -> b -> a")


def test_a_drawing_has_a_step_below_all_that_it_needs():
    lines = [line.split()[1] for line in load(EVERY_FORM).draw().splitlines() if "■" in line]
    assert lines == ["one", "list", "constant", "many", "first", "guarded", "rows", "each", "spared"]
