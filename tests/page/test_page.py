"""The page of a run: everything is on it, nothing of it is fetched, and no value gets to be HTML."""

import json
import re
import shutil
import time
from html.parser import HTMLParser

import numpy as np
import pytest

import studio
from studio import Measures
from studio.page.phrases import seconds_of
from tests.support import fakes, shown
from tests.support.door import load
from tests.support.shown import NASTY

EVERYTHING = """
graph: shown
description: a <b> & "c"
inputs: {text: {type: text, default: "<&>", description: asked}}
nodes:
  scene: {use: Scene}
  find: {use: Find, in: {image: scene}}
  all: {use: Everything, in: {text: text}}
  find_all: {use: FindAll, in: {images: all.images}}
  tell: {use: Tell, with: {prompt: "Say {{ about }} twice", token: "${env:TOKEN}"}, in: {about: text}}
outputs: {picture: scene, found: find, sound: all.audio, told: tell, many: find_all, maybe: all.absent, bits: all.file,
  m: all.matrix}
"""
LOCAL = {"executor": "local"}


def page_of(source, options=None, **inputs) -> str:
    graph = load(source, nodes=[*fakes.ALL, *shown.ALL])
    options = {**LOCAL, **(options or {})}
    page = graph.page(inputs, options)
    for event in graph.stream(options=options, **inputs):
        page.hear(event)
    return page.html()


@pytest.fixture
def everything(monkeypatch) -> str:
    monkeypatch.setenv("TOKEN", "swordfish-0123456789")
    return page_of(EVERYTHING, text=f"a ship {NASTY}")


class Tags(HTMLParser):
    """All tags with their attributes, and the text outside scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self._raw = [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self._raw = tag in ("script", "style")
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        self._raw = False

    def handle_data(self, data):
        self.text += "" if self._raw else data


def test_every_step_and_value_is_there(everything):
    ids = {attributes.get("id") for _, attributes in Tags(everything).tags}
    assert {f"step-{step}" for step in ("scene", "find", "all", "find_all", "tell")} <= ids
    assert {f"value-all-{port}" for port in shown.All._fields} <= ids
    assert {"input-text", "output-picture", "output-maybe", "output-m"} <= ids
    tags = [tag for tag, _ in Tags(everything).tags]
    assert tags.count("audio") >= 3
    assert tags.count("image") >= 3  # boxes over pictures
    assert {"main", "header", "nav", "footer", "h1"} <= set(tags)
    assert "absent" in Tags(everything).text


def test_nothing_is_fetched(everything):
    for tag, attributes in Tags(everything).tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            address = attributes.get(name) or ""
            assert not address or address.startswith(("data:", "#")), (tag, name, address[:80])
    style = re.search(r"<style>(.*?)</style>", everything, re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style


def test_no_value_becomes_html(everything):
    tags = Tags(everything).tags
    assert [tag for tag, _ in tags].count("script") == 1
    assert not [attributes for _, attributes in tags if "onerror" in attributes]
    assert "onerror=alert(1)" in Tags(everything).text
    assert not [attributes for tag, attributes in tags if tag == "img" and attributes.get("src") == "x"]


def test_no_two_ids_are_the_same(everything):
    ids = [attributes["id"] for _, attributes in Tags(everything).tags if "id" in attributes]
    assert sorted(ids) == sorted(set(ids))
    links = {
        attributes["href"][1:]
        for tag, attributes in Tags(everything).tags
        if attributes.get("href", "").startswith("#")
    }
    assert links <= set(ids)


def test_pictures_have_words_for_those_who_do_not_see_them(everything):
    for tag, attributes in Tags(everything).tags:
        assert tag != "img" or attributes.get("alt")
        assert tag not in ("audio", "video") or attributes.get("aria-label")


def test_prompts_are_shown_filled_in_and_secrets_never(everything):
    text = Tags(everything).text
    assert "Say {{ about }} twice" in text
    assert "Say a ship" in text
    assert "${env:TOKEN}" in text
    assert "swordfish" not in everything


def test_the_graph_says_how_each_step_ended_and_how_long_it_took(everything):
    assert everything.count('class="step done') == 5
    assert 'href="#step-find_all"' in everything


CHAIN = """
nodes:
  first: {use: Slow, with: {seconds: %s}, in: {text: text}}
  second: {use: Upper, in: {text: first}}
inputs: {text: text}
outputs: {x: second}
"""


def test_why_a_step_ran():
    first = Tags(page_of(CHAIN % 0.01, text="a")).text
    assert "Slow has nothing on record" in first
    again = Tags(page_of(CHAIN % 0.01, text="a")).text
    assert "Known already, made on" in again
    assert "2 steps of 2 came from the cache" in again
    other = Tags(page_of(CHAIN % 0.02, text="b")).text
    assert "config.seconds: 0.01 -> 0.02" in other
    assert "input 'text' from text: other content" in other
    assert "input 'text' from first.text: other content" in other


def test_why_without_a_cache_or_on_request():
    assert "no cache was in use" in page_of(CHAIN % 0.01, {"cache": False}, text="a")
    page_of(CHAIN % 0.01, text="a")
    text = Tags(page_of(CHAIN % 0.01, {"refresh": ["first"]}, text="a")).text
    assert "it was asked to run again" in text
    assert "Known already" in text


def test_a_page_asks_the_cache_that_the_run_has(tmp_path, monkeypatch):
    """With the tier of that cache, and no other: here one that cannot be used at all."""
    monkeypatch.setenv("STUDIO_TIER", "nonsense://nowhere")
    cache = studio.Cache(tmp_path / "cache", tier="")
    graph = "inputs: {text: text}\nnodes: {a: {use: Upper, in: {text: text}}}\noutputs: {x: a}"
    load(graph).run(text="before", options={"executor": "local", "cache": cache})
    assert "other content" in page_of(graph, {"cache": cache}, text="after")


def test_steps_of_the_same_run_explain_nothing():
    graph = """
    nodes: {a: {use: Upper, with: {text: x}}, b: {use: Upper, with: {end: "!"}, in: {text: a}}}
    outputs: {x: b}
    """
    assert Tags(page_of(graph)).text.count("Upper has nothing on record") == 4  # twice a step: table and step


def test_the_slowest_step_is_named():
    text = Tags(page_of(CHAIN % 0.1, text="a")).text
    assert "The slowest step was first" in text
    assert "slowest" in text


def test_a_failure_is_told_with_what_it_left_out():
    html = page_of("nodes: {a: {use: Boom, with: {text: '<x>'}}, b: {use: Upper, in: {text: a}}}\noutputs: {x: b}")
    text = Tags(html).text
    assert "ValueError: boom: <x>" in text
    assert "Traceback" in text
    assert "step 'a' failed" in text
    assert "not made" in text
    assert 'class="step failed' in html
    assert 'class="step skipped' in html


def test_only_the_outputs_that_were_wanted():
    graph = "nodes: {a: {use: Upper, with: {text: x}}, b: {use: Upper, with: {text: y}}}\noutputs: {x: a, y: b}"
    html = page_of(graph, {"outputs": ["x"]})
    assert 'id="output-x"' in html
    assert 'id="output-y"' not in html
    assert 'class="step left-out' in html


def test_a_run_that_was_left_says_so():
    graph = load(CHAIN % 0.01)
    page = graph.page({"text": "a"}, LOCAL)
    for event in graph.stream(options=LOCAL, text="a"):
        page.hear(event)
        if isinstance(event, studio.StepFinished):
            break
    assert "stopped" in Tags(page.html()).text


def test_elements_of_a_step_are_told_apart():
    graph = load("nodes: {s: {use: Upper, with: {text: x}}}\noutputs: {x: s}")
    page = graph.page({}, LOCAL)
    list(map(page.hear, [studio.RunStarted("g", ("s",)), studio.StepWaiting("s")]))
    for element in range(150):
        page.hear(studio.StepFinished("s", "k", {}, Measures(0.5, {"compute": 0.5}, time.time(), 1), element=element))
    text = Tags(page.html()).text
    assert "150 elements" in text
    assert "50 more, which are not on this page" in text


def test_media_that_are_large_lie_beside_the_page(tmp_path):
    noise = studio.Audio(np.random.default_rng(0).uniform(-1, 1, 3_000_000).astype(np.float32), 48000)
    graph = load("inputs: {a: audio}\nnodes: {l: {use: Louder, in: {audio: a}}}\noutputs: {x: l}")
    page = graph.page({"a": noise}, LOCAL)
    list(map(page.hear, graph.stream(options=LOCAL, a=noise)))
    path = page.save(tmp_path / "new" / "big run.html")
    assert (tmp_path / "new" / "big run.files" / "001.flac").stat().st_size > 4 << 20
    assert 'src="big%20run.files/001.flac"' in path.read_text()
    assert "in the folder big run.files" in path.read_text()


def test_a_value_that_is_gone_says_so(cache_folder):
    graph = load("nodes: {t: {use: Tone}}\noutputs: {x: t}")
    page = graph.page({}, LOCAL)
    list(map(page.hear, graph.stream(options=LOCAL)))
    shutil.rmtree(cache_folder / "blobs")
    assert "This audio cannot be shown" in Tags(page.html()).text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (0.0001, "< 1 ms"), (0.0042, "4 ms"), (0.25, "0.25 s"), (9.96, "10.0 s"), (75, "75.0 s"), (245, "4 min 5 s"), (7260, "2 h 1 min")],
)  # fmt: skip
def test_seconds_in_words(seconds, words):
    assert seconds_of(seconds) == words


# In a browser ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def browser():
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium here: pip install selenium")
    chromium, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no Chromium and chromedriver here")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,900"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    found.set_page_load_timeout(60)
    yield found
    found.quit()


@pytest.mark.slow
def test_in_a_browser(browser, everything, tmp_path):
    (tmp_path / "page.html").write_text(everything, encoding="utf-8")
    browser.get((tmp_path / "page.html").as_uri())
    length = """
        const done = arguments[0], sound = document.querySelector("audio"), tell = () => done(sound.duration);
        sound.readyState ? tell() : sound.addEventListener("loadedmetadata", tell);
    """
    browser.set_script_timeout(20)
    assert browser.execute_async_script(length) == pytest.approx(1.0, abs=0.05)
    assert browser.execute_script("return document.querySelectorAll('svg.overlay rect.box').length") >= 2
    assert browser.execute_script("return [...document.images].every((i) => !i.complete || i.naturalWidth > 0)")
    browser.execute_script("document.getElementById('step-find').querySelector('details').open = false")
    box = browser.find_element("css selector", "svg.graph a[href='#step-find']")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'})", box)
    box.click()
    assert browser.current_url.endswith("#step-find")
    time.sleep(0.2)
    assert browser.execute_script("return document.getElementById('step-find').querySelector('details').open")
    wide = "return document.documentElement.scrollWidth <= window.innerWidth"
    assert browser.execute_script(wide)
    browser.set_window_size(500, 900)
    assert browser.execute_script(wide), "on a phone nothing sticks out"
    assert json.dumps(browser.get_log("browser")) == "[]"
