"""Keys: all that decides a step's outputs, and nothing else; and why a key is new."""

import textwrap

import pytest

import studio
from tests.support.door import load, outputs, ran, run_log

NODE = '''
"""A node of one's own."""
from studio import Node

class Mine(Node):
    """Says it twice."""
    version = "1"

    class Config(Node.Config):
        end: str = "!"
        times: int = 2

    config: Config

    def run(self, text: str) -> str:
        # a comment
        return text * self.config.times + self.config.end
'''
GRAPH = """
inputs: {text: text}
nodes:
  say: {use: './mine.py:Mine', in: {text: text}, with: {end: '?'}}
outputs: {x: say}
"""


@pytest.fixture
def mine(tmp_path):
    """Writes the node and the graph, run once; then says what a change to either makes of it."""
    (tmp_path / "mine.py").write_text(NODE)
    (tmp_path / "graph.yaml").write_text(GRAPH)

    def after(node=NODE, graph=GRAPH, folder=tmp_path, text="a", **more):
        folder.mkdir(exist_ok=True)
        (folder / "mine.py").write_text(node)
        (folder / "graph.yaml").write_text(graph)
        loaded = studio.load(folder / "graph.yaml", **more)
        reasons = {verdict.step: verdict.reasons for verdict in loaded.why(text=text)}
        return run_log(loaded, text=text), reasons

    assert after()[0].outputs == {"x": "aa?"}
    return after


HITS = {
    "nothing": {},
    "the step's name": {"graph": GRAPH.replace("say", "speak")},
    "a comment in the graph": {"graph": "# new\n" + GRAPH},
    "a description": {"graph": GRAPH + "description: new\n"},
    "resources": {"graph": GRAPH.replace("with:", "resources: {cpus: 1}, timeout: 9, retries: 2, with:")},
    "retries": {"graph": GRAPH.replace("with:", "retries: {times: 2, delay: 1.5, backoff: 2}, with:")},
    "a comment in the node": {"node": NODE.replace("# a comment", "# another comment")},
    "a docstring": {"node": NODE.replace("Says it twice.", "Says it.").replace("A node of one's own.", "Mine.")},
    "layout": {"node": NODE.replace("return text", "return \\\n            text")},
    "a default written out": {"graph": GRAPH.replace("end: '?'", "end: '?', times: 2")},
}


@pytest.mark.parametrize("what", HITS)
def test_what_does_not_decide_the_result(mine, what):
    log, reasons = mine(**HITS[what])
    assert log.steps("done") == []
    assert set(reasons.values()) == {()}
    assert log.outputs == {"x": "aa?"}


def test_moving_the_files(mine, tmp_path):
    assert mine(folder=tmp_path / "elsewhere")[0].steps("cached") == ["say"]


MISSES = {
    "config": ({"graph": GRAPH.replace("'?'", "'.'")}, 'config.end: "?" -> "."'),
    "another config": ({"graph": GRAPH.replace("'?'", "'?', times: 3")}, "config.times: 2 -> 3"),
    "a setting": ({"settings": {"say.times": 4}}, "config.times: 2 -> 4"),
    "input": ({"text": "b"}, "input 'text': other content"),
    "code": ({"node": NODE.replace("+ self", "+ ' ' + self")}, "source: the node's code changed"),
    "a default": ({"node": NODE.replace("times: int = 2", "times: int = 5")}, "config.times: 2 -> 5"),
    "version": ({"node": NODE.replace('version = "1"', 'version = "2"')}, "version: 1 -> 2"),
}


@pytest.mark.parametrize("what", MISSES)
def test_what_decides_the_result(mine, what):
    change, says = MISSES[what]
    log, reasons = mine(**change)
    assert log.steps("done") == ["say"]
    assert says in reasons["say"]
    assert mine()[0].steps("cached") == ["say"]  # and what was known before is known still


def test_two_classes_of_one_name_and_other_code():
    """Made by a function: what they close over, and what they hold, tells them apart."""

    def made(factor):
        class Scaled(studio.Node):
            def run(self, text: str) -> str:
                return text * factor

        return Scaled

    graph = "nodes: {s: {use: Scaled, with: {text: a}}}\noutputs: {x: s}"
    assert run_log(graph, nodes=[made(2)]).outputs == {"x": "aa"}
    assert run_log(graph, nodes=[made(3)]).outputs == {"x": "aaa"}
    assert run_log(graph, nodes=[made(2)]) == [("cached", "s")]
    assert run_log(graph, nodes=[made(object.__mul__ if False else 2)]) == [("cached", "s")]


def test_what_cannot_be_told_apart_is_never_cached():
    secret = object()

    class Odd(studio.Node):
        def run(self, text: str) -> str:
            return text + str(secret is not None)

    graph = "nodes: {s: {use: Odd, with: {text: a}}}\noutputs: {x: s}"
    for _ in range(2):
        assert run_log(graph, nodes=[Odd]) == [("done", "s")]
    (verdict,) = load(graph, [Odd]).why()
    assert "cannot be cached: Odd uses 'secret'" in verdict.reasons[0]


def test_weights(tmp_path):
    (tmp_path / "w").write_text("1")
    graph = f"nodes: {{s: {{use: Weighted, with: {{text: a, weights: '{tmp_path / 'w'}'}}}}}}\noutputs: {{x: s}}"
    assert outputs(graph) == {"x": "a1"}
    assert run_log(graph) == [("cached", "s")]
    (tmp_path / "w").write_text("2")
    assert load(graph).why()[0].reasons == ("model: other weights",)
    assert outputs(graph) == {"x": "a2"}


def test_weights_that_are_not_here(tmp_path):
    graph = f"nodes: {{s: {{use: Weighted, with: {{text: a, weights: '{tmp_path / 'w'}'}}}}}}\noutputs: {{x: s}}"
    assert "no weights at" in load(graph).why()[0].reasons[0]
    assert run_log(graph) == [("failed", "s")]


def test_sampling_without_a_seed_is_never_cached():
    graph = "nodes: {s: {use: Random, with: {text: a%s}}}\noutputs: {x: s}"
    assert run_log(graph % "") == run_log(graph % "") == [("done", "s")]
    run_log(graph % ", seed: 1")
    assert run_log(graph % ", seed: 1") == [("cached", "s")]


@pytest.mark.parametrize("word", ["never", "refresh"])
def test_the_graph_decides(word, tally):
    graph = f"nodes: {{s: {{use: Counter, cache: {word}, with: {{text: a, tally: '{tally}'}}}}}}\noutputs: {{x: s}}"
    for _ in range(2):
        assert run_log(graph) == [("done", "s")]
    assert ran(tally) == 2
    assert load(graph).why()[0].reasons == (f"the graph says cache: {word}",)


def test_numbers_of_other_types_are_other_keys():
    graph = "inputs: {n: data}\nnodes: {e: {use: Echo, in: {data: n}}}\noutputs: {x: e}"
    for value in ({"n": 1}, {"n": 1.0}, {"n": "1"}, {"n": True}):
        assert run_log(graph, n=value) == [("done", "e")]


def test_why_without_anything_on_record():
    verdicts = load(
        textwrap.dedent("nodes: {a: {use: Upper, with: {text: x}}, b: {use: Upper, in: {text: a}}}\noutputs: {x: b}")
    ).why()
    assert [(v.step, v.cached, v.reasons) for v in verdicts] == [
        ("a", False, ("Upper has nothing on record",)),
        ("b", False, ("waits for 'a', which runs first",)),
    ]


def test_why_runs_nothing(tally):
    load(f"nodes: {{s: {{use: Counter, with: {{text: a, tally: '{tally}'}}}}}}\noutputs: {{x: s}}").why()
    assert ran(tally) == 0


def test_an_input_file_counts_by_its_content_and_its_name(tmp_path):
    graph = "inputs: {f: file}\nnodes: {s: {use: Size, in: {file: f}}}\noutputs: {x: s}"
    (tmp_path / "other").mkdir()
    first, second, third = tmp_path / "a.bin", tmp_path / "other/a.bin", tmp_path / "b.bin"
    first.write_bytes(b"123")
    third.write_bytes(b"123")
    second.write_bytes(b"123")
    assert run_log(graph, f=first) == [("done", "s")]
    assert run_log(graph, f=second) == [("cached", "s")]
    assert load(graph).why(f=third)[0].reasons == ('input \'file\': another name: "a.bin" -> "b.bin"',)
    assert run_log(graph, f=third) == [("done", "s")]
    second.write_bytes(b"124")  # of the same size
    assert run_log(graph, f=second) == [("done", "s")]


def test_many_threads_may_ask_for_keys_at_once():
    """CPython 3.11 cannot parse in two threads at once, which shows when garbage is collected meanwhile."""
    import gc
    import time
    from concurrent.futures import ThreadPoolExecutor

    from studio.node.source import source_digest
    from tests.support.fakes import Upper

    def pause(*_):
        time.sleep(0)

    gc.callbacks.append(pause)
    threshold = gc.get_threshold()
    gc.set_threshold(50)
    try:
        with ThreadPoolExecutor(8) as threads:
            found = set(threads.map(lambda _: source_digest(Upper, lambda path, name, make: make()), range(16)))
    finally:
        gc.callbacks.remove(pause)
        gc.set_threshold(*threshold)
    assert len(found) == 1


def test_why_is_not_told_by_another_step():
    """The same node elsewhere has other settings: nobody changed them here."""
    graph = "graph: {}\nnodes: {{{}: {{use: Upper, with: {{text: {}, end: '{}'}}}}}}\noutputs: {{x: {}}}"
    load(graph.format("one", "a", "x", "!", "a")).run(options={"executor": "local"})
    assert load(graph.format("two", "a", "y", "?", "a")).why()[0].reasons == ("Upper has not run as this step before",)
    assert load(graph.format("one", "b", "y", "?", "b")).why()[0].reasons == ("Upper has not run as this step before",)
    assert load(graph.format("one", "a", "x", "?", "a")).why()[0].reasons == ('config.end: "!" -> "?"',)
