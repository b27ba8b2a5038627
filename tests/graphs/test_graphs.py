"""Every shipped graph: it checks without a warning, draws, and opens with what it does and how to run it."""

import re

import pytest

import studio
from studio.paths import GRAPHS, graph_names
from tests.support.door import run_log

NAMES = graph_names()


def test_there_are_some():
    assert "hello" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_is_sound(name):
    graph = studio.load(name)
    assert graph.check() == ()
    assert graph.name == name
    assert graph.plan.description
    assert graph.plan.outputs
    assert all(given.description or given.name for given in graph.plan.inputs.values())


@pytest.mark.parametrize("name", NAMES)
def test_it_draws(name):
    graph = studio.load(name)
    for step in graph.plan.steps:
        assert all(step in graph.draw(form) for form in ("text", "mermaid", "svg"))


@pytest.mark.parametrize("name", NAMES)
def test_its_first_line_says_what_and_how(name):
    first = (GRAPHS / f"{name}.yaml").read_text().splitlines()[0]
    assert re.match(rf"# graphs/{name}\.yaml · .+ studio run (graphs/)?{name}", first)


def test_hello_twice():
    first, second = (run_log(studio.load("hello"), name="Ada") for _ in range(2))
    assert first.outputs == second.outputs == {"greeting": "Hello, Ada! · Olá, Ada!"}
    assert len(second.steps("cached")) == 3
