"""Graphs inside graphs: inlined, cached together, once per element, with problems in the right file."""

import pytest

import studio
from tests.support.door import load, run_log

INNER = """
inputs: {text: text, end: {type: text, default: "."}, sound: {type: audio, default: tone.wav}}
nodes:
  up: {use: Upper, in: {text: text}}
  pair: {use: Pair, in: {left: up, right: end}}
  level: {use: Loudness, in: {audio: sound}}
outputs: {text: pair, up: up, both: [up, pair], level: level}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "inner.yaml").write_text(INNER)
    run_log("nodes: {t: {use: Tone}}\noutputs: {tone: t}").result.save(tmp_path / "deep")
    return tmp_path


def graph(folder, text):
    path = folder / "outer.yaml"
    path.write_text(text)
    return load(path)


def test_inputs_are_wires_constants_or_defaults(folder):
    outer = "inputs: {t: text}\nnodes: {a: {use: ./deep/inner.yaml, in: {text: t}}, b: {use: ./deep/inner.yaml, in: {text: a.up}, with: {end: '!'}}}\noutputs: {a: a.text, b: b.text, both: a.both}"
    log = run_log(graph(folder, outer), t="x")
    assert log.outputs == {"a": "(X .)", "b": "(X !)", "both": ["X", "(X .)"]}
    assert sorted(log.result.steps) == ["a/pair", "a/up", "b/pair", "b/up"]


def test_a_default_file_lies_beside_its_own_graph(folder):
    outer = "nodes: {a: {use: ./deep/inner.yaml, with: {text: hi}}}\noutputs: {level: a.level}"
    assert run_log(graph(folder, outer)).outputs["level"] > 0


def test_the_cache_is_shared_with_the_graph_alone(folder):
    run_log(load(folder / "deep" / "inner.yaml"), text="x")
    outer = "inputs: {t: text}\nnodes: {a: {use: ./deep/inner.yaml, in: {text: t}}}\noutputs: {a: a.text}"
    assert run_log(graph(folder, outer), t="x").steps("cached") == ["a/pair", "a/up"]


def test_each_over_a_graph_runs_its_steps_once_per_element(folder):
    (folder / "line.yaml").write_text(
        "inputs: {text: text, end: text}\nnodes: {up: {use: Upper, in: {text: text}}, pair: {use: Pair, in: {left: up, right: end}}, fixed: {use: Upper, in: {text: end}}}\noutputs: {text: pair, fixed: fixed}"
    )
    outer = "inputs: {ts: 'list[text]', e: text}\nnodes: {a: {use: ./line.yaml, each: text, in: {text: ts, end: e}}}\noutputs: {x: a.text, fixed: a.fixed}"
    assert run_log(graph(folder, outer), ts=["p", "q"], e="e").outputs == {"x": ["(P e)", "(Q e)"], "fixed": "E"}


def test_each_over_a_graph_that_gathers_is_told(folder):
    outer = "inputs: {ts: 'list[text]'}\nnodes: {a: {use: ./deep/inner.yaml, each: text, in: {text: ts}}}\noutputs: {x: a.both}"
    # `both` gathers what depends on the element
    with pytest.raises(studio.GraphError, match="cannot run once per element"):
        graph(folder, outer).check()


def test_a_condition_holds_for_all_inside(folder):
    outer = "inputs: {t: text, go: bool}\nnodes: {a: {use: ./deep/inner.yaml, when: go, in: {text: t}}}\noutputs: {x: a.text}"
    log = run_log(graph(folder, outer), t="x", go=False)
    assert log.outputs == {"x": None}
    assert log.steps("skipped") == ["a/pair", "a/up"]


def test_graphs_in_graphs_in_graphs(folder):
    (folder / "middle.yaml").write_text(
        "inputs: {t: text}\nnodes: {inner: {use: ./deep/inner.yaml, in: {text: t}, with: {end: '?'}}}\noutputs: {text: inner.text}"
    )
    outer = "inputs: {t: text}\nnodes: {m: {use: ./middle.yaml, in: {t: t}}, n: {use: Upper, in: {text: m}}}\noutputs: {x: n}"
    log = run_log(graph(folder, outer), t="x")
    assert log.outputs == {"x": "(X ?)"}
    assert "m/inner/up" in log.result.steps


def test_optional_inputs_of_a_graph_inside(folder):
    (folder / "opt.yaml").write_text("inputs: {t: 'text?'}\nnodes: {m: {use: Maybe, in: {text: t}}}\noutputs: {x: m}")
    outer = (
        "inputs: {t: 'text?'}\nnodes: {a: {use: ./opt.yaml}, b: {use: ./opt.yaml, in: {t: t}}}\noutputs: {a: a, b: b}"
    )
    assert run_log(graph(folder, outer)).outputs == {"a": "nothing", "b": "nothing"}


def test_a_shipped_graph_by_its_name():
    outer = "inputs: {who: text}\nnodes: {h: {use: hello, in: {name: who}}, u: {use: Upper, in: {text: h}}}\noutputs: {x: u}"
    loaded = load(outer)
    assert "h/" in " ".join(loaded.plan.steps)


def test_it_draws(folder):
    outer = "inputs: {t: text}\nnodes: {a: {use: ./deep/inner.yaml, in: {text: t}}}\noutputs: {a: a.text}"
    for form in ("text", "mermaid", "svg"):
        assert "a/pair" in graph(folder, outer).draw(form)


def test_settings_reach_inside(folder):
    (folder / "middle.yaml").write_text(
        "inputs: {t: text}\nnodes: {inner: {use: ./deep/inner.yaml, in: {text: t}}}\noutputs: {up: inner.up}"
    )
    path = folder / "outer.yaml"
    path.write_text("inputs: {t: text}\nnodes: {m: {use: ./middle.yaml, in: {t: t}}}\noutputs: {x: m}")
    assert run_log(load(path, settings={"m/inner/up.end": "?"}), t="x").outputs == {"x": "X?"}
    for wrong in ("n/up.end", "m/up.end", "m/inner/nobody.end"):
        with pytest.raises(studio.UsageError, match=wrong.rpartition("/")[2].partition(".")[0]):
            load(path, settings={wrong: "?"}).check()


def test_what_a_graph_hands_on_means_the_same_wherever_its_step_stands(tmp_path):
    (tmp_path / "on.yaml").write_text(
        "inputs: {t: text}\nnodes: {up: {use: Upper, with: {text: a}}}\noutputs: {t: t, up: up}"
    )
    steps = [
        "each: {use: Upper, in: {text: t}}",
        "all: {use: Join, in: {texts: each}, scope: dataset}",
        "first: {use: ./on.yaml, in: {t: all}}",
        "second: {use: ./on.yaml, in: {t: first.t}}",
        "end: {use: Upper, in: {text: second.t}, scope: dataset}",
    ]
    for order in (steps, steps[::-1], [*steps[2:], *steps[:2]], [*steps[3:], *steps[:3]]):
        text = "inputs: {t: text}\nnodes:\n" + "".join(f"  {step}\n" for step in order) + "outputs: {end: end}\n"
        edges = graph(tmp_path, text).plan.steps["end"].edges
        assert edges["text"].form == "one", order
