"""The page of a run over a data set: it tells how the run stands, stays small, and no item gets to be HTML."""

import json
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import studio
from studio.dataset.sample import Sample
from studio.page.examples import cut
from tests.page.test_page import Tags, browser  # noqa: F401 a fixture
from tests.support import fakes, shown
from tests.support.door import load
from tests.support.processes import COMMAND, begin, command, python
from tests.support.shown import NASTY

LOCAL = {"executor": "local"}
ROOT = Path(__file__).parents[2]
UPPER = """
graph: shout
description: a <b> & "c"
inputs: {text: text}
nodes:
  first: {use: Upper, in: {text: text}}
  second: {use: Upper, with: {end: "!"}, in: {text: first}}
outputs: {said: second}
"""


class Picky(studio.Node):
    """Takes some texts, and time."""

    class Config(studio.Node.Config):
        seconds: float = 0.0

    def run(self, text: str) -> str:
        time.sleep(self.config.seconds)
        if text.startswith("bad"):
            raise ValueError(f"it is bad: {text}")
        return text


class Look(studio.Node):
    """Boxes on a picture, and a sound to it."""

    def run(self, image: studio.Image) -> studio.Boxes:
        return studio.Boxes([{"box": [1, 2, 30, 40], "label": f"cat {NASTY}", "score": 0.75}])


def run(folder, source, rows, options=None, **more) -> str:
    """The page of a run that has been seen to its end."""
    graph = load(source, nodes=[*fakes.ALL, *shown.ALL, Picky, Look])
    list(graph.map(rows, resume=folder, options={**LOCAL, **(options or {})}, **more))
    return (folder / "report.html").read_text(encoding="utf-8")


def words(html: str) -> str:
    return " ".join(Tags(html).text.split())


def cells(html: str, step: str) -> dict[str, str]:
    """What the table says of a step."""
    row = re.search(rf'<tr id="step-{step}">(.*?)</tr>', html, re.DOTALL)[1]
    return {name: words(cell) for name, cell in re.findall(r'data-name="(.*?)">(.*?)</td>', row)}


PICKY = """
inputs: {text: text}
nodes:
  slow: {use: Picky, with: {seconds: 0.05}, in: {text: text}}
  quick: {use: Upper, in: {text: slow}}
outputs: {x: quick}
"""


def test_how_it_stands(tmp_path):
    html = run(tmp_path, PICKY, [{"id": f"n{n}", "text": f"{'bad' if n % 5 == 4 else 'good'} {n}"} for n in range(20)])
    text = words(html)
    assert "16 of 20" in text
    assert "4 items failed" in text
    assert "slow takes 100 % of the time" in text or "slow takes 99 % of the time" in text
    assert "more replicas or a smaller model there would help most" in text
    slow, quick = cells(html, "slow"), cells(html, "quick")
    assert (slow["done"], slow["failed"], slow["workers"]) == ("16", "4", "1")
    assert (quick["done"], quick["skipped"]) == ("16", "4")
    assert 40 < float(slow["median"].removesuffix(" ms")) < 100
    assert int(slow["at work"].removesuffix(" %")) > 50
    assert "16 done · 4 failed" in text, "on the graph, too"
    assert html.count("slowest</b>") == 1


def test_failures_by_kind_with_ids(tmp_path):
    rows = [{"id": "w1", "text": "bad one"}, {"id": "w2", "text": "fine"}, {"id": "w3", "text": 5}]
    text = words(run(tmp_path, PICKY, rows))
    assert "1 × ValueError in step 'slow' it is bad: bad one" in text
    assert "such as w1" in text
    assert "1 × input" in text
    assert "expected text, not 5" in text
    assert "2 that failed" in text


def test_sessions_add_up(tmp_path):
    rows = [{"id": f"n{n}", "text": f"t{n}"} for n in range(10)]
    first = run(tmp_path, UPPER, rows, {"limit": 4, "cache": False})
    assert cells(first, "first")["done"] == "4"
    html = run(tmp_path, UPPER, rows, {"cache": False})
    assert cells(html, "first")["done"] == "10"
    assert "10 of 10" in words(html)
    assert re.findall(r'data-name="done">(\d+)</td>', html)[-2:] == ["4", "6"]
    assert "this one" in words(html)


KILLED = """
import os, sys
from pathlib import Path
from studio.dataset.results import ResultsFolder
from tests.support.at_rest import line
ResultsFolder.open(Path(sys.argv[1]), {"graph": "shout"}).write([line("n0", 0)])
os._exit(9)  # as by a kill: no end, no figures
"""


def test_a_session_that_was_killed_is_told(tmp_path):
    assert python("-c", KILLED, tmp_path).returncode == 9
    text = words(run(tmp_path, UPPER, [{"id": "n1", "text": "a"}]))
    assert "cut off no figures were kept" in text
    assert "1 of 1" in text


def test_from_the_cache(tmp_path):
    rows = [{"text": f"t{n}"} for n in range(4)]
    run(tmp_path / "a", UPPER, rows)
    html = run(tmp_path / "b", UPPER, rows)
    assert "100 % of all tasks came from the cache" in words(html)
    assert cells(html, "first")["cached"] == "4 100 %"
    assert 'class="step cached' in html


def test_batches_are_told(tmp_path):
    graph = studio.load(
        "inputs: {text: text}\nnodes: {b: {use: Together, batch: 4, in: {text: text}}}\noutputs: {x: b}",
        nodes=[Together],
    )
    list(graph.map([{"text": f"t{n}"} for n in range(40)], resume=tmp_path, options=LOCAL))
    assert float(cells((tmp_path / "report.html").read_text(), "b")["batch"]) > 1


class Together(studio.Node):
    """Texts in batches."""

    def run(self, text: str) -> str:
        return text

    def run_batch(self, tasks: list) -> list:
        time.sleep(0.01)
        return [task["text"] for task in tasks]


ONCE = """
inputs: {text: text}
nodes:
  first: {use: Upper, in: {text: text}}
  all: {use: Longest, scope: dataset, in: {texts: first}}
  broken: {use: Boom, scope: dataset, in: {text: all}}
outputs: {said: first, longest: all, never: broken}
"""


class Longest(studio.Node):
    """The longest of all texts."""

    def run(self, texts: list[str]) -> str:
        return max(texts, key=len)


def test_what_is_made_of_all_items(tmp_path):
    graph = load(ONCE, nodes=[*fakes.ALL, Longest])
    list(graph.map([{"text": "a"}, {"text": "a long one"}], resume=tmp_path, options=LOCAL))
    html = (tmp_path / "report.html").read_text()
    assert "longest text A LONG ONE" in words(html)
    assert "broken failed: ValueError: boom" in words(html)
    assert html.count('id="step-all"') == 1
    assert "done, once" in html


def test_nothing_of_an_item_becomes_html(tmp_path):
    rows = [{"id": f"{NASTY} {n}", "text": f"{'bad' * (n % 2)} {NASTY}"} for n in range(6)]
    source = PICKY.replace("text: slow}", "text: slow}}\n  more: {use: Upper, in: {text: text}")
    html = run(tmp_path, f"graph: x\ndescription: '{NASTY.replace(chr(39), '')}'\n" + source, rows)
    tags = Tags(html).tags
    assert [tag for tag, _ in tags].count("script") == 1
    assert not [attributes for _, attributes in tags if "onerror" in attributes]
    assert html.count("&lt;img src=x") >= 6
    assert NASTY.upper() in Tags(html).text


def test_nothing_is_fetched(tmp_path):
    html = run(tmp_path / "run", LOOKED, pictures(tmp_path, 3))
    for tag, attributes in Tags(html).tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            address = attributes.get(name) or ""
            assert not re.match(r"\w+://|//|/", address), (tag, name, address[:80])
    ids = [attributes["id"] for _, attributes in Tags(html).tags if "id" in attributes]
    assert len(ids) == len(set(ids))


LOOKED = """
inputs: {image: image, sound: audio, text: text}
nodes:
  look: {use: Look, in: {image: image}}
  louder: {use: Louder, in: {audio: sound}}
outputs: {found: look, louder: louder, same: [look, look]}
"""


def pictures(folder, count) -> list[dict]:
    rows = []
    for n in range(count):
        shown.picture(n).save(folder / f"a b{n}.png")
        shown.sound(200 + n).save(folder / f"s{n}.wav")
        rows.append({"id": f"p{n}", "image": folder / f"a b{n}.png", "sound": folder / f"s{n}.wav", "text": "t"})
    return rows


def test_items_are_shown_as_their_kinds_look(tmp_path):
    html = run(tmp_path / "run", LOOKED, pictures(tmp_path, 20))
    tags = Tags(html).tags
    assert html.count('class="card sample"') == 12
    assert [attributes.get("class") for tag, attributes in tags if tag == "svg"].count("overlay") >= 12
    sounds = [attributes["src"] for tag, attributes in tags if tag == "audio"]
    assert len(sounds) == 24  # what was given, and what was made
    for sound in sounds:
        assert (tmp_path / "run" / sound.replace("%20", " ")).is_file()
    assert all(attributes["href"].startswith("data:image/") for tag, attributes in tags if tag == "image")
    numbers = [int(n) for n in re.findall(r'<h3 title="p(\d+)"', html)]
    assert numbers == sorted(numbers)
    assert numbers[0] == 0
    assert numbers[-1] > 15, "from all over the data"


def test_media_that_are_gone_say_so(tmp_path):
    rows = pictures(tmp_path, 1)
    graph = load(LOOKED, nodes=[*fakes.ALL, Look])
    for _ in graph.map(rows, resume=tmp_path / "run", options=LOCAL):
        shutil.rmtree(tmp_path / "run" / "louder")
        (tmp_path / "a b0.png").unlink()
    text = words((tmp_path / "run" / "report.html").read_text())
    assert "This cannot be shown: 'a b0.png' is not where it was" in text
    assert "This cannot be shown: 'p0.wav' is not where it was" in text
    assert "cat" in text, "boxes stand in a table then"
    assert "1 of 1" in text


def test_a_large_run_has_as_small_a_page(tmp_path):
    def rows(count):
        return [
            {"id": f"i{n}" + "x" * 150, "text": ("bad " if n % 10 == 3 else "ok ") + str(n) * 40_000}
            for n in range(count)
        ]

    sizes = []
    for count in (120, 600):
        graph = load(PICKY.replace("0.05", "0"), nodes=[*fakes.ALL, Picky])
        list(graph.map(rows(count), resume=tmp_path / str(count), options={**LOCAL, "cache": False}))
        sizes.append((tmp_path / str(count) / "report.html").stat().st_size)
    assert sizes[1] < sizes[0] * 1.2
    assert sizes[1] < 400_000


def test_written_however_it_ends(tmp_path):
    graph = load(PICKY, nodes=[*fakes.ALL, Picky])
    rows = [{"id": f"n{n}", "text": "t"} for n in range(30)]
    for number, _ in enumerate(graph.map(rows, resume=tmp_path, options={**LOCAL, "window": 4})):
        if number == 5:
            break
    text = words((tmp_path / "report.html").read_text())
    assert "stopped" in text
    assert re.search(r"\d+ of 30", text)
    assert "Go on with what is left" in text


def test_the_words_to_go_on_with(tmp_path):
    text = words(run(tmp_path / "it's", PICKY, [{"id": "a", "text": "bad"}]))
    assert f'graph.map(rows, resume="{tmp_path}/it\'s")' in text
    assert "options={'retry_failed': True})" in text


def mapping(folder, *words) -> list[str]:
    """The words of a command, in a folder with its graph."""
    (folder / "g.yaml").write_text(
        "graph: g\ninputs: {text: text}\n"
        "nodes: {s: {use: 'tests.page.test_dataset_page:Picky', with: {seconds: 0.05}, in: {text: text}}}\noutputs: {x: s}"
    )
    return ["map", "g.yaml", *words, "--executor", "local"]


def test_the_command_to_go_on_with(tmp_path):
    (tmp_path / "my rows.jsonl").write_text('{"text": "bad"}\n{"text": "good"}\n')
    done = command(
        *mapping(tmp_path, "my rows.jsonl", "--out", "run", "--retry-failed", "--fail-fast"), folder=tmp_path
    )
    assert done.returncode == 4, done.stderr
    assert "report: run/report.html" in done.stdout
    html = (tmp_path / "run" / "report.html").read_text()
    commands = [attributes["data-copy"] for _, attributes in Tags(html).tags if "data-copy" in attributes]
    again = "studio map g.yaml 'my rows.jsonl' --out run --fail-fast --executor local"
    assert commands == [again, f"{again} --retry-failed"]


def test_ctrl_c_leaves_a_page(tmp_path):
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"text": "t{n}"}}\n' for n in range(2000)))
    process = begin(COMMAND, *mapping(tmp_path, "rows.jsonl", "--out", "run", "-q"), folder=tmp_path)
    results = tmp_path / "run" / "results.jsonl"
    deadline = time.monotonic() + 30
    while not (results.exists() and results.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert time.monotonic() - started < 6  # two, and some for a busy machine
    assert process.returncode == 130, said
    assert "Go on with what is left" in (tmp_path / "run" / "report.html").read_text()


def test_a_report_that_cannot_be_written_ends_nothing(tmp_path):
    (tmp_path / "run").mkdir()
    run(tmp_path / "run", UPPER, [{"id": "a", "text": "x"}])
    (tmp_path / "run" / "report.html").unlink()
    (tmp_path / "run" / "report.html").mkdir()
    graph = load(UPPER)
    with pytest.warns(UserWarning, match="could not be written"):
        results = list(graph.map([{"id": "b", "text": "y"}], resume=tmp_path / "run", options=LOCAL))
    assert [result.status for result in results] == ["done"]


def test_what_is_long_is_cut_but_not_in_its_parts():
    assert cut("a" * 50, 20) == "a" * 20 + " …"
    assert cut("short", 20) == "short"
    boxes = [{"box": [1, 2, 3, 4], "label": f"n{n}"} for n in range(1000)]
    kept = cut(boxes, 500)
    assert 5 < len(kept) < 20
    assert kept == boxes[: len(kept)]
    assert len(json.dumps(cut({"a": ["x" * 1000] * 1000, "b": 1}, 200))) < 300
    assert cut({"a": 1, "b": None}, 200) == {"a": 1, "b": None}


@pytest.mark.parametrize("count", [0, 1, 11, 24, 25, 26, 1000, 12345])
def test_a_spread_is_even_and_small(count):
    spread = Sample(12)
    for number in range(count):
        spread.add(lambda number=number: number)
    assert min(count, 12) <= len(spread.kept) <= 24
    gaps = np.diff(spread.kept)
    assert len(set(gaps.tolist())) <= 1
    assert not count or count - spread.kept[-1] <= max(1, count / 12)


# In a browser ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_in_a_browser(browser, tmp_path):  # noqa: F811 the fixture
    rows = [*pictures(tmp_path, 14), {"id": "gone", "image": tmp_path / "none.png", "sound": tmp_path / "s0.wav"}]
    run(tmp_path / "run", LOOKED, rows)
    browser.get((tmp_path / "run" / "report.html").as_uri())
    length = """
        const done = arguments[0], sound = document.querySelector("audio"), tell = () => done(sound.duration);
        sound.readyState ? tell() : sound.addEventListener("loadedmetadata", tell);
    """
    browser.set_script_timeout(20)
    assert browser.execute_async_script(length) == pytest.approx(1.0, abs=0.05), "from its place beside the page"
    loaded = "return [...document.images].every((i) => i.naturalWidth > 0) && document.images.length"
    assert browser.execute_script(loaded) is not False
    wide = "return document.documentElement.scrollWidth <= window.innerWidth"
    assert browser.execute_script(wide)
    browser.set_window_size(500, 900)
    assert browser.execute_script(wide), "on a phone nothing sticks out"
    assert json.dumps(browser.get_log("browser")) == "[]"
