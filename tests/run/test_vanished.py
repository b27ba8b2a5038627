"""Stored values that vanish between the look-up and their use: they are made again, and nobody sees that they were gone."""

import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

import studio
from studio.cache import upkeep
from tests.executors.test_contract import executor  # noqa: F401 a fixture
from tests.support import fakes
from tests.support.dataset import ends
from tests.support.door import run_log

GRAPH = """
inputs: {text: text}
nodes:
  low: {use: Tone}
  thief: {use: Thief, cache: never, in: {text: text}, with: {folder: FOLDER, how: HOW}}
  level: {use: After, in: {audio: low, text: thief}}
outputs: {level: level}
"""


def _flip(path: Path) -> None:
    path.chmod(0o644)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 0xFF]))
    os.utime(path)  # clocks of file systems are coarse, and it was made a moment ago


def _cut(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-5])


class Thief(studio.Node):
    """Text as it is; and if that is `b`, the cache is not what it was."""

    class Config(studio.Node.Config):
        folder: str
        how: str = "delete"

    def run(self, text: str) -> str:
        folder = Path(self.config.folder)
        if text != "b":
            return text
        time.sleep(0.05)  # until all is looked up
        if self.config.how == "clear":
            upkeep.clear(studio.Cache(folder))
        elif self.config.how == "everything":
            shutil.rmtree(folder)
        else:
            for blob in (path for path in (folder / "blobs").rglob("*") if path.is_file()):
                {"delete": Path.unlink, "flip": _flip, "cut": _cut}[self.config.how](blob)
        return text


class After(studio.Node):
    """How loud a sound is, once a text is there."""

    def run(self, audio: studio.Audio, text: str) -> str:
        return f"{text} {round(1000 * float(abs(audio.samples).mean()))}"


class Long(studio.Node):
    """More text than stands in a record."""

    def run(self, text: str) -> str:
        return text * 5000


class Silent(studio.Node):
    """Fails where it should give sound."""

    def run(self, text: str) -> studio.Audio:
        raise ValueError(text)


NODES = [*fakes.ALL, Thief, After, Long, Silent]


def filled(graph, folder, how="delete"):
    return graph.replace("FOLDER", str(folder)).replace("HOW", how)


def run(graph, cache_folder, how="delete", **inputs):
    log = run_log(filled(graph, cache_folder, how), nodes=NODES, **inputs)
    assert not log.result.failures, log.result.failures
    return log


@pytest.mark.parametrize("how", ["delete", "cut", "flip", "clear", "everything"])
def test_what_was_a_hit_and_vanished_is_made_again(cache_folder, how):
    first = run(GRAPH, cache_folder, how, text="a")
    log = run(GRAPH, cache_folder, how, text="b")
    assert log.outputs["level"] == first.outputs["level"].replace("a", "b")
    assert log.steps("restarted") == ["low"]
    again = run(GRAPH.replace("thief}", "text}"), cache_folder, text="b")
    assert again.steps("cached") == ["level", "low"]  # and is on record again, with what came of it


def test_it_is_made_again_on_every_executor(executor, cache_folder):  # noqa: F811
    graph = filled(GRAPH, cache_folder)
    options = {"executor": executor}
    run_log(graph, nodes=NODES, options=options, text="a").result.require()
    log = run_log(graph, nodes=NODES, options=options, text="b")
    assert not log.result.failures
    assert log.outputs["level"].startswith("b ")
    assert log.steps("restarted") == ["low"]


def test_elements_and_lists_that_vanished_are_made_again(cache_folder):
    graph = """
inputs: {text: text}
nodes:
  low: {use: Tone, with: {hertz: 200}}
  high: {use: Tone, with: {hertz: 900}}
  louder: {use: Louder, each: audio, in: {audio: [low, high]}}
  thief: {use: Thief, cache: never, in: {text: text}, with: {folder: FOLDER, how: HOW}}
  level: {use: After, each: audio, in: {audio: louder, text: thief}}
outputs: {level: level}
"""
    run(graph, cache_folder, text="a")
    log = run(graph, cache_folder, text="b")
    assert [each.split()[0] for each in log.outputs["level"]] == ["b", "b"]
    assert set(log.steps("restarted")) == {"low", "high", "louder"}


def test_what_a_condition_reads_may_vanish(cache_folder):
    graph = """
inputs: {text: text}
nodes:
  long: {use: Long, with: {text: x}}
  thief: {use: Thief, cache: never, in: {text: text}, with: {folder: FOLDER, how: HOW}}
  level: {use: Upper, in: {text: thief}, when: long != "no"}
outputs: {level: level}
"""
    run(graph, cache_folder, text="a")
    assert run(graph, cache_folder, text="b").outputs["level"] == "B"


def test_what_stood_in_for_a_failed_step_may_vanish(cache_folder):
    graph = """
inputs: {text: text}
nodes:
  spare: {use: Tone}
  loud: {use: Silent, in: {text: text}, on_error: {use: spare}}
  thief: {use: Thief, cache: never, in: {text: text}, with: {folder: FOLDER, how: HOW}}
  level: {use: After, in: {audio: loud, text: thief}}
outputs: {level: level}
"""
    graph = filled(graph, cache_folder)
    for text in ("a", "b"):
        log = run_log(graph, nodes=NODES, text=text)
    assert log.outputs["level"].startswith("b ")
    assert log.steps("restarted") == ["spare"]


ROWS = """
inputs: {text: text}
nodes:
  long: {use: Long, in: {text: text}}
  thief: {use: Thief, cache: never, in: {text: text}, with: {folder: FOLDER, how: HOW}}
  both: {use: Join, cache: never, in: {texts: [long, thief]}}
outputs: {both: both}
"""


@pytest.mark.parametrize("count", [3, 200])  # one by one, and many together
def test_rows_whose_values_vanish_are_whole(cache_folder, count):
    rows = [{"text": "b" if n == count // 2 else f"{n};"} for n in range(count)]
    first = ends(studio.load(filled(ROWS, cache_folder), nodes=NODES), rows)
    again = ends(studio.load(filled(ROWS, cache_folder), nodes=NODES), rows)
    assert all(isinstance(end, dict) for end in [*first.values(), *again.values()])
    assert again == first


def test_files_of_rows_are_put_there_again_if_they_are_what_they_were(cache_folder, tmp_path):
    graph = """
inputs: {sound: audio}
nodes:
  thief: {use: Thief, cache: never, with: {text: b, folder: FOLDER, how: HOW}}
  level: {use: After, cache: never, in: {audio: sound, text: thief}}
outputs: {level: level}
"""
    folder = tmp_path / "sounds"
    folder.mkdir()
    for n in range(3):
        studio.Audio(np.full(8000, n / 4, np.float32), 8000).save(folder / f"{n}.wav")
    found = ends(studio.load(filled(graph, cache_folder), nodes=NODES), folder)
    assert sorted(end["level"] for end in found.values()) == ["b 0", "b 250", "b 500"]


class Once(studio.Node):
    """A long text, which cannot be had a second time."""

    class Config(studio.Node.Config):
        folder: str

    def run(self, text: str) -> str:
        (Path(self.config.folder) / text).mkdir()
        return text * 5000


class Lengths(studio.Node):
    """How many texts there are."""

    def run(self, texts: list[str]) -> int:
        return len(texts)


def test_rows_that_cannot_be_made_again_are_not_left_out_of_a_metric(cache_folder, tmp_path):
    """They were done: neither have they failed, nor is a number right that is made without them."""
    (tmp_path / "once").mkdir()
    once = f'once: {{use: Once, in: {{text: text}}, with: {{folder: "{tmp_path}/once"}}}}'
    graph = f"""
inputs: {{text: text}}
nodes:
  {once}
  thief: {{use: Thief, cache: never, in: {{text: text}}, with: {{folder: FOLDER, how: HOW}}}}
  count: {{use: Lengths, in: {{texts: once}}, scope: dataset}}
outputs: {{once: once, thief: thief, count: count}}
"""
    nodes, rows = [*NODES, Once, Lengths], [{"text": text} for text in "acdeb"]
    plain = f"inputs: {{text: text}}\nnodes:\n  {once}\noutputs: {{once: once}}"
    for text, options in ((plain, {}), (filled(graph, cache_folder), {"resume": tmp_path / "out"})):
        mapped = studio.load(text, nodes=nodes).map(rows, options={"executor": "local"}, **options)
        assert [row.status for row in mapped] == ["done"] * 5
    summary = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert summary["failed"] == 0
    assert summary["outputs"] == {}
    assert summary["failures"]["count"].startswith("what it needs was lost: ")
