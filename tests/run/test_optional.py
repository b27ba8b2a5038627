"""Optional ports, constants and defaults."""

import pytest

import studio
from tests.support.door import outputs, run_log


def test_an_unwired_optional_port_is_none():
    assert outputs("nodes: {m: {use: Maybe}}\noutputs: {x: m}") == {"x": "nothing"}
    assert outputs("nodes: {m: {use: Maybe, with: {text: hi}}}\noutputs: {x: m}") == {"x": "got hi"}


def test_an_absent_output_goes_into_an_optional_port():
    graph = "inputs: {t: text}\nnodes: {p: {use: Perhaps, in: {text: t}}, m: {use: Maybe, in: {text: p}}}\noutputs: {x: m, p: p}"
    assert outputs(graph, t="") == {"x": "nothing", "p": None}
    assert outputs(graph, t="a") == {"x": "got a", "p": "a"}
    assert run_log(graph, t="").steps("cached") == ["m", "p"]


def test_an_optional_input_may_be_left_out():
    graph = "inputs: {t: text?}\nnodes: {m: {use: Maybe, in: {text: t}}}\noutputs: {x: m}"
    assert outputs(graph) == {"x": "nothing"}
    assert outputs(graph, t=None) == {"x": "nothing"}


def test_a_default_port():
    assert outputs("nodes: {t: {use: Twice, with: {text: ab}}}\noutputs: {x: t}") == {"x": "abab"}
    assert outputs("nodes: {t: {use: Twice, with: {text: ab, times: 3}}}\noutputs: {x: t}") == {"x": "ababab"}


def test_a_constant_and_a_wire_of_the_same_value_share_a_key():
    run_log("nodes: {u: {use: Upper, with: {text: hi}}}\noutputs: {x: u}")
    assert run_log("inputs: {t: text}\nnodes: {u: {use: Upper, in: {text: t}}}\noutputs: {x: u}", t="hi") == [
        ("cached", "u")
    ]


def test_an_input_has_a_default():
    graph = "inputs: {t: {type: text, default: no}}\nnodes: {u: {use: Upper, in: {text: t}}}\noutputs: {x: u}"
    assert outputs(graph) == {"x": "NO"}
    assert outputs(graph, t="yes") == {"x": "YES"}


def test_every_missing_and_unknown_input_is_told_at_once():
    graph = "inputs: {t: {type: text, description: what to say}, n: number}\nnodes: {u: {use: Twice, in: {text: t, times: n}}}\noutputs: {x: u}"
    with pytest.raises(studio.InputError) as caught:
        run_log(graph, tt="x")
    assert str(caught.value).splitlines() == [
        "there is no input 'tt'. Did you mean 't'? Inputs: t (text), n (number)",
        "the input 'n' (number) is missing",
        "the input 't' (text) is missing: what to say",
    ]


def test_named_wires_fill_a_template():
    graph = """
inputs: {caption: text, question: text}
nodes: {ask: {use: Fill, with: {prompt: 'See: {{ caption }}. {{ question | upper }}'}, in: {caption: caption, question: question}}}
outputs: {x: ask}
"""
    assert outputs(graph, caption="a cat", question="why?") == {"x": "See: a cat. WHY?"}


def test_a_constant_s_path_starts_from_the_graph_s_folder(tmp_path):
    (tmp_path / "in.bin").write_bytes(b"12345")
    graph = "inputs: {f: {type: file, default: in.bin}}\nnodes: {s: {use: Size, with: {file: in.bin}}, d: {use: Size, in: {file: f}}}\noutputs: {x: s, y: d}"
    (tmp_path / "g.yaml").write_text(graph)
    assert outputs(tmp_path / "g.yaml") == {"x": 5, "y": 5}
    (tmp_path / "in.bin").unlink()
    with pytest.raises(studio.InputError, match=r"no such file: '.*in\.bin'"):
        run_log(tmp_path / "g.yaml")


@pytest.mark.parametrize("kind", ["segments", "boxes"])
def test_the_json_of_marks_by_its_path(tmp_path, kind):
    (tmp_path / "marks.json").write_text("[]")
    graph = f"inputs: {{m: {kind}}}\nnodes: {{u: {{use: Upper, with: {{text: a}}}}}}\noutputs: {{m: m, u: u}}"
    assert list(outputs(graph, m=tmp_path / "marks.json")["m"]) == []
