"""Lists whose items may be absent: where they come from, where they may go, and what a node is given there."""

import json

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as given_
from hypothesis import strategies as st

import studio
from studio.run.subplan import Subplan
from studio.values.artifact import ABSENT, Artifact
from tests.support import fakes
from tests.support.door import load, outputs, ran, run_log
from tests.support.processes import command


class Count(studio.Node):
    """How many items there are, and how many are absent."""

    def run(self, items: list[str | None]) -> dict:
        return {"items": len(items), "absent": items.count(None)}


class Known(studio.Node):
    """The texts, each absent where it is unknown."""

    def run(self, texts: list[str]) -> list[str | None]:
        return [None if text == "unknown" else text for text in texts]


class JoinLater(studio.Node):
    """Texts in a row, joined by a worker."""

    def run(self, texts: list[str]) -> str:
        return "+".join(texts)


class Nested(studio.Node):
    """Lists of lists, of which any may be absent, and any item of these."""

    def run(self, lists: list[list[str | None] | None]) -> list[list[str | None] | None]:
        return lists


class Greet(studio.Node):
    """A greeting that has a default."""

    def run(self, name: str, greeting: str = "Hello") -> str:
        return f"{greeting} {name}"


class Files(studio.Node):
    """What each file holds, and whether it is there."""

    def run(self, files: list[studio.File | None]) -> dict:
        return {"held": [file and file.path.read_text() for file in files]}


class Bright(studio.Node):
    """The pictures that are large enough."""

    def run(self, image: studio.Image) -> studio.Image | None:
        return image if image.size[0] > 4 else None


NODES = [Count, Known, JoinLater, Nested, Greet, Files, Bright, *fakes.ALL]
PERHAPS = "inputs: {ts: 'list[text]'}\nnodes:\n  p: {use: Perhaps, each: text, in: {text: ts}}\n"


def given(source, **inputs):
    return outputs(load(source, nodes=NODES), **inputs)


def refused(source) -> str:
    with pytest.raises(studio.GraphError) as error:
        load(source, nodes=NODES).check()
    return str(error.value)


# At check -------------------------------------------------------------------------------------------------------------


def test_each_over_an_optional_output_is_refused_where_no_item_may_be_absent():
    told = refused(PERHAPS + "  j: {use: Join, in: {texts: p}}\noutputs: {x: j}")
    assert ":4:" in told
    assert "step 'j': input 'texts' takes list[text], but 'p.text' is list[text?]" in told
    assert (
        "absent: let a text stand in for them, {first_of: [p.text, …]}, or take a node with a port of list[text?]."
        in told
    )


def test_what_an_element_lacks_its_outputs_lack_and_so_on():
    chain = PERHAPS + "  u: {use: Upper, each: text, in: {text: p}}\n  v: {use: Upper, each: text, in: {text: u}}\n"
    assert "'v.text' is list[text?]" in refused(chain + "  j: {use: Join, in: {texts: v}}\noutputs: {x: j}")
    above = chain.replace("  p:", "  w: {use: Join, in: {texts: v}}\n  p:") + "outputs: {x: w}"
    assert "'v.text' is list[text?]" in refused(above)  # the order in the file is free
    assert given(chain + "  c: {use: Count, in: {items: v}}\noutputs: {v: v, c: c}", ts=["a", "", "b"]) == {
        "v": ["A", None, "B"],
        "c": {"items": 3, "absent": 1},
    }


def test_an_optional_port_takes_what_is_absent_up():
    text = PERHAPS + "  m: {use: Maybe, each: text, in: {text: p}}\n  j: {use: Join, in: {texts: m}}\noutputs: {x: j}"
    assert given(text, ts=["a", ""]) == {"x": "got a+nothing"}


def test_a_list_without_holes_goes_where_they_may_be():
    assert given("inputs: {ts: 'list[text]'}\nnodes: {c: {use: Count, in: {items: ts}}}\noutputs: {c: c}", ts=["a"])[
        "c"
    ] == {"items": 1, "absent": 0}


def test_an_input_for_all_rows_is_told_as_what_it_is():
    text = "inputs: {ts: 'list[text?]', t: text}\nnodes:\n  u: {use: Upper, in: {text: t}}\n  j: {use: Join, in: {texts: ts}, scope: dataset}\noutputs: {u: u, j: j}"
    assert "'texts' takes list[text], but 'ts' is list[text?]" in refused(text)


def test_at_each_depth():
    text = "inputs: {ts: '%s'}\nnodes: {n: {use: Join, each: texts, in: {texts: ts}}}\noutputs: {x: n}"
    assert "takes list[list[text]], to run once per element, but 'ts' is list[list[text?]]" in refused(
        text % "list[list[text?]]"
    )
    assert given(text % "list[list[text]?]", ts=[["a", "b"], None]) == {"x": ["a+b", None]}
    lists = [["a", None], None, []]
    both = "inputs: {ts: 'list[list[text?]?]'}\nnodes: {n: {use: Nested, in: {lists: ts}}}\noutputs: {x: n}"
    assert given(both, ts=lists) == {"x": lists}


def test_nodes_say_it(tmp_path):
    from studio.node.node import ports_of

    ports = ports_of(Nested)
    assert str(ports.inputs["lists"].type) == "list[list[text?]?]"
    assert str(ports.outputs["text"].type) == "list[list[text?]?]"
    drawn = load(PERHAPS + "  c: {use: Count, in: {items: p}}\noutputs: {c: c, p: p}", nodes=NODES).draw()
    assert "text (list[text?])" in drawn
    assert "p: list[text?]" in drawn


def test_fallbacks_and_first_of_and_outputs_know_it():
    more = "inputs: {ts: 'list[text]', us: {type: 'list[text?]', default: []}}\nnodes:\n  p: {use: Perhaps, each: text, in: {text: ts}}\n"
    told = refused(more + "  j: {use: Join, in: {texts: {first_of: [ts, us]}}}\noutputs: {x: j, p: p}")
    assert "but 'us' is list[text?]" in told
    told = refused(more + "  l: {use: Letters, in: {text: t}, on_error: {use: p}}\noutputs: {x: l}".replace("t}", "p}"))
    assert "its output 'text' is list[text], but 'p.text' is list[text?]" in told
    graph = load(more + "outputs: {x: {first_of: [p, us]}, y: {first_of: [us, ts]}}", nodes=NODES)
    assert {name: str(type_) for name, type_ in graph.plan.output_types.items()} == {
        "x": "list[text?]",
        "y": "list[text?]",
    }


# What stands in -------------------------------------------------------------------------------------------------------


def test_first_of_a_list_and_a_value_fills_the_holes():
    text = PERHAPS.replace("'list[text]'", "'list[text]', none: {type: text, default: none}")
    text += "  j: {use: Join, in: {texts: {first_of: [p, none]}}}\noutputs: {x: j, y: {first_of: [p, none]}}"
    assert given(text, ts=["a", "", "b"]) == {"x": "a+none+b", "y": ["a", "none", "b"]}
    assert given(text, ts=["a"]) == {"x": "a", "y": ["a"]}
    assert "but 'p.text' is list[text?]" in refused(text.replace("{type: text, default: none}", "text?"))


def test_what_is_filled_is_waited_for():
    """A step is not sent ahead with the promise of a list that is still to be filled."""
    text = "inputs: {ts: 'list[text]', none: {type: text, default: none}}\nnodes:\n  k: {use: Known, in: {texts: ts}}\n  j: {use: JoinLater, in: {texts: {first_of: [k, none]}}}\noutputs: {x: j}"
    for _ in range(3):
        log = run_log(load(text, nodes=NODES), options={"cache": False}, ts=["a", "unknown"])
        assert log.outputs == {"x": "a+none"}
    assert "j" not in Subplan(load(text, nodes=NODES).plan, ["x"]).certain


def test_the_default_of_a_port_stands_in_for_each_item(tmp_path):
    text = "inputs: {names: 'list[text]', gs: 'list[text?]'}\nnodes:\n  g: {use: Greet, each: [name, greeting], in: {name: names, greeting: gs}}\n  j: {use: Join, in: {texts: g}}\noutputs: {x: j}"
    for cache in (tmp_path, tmp_path, False):
        log = run_log(load(text, nodes=NODES), options={"cache": cache}, names=["a", "b"], gs=[None, "Hi"])
        assert log.outputs == {"x": "Hello a+Hi b"}
    alone = "nodes: {g: {use: Greet, with: {name: a}}}\noutputs: {x: g}"
    assert run_log(load(alone, nodes=NODES), options={"cache": tmp_path}).steps("cached") == ["g"]  # as if not wired


def test_a_gathered_list_has_holes_where_they_are_taken():
    text = "inputs: {a: text, b: 'text?'}\nnodes:\n  c: {use: %s, in: {%s: [a, b]}}\noutputs: {x: c}"
    assert given(text % ("Count", "items"), a="a") == {"x": {"items": 2, "absent": 1}}
    assert given(text % ("Join", "texts"), a="a") == {"x": None}
    greeted = "inputs: {a: text, b: 'text?'}\nnodes:\n  g: {use: Greet, each: greeting, with: {name: x}, in: {greeting: [a, b]}}\noutputs: {x: g}"
    assert given(greeted, a="Hi") == {"x": ["Hi x", "Hello x"]}


# Graphs inside --------------------------------------------------------------------------------------------------------

INNER = "inputs: {word: text, mark: {type: text, default: '!'}}\nnodes:\n  p: {use: Perhaps, in: {text: word}}\n  u: {use: Upper, in: {text: p}}\n  m: {use: Maybe, in: {text: p}}\n  g: {use: Greet, in: {name: mark, greeting: word}}\noutputs: {u: u, m: m, g: g, word: word}\n"


def test_through_a_graph_inside(tmp_path):
    (tmp_path / "inner.yaml").write_text(INNER)
    outer = "inputs: {ws: '%s', ms: {type: 'list[text?]', default: [null, '?']}}\nnodes:\n  in: {use: ./inner.yaml, each: [word, mark], in: {word: ws, mark: ms}}\noutputs: {u: in.u, m: in.m, g: in.g, word: in.word}"
    (tmp_path / "outer.yaml").write_text(outer % "list[text]")
    graph = load(tmp_path / "outer.yaml", nodes=NODES)
    types = {name: str(type_) for name, type_ in graph.plan.output_types.items()}
    assert types == {"u": "list[text?]", "m": "list[text]", "g": "list[text]", "word": "list[text]"}
    assert outputs(graph, ws=["a", ""]) == {
        "u": ["A", None],
        "m": ["got a", "nothing"],
        "g": ["a !", " ?"],
        "word": ["a", ""],
    }
    (tmp_path / "outer.yaml").write_text(outer % "list[text?]")
    graph = load(tmp_path / "outer.yaml", nodes=NODES)
    types = {name: str(type_) for name, type_ in graph.plan.output_types.items()}
    assert types == {"u": "list[text?]", "m": "list[text]", "g": "list[text]", "word": "list[text?]"}
    assert outputs(graph, ws=["a", None])["m"] == ["got a", "nothing"]
    assert outputs(graph, ws=["a", None])["g"] == ["a !", "Hello ?"]


def test_the_default_of_a_graph_inside_stands_in_for_what_is_absent(tmp_path):
    (tmp_path / "inner.yaml").write_text(INNER)
    (tmp_path / "outer.yaml").write_text(
        "inputs: {m: 'text?'}\nnodes: {in: {use: ./inner.yaml, with: {word: w}, in: {mark: m}}}\noutputs: {g: in.g}"
    )
    assert given(tmp_path / "outer.yaml") == {"g": "w !"}
    assert given(tmp_path / "outer.yaml", m="x") == {"g": "w x"}


def test_deeper_and_deeper(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "inputs: {t: text}\nnodes: {p: {use: Perhaps, in: {text: t}}, u: {use: Upper, in: {text: p}}}\noutputs: {u: u}"
    )
    (tmp_path / "b.yaml").write_text(
        "inputs: {t: text}\nnodes: {a: {use: ./a.yaml, in: {t: t}}, v: {use: Upper, in: {text: a}}}\noutputs: {v: v}"
    )
    text = "inputs: {ts: 'list[text]'}\nnodes:\n  b: {use: ./b.yaml, each: t, in: {t: ts}}\n  j: {use: %s, in: {texts: b}}\noutputs: {x: j}"
    (tmp_path / "c.yaml").write_text(text % "Join")
    assert "'b.v' is list[text?]" in refused(tmp_path / "c.yaml")
    (tmp_path / "c.yaml").write_text(text % "JoinHoled")
    assert given(tmp_path / "c.yaml", ts=["a", "", "b"]) == {"x": "A+-+B"}


# Chains of any of these -----------------------------------------------------------------------------------------------

STEPS = {  # the port, what an element becomes, and whether one that is absent stays so
    "Upper": ("text", str.upper, True),
    "Perhaps": ("text", lambda text: text or None, True),
    "Maybe": ("text", lambda text: "nothing" if text is None else f"got {text}", False),
    "Drop": ("text", lambda text: text[1:] or None, True),
    "Or": ("text", lambda text: "or" if text is None else text, False),
}


class Drop(studio.Node):
    """A text without its first letter; nothing, if nothing is left."""

    def run(self, text: str) -> str | None:
        return text[1:] or None


class Or(studio.Node):
    """A text, or its default."""

    def run(self, text: str = "or") -> str:
        return text


def chained(names, first, each=True) -> tuple[str, str]:
    """Steps one after the other, the last of them as `end`."""
    lines, source = [], first
    for number, name in enumerate(names):
        port = STEPS[name][0]
        lines.append(f"  s{number}: {{use: {name}, {f'each: {port}, ' * each}in: {{{port}: {source}}}}}\n")
        source = f"s{number}"
    return "".join(lines), source


@given_(
    names=st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=5),
    inside=st.integers(0, 5),
    holed=st.booleans(),
    texts=st.lists(st.sampled_from(["", "a", "ab", "abc", None]), max_size=4),
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_absent_item_comes_where_none_may_be(names, inside, holed, texts, tmp_path_factory):
    """Whatever stands in a chain, in one file or partly in a graph inside: `check` refuses, or all items are there."""
    texts = texts if holed else [text or "" for text in texts]
    known = holed
    for name in names:
        known = (known and STEPS[name][2]) or name in ("Perhaps", "Drop")
    wanted = texts
    for name in names:
        _, does, stays = STEPS[name]
        wanted = [None if text is None and stays else does(text) for text in wanted]
    folder = tmp_path_factory.mktemp("g")
    inner, outer = names[:inside], names[inside:]
    head = f"inputs: {{ts: '{'list[text?]' if holed else 'list[text]'}'}}\nnodes:\n"
    source = "ts"
    if inner:
        lines, end = chained(inner, "t", each=False)
        takes = "text?" if not STEPS[inner[0]][2] else "text"  # what the first is given decides, element by element
        (folder / "inner.yaml").write_text(f"inputs: {{t: '{takes}'}}\nnodes:\n{lines}outputs: {{x: {end}}}\n")
        head += "  in: {use: ./inner.yaml, each: t, in: {t: ts}}\n"
        source = "in"
    lines, end = chained(outer, source)
    for consumer, port in (("JoinHoled", "texts"), ("Join", "texts")):
        text = f"{head}{lines}  end: {{use: {consumer}, in: {{{port}: {end}}}}}\noutputs: {{x: {end}, end: end}}"
        (folder / "outer.yaml").write_text(text)
        graph = load(folder / "outer.yaml", nodes=[Drop, Or, *NODES])
        if consumer == "Join" and known:
            with pytest.raises(studio.GraphError, match="Some of its items may be absent"):
                graph.check()
        else:
            found = run_log(graph, options={"cache": False}, ts=texts).outputs
            assert found == {"x": wanted, "end": "+".join("-" if text is None else text for text in wanted)}


# Values ---------------------------------------------------------------------------------------------------------------

COUNTED = (
    "graph: counted\ninputs: {ts: 'list[text?]'}\nnodes: {c: {use: Count, in: {items: ts}}}\noutputs: {c: c, ts: ts}"
)


def test_a_graph_takes_and_gives_null():
    assert given(COUNTED, ts=["a", None, ""]) == {"c": {"items": 3, "absent": 1}, "ts": ["a", None, ""]}
    with pytest.raises(studio.InputError, match=r"item 1 is null, which list\[text\?\] may hold, and list\[text\] may"):
        given(COUNTED.replace("?", "").replace("Count", "Join").replace("items", "texts"), ts=["a", None])
    assert "item 0 is null" in refused(
        "inputs: {ts: {type: 'list[text]', default: [null]}}\nnodes: {j: {use: Join, in: {texts: ts}}}\noutputs: {x: j}"
    )
    assert "item 0 is null" in refused("nodes: {j: {use: Join, with: {texts: [null]}}}\noutputs: {x: j}")
    assert given("nodes: {c: {use: Count, with: {items: [null, a]}}}\noutputs: {x: c}")["x"]["absent"] == 1


def test_the_command_takes_and_gives_null(tmp_path):
    (tmp_path / "g.yaml").write_text(COUNTED.replace("use: Count", "use: 'tests.run.test_holes:Count'"))
    done = command(
        "run", "g.yaml", 'ts=["a", null]', "--executor", "local", "--json", "--out", "o", folder=tmp_path, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outputs"] == {"c": {"items": 2, "absent": 1}, "ts": ["a", None]}
    assert json.loads((tmp_path / "o" / "ts.json").read_text()) == ["a", None]


def test_a_condition_asks_for_holes():
    text = COUNTED.replace("use: Count,", "use: Count, when: 'null in ts and \"a\" in ts',")
    assert given(text, ts=["a", None])["c"] is not None
    assert given(text, ts=["a"])["c"] is None
    assert "null cannot be in list[text]" in refused(text.replace("list[text?]", "list[text]"))


def test_what_is_absent_has_a_key_of_its_own(tmp_path):
    tally = tmp_path / "tally"
    text = f"inputs: {{ts: 'list[text?]'}}\nnodes: {{j: {{use: JoinHoled, in: {{texts: ts}}}}, c: {{use: Counter, with: {{tally: {tally}}}, in: {{text: j}}}}}}\noutputs: {{x: j, c: c}}"
    lists = (["a", None], [None, "a"], ["a", ""], ["a"], ["a", "null"], [], [None])
    for cache in (tmp_path / "cache", tmp_path / "cache"):
        seen = [run_log(load(text), options={"cache": cache}, ts=each).outputs["x"] for each in lists]
        assert seen == ["a+-", "-+a", "a+", "a", "a+null", "", "-"]
    assert ran(tally) == len(set(seen))


def test_no_file_is_taken_for_an_absent_one(tmp_path):
    (tmp_path / "f").write_text("absent")
    text = "inputs: {fs: 'list[file?]'}\nnodes: {f: {use: Files, in: {files: fs}}}\noutputs: {x: f}"
    for files, held in (([None], [None]), ([str(tmp_path / "f")], ["absent"]), ([None], [None])):
        assert given(text, fs=files)["x"]["held"] == held
    assert Artifact.of_items("file", (ABSENT,)).digest != Artifact.of_items("file", (Artifact("file", ABSENT.digest),))


def test_media_with_holes_are_saved_and_come_from_the_cache(tmp_path):
    import numpy as np

    sizes = (8, 2, 6)
    pictures = [studio.Image(np.zeros((size, size), np.uint8)) for size in sizes]
    text = "inputs: {ps: 'list[image?]'}\nnodes: {b: {use: Bright, each: image, in: {image: ps}}}\noutputs: {b: b}"
    for cache in (tmp_path / "c", tmp_path / "c", False):
        log = run_log(load(text, nodes=NODES), options={"cache": cache}, ps=[*pictures, None])
        assert [picture and picture.size[0] for picture in log.outputs["b"]] == [8, None, 6, None]
        saved = log.result.save(tmp_path / "out")["b"]
        assert [path.suffix for path in saved] == [".png", ".json", ".png", ".json"]
    assert log.result.as_json({})["outputs"]["b"][1] is None


def test_why_sees_that_there_is_nothing_to_run(tmp_path):
    text = "inputs: {ts: 'list[text?]'}\nnodes: {u: {use: Upper, each: text, in: {text: ts}}}\noutputs: {x: u}"
    assert given(text, ts=["a", None]) == {"x": ["A", None]}
    assert load(text).why(ts=[None, "a"])[0].cached


@pytest.mark.ray
def test_on_ray(ray_executor):
    text = PERHAPS + "  c: {use: 'tests.run.test_holes:Count', in: {items: p}}\noutputs: {c: c, p: p}"
    log = run_log(load(text), options={"executor": ray_executor}, ts=["a", "", "b"])
    assert log.outputs == {"c": {"items": 3, "absent": 1}, "p": ["a", None, "b"]}
