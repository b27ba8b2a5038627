"""A failure in one branch: what needs it is skipped, the rest goes on."""

import pytest

import studio
from tests.support.door import load, run_log

GRAPH = """
inputs: {text: text}
nodes:
  good: {use: Upper, in: {text: text}}
  bad: {use: Boom, in: {text: text}}
  after: {use: Upper, in: {text: bad}}
  later: {use: Pair, in: {left: good, right: after}}
  fine: {use: Upper, in: {text: good}}
outputs: {a: later, b: fine}
"""


def test_the_other_branch_goes_on():
    log = run_log(GRAPH, text="x")
    assert log.steps("done") == ["fine", "good"]
    assert log.steps("failed") == ["bad"]
    assert log.steps("skipped") == ["after", "later"]
    assert log.outputs == {"b": "X"}
    assert log.result.steps["after"].message == "step 'bad' failed"


def test_run_raises_with_every_failure():
    with pytest.raises(studio.StepError) as caught:
        load(GRAPH).run(text="x", options={"executor": "local"})
    assert list(caught.value.failures) == ["bad"]
    assert "step 'bad' failed: ValueError: boom: x" in str(caught.value)
    assert caught.value.exit_code == 1


def test_a_failure_is_never_cached():
    run_log(GRAPH, text="x")
    log = run_log(GRAPH, text="x")
    assert log.steps("failed") == ["bad"]
    assert log.steps("cached") == ["fine", "good"]


def test_a_failure_keeps_its_trace_for_the_author():
    (failed,) = run_log(GRAPH, text="x").of(studio.StepFailed)
    assert "fakes.py" in failed.message
    assert "Traceback" in failed.trace
    assert "Traceback" not in failed.message


@pytest.mark.parametrize("node", ["Boom", "Wrong", "BadSetup", "Leaves"])
def test_every_way_to_fail_is_a_line(node):
    log = run_log(f"nodes: {{s: {{use: {node}, with: {{text: x}}}}}}\noutputs: {{o: s}}")
    assert log == [("failed", "s")]
    assert "\n" not in log.result.failures["s"]


def test_retries(tally):
    graph = (
        f"nodes: {{s: {{use: Flaky, with: {{text: x, tally: '{tally}', times: 3}}, retries: 2}}}}\noutputs: {{o: s}}"
    )
    assert run_log(graph) == [("restarted", "s"), ("restarted", "s"), ("done", "s")]


def test_retries_end(tally):
    graph = (
        f"nodes: {{s: {{use: Flaky, with: {{text: x, tally: '{tally}', times: 3}}, retries: 1}}}}\noutputs: {{o: s}}"
    )
    assert run_log(graph) == [("restarted", "s"), ("failed", "s")]


def test_what_cannot_be_set_up_fails_all_who_wait():
    graph = "nodes: {a: {use: BadSetup, with: {text: x}}, b: {use: BadSetup, with: {text: y}}}\noutputs: {o: [a, b]}"
    assert run_log(graph).steps("failed") == ["a", "b"]
