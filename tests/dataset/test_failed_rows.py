"""Rows that failed, in what is made of all rows: they are counted, and given to a step that asks for them."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import studio
from tests.dataset.test_scope import over_all, rows_of
from tests.support import fakes
from tests.support.dataset import mapped, write
from tests.support.door import load, ran, run_log


class Accuracy(studio.Node):
    """The share of right answers; one that is absent is wrong."""

    def run(self, found: list[str | None], wanted: list[str]) -> float:
        assert len(found) == len(wanted)
        return sum(map(str.__eq__, map(str, found), wanted)) / max(len(wanted), 1)


class Lenient(studio.Node):
    """The share of right answers, among those that there are."""

    def run(self, found: list[str], wanted: list[str]) -> float:
        return sum(map(str.__eq__, found, wanted)) / max(len(wanted), 1)


class Holes(studio.Node):
    """What it was given, as it is."""

    def run(self, texts: list[str | None]) -> dict:
        return {"texts": texts}


NODES = [Accuracy, Lenient, Holes, *fakes.ALL]
SCORED = """
graph: scored
inputs: {text: text, label: text}
nodes:
  deed: {use: Deed, with: {name: '', fails_on: bad, silent_on: hush}, in: {text: text}}
  strict: {use: Accuracy, in: {found: deed, wanted: label}, scope: dataset}
  lenient: {use: Lenient, in: {found: deed, wanted: label}, scope: dataset}
outputs: {deed: deed, strict: strict, lenient: lenient}
"""
SAY = run_log("nodes: {d: {use: Deed, with: {name: '', text: x}}}\noutputs: {x: d}").outputs["x"].replace("x", "%s")


def graph(text=SCORED) -> studio.Graph:
    return load(text, nodes=NODES)


def row(text, right=True) -> dict:
    return {"text": text, "label": SAY % text if right else "another"}


def whole(source, rows, options=None, **more) -> tuple[dict, dict]:
    """What the steps over all rows gave, and what they counted."""
    run = mapped(source, rows, options, **more)
    for _ in run:
        pass
    return dict(run.run.result), {step: counts.as_data() for step, counts in run.run.counts.items()}


def counts(rows, counted, failed=0, lacked=0) -> dict:
    return {"rows": rows, "counted": counted, "failed": failed, "lacked": lacked}


# What counts ---------------------------------------------------------------------------------------------------------


def test_a_row_that_failed_is_wrong_for_a_step_that_asks_for_it_and_told_of_by_another():
    outputs, counted = whole(graph(), [row("a"), row("bad"), row("hush"), row("b", right=False), row("c")])
    assert outputs == {"strict": 2 / 5, "lenient": 2 / 3}
    assert counted == {"strict": counts(5, 5, 1, 1), "lenient": counts(5, 3, 1, 1)}


KINDS = st.lists(st.tuples(st.sampled_from(["ok", "bad", "hush", "unfit", "unreadable"]), st.booleans()), max_size=12)


@given(rows=KINDS, window=st.sampled_from([1, 3, 64]), ordered=st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_that_are_made_to_fail_never_raise_a_score(rows, window, ordered, tmp_path_factory):
    """However rows fail: in a step, by what they hold, or because they cannot be read at all."""
    made = {
        "ok": lambda text, right: row(text, right),
        "bad": lambda text, right: row(f"bad {text}", right),
        "hush": lambda text, right: row(f"hush {text}", right),
        "unfit": lambda text, right: {**row(text, right), "text": 3},
    }
    all_fine = [row(f"t{n}", right) for n, (_, right) in enumerate(rows)]
    data = tmp_path_factory.mktemp("rows") / "d.jsonl"
    data.write_text(
        "".join(
            "{not JSON\n" if kind == "unreadable" else json.dumps(made[kind](f"t{n}", right)) + "\n"
            for n, (kind, right) in enumerate(rows)
        )
    )
    options = {"window": window, "ordered": ordered, "cache": False}
    outputs, counted = whole(graph(), str(data), options)
    fine, _ = whole(graph(), all_fine, options)
    kinds = [kind for kind, _ in rows]
    seen, unread = len(rows), kinds.count("unreadable")
    assert outputs["strict"] * (seen - unread) == pytest.approx(sum(right for kind, right in rows if kind == "ok"))
    assert outputs["strict"] * (seen - unread) <= fine["strict"] * seen + 1e-9
    failed = seen - kinds.count("ok") - kinds.count("hush")
    assert counted["strict"] == counts(seen, seen - unread, failed, kinds.count("hush"))
    assert counted["lenient"] == counts(seen, kinds.count("ok"), failed, kinds.count("hush"))


def test_each_step_leaves_out_for_itself():
    """A row that lacks what one step reads still counts for another, which reads something else."""
    text = """
inputs: {text: text}
nodes:
  deed: {use: Deed, with: {name: '', silent_on: hush}, in: {text: text}}
  some: {use: Join, in: {texts: deed}, scope: dataset}
  all: {use: Join, in: {texts: text}, scope: dataset}
outputs: {some: some, all: all}
"""
    outputs, counted = whole(graph(text), rows_of("a", "hush"))
    assert outputs == {"some": SAY % "a", "all": "a+hush"}
    assert counted == {"some": counts(2, 1, 0, 1), "all": counts(2, 2)}


SIDE = """
graph: side
inputs: {text: text}
nodes:
  up: {use: Upper, in: {text: text}}
  deed: {use: Deed, with: {name: '', tally: 'TALLY', fails_on: bad}, in: {text: up}}
  side: {use: Deed, with: {name: '', tally: 'TALLY', fails_on: rot}, in: {text: text}}
  end: {use: Upper, in: {text: deed}}
  deeds: {use: Holes, in: {texts: end}, scope: dataset}
  ups: {use: Holes, in: {texts: up}, scope: dataset}
  mixed: {use: Accuracy, in: {found: end, wanted: up}, scope: dataset}
outputs: {deeds: deeds, ups: ups, mixed: mixed, side: side}
"""


@pytest.mark.parametrize("cache", [None, False])
def test_what_was_made_before_the_failure_counts_in_this_session_and_in_the_next(tmp_path, tally, cache):
    source = graph(SIDE.replace("TALLY", str(tally)).replace("fails_on: bad", "fails_on: BAD"))
    rows = rows_of("a", "bad", "rot", "bad rot", "b")
    right = [(SAY % text).upper() if text else None for text in ("A", None, "ROT", None, "B")]
    wanted = {"deeds": {"texts": right}, "ups": {"texts": ["A", "BAD", "ROT", "BAD ROT", "B"]}, "mixed": 0.6}
    all_five = counts(5, 5, 3)
    options = {"cache": cache} if cache is False else {}
    for session in range(3):
        outputs, counted = whole(source, rows, options, resume=tmp_path / "run")
        assert outputs == wanted, session
        assert counted == dict.fromkeys(("deeds", "ups", "mixed"), all_five)
        failing = [
            line for line in tally.read_text().splitlines() if "BAD" in line or ("rot" in line and "ROT" not in line)
        ]
        assert len(failing) == 4  # nothing that failed is tried again
    outputs, counted = whole(source, [*rows, {"text": "c"}], {**options, "limit": 2}, resume=tmp_path / "run")
    assert outputs["ups"] == {"texts": ["A", "BAD"]}
    assert counted["ups"] == counts(2, 2, 1)


def test_rows_that_do_not_fit_give_what_is_right_of_them(tmp_path):
    rows = [row("a"), {"label": "l"}, {"text": "t"}, {"text": 1, "label": 2}]
    for session in range(2):
        outputs, counted = whole(graph(), rows, resume=tmp_path / "run")
        assert outputs == {"strict": 0.5, "lenient": 1.0}, session  # two have a label, one of these no answer
        assert counted["strict"] == counts(4, 2, 3)


def test_failed_media_give_null(tmp_path):
    import numpy as np

    studio.Image(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")

    class Sizes(studio.Node):
        """How wide each picture is."""

        def run(self, images: list[studio.Image | None]) -> dict:
            return {"widths": [image and image.size[0] for image in images]}

    class Same(studio.Node):
        """The picture."""

        def run(self, image: studio.Image) -> studio.Image:
            return image

    text = "inputs: {image: image}\nnodes:\n  s: {use: Same, in: {image: image}}\n  made: {use: Sizes, in: {images: s}, scope: dataset}\n  given: {use: Sizes, in: {images: image}, scope: dataset}\noutputs: {s: s, made: made, given: given}"
    for _ in range(2):
        outputs, counted = whole(load(text, nodes=[Sizes, Same]), str(tmp_path), resume=tmp_path / "run")
        assert outputs == {"made": {"widths": [8, None]}, "given": {"widths": [8, None]}}
        assert counted["made"] == counts(2, 2, 1)


def test_a_failed_row_is_part_of_the_key(tally):
    text = f"""
inputs: {{text: text}}
nodes:
  deed: {{use: Deed, with: {{name: '', fails_on: bad}}, in: {{text: text}}}}
  all: {{use: JoinHoled, in: {{texts: deed}}, scope: dataset}}
  count: {{use: Counter, with: {{tally: '{tally}'}}, in: {{text: all}}, scope: dataset}}
outputs: {{all: all, count: count}}
"""
    for texts, runs in (("a", "bad"), 1), (("a",), 2), (("a", "bad"), 2), (("bad", "a"), 3):
        over_all(graph(text), rows_of(*texts))
        assert ran(tally) == runs


def test_a_run_is_a_data_set_of_one_row_that_may_have_failed():
    log = run_log(graph(), text="bad", label="b")
    assert log.outputs["strict"] == 0.0
    assert "lenient" not in log.outputs
    assert list(log.result.failures) == ["deed"]
    assert run_log(graph(), text="hush", label="b").outputs["strict"] == 0.0


# Where it is told ----------------------------------------------------------------------------------------------------


def test_it_is_told_everywhere(studio_map):
    here = "tests.dataset.test_failed_rows"
    text = SCORED.replace("use: Deed", "use: 'tests.support.fakes:Deed'")
    for name in ("Accuracy", "Lenient"):
        text = text.replace(f"use: {name}", f"use: '{here}:{name}'")
    (studio_map.folder / "scored.yaml").write_text(text)
    data = write(studio_map.folder / "d.jsonl", [row("a"), row("bad"), row("hush"), row("c")])
    told = {"strict": counts(4, 4, 1, 1), "lenient": counts(4, 2, 1, 1)}
    out, _ = studio_map("scored.yaml", data, "--out", "run", code=4)
    assert "step 'strict' counted all 4 rows: 1 failed, 1 gave no value" in out.splitlines()
    assert "step 'lenient' counted 2 of 4 rows: 1 failed, 1 gave no value" in out.splitlines()
    kept = json.loads((studio_map.folder / "run" / "dataset.json").read_text())
    assert (kept["rows"], kept["failed"], kept["steps"]) == (4, 1, told)
    out, _ = studio_map("scored.yaml", data, "--out", "run", "--json", code=4)
    assert json.loads(out)["over_all_rows"] == told
    page = (studio_map.folder / "run" / "report.html").read_text()
    assert "counted 2 of 4 rows: 1 failed, 1 gave no value" in page


def test_holes_in_rows_and_results(tmp_path, studio_map):
    """A column may hold nulls, and so may an output: as JSON, in Parquet, and on the page."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = "inputs: {ts: 'list[text?]'}\nnodes: {u: {use: 'tests.support.fakes:Upper', each: text, in: {text: ts}}}\noutputs: {u: u}"
    (studio_map.folder / "g.yaml").write_text(text)
    table = pa.table({"ts": [["ab", None], [None], [], ["cd"]]})
    pq.write_table(table, studio_map.folder / "d.parquet")
    data = write(studio_map.folder / "d.jsonl", table.to_pylist())
    (studio_map.folder / "d.csv").write_text('ts\n"[""ab"", null]"\n"[null]"\n[]\n"[""cd""]"\n')
    for source in (data, "d.parquet", "d.csv"):
        studio_map("g.yaml", source, "--out", f"run-{source}"[-8:], "--parquet")
        folder = studio_map.folder / f"run-{source}"[-8:]
        found = [json.loads(line)["outputs"]["u"] for line in (folder / "results.jsonl").read_text().splitlines()]
        assert found == pq.read_table(folder / "results.parquet")["u"].to_pylist() == [["AB", None], [None], [], ["CD"]]
        page = (folder / "report.html").read_text()
        assert "AB" in page
        assert "cannot be shown" not in page


@pytest.mark.parametrize("cache", [None, False])
def test_what_stood_in_for_a_failure_counts_in_later_sessions(tmp_path, cache):
    text = """
graph: fallen
inputs: {text: text}
nodes:
  deed: {use: Deed, with: {name: '', fails_on: bad}, in: {text: text}, on_error: {use: up}}
  up: {use: Upper, in: {text: text}}
  side: {use: Deed, with: {name: '', fails_on: rot}, in: {text: text}}
  all: {use: Holes, in: {texts: deed}, scope: dataset}
outputs: {all: all, side: side}
"""
    for _ in range(3):
        options = {} if cache is None else {"cache": cache}
        outputs, counted = whole(graph(text), rows_of("a", "bad rot", "bad"), options, resume=tmp_path / "run")
        assert outputs == {"all": {"texts": ["a", "BAD ROT", "BAD"]}}
        assert counted == {"all": counts(3, 3, 1)}
