"""A run over a data set that was stopped goes on: by a kill, by a person, or after something has changed."""

import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from pydantic import Field, SecretStr

import studio
from studio import File
from studio.paths import state_folder
from tests.support.dataset import lines, mapped, told, write
from tests.support.door import ran

WORK = """
graph: g
inputs: {text: text}
nodes:
  a: {use: 'tests.support.dataset_nodes:Work', in: {text: text}, with: {tally: TALLY, seconds: 0.0, here: HERE}}
  b: {use: 'tests.support.fakes:Upper', in: {text: a}}
outputs: {x: b}
"""


def graph(folder, name="w", **fields):
    text = WORK.replace("TALLY", f"'{folder / name}.tally'").replace("HERE", f"'{folder / 'here'}'")
    for field, value in fields.items():
        text = text.replace(f"{field}: 0.0", f"{field}: {value}")
    (folder / f"{name}.yaml").write_text(text)
    return f"{name}.yaml"


def rows(count):
    return [{"id": f"i{n}", "text": f"bad{n}" if n % 17 == 3 else f"t{n}"} for n in range(count)]


# Killed ------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("--no-cache", "--unordered")], ids=["cached", "uncached"])
def test_killed_at_ten_random_moments(folder, studio_map, words):
    """Nothing is lost, nothing is doubled, and what a session does again is no more than was on its way."""
    data, window, seed = write(folder / "d.jsonl", rows(150)), 8, random.randrange(1 << 30)
    quick = graph(folder, "quick")
    studio_map(quick, data, "--out", "straight", code=4)
    slow, tally, aim = graph(folder, "slow", seconds=0.02), folder / "slow.tally", random.Random(seed)
    command = (slow, data, "--out", "run", "--window", window, *words)
    for _ in range(10):
        calls, before = ran(tally), len(lines_so_far(folder / "run"))
        process = studio_map.begin(*command)
        time.sleep(aim.uniform(0.2, 0.8))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        gained = len(lines_so_far(folder / "run")) - before
        on_their_way = window + 0.25 / 0.02 + 8  # items, and those that are over and not yet written
        assert ran(tally) - calls - gained <= on_their_way, seed
    studio_map(*command, code=4)
    assert told(folder / "run") == told(folder / "straight"), seed
    if "--no-cache" not in words:
        again = Counter(tally.read_text().splitlines())
        assert sum(again.values()) - len(again) <= 10 * window, seed
    assert studio_map(*command, code=4)[0].startswith("0 done, 0 failed")


def lines_so_far(folder) -> list[bytes]:
    path = folder / "results.jsonl"
    return path.read_bytes().splitlines() if path.exists() else []


# Stopped -----------------------------------------------------------------------


def stopped(studio_map, folder, executor):
    """Ctrl-C with rows on their way: soon over, and told how to go on; then the same command does."""
    data = write(folder / "d.jsonl", [*rows(20), {"id": "long", "text": "long"}, *rows(40)[20:]])
    command = (graph(folder, "slow", seconds=0.01), data, "--out", "run", "--executor", executor)
    process = studio_map.begin(*command)
    end = time.monotonic() + 60
    tally = folder / "slow.tally"
    while not tally.exists() or "long" not in tally.read_text():
        assert time.monotonic() < end, process.poll()
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, err = process.communicate(timeout=40)
    assert time.monotonic() - began < 6  # two, and some for a busy machine
    assert process.returncode == 130
    assert "stopped; what is done is in run: the same command goes on from there" in err
    assert "Traceback" not in err
    assert 0 < len(lines(folder / "run")) < 41
    write(data, rows(40))  # without the one that would take so long
    studio_map(*command, code=4)
    studio_map(graph(folder, "quick"), data, "--out", "straight", code=4)
    assert told(folder / "run") == told(folder / "straight")


def test_stopped_by_a_person(folder, studio_map):
    stopped(studio_map, folder, "local")


@pytest.mark.ray
@pytest.mark.slow
def test_stopped_by_a_person_on_ray(folder, studio_map, no_orphans):
    stopped(studio_map, folder, "ray")


# Changed -----------------------------------------------------------------------


@pytest.fixture
def session(tmp_path):
    """Maps rows into one folder, without a cache: what became of them, and what had to be computed."""
    text = WORK.replace("TALLY", f"'{tmp_path / 'tally'}'").replace("HERE", f"'{tmp_path / 'here'}'")

    def sit(given, source=text, options=None, **inputs):
        (tmp_path / "tally").unlink(missing_ok=True)
        list(mapped(source, given, {"cache": False, **(options or {})}, resume=tmp_path / "run", **inputs))
        made = (tmp_path / "tally").read_text().splitlines() if (tmp_path / "tally").exists() else []
        return [(line["id"], line["outputs"].get("x")) for line in lines(tmp_path / "run")], sorted(made)

    sit.text = text
    return sit


FOUR = [{"id": id, "text": id} for id in "abcd"]


def test_nothing_has_changed(session):
    wanted = [(id, f"{id.upper()}!") for id in "abcd"]
    assert session(FOUR) == (wanted, ["a", "b", "c", "d"])
    assert session(FOUR) == (wanted, [])


def test_a_row_has_changed(session):
    session(FOUR)
    changed = [{**row, "text": "new"} if row["id"] == "b" else row for row in FOUR]
    assert session(changed) == ([("a", "A!"), ("b", "NEW!"), ("c", "C!"), ("d", "D!")], ["new"])


def test_a_row_was_put_between(session):
    session(FOUR)
    more = [*FOUR[:2], {"id": "new", "text": "new"}, *FOUR[2:]]
    assert session(more) == ([("a", "A!"), ("b", "B!"), ("new", "NEW!"), ("c", "C!"), ("d", "D!")], ["new"])


def test_a_row_was_put_between_rows_without_ids(session):
    plain = [{"text": row["text"]} for row in FOUR]
    session(plain)
    found, made = session([*plain[:2], {"text": "new"}, *plain[2:]])
    assert [x for _, x in found] == ["A!", "B!", "NEW!", "C!", "D!"]
    assert made == ["new"]


def test_a_row_is_gone_or_elsewhere(session):
    session(FOUR)
    assert session([FOUR[3], FOUR[0], FOUR[1]]) == ([("d", "D!"), ("a", "A!"), ("b", "B!")], [])


def test_a_column_that_feeds_nothing_has_changed(session):
    session(FOUR)
    assert session([{**row, "note": "other"} for row in FOUR])[1] == []


def test_the_graph_has_changed(session):
    session(FOUR)
    text = session.text.replace("in: {text: a}}", "in: {text: a}, with: {end: '?'}}")
    found, made = session(FOUR, text)
    assert found == [(id, f"{id.upper()}!?") for id in "abcd"]
    assert len(made) == 4
    assert session(FOUR, "# another remark\n" + text)[1] == []


def test_an_input_of_all_has_changed(session):
    text = session.text.replace("{text: text}\n", "{text: text, n: {type: number, default: 1}}\n", 1)
    text = text.replace(
        "nodes:\n", "nodes:\n  t: {use: 'tests.support.fakes:Twice', in: {text: text, times: n}}\n"
    ).replace("Work', in: {text: text}", "Work', in: {text: t}")
    assert session(FOUR[:1], text)[0] == [("a", "A!")]
    assert session(FOUR[:1], text, n=3) == ([("a", "AAA!")], ["aaa"])
    assert session(FOUR[:1], text, n=3)[1] == []


def test_other_outputs_are_wanted(session):
    text = session.text.replace("{x: b}", "{x: b, y: a}")
    assert session(FOUR[:1], text, {"outputs": ["y"]}) == ([("a", None)], ["a"])
    assert session(FOUR[:1], text, {"outputs": ["x"]})[0] == [("a", "A!")]


def test_so_many_and_then_more(session):
    assert session(FOUR, options={"limit": 2}) == ([("a", "A!"), ("b", "B!")], ["a", "b"])
    assert session(FOUR, options={"limit": 3}) == ([("a", "A!"), ("b", "B!"), ("c", "C!")], ["c"])
    assert session(FOUR)[1] == ["d"]


def test_what_failed_is_tried_again_when_asked(session, tmp_path):
    given = [*FOUR[:1], {"id": "if", "text": "if"}, {"id": "bad", "text": "bad"}]
    assert session(given)[0] == [("a", "A!"), ("if", None), ("bad", None)]
    assert session(given)[1] == []
    (tmp_path / "here").touch()
    assert session(given)[1] == []
    assert session(given, options={"retry_failed": True}) == (
        [("a", "A!"), ("if", "IF!"), ("bad", None)],
        ["bad", "if"],
    )


def test_a_row_that_did_not_fit_fits_now(folder, studio_map):
    """A missing file has come: its row is another, and is tried without being asked to."""
    (folder / "s.yaml").write_text("inputs: {file: file}\nnodes: {a: {use: 'tests.support.fakes:Size', in: {file: file}}}\noutputs: {n: a}")  # fmt: skip
    write(folder / "d.jsonl", [{"file": "a.txt"}, {"file": "b.txt"}, {"text": "none"}])
    (folder / "a.txt").write_text("a")
    studio_map("s.yaml", "d.jsonl", "--out", "run", code=4)
    assert [line["outputs"] for line in lines(folder / "run")] == [{"n": 1}, {}, {}]
    (folder / "b.txt").write_text("bb")
    out, _ = studio_map("s.yaml", "d.jsonl", "--out", "run", code=4)
    assert out.startswith("1 done, 0 failed")
    assert [line["outputs"] for line in lines(folder / "run")] == [{"n": 1}, {"n": 2}, {}]
    write(folder / "d.jsonl", [{"file": "a.txt"}, {"file": "b.txt"}])
    out, _ = studio_map("s.yaml", "d.jsonl", "--out", "run")
    assert out.startswith("0 done, 0 failed")


def test_the_code_of_a_node_has_changed(folder, studio_map):
    code = "from studio import Node\nclass Mine(Node):\n    def run(self, text: str) -> str:\n        return text + 'END'\n"
    (folder / "mine.py").write_text(code)
    (folder / "m.yaml").write_text("inputs: {text: text}\nnodes: {m: {use: './mine.py:Mine', in: {text: text}}}\noutputs: {x: m}")  # fmt: skip
    write(folder / "d.jsonl", FOUR)
    studio_map("m.yaml", "d.jsonl", "--out", "run")
    (folder / "mine.py").write_text("# a remark\n" + code)
    assert studio_map("m.yaml", "d.jsonl", "--out", "run")[0].startswith("0 done")
    (folder / "mine.py").write_text(code.replace("END", "end"))
    assert studio_map("m.yaml", "d.jsonl", "--out", "run")[0].startswith("4 done")
    assert [line["outputs"]["x"] for line in lines(folder / "run")] == ["aend", "bend", "cend", "dend"]


# What settings become when they are read ---------------------------------------


class Greets(studio.Node):
    """A greeting, and what its file says."""

    class Config(studio.Node.Config):
        words: str = "hi"
        token: SecretStr = SecretStr("")
        file: Path | None = None
        made: int = Field(default_factory=lambda: MADE[0])

    def run(self, text: str, more: File | None = None) -> str:
        beside = self.config.file.read_text() if self.config.file else ""
        return f"{self.config.words} {text}{beside} {self.config.made} {more is None}"


MADE = [0]
GREETS = """
inputs: {text: text}
nodes: {a: {use: Greets, in: {text: text}, with: {WITH}}}
outputs: {x: a}
"""
INSIDE = "inputs: {text: text}\nnodes: {all: {use: ./greets.yaml, in: {text: text}}}\noutputs: {x: all.x}"


@pytest.mark.parametrize("inside", [False, True], ids=["plain", "graph in a graph"])
@pytest.mark.parametrize("cache", [None, False], ids=["cached", "uncached"])
def test_another_value_of_a_variable_does_the_rows_again(folder, monkeypatch, inside, cache):
    MADE[0] = 0
    text = GREETS.replace("WITH", "words: 'so ${env:WORDS_OF_TEST}!'")
    (folder / "greets.yaml").write_text(text)
    (folder / "outer.yaml").write_text(INSIDE if inside else text)

    def session(words):
        monkeypatch.setenv("WORDS_OF_TEST", words)
        graph = studio.load(folder / "outer.yaml", nodes=[Greets])
        mapped = graph.map([{"text": "a"}], resume=folder / "run", options={"executor": "local", "cache": cache})
        return len([*mapped]), lines(folder / "run")[0]["outputs"]["x"]

    assert session("long ago") == (1, "so long ago! a 0 True")
    assert session("long ago") == (0, "so long ago! a 0 True")
    assert session("far away") == (1, "so far away! a 0 True")
    kept = [path for place in (folder / "run", state_folder()) for path in place.rglob("*") if path.is_file()]
    names = [path.name for path in kept if b"far away" in path.read_bytes()]
    assert set(names) <= {"results.jsonl", "journal.sqlite", "report.html"}, names  # as the node said it


CHANGES = {
    "a default that is made": ("words: hi", lambda folder: MADE.__setitem__(0, MADE[0] + 1)),
    "a file in the config": ("file: f.txt", lambda folder: (folder / "f.txt").write_text("2")),
    "a constant file": ("more: f.txt", lambda folder: (folder / "f.txt").write_text("2")),
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("cache", [None, False], ids=["cached", "uncached"])
def test_what_settings_become_counts(folder, what, cache, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "f.txt").write_text("1")
    setting, change = CHANGES[what]
    (folder / "greets.yaml").write_text(GREETS.replace("WITH", setting))

    def session():
        graph = studio.load(folder / "greets.yaml", nodes=[Greets])
        options = {"executor": "local", "cache": cache}
        return len([*graph.map([{"text": "a"}], resume=folder / "run", options=options)])

    assert [session(), session()] == [1, 0]
    change(folder)
    assert session() == 1
