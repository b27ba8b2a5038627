"""Steps with `scope: dataset`: once over the values of all rows, however the run went."""

import json
from collections import Counter

import numpy as np
import pytest

import studio
from tests.support import fakes
from tests.support.dataset import lines, mapped, write
from tests.support.door import load, ran, run_log

JOINED = """
graph: joined
inputs: {text: text}
nodes:
  up: {use: 'tests.support.fakes:Upper', in: {text: text}}
  all: {use: 'tests.support.fakes:Join', in: {texts: up}, scope: dataset}
outputs: {up: up, all: all}
"""
FAILING = """
graph: failing
inputs: {text: text}
nodes:
  up: {use: 'tests.support.fakes:Upper', in: {text: text}}
  deed: {use: 'tests.support.fakes:Deed', with: {name: '!', fails_on: bad}, in: {text: text}}
  all: {use: 'tests.support.fakes:Join', in: {texts: up}, scope: dataset}
outputs: {deed: deed, all: all}
"""


class Right(studio.Node):
    """How many predictions are right."""

    def run(self, found: list[str], wanted: list[str], scale: float = 1) -> float:
        assert len(found) == len(wanted)
        return scale * sum(one == other for one, other in zip(found, wanted, strict=True)) / max(len(found), 1)


class Told(studio.Node):
    """A score in words."""

    def run(self, score: float) -> str:
        return f"{score} right"


class Longest(studio.Node):
    """The longest of sounds, and how many there are."""

    def run(self, sounds: list[studio.Audio]) -> dict:
        return {"count": len(sounds), "seconds": max(sound.seconds for sound in sounds)}


def rows_of(*texts):
    return [{"text": text} for text in texts]


def over_all(source, rows, /, options=None, **more) -> dict:
    """What the steps over all rows gave."""
    run = mapped(source, rows, options, **more)
    for _ in run:
        pass
    return dict(run.run.result.require())


# In Python -----------------------------------------------------------------------------------------------------------


def test_a_run_is_a_data_set_of_one_row():
    assert dict(run_log(JOINED, text="a").result.require()) == {"up": "A", "all": "A"}


def test_a_map_runs_it_once_over_all_rows():
    run = mapped(JOINED, rows_of("a", "b", "c"))
    assert [dict(row) for row in run] == [{"up": "A"}, {"up": "B"}, {"up": "C"}]
    assert dict(run.run.result) == {"all": "A+B+C"}
    assert run.run.summary().as_data()["outputs"] == {"all": "A+B+C"}


@pytest.mark.parametrize("options", [{"ordered": False}, {"window": 2}, {"executor": "local", "cache": False}])
def test_values_stand_in_the_order_of_the_data(options):
    slow = JOINED.replace("with", "").replace("'tests.support.fakes:Upper'", "'tests.dataset.test_scope:LaterFirst'")
    assert over_all(slow, rows_of(*"dcba"), options) == {"all": "d+c+b+a"}


class LaterFirst(studio.Node):
    """Takes longer for later letters."""

    inline = True

    def run(self, text: str) -> str:
        import time

        time.sleep((ord(text) - ord("a")) / 50)
        return text


def test_no_rows_at_all():
    assert over_all(JOINED, []) == {"all": ""}


def test_rows_that_failed_are_left_out():
    assert over_all(FAILING, rows_of("a", "bad", "c")) == {"all": "A+C"}
    assert over_all(FAILING, rows_of("bad")) == {"all": ""}


def test_rows_that_cannot_be_read_are_left_out():
    assert over_all(JOINED, [{"text": "a"}, {"texte": "b"}, {"text": 3}, {"text": "d"}]) == {"all": "A+D"}


def test_rows_whose_value_is_absent_are_left_out():
    text = """
inputs: {text: text}
nodes:
  deed: {use: Deed, with: {name: '!', silent_on: hush}, in: {text: text}}
  all: {use: Right, in: {found: deed, wanted: text}, scope: dataset}
outputs: {all: all}
"""
    graph = load(text, nodes=[Right, *fakes.ALL])
    assert over_all(graph, rows_of("a!", "hush")) == {"all": 0.0}
    assert dict(run_log(graph, text="hush").result.require()) == {"all": 0.0}


METRIC = """
graph: metric
inputs: {text: text, label: text, scale: {type: number, default: 1}}
nodes:
  up: {use: 'tests.support.fakes:Upper', in: {text: text}}
  right: {use: 'tests.dataset.test_scope:Right', in: {found: up, wanted: label, scale: scale}, scope: dataset}
  told: {use: 'tests.dataset.test_scope:Told', in: {score: right}, scope: dataset}
outputs: {up: up, right: right, told: told}
"""
LABELLED = [{"text": "a", "label": "A"}, {"text": "b", "label": "x"}]


def test_a_metric_reads_a_column_and_what_is_the_same_for_all():
    assert over_all(METRIC, LABELLED, scale=100) == {"right": 50.0, "told": "50.0 right"}
    assert dict(run_log(METRIC, text="a", label="A").result.require())["right"] == 1.0


def test_what_it_reads_as_one_value_cannot_differ_from_row_to_row():
    told = "'right' runs once over all rows, and reads 'scale': give scale=VALUE"
    with pytest.raises(studio.UsageError, match=told):
        mapped(METRIC, LABELLED, columns={"scale": "factor"})
    with pytest.raises(studio.UsageError, match=told):
        mapped(METRIC.replace("{type: number, default: 1}", "number"), LABELLED)
    twice = """
inputs: {text: text}
nodes:
  all: {use: Join, in: {texts: text}, scope: dataset}
  one: {use: Upper, in: {text: text}, scope: dataset}
outputs: {all: all, one: one}
"""
    with pytest.raises(studio.UsageError, match="'one' runs once over all rows, and reads 'text'"):
        mapped(twice, rows_of("a"))


def test_what_has_a_default_need_not_be_given(tmp_path):
    data = tmp_path / "d.csv"
    data.write_text("text,label\na,A\n")
    assert over_all(METRIC, data)["right"] == 1.0
    data.write_text("text,label,scale\na,A,3\n")
    with pytest.raises(studio.UsageError, match="scale=VALUE"):
        mapped(METRIC, data)


def test_media_of_all_rows(tmp_path):
    for index in range(3):
        studio.Audio(np.zeros(800 * (index + 1), dtype=np.float32), 8000).save(tmp_path / f"{index}.wav")
    text = "inputs: {sound: audio}\nnodes:\n  long: {use: 'tests.dataset.test_scope:Longest', in: {sounds: %s}, scope: dataset}\n  half: {use: Louder, in: {audio: sound}}\noutputs: {half: half, long: long}"
    for source in ("sound", "half"):
        for cache in (None, None, False):
            assert over_all(text % source, str(tmp_path), {"cache": cache}) == {"long": {"count": 3, "seconds": 0.3}}


def test_only_what_is_wanted_runs(tally):
    text = FAILING.replace("'!'", f"'!', tally: '{tally}'")
    assert over_all(text, rows_of("a", "bad"), {"outputs": ["all"]}) == {"all": "A+BAD"}
    assert ran(tally) == 0
    assert over_all(text, rows_of("a"), {"outputs": ["deed"]}) == {}
    assert ran(tally) == 1


def test_it_is_cached_until_a_row_changes(tally):
    text = f"""
inputs: {{text: text}}
nodes:
  all: {{use: Join, in: {{texts: text}}, scope: dataset}}
  count: {{use: Counter, with: {{tally: '{tally}'}}, in: {{text: all}}, scope: dataset}}
outputs: {{count: count}}
"""
    for rows, runs in ((rows_of("a", "b"), 1), (rows_of("a", "b"), 1), (rows_of("b", "a"), 2), (rows_of("b"), 3)):
        over_all(text, rows)
        assert ran(tally) == runs


def test_a_step_over_all_rows_that_fails_fails_no_row():
    text = JOINED.replace("tests.support.fakes:Join", "tests.dataset.test_scope:Never")
    run = mapped(text, rows_of("a"))
    assert [row.status for row in run] == ["done"]
    assert "never" in run.run.summary().as_data()["failed_steps"]["all"]


class Never(studio.Node):
    """Fails."""

    def run(self, texts: list[str]) -> str:
        raise ValueError("never")


# A graph inside the graph --------------------------------------------------------------------------------------------


@pytest.fixture
def outer(tmp_path):
    """A graph with such a step inside a graph inside."""
    (tmp_path / "inner.yaml").write_text(JOINED)

    def made(nodes, outputs):
        (tmp_path / "outer.yaml").write_text(f"inputs: {{text: text}}\nnodes:\n{nodes}\noutputs: {outputs}\n")
        return load(tmp_path / "outer.yaml")

    return made


def test_inside_a_graph_inside(outer):
    graph = outer(
        "  in: {use: ./inner.yaml, in: {text: text}}\n  end: {use: Upper, with: {end: '!'}, in: {text: in.all}, scope: dataset}",
        "{up: in.up, end: end, all: in.all}",
    )
    run = mapped(graph, rows_of("a", "b"))
    assert [dict(row) for row in run] == [{"up": "A"}, {"up": "B"}]
    assert dict(run.run.result) == {"end": "A+B!", "all": "A+B"}


def test_over_what_a_graph_inside_gives(outer):
    graph = outer(
        "  in: {use: ./inner.yaml, in: {text: text}}\n  mine: {use: Join, with: {by: '-'}, in: {texts: in.up}, scope: dataset}",
        "{mine: mine}",
    )
    assert over_all(graph, rows_of("a", "b")) == {"mine": "A-B"}


def test_a_row_cannot_read_what_a_graph_inside_makes_of_all(outer):
    graph = outer("  in: {use: ./inner.yaml, in: {text: text}}\n  end: {use: Upper, in: {text: in.all}}", "{end: end}")
    with pytest.raises(
        studio.GraphError, match=r"outer\.yaml:4:3: step 'end' runs for each row, and 'in/all' is there"
    ):
        graph.check()


def test_it_cannot_run_once_per_element(tmp_path, outer):
    graph = outer(
        "  split: {use: Letters, in: {text: text}}\n  in: {use: ./inner.yaml, each: text, in: {text: split}}",
        "{a: in.all}",
    )
    with pytest.raises(studio.GraphError, match="cannot run once per element"):
        graph.check()


# Stopped and resumed -------------------------------------------------------------------------------------------------


def test_rows_of_earlier_sessions_count_again(tmp_path, tally):
    text = f"""
graph: counted
inputs: {{text: text}}
nodes:
  count: {{use: Counter, with: {{tally: '{tally}'}}, in: {{text: text}}}}
  all: {{use: Join, in: {{texts: count}}, scope: dataset}}
outputs: {{count: count, all: all}}
"""
    rows = rows_of(*"abcdef")
    assert over_all(text, rows, {"limit": 2}, resume=tmp_path / "run") == {"all": "a+b"}
    assert over_all(text, rows, resume=tmp_path / "run") == {"all": "a+b+c+d+e+f"}
    assert ran(tally) == 6
    told = json.loads((tmp_path / "run" / "dataset.json").read_text())
    assert told == {
        "rows": 6,
        "failed": 0,
        "steps": {"all": {"rows": 6, "counted": 6, "failed": 0, "lacked": 0}},
        "outputs": {"all": "a+b+c+d+e+f"},
        "failures": {},
    }
    assert [line["outputs"] for line in lines(tmp_path / "run")] == [{"count": letter} for letter in "abcdef"]


def test_rows_that_failed_before_are_left_out_untried_and_count_once_they_are_done(tmp_path):
    text = f"""
graph: flaky
inputs: {{text: text}}
nodes:
  up: {{use: Upper, in: {{text: text}}}}
  flaky: {{use: Flaky, with: {{tally: '{tmp_path / "tried"}', times: 2}}, in: {{text: text}}}}
  all: {{use: Join, in: {{texts: up}}, scope: dataset}}
outputs: {{flaky: flaky, all: all}}
"""
    rows = rows_of("a", "b")
    options = {"window": 1}
    assert over_all(text, rows, options, resume=tmp_path / "run") == {"all": "B"}
    assert over_all(text, rows, options, resume=tmp_path / "run") == {"all": "B"}
    assert ran(tmp_path / "tried") == 2
    assert over_all(text, rows, {**options, "retry_failed": True}, resume=tmp_path / "run") == {"all": "A+B"}


def test_without_a_cache_rows_of_earlier_sessions_are_made_again(tmp_path):
    rows = rows_of(*"abc")
    over_all(JOINED, rows, {"limit": 1, "cache": False}, resume=tmp_path / "run")
    assert over_all(JOINED, rows, {"cache": False}, resume=tmp_path / "run") == {"all": "A+B+C"}
    assert Counter(line["status"] for line in lines(tmp_path / "run")) == {"done": 3}


# The command ---------------------------------------------------------------------------------------------------------


def test_the_command_tells_and_keeps_it(studio_map):
    (studio_map.folder / "joined.yaml").write_text(JOINED)
    data = write(studio_map.folder / "d.jsonl", rows_of("a", "b"))
    out, _ = studio_map("joined.yaml", data, "--out", "run")
    assert "all: A+B" in out.splitlines()
    assert json.loads((studio_map.folder / "run" / "dataset.json").read_text())["outputs"] == {"all": "A+B"}
    out, _ = studio_map("joined.yaml", data, "--out", "run", "--json")
    assert json.loads(out)["outputs"] == {"all": "A+B"}


def test_the_command_says_what_failed_and_ends_with_1(studio_map):
    (studio_map.folder / "never.yaml").write_text(
        JOINED.replace("tests.support.fakes:Join", "tests.dataset.test_scope:Never")
    )
    data = write(studio_map.folder / "d.jsonl", rows_of("a"))
    out, _ = studio_map("never.yaml", data, "--out", "run", code=1)
    assert "step 'all' failed: ValueError: never" in out
    told = json.loads((studio_map.folder / "run" / "dataset.json").read_text())
    assert "never" in told["failures"]["all"]
    assert [line["status"] for line in lines(studio_map.folder / "run")] == ["done"]


def test_the_command_asks_for_one_value_where_one_is_read(studio_map):
    (studio_map.folder / "metric.yaml").write_text(METRIC)
    data = write(studio_map.folder / "d.jsonl", LABELLED)
    _, err = studio_map("metric.yaml", data, "--input", "scale=factor", "--out", "run", code=2)
    assert "give scale=VALUE for all rows" in err
    out, _ = studio_map("metric.yaml", data, "scale=10", "--out", "run")
    assert "right: 5.0" in out
