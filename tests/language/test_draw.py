"""Pictures of a plan, and what they show."""

import typing
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import studio
from studio.language.plan import Edge
from tests.support import fakes
from tests.support.door import load

ROOT = Path(__file__).parents[2]

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


EVERY_FORM = """
inputs: {text: text, flag: bool, holed: 'list[text?]'}
nodes:
  one: {use: Upper, in: {text: text}}
  many: {use: Join, in: {texts: [one, text]}}
  first: {use: Upper, in: {text: {first_of: [one, text]}}}
  filled: {use: Join, in: {texts: {first_of: [holed, text]}}}
  each: {use: Upper, each: text, in: {text: list}, replicas: 2}
  list: {use: Letters, in: {text: text}}
  guarded: {use: Upper, in: {text: one}, when: flag}
  spared: {use: Upper, in: {text: one}, on_error: {use: many}}
  rows: {use: Join, in: {texts: one}, scope: dataset}
outputs: {a: rows, b: spared, c: each, d: [one, many], e: {first_of: [guarded, one]}, f: first, g: filled}
"""


def test_every_form_of_edge_is_drawn_in_every_format():
    plan = load(EVERY_FORM).plan
    drawn = {edge.form for step in plan.steps.values() for edge in step.needed_edges} | {
        e.form for e in plan.outputs.values()
    }
    assert drawn == set(typing.get_args(typing.get_type_hints(Edge)["form"]))
    assert "      texts ← all one.text" in load(EVERY_FORM).draw().splitlines()
    for form in ("mermaid", "svg"):
        assert "rows" in load(EVERY_FORM).draw(form)


GRAPHS = sorted(p for folder in ("graphs", "tests/golden") for p in (ROOT / folder).glob("*.yaml"))


@pytest.mark.parametrize("form", ["text", "mermaid", "svg"])
def test_every_graph_that_is_sound_can_be_drawn(form):
    drawn = 0
    for path in GRAPHS:
        graph = studio.load(path, nodes=fakes.ALL) if not path.with_suffix(".txt").exists() else None
        if graph is not None:
            assert graph.draw(form)
            drawn += 1
    assert drawn >= 4
