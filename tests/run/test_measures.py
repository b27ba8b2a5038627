"""What a node measures: from the worker to events, the result, the cache, the page and the counts of a data set."""

import math

import numpy as np
import pytest

import studio
from studio import Measures, Node
from tests.support.door import load, run_log


class Tokens(Node):
    """Counts letters as if they were tokens."""

    def run(self, text: str) -> str:
        self.measure(tokens=len(text))
        self.measure(tokens=1, beams=np.float32(2))
        return text


class Together(Node):
    """Counts for each task of a batch, and once for all of it."""

    def run(self, text: str) -> str:
        self.measure(tokens=len(text), calls=1)
        return text

    def run_batch(self, calls):
        self.measure(tokens=[len(call["text"]) for call in calls], calls=1)
        self.measure(long=[1 if len(call["text"]) > 4 else None for call in calls])
        return [call["text"] for call in calls]


class Odd(Node):
    """Measures what is no number."""

    class Config(Node.Config):
        what: str

    def run(self, text: str) -> str:
        self.measure(tokens={"nan": math.nan, "word": "many", "flag": True, "list": [1, 2]}[self.config.what])
        return text


GRAPH = "inputs: {text: text}\nnodes: {a: {use: Tokens, in: {text: text}}}\noutputs: {x: a}"
EACH = "inputs: {texts: 'list[text]'}\nnodes: {a: {use: Tokens, each: text, in: {text: texts}}}\noutputs: {x: a}"
NODES = [Tokens, Together, Odd]


def numbers(source, /, **inputs):
    log = run_log(source, nodes=NODES, **inputs)
    log.result.require()
    return log.result.steps["a"].numbers


@pytest.mark.parametrize("executor", ["local", pytest.param("ray", marks=pytest.mark.ray)])
def test_they_come_with_the_event_and_out_of_the_cache(executor, request):
    used = request.getfixturevalue("ray_executor") if executor == "ray" else executor
    for word in ("done", "cached"):
        log = run_log(GRAPH, nodes=NODES, text="abc", options={"executor": used})
        assert log.steps(word) == ["a"]
        assert log.result.steps["a"].numbers == {"tokens": 4, "beams": 2.0}
        assert log.result.as_json({})["steps"]["a"]["numbers"] == {"tokens": 4, "beams": 2.0}


def test_those_of_elements_are_added():
    assert numbers(EACH, texts=["a", "bcd"]) == {"tokens": 6, "beams": 4.0}


def test_each_task_of_a_batch_has_its_own_and_its_share():
    rows = [{"text": "x" * n} for n in range(1, 9)]
    graph = load(GRAPH.replace("Tokens", "Together"), nodes=NODES)
    run = graph.start_map(rows, {}, {"executor": "local", "cache": False})
    list(run.events())
    step = run.stats.of["a"]
    assert step.done == 8
    assert step.numbers["tokens"] == 36
    assert step.as_data()["numbers"]["tokens"] == 36
    assert 1 <= step.numbers["calls"] <= 8


def test_a_task_of_a_batch_may_have_no_number():
    together = GRAPH.replace("Tokens", "Together, batch: 8")
    list(load(together, nodes=NODES).map([{"text": "x" * n} for n in range(1, 9)], options={"executor": "local"}))
    for length, long in ((3, None), (7, 1)):
        log = run_log(together, nodes=NODES, text="x" * length)
        assert log.steps("cached") == ["a"]
        assert log.result.steps["a"].numbers.get("long") == long


def test_rows_that_go_together_count_each_of_their_own():
    rows = [{"text": "x" * (n % 7)} for n in range(500)]
    run = load(GRAPH, nodes=NODES).start_map(rows, {}, {"executor": "local", "cache": False})
    list(run.events())
    assert run.stats.of["a"].numbers["tokens"] == sum(n % 7 + 1 for n in range(500))
    list(load(GRAPH, nodes=NODES).map(rows, options={"executor": "local"}))
    log = run_log(GRAPH, nodes=NODES, text="x" * 6)
    assert log.steps("cached") == ["a"]
    assert log.result.steps["a"].numbers["tokens"] == 7


@pytest.mark.parametrize("what", ["nan", "word", "flag", "list"])
def test_what_is_no_number_is_an_error_of_the_node(what):
    graph = GRAPH.replace("use: Tokens", f"use: Odd, with: {{what: {what}}}")
    log = run_log(graph, nodes=NODES, text="x")
    assert "the measure 'tokens'" in log.result.failures["a"]


def test_a_failed_task_leaves_none_to_the_next():
    class Once(Node):
        """Measures, and fails on some texts."""

        def run(self, text: str) -> str:
            self.measure(tokens=10)
            if text == "bad":
                raise ValueError("bad")
            return text

    graph = load(GRAPH.replace("Tokens", "Once"), nodes=[Once])
    run = graph.start_map([{"text": "bad"}, {"text": "good"}], {}, {"executor": "local", "cache": False})
    list(run.events())
    assert run.stats.of["a"].numbers["tokens"] == 10


def test_the_page_and_the_terminal_show_them(capsys):
    from studio.commands.terminal import Report

    graph = load(GRAPH, nodes=NODES)
    page = graph.page({"text": "abc"}, {"executor": "local"})
    with Report() as report:
        for event in graph.stream(text="abc", options={"executor": "local"}):
            page.hear(event)
            report.hear(event)
    assert "4 tokens, 2 beams" in page.html()
    assert "4 tokens, 2 beams" in capsys.readouterr().err


def test_a_total_adds_seconds_and_numbers():
    total = Measures.total([Measures(1.0, numbers={"a": 1}), Measures(2.0, numbers={"a": 2.5, "b": 1})])
    assert (total.seconds, total.numbers) == (3.0, {"a": 3.5, "b": 1})
    assert total.counted == "3.5 a, 1 b"
    assert studio.Measures is Measures
