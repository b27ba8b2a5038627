"""Conditions, what is absent, merging, and what stands in for a failure."""

from itertools import islice

import studio
from tests.support import fakes
from tests.support.door import load, outputs, ran, run_log

BRANCHES = """
inputs: {t: text, loud: {type: bool, default: true}}
nodes:
  up: {use: Upper, when: loud, in: {text: t}}
  after: {use: Upper, in: {text: up}, with: {end: "!"}}
  quiet: {use: Join, when: not loud, in: {texts: [t, t]}}
  either: {use: Pair, in: {left: {first_of: [after, quiet]}, right: t}}
outputs: {x: either, up: up}
"""


def test_one_branch_or_the_other():
    log = run_log(BRANCHES, t="a")
    assert log.outputs == {"x": "(A! a)", "up": "A"}
    assert log.steps("skipped") == ["quiet"]
    log = run_log(BRANCHES, t="a", loud=False)
    assert log.outputs == {"x": "(a+a a)", "up": None}
    assert log.steps("skipped") == ["after", "up"]
    assert log.result.steps["up"].message == "its condition does not hold: loud"
    assert log.result.steps["after"].message == "its input 'text' (up.text) is absent"
    assert log.result.exit_code == 0


def test_a_skipped_step_gives_null_to_an_optional_port_and_the_default_to_another():
    graph = "inputs: {t: text, n: number}\nnodes: {u: {use: Upper, when: n > 1, in: {text: t}}, m: {use: Maybe, in: {text: u}}}\noutputs: {x: m}"
    assert outputs(graph, t="a", n=1) == {"x": "nothing"}
    assert outputs(graph, t="a", n=2) == {"x": "got A"}
    times = "inputs: {t: text, n: number?}\nnodes: {w: {use: Twice, in: {text: t, times: n}}}\noutputs: {x: w}"
    assert outputs(times, t="ab") == {"x": "abab"}
    assert outputs(times, t="ab", n=1) == {"x": "ab"}


def test_conditions_over_what_steps_made(tmp_path):
    graph = "inputs: {t: text}\nnodes: {s: {use: Split, in: {text: t}}, u: {use: Upper, when: s.length > 2 and s.first != 'x', in: {text: t}}}\noutputs: {x: u}"
    for cache in (False, tmp_path / "c", tmp_path / "c"):
        assert run_log(graph, options={"cache": cache}, t="abc").outputs == {"x": "ABC"}
        assert run_log(graph, options={"cache": cache}, t="xyz").outputs == {"x": None}
        assert run_log(graph, options={"cache": cache}, t="a").outputs == {"x": None}


def test_a_condition_that_cannot_be_decided_fails_its_step():
    graph = "inputs: {d: data}\nnodes: {e: {use: Echo, when: d > 1, in: {data: d}}}\noutputs: {x: e}"
    log = run_log(graph, d={"a": 1})
    assert "cannot be decided" in log.result.failures["e"]


def test_all_branches_absent_is_absent():
    graph = "inputs: {t: text}\nnodes: {a: {use: Upper, when: t == 'a', in: {text: t}}, b: {use: Upper, when: t == 'b', in: {text: t}}}\noutputs: {x: {first_of: [a, b]}, both: [a, b]}"
    assert outputs(graph, t="c") == {"x": None, "both": None}
    assert outputs(graph, t="b") == {"x": "B", "both": None}


def test_on_error_skip():
    graph = "inputs: {t: text}\nnodes: {b: {use: Boom, on_error: skip, in: {text: t}}, u: {use: Upper, in: {text: b}}, m: {use: Maybe, in: {text: b}}}\noutputs: {x: u, y: m}"
    log = run_log(graph, t="a")
    assert log.outputs == {"x": None, "y": "nothing"}
    assert log.result.exit_code == 0
    assert log.result.steps["b"].status == "skipped"
    assert "boom: a" in log.result.steps["b"].message


def test_a_fallback_runs_only_when_it_is_needed(tmp_path):
    graph = f"""
inputs: {{t: text}}
nodes:
  first: {{use: Deed, on_error: {{use: spare}}, in: {{text: t}}, with: {{name: f, fails_on: bad}}}}
  before: {{use: Upper, in: {{text: t}}}}
  spare: {{use: Counter, in: {{text: before}}, with: {{tally: {tmp_path / "tally"}}}}}
outputs: {{x: first}}
"""
    assert outputs(graph, t="good") == {"x": "goodf"}
    assert ran(tmp_path / "tally") == 0
    log = run_log(graph, t="bad")
    assert log.outputs == {"x": "BAD"}
    assert log.result.steps["first"].status == "replaced"
    assert log.result.exit_code == 0
    assert ran(tmp_path / "tally") == 1


def test_a_fallback_that_fails_too_is_the_failure_of_the_step():
    graph = "inputs: {t: text}\nnodes: {a: {use: Boom, on_error: {use: b}, in: {text: t}}, b: {use: Boom, in: {text: t}}, c: {use: Upper, in: {text: a}}}\noutputs: {x: c}"
    log = run_log(graph, t="a")
    assert log.steps("failed") == ["a", "b"]
    assert log.steps("skipped") == ["c"]


def test_several_outputs_have_a_fallback_each():
    graph = """
inputs: {t: text, n: number}
nodes: {b: {use: Wrongs, on_error: {use: {first: t, length: n}}, in: {text: t}}, p: {use: Maybe, in: {text: b.rest}}}
outputs: {a: b.first, n: b.length, p: p}
"""

    class Wrongs(studio.Node):
        """Fails."""

        def run(self, text: str) -> fakes.Parts:
            raise RuntimeError

    log = run_log(graph, nodes=[*fakes.ALL, Wrongs], t="ab", n=7)
    assert log.outputs == {"a": "ab", "n": 7, "p": "nothing"}


def test_an_optional_input_that_is_not_given_skips_what_needs_it():
    graph = "inputs: {t: text?, u: text}\nnodes: {a: {use: Upper, in: {text: t}}, b: {use: Upper, in: {text: {first_of: [t, u]}}}}\noutputs: {a: a, b: b}"
    assert outputs(graph, u="x") == {"a": None, "b": "X"}
    assert outputs(graph, t="y", u="x") == {"a": "Y", "b": "Y"}


def test_why_tells_what_is_skipped():
    run_log(BRANCHES, t="a")
    told = {verdict.step: str(verdict) for verdict in load(BRANCHES).why(t="a")}
    assert told == {
        "up": "cached",
        "after": "cached",
        "either": "cached",
        "quiet": "skipped: its condition does not hold: not loud",
    }


def test_what_failed_is_passed_over_where_the_first_of_several_is_taken():
    for cache in (None, False):
        graph = "inputs: {t: text}\nnodes: {none: {use: Upper, in: {text: t}, when: t == 'b'}, bad: {use: Boom, in: {text: t}}, u: {use: Upper, in: {text: {first_of: [none, bad, t]}}}}\noutputs: {x: u}"
        run = load(graph).stream(options={"executor": "local", "cache": cache}, t="a")
        *_, last = islice(run, 50)  # it once went on for ever
        assert last.outputs["x"].inline == b'"A"'
