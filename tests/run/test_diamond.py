"""A diamond: one step feeds two, whose results meet again."""

import pytest

from tests.support.door import ran, run_log

DIAMOND = """
inputs: {{text: text}}
nodes:
  top: {{use: Counter, in: {{text: text}}, with: {{tally: '{tally}'}}}}
  left: {{use: Upper, in: {{text: top}}}}
  right: {{use: Upper, in: {{text: top}}, with: {{end: '{end}'}}}}
  bottom: {{use: Pair, in: {{left: left, right: right}}}}
outputs: {{x: bottom}}
"""


@pytest.fixture
def diamond(tally):
    return lambda end="!": DIAMOND.format(tally=tally, end=end)


def test_all_four(diamond, tally):
    log = run_log(diamond(), text="a")
    assert log[0] == ("done", "top")
    assert log[-1] == ("done", "bottom")
    assert log.steps("done") == ["bottom", "left", "right", "top"]
    assert log.outputs == {"x": "(A A!)"}
    assert ran(tally) == 1


def test_one_side_changed(diamond):
    run_log(diamond(), text="a")
    log = run_log(diamond("?"), text="a")
    assert log.steps("cached") == ["left", "top"]
    assert log.steps("done") == ["bottom", "right"]


def test_refresh_of_the_top_leaves_the_rest_cached(diamond, tally):
    run_log(diamond(), text="a")
    log = run_log(diamond(), text="a", options={"refresh": ["top"]})
    assert log.steps("done") == ["top"]
    assert log.steps("cached") == ["bottom", "left", "right"]
    assert ran(tally) == 2
