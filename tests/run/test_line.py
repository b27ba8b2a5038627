"""A line: one step after the other."""

from tests.support.door import outputs, run_log

LINE = """
inputs: {text: text}
nodes:
  a: {use: Upper, in: {text: text}, with: {end: a}}
  b: {use: Upper, in: {text: a}, with: {end: b}}
  c: {use: Upper, in: {text: b.text}, with: {end: c}}
outputs: {said: c}
"""


def test_in_order():
    log = run_log(LINE, text="x")
    assert log == [("done", "a"), ("done", "b"), ("done", "c")]
    assert log.outputs == {"said": "XABc"}


def test_a_second_run_is_free():
    run_log(LINE, text="x")
    log = run_log(LINE, text="x")
    assert log == [("cached", "a"), ("cached", "b"), ("cached", "c")]
    assert log.outputs == {"said": "XABc"}


def test_order_in_the_file_does_not_matter():
    backwards = "\n".join([*LINE.splitlines()[:3], *LINE.splitlines()[5:2:-1], LINE.splitlines()[6]])
    assert outputs(backwards, text="x") == {"said": "XABc"}


def test_early_cut_off(tmp_path):
    """A step that runs again and gives the same leaves what follows cached."""
    graph = "nodes: {a: {use: Upper, with: {text: %s}}, b: {use: Upper, in: {text: a}}}\noutputs: {x: b}"
    run_log(graph % "ab")
    assert run_log(graph % "aB") == [("done", "a"), ("cached", "b")]


def test_without_outputs_every_step_runs():
    log = run_log(LINE.replace("outputs: {said: c}", ""), text="x")
    assert log.steps("done") == ["a", "b", "c"]
    assert log.outputs == {}


def test_an_input_may_go_straight_out():
    assert outputs("inputs: {t: text}\nnodes: {a: {use: Upper, in: {text: t}}}\noutputs: {t: t, a: a}", t="x") == {
        "t": "x",
        "a": "X",
    }


def test_the_first_event_and_the_last():
    kinds = [type(event).__name__ for event in run_log(LINE, text="x").events]
    assert kinds[0] == "RunStarted"
    assert kinds[-1] == "RunFinished"
    assert kinds.count("StepStarted") == 3
