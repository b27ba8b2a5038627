"""YAML, hostile or merely wrong: only GraphError, always with a place, in bounded time."""

import string
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import studio
from studio.language.document import Document
from tests.support.door import load

VALID = """\
graph: dub
description: a graph
inputs:
  speech: text
  to: {type: text, default: pt}
  all: 'list[text]'
x-common: &common {use: Upper}
nodes:
  hear: {<<: *common, in: {text: speech}, resources: {cpus: 0.5, gpus: 0, memory: 1G}, timeout: 10, retries: 1}
  split: {use: Split, in: {text: hear}}
  say:
    use: Fill
    with:
      prompt: |
        {{ a }} and {{ b }}
    in: {a: split.first, b: to}
  join: {use: Join, in: {texts: [say, hear, to]}, cache: never}
outputs:
  said: join
  parts: [split.first, split.rest]
"""
PIECES = ["\n", " ", "  ", ":", ": ", "-", "[", "]", "{", "}", ",", "&a ", "*a", "*common", "!!python/name:os.system ", "!x ", "|", ">", "'", '"', "\\", "#", "?", "? ",
          "%", "@", "`", "\t", "\0", "\u2028", "\ufeff", "---\n", "...\n", "<<: ", ".inf", ".nan", "-.inf", "1e999", "0x1f", "null", "~", "true", "9" * 400, "-1", "text", "use", "in", "with", "nodes:", "${env:HOME}",
          "{{ x", "\ud7ff", "\U0001f600", "list[text]", "asr.whisper", "./x.py:Y", "./" + "x" * 300 + ".py:Y", "a.b", "hear", "resources: {gpus: .inf}", "timeout: .inf", "memory: " + "9" * 400 + "T", "./a\\0.py:X"]  # fmt: skip


def told(text) -> None:
    started = time.thread_time()
    try:
        load(text if "\n" in text else text + "\n").check()
    except studio.GraphError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.line >= 1
            assert problem.column >= 1
            assert problem.message
            assert (
                problem.line
                <= text.count("\n")
                + text.count("\r")
                + text.count("\u2028")
                + text.count("\u2029")
                + text.count("\x85")
                + 2
            )
        assert len(str(error)) < 100_000
    assert time.thread_time() - started < 5


@st.composite
def mutations(draw):
    text = VALID
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        cut = draw(st.integers(0, 12))
        text = text[:at] + draw(st.sampled_from(PIECES) | st.text(string.printable, max_size=4)) + text[at + cut :]
    return text


@given(mutations())
@settings(max_examples=400)
def test_mutations_of_a_valid_graph(text):
    told(text)


@given(st.text(max_size=60))
@settings(max_examples=100)
def test_any_text(text):
    told(text)


@given(st.binary(max_size=80))
@settings(max_examples=100)
def test_any_bytes(data):
    try:
        Document.read(data, "x")
    except studio.GraphError as error:
        assert all(problem.line >= 1 and problem.column >= 1 for problem in error.problems)


tree = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["text", "a", "a.text", "Upper", "list[text]", "Split", "${env:X}", ""]) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["use", "with", "in", "type", "default", "resources", "gpus", "memory", "cpus", "timeout", "text", "texts", "a", "b"]), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from(["graph", "inputs", "nodes", "outputs", "description", "x-a", "$schema"]),
        tree | st.dictionaries(st.sampled_from(["a", "b", "c"]), tree),
        max_size=5,
    )
)
@settings(max_examples=300)
@example({"nodes": {"a": {"use": "Upper", "resources": {"gpus": float("inf")}}}})
@example({"nodes": {"a": {"use": "Upper", "resources": {"memory": "9" * 400 + "T"}}}})
@example({"nodes": {"a": {"use": "Upper", "with": {"text": 10**400}}}})
@example({"nodes": {"a": {"use": "Upper", "timeout": float("inf"), "with": {"text": "a"}}}})
@example({"nodes": {"a": {"use": "./" + "x" * 400 + ".py:Y"}}})
@example({"nodes": {"a": {"use": "./x\0.py:Y"}}})
def test_any_data(data):
    """The same without text: a graph from a dict has no places, but no other error either."""
    try:
        load(data).check()
    except studio.GraphError as error:
        assert all(problem.message for problem in error.problems)


def test_the_valid_one_is_valid():
    (warning,) = load(VALID).check()
    assert str(warning) == "<text>:6:3: nothing reads the input 'all'"


@pytest.mark.parametrize(
    ("text", "value"),
    {
        "no": "no", "yes": "yes", "on": "on", "off": "off", "y": "y", "true": True, "False": False, "null": None, "~": None, "": None,
        "1": 1, "007": 7, "0o17": 15, "0x1F": 31, "1_000": "1_000", "12:30": "12:30", "1:30:00": "1:30:00", "2024-01-02": "2024-01-02",
        "1.0": 1.0, "1e3": 1000.0, "1.": 1.0, ".5": 0.5, "+1": 1, "-0.0": -0.0, "=": "=", "1.2.3": "1.2.3", "'1'": "1", '"no"': "no", "0b1": "0b1",
    }.items(),
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(text, value):
    found = Document.read(f"a: {text}", "x").data["a"]
    assert found == value
    assert type(found) is type(value)


def test_places():
    document = Document.read("a:\n  - b: 1\n    c: [x, y]\n", "f")
    assert document.values["a", 0, "c", 1] == (3, 12)
    assert document.keys["a", 0, "c"] == (3, 5)
    assert str(document.problem(("a", 0, "c", 9), "odd")) == "f:3:8: odd"


def test_aliases_and_merges_are_read():
    data = Document.read("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a, *a]\n", "f").data
    assert data["b"] == {"x": 1, "y": 3}
    assert data["c"] == [{"x": 1, "y": 2}] * 2


@pytest.mark.parametrize(
    "text",
    ["x: " + "[" * 50_000, "{" * 50_000, "- " * 50_000, "a: " + "&a " * 10_000, "? " * 20_000, "x: '" + "a" * (5 << 20) + "'", "a: " + "!t " * 9999 + "1",
     "a: &a [" + "x," * 1000 + "]\n" + "".join(f"b{n}: &b{n} [*a, *a, *a]\n" for n in range(500)), "\n".join(f"k{n}: 1" for n in range(40_000))],
    ids=range(9),
)  # fmt: skip
def test_hostile_text_costs_little(text):
    started = time.thread_time()
    with pytest.raises(studio.GraphError):
        load(text + "\n").check()
    assert time.thread_time() - started < 10


def test_a_graph_of_two_hundred_steps_is_checked_quickly():
    steps = ["  s0: {use: Upper, with: {text: x}}"] + [
        f"  s{n}: {{use: Pair, in: {{left: s{n - 1}, right: s{n // 2}}}}}" for n in range(1, 200)
    ]
    graph = load("nodes:\n" + "\n".join(steps) + "\noutputs: {x: s199}")
    started = time.thread_time()
    graph.check()
    assert time.thread_time() - started < 1.0
