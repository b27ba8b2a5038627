"""Pictures of a plan, and what they show."""

import xml.etree.ElementTree as ET

import pytest

import studio
from tests.door import load

GRAPH = """
graph: pic
description: a <b> & "c"
inputs: {text: text, to: {type: text, default: "<&>"}}
nodes:
  end: {use: Pair, in: {left: s.first, right: to}}
  s: {use: Split, in: {text: text}}
  text_: {use: Join, in: {texts: [end, text]}}
outputs: {x: text_, y: [s.first, s.rest]}
"""


def test_text():
    assert load(GRAPH).draw().splitlines() == [
        'pic · a <b> & "c"',
        "  ○ text: text",
        "  ○ to: text = '<&>'",
        "  ■ s  (Split)",
        "      text ← text",
        "      → first (text), rest (text), length (number)",
        "  ■ end  (Pair)",
        "      left ← s.first",
        "      right ← to",
        "      → text (text)",
        "  ■ text_  (Join)",
        "      texts ← [end.text, text]",
        "      → text (text)",
        "  ● x: text ← text_.text",
        "  ● y: list[text] ← [s.first, s.rest]",
    ]


def test_mermaid():
    lines = load(GRAPH).draw("mermaid").splitlines()
    assert lines[0] == "flowchart TD"
    assert "    s_ -->|first| end_" in lines
    assert "    in_to --> end_" in lines
    assert not any(line.strip().startswith("end[") for line in lines)  # `end` is a word of Mermaid's


def test_svg():
    root = ET.fromstring(load(GRAPH).draw("svg"))
    texts = {part.text for part in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"s", "end", "text_", "text", "to", "x", "y", "Split"} <= texts


@pytest.mark.parametrize(
    ("replicas", "told"),
    [("{min: 1, max: 4}", "1 to 4 workers"), ("3", "1 to 3 workers"), ("{min: 2, max: 2}", "2 workers")],
)
def test_several_workers(replicas, told):
    graph = load(
        f"inputs: {{text: text}}\nnodes: {{s: {{use: Upper, in: {{text: text}}, replicas: {replicas}}}}}\noutputs: {{x: s}}"
    )
    assert f"      {told}" in graph.draw().splitlines()
    assert told in graph.draw("mermaid")
    assert told in graph.draw("svg")


def test_an_unknown_format():
    with pytest.raises(studio.UsageError, match="there is no format 'png'"):
        load(GRAPH).draw("png")


def test_names_that_meet():
    """An input, a step and an output may look alike."""
    graph = "inputs: {in_a: text, a: text}\nnodes: {out_x: {use: Pair, in: {left: a, right: in_a}}}\noutputs: {x: out_x, a: a}"
    ET.fromstring(load(graph).draw("svg"))
    assert len(set(load(graph).draw("mermaid").splitlines())) == 10
