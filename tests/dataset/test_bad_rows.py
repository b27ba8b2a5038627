"""Rows that do not fit are named with their place, and stop nothing else; a wrong command is one clear line."""

import io
import json
import signal
import time

import numpy as np
import PIL.Image
import pytest
import soundfile

import studio
from tests.support.dataset import UPPER, ends, lines, mapped, told, write

SEES = """
inputs: {image: image, text: {type: text, default: ok}, times: {type: number, default: 1}}
nodes:
  bright: {use: 'tests.support.fakes:Brightness', in: {image: image}}
  said: {use: 'tests.support.fakes:Twice', in: {text: text, times: times}}
outputs: {bright: bright, said: said}
"""


def picture() -> bytes:
    target = io.BytesIO()
    PIL.Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype("u1")).save(target, "PNG")
    return target.getvalue()


@pytest.fixture
def pictures(folder):
    """Rows that fit, and such as do not; the folder they are in."""
    (folder / "s.yaml").write_text(SEES)
    (folder / "good.png").write_bytes(picture())
    (folder / "cut.png").write_bytes(picture()[:900])
    (folder / "words.png").write_bytes(b"words")
    (folder / "empty.png").touch()
    (folder / "dir.png").mkdir()
    return folder


BAD = {  # by id: the row, and what is said of it
    "no-column": ({"text": "a"}, "the column 'image' for the input 'image' (image) is missing or empty; its columns: id, text"),
    "null": ({"image": None}, "the column 'image' for the input 'image' (image) is missing or empty"),
    "typo": ({"imgae": "good.png"}, "is missing or empty; Did you mean 'imgae'?"),
    "gone": ({"image": "gone.png"}, "no such file: '"),
    "folder": ({"image": "dir.png"}, "dir.png' is a folder, not a file"),
    "cut": ({"image": "cut.png"}, "cut.png"),
    "words": ({"image": "words.png"}, "words.png"),
    "empty": ({"image": "empty.png"}, "empty.png"),
    "number": ({"image": 7}, "input 'image':"),
    "list": ({"image": ["good.png"]}, "input 'image':"),
    "text": ({"image": "good.png", "text": 7}, "input 'text':"),
    "times": ({"image": "good.png", "times": "three"}, "input 'times':"),
    "long": ({"image": "x" * 5000}, "file name too long"),
    "nobody": ({"image": "~nobody-here/a.png"}, "no such file"),
    "nul": ({"image": "a\0b.png"}, "no such file"),
}  # fmt: skip


def test_each_kind_of_bad_row_is_told(pictures, studio_map):
    rows = []
    for id, (row, _) in BAD.items():
        rows += [{"id": id, **row}, {"id": f"after-{id}", "image": "good.png", "text": id}]
    write(pictures / "d.jsonl", rows)
    out, _ = studio_map("s.yaml", "d.jsonl", "--out", "run", "--json", code=4)
    found = {line["id"]: line for line in lines(pictures / "run")}
    assert list(found) == [row["id"] for row in rows]  # in the order of the data
    for number, id in enumerate(BAD):
        assert found[f"after-{id}"]["status"] == "done", found[f"after-{id}"]
        assert found[f"after-{id}"]["outputs"]["said"] == id
        line = found[id]
        assert line["status"] == "failed"
        assert line["error"].startswith(f"d.jsonl:{2 * number + 1}: "), line["error"]
        assert BAD[id][1] in line["error"]
        assert "\n" not in line["error"]
    shown = json.loads(out)
    assert (shown["done"], shown["failed"]) == (len(BAD), len(BAD))
    assert sum(shown["failures"].values()) == len(BAD)


@pytest.mark.parametrize("cache", [True, False])
def test_bad_rows_in_python_with_and_without_a_cache(pictures, cache):
    rows = [{"id": id, **row} for id, (row, _) in BAD.items()] + [{"id": "good", "image": "good.png"}]
    write(pictures / "d.jsonl", rows)
    found = {each.id: each for each in mapped(SEES, pictures / "d.jsonl", None if cache else {"cache": False})}
    assert [id for id, each in found.items() if each.status == "done"] == ["good"]
    for number, id in enumerate(BAD, 1):
        assert f"d.jsonl:{number}: " in found[id].error
        assert BAD[id][1] in found[id].error


def test_a_condition_on_a_broken_picture_fails_its_row_alone(pictures):
    text = """
inputs: {image: image, text: text}
nodes: {a: {use: Upper, in: {text: text}, when: image != null}}
outputs: {x: a}
"""
    rows = [
        {"id": "cut", "image": str(pictures / "cut.png"), "text": "a"},
        {"id": "good", "image": str(pictures / "good.png"), "text": "b"},
    ]
    found = ends(text, rows)
    assert "row 1: input 'image'" in found["cut"]
    assert found["good"] == {"x": "B"}


def test_an_input_that_is_only_an_output_is_checked_too(pictures):
    text = (
        "inputs: {image: image, text: text}\nnodes: {a: {use: Upper, in: {text: text}}}\noutputs: {x: a, image: image}"
    )
    rows = [{"id": name, "image": str(pictures / name), "text": "a"} for name in ("cut.png", "good.png")]
    found = ends(text, rows)
    assert "row 1: input 'image'" in found["cut.png"]
    assert found["good.png"]["x"] == "A"


def test_broken_json_on_line_37(folder, studio_map):
    rows = [json.dumps({"text": f"t{n}"}) for n in range(60)]
    rows[36] = '{"text": "t36", }'
    rows[40] = '["text"]'
    (folder / "d.jsonl").write_text("\n".join(rows))
    out, _ = studio_map("g.yaml", "d.jsonl", "--out", "run", code=4)
    failed = [line for line in lines(folder / "run") if line["status"] == "failed"]
    assert [line["error"].partition(": ")[0] for line in failed] == ["d.jsonl:37:17", "d.jsonl:41:1"]
    assert "58 done, 2 failed" in out
    assert "2 × input: d.jsonl:37:17: not JSON" in out
    assert len(lines(folder / "run")) == 60


def test_what_is_wrong_with_rows_is_told_by_input_and_column(studio_map, folder):
    rows = [{"text": "a"}, {}, {"text": 5}, {"text": None}, {"text": ["b"]}, {"text": "c"}]
    (folder / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    out, _ = studio_map("g.yaml", "d.jsonl", "--out", "run", code=4)
    assert "2 × column 'text': d.jsonl:2: the column 'text' for the input 'text' (text) is missing" in out
    assert "2 × input 'text': d.jsonl:3: input 'text': expected text, not 5" in out


def test_an_empty_file(folder, studio_map):
    (folder / "d.jsonl").touch()
    out, _ = studio_map("g.yaml", "d.jsonl", "--out", "run")
    assert "0 done, 0 failed" in out
    assert lines(folder / "run") == []
    (folder / "d.csv").touch()
    _, err = studio_map("g.yaml", "d.csv", "--out", "run2", code=3)
    assert err.splitlines() == ["error: d.csv:1: the file is empty. The first line names the columns"]


def test_ids_of_every_kind(folder, studio_map):
    """Whatever an id looks like, each item keeps its own line and its own files, inside of the folder."""
    (folder / "s.yaml").write_text("inputs: {sound: audio}\nnodes: {a: {use: 'tests.support.fakes:Louder', in: {audio: sound}}}\noutputs: {half: a}")  # fmt: skip
    ids = ["../../x", "../../X", "/etc/passwd", "", None, "a", "a", "a#2", "a", "日本", "e\u0301", "\u00e9", ".", "..", "con", 7, "7", True, "x" * 300, "x" * 299 + "y", "\ud800", "a\nb", ["l"], 1.5]  # fmt: skip
    for n in range(len(ids)):
        soundfile.write(folder / f"c{n}.wav", np.full(400, 0.01 * (n + 1), np.float32), 8000)
    write(folder / "d.jsonl", [{"id": id, "sound": f"c{n}.wav"} for n, id in enumerate(ids)])
    studio_map("s.yaml", "d.jsonl", "--out", "run")
    found = lines(folder / "run")
    assert len({line["id"] for line in found}) == len(ids)
    for n, line in enumerate(found):
        path = (folder / "run" / line["outputs"]["half"]["path"]).resolve()
        assert path.parent == folder / "run" / "half"
        assert abs(soundfile.read(path)[0].mean() - 0.005 * (n + 1)) < 1e-3, line
    again, _ = studio_map("s.yaml", "d.jsonl", "--out", "run")
    assert "0 done, 0 failed" in again
    assert told(folder / "run") == [(each["id"], each["status"], each["outputs"], each["error"]) for each in found]


def test_rows_that_are_alike_are_items_of_their_own(tmp_path):
    found = [each.id for each in mapped(UPPER, [{"text": "a"}, {"text": "b"}, {"text": "a"}])]
    assert len(set(found)) == 3
    assert found[2] == f"{found[0]}#2"


# When to stop ----------------------------------------------------------------

FAILS = "graph: g\ninputs: {text: text}\nnodes: {a: {use: 'tests.support.fakes:Deed', in: {text: text}, with: {name: d, fails_on: bad}}}\noutputs: {x: a}"


@pytest.fixture
def failing(folder):
    """300 rows, of which every tenth fails."""
    (folder / "f.yaml").write_text(FAILS)
    write(folder / "d.jsonl", [{"id": f"i{n}", "text": f"bad{n}" if n % 10 == 9 else f"t{n}"} for n in range(300)])
    return folder


def test_failures_are_told_by_kind(failing, studio_map):
    out, _ = studio_map("f.yaml", "d.jsonl", "--out", "run", code=4)
    assert "270 done, 30 failed" in out
    assert "  30 × ValueError in step 'a': no bad" in out
    (failed, *_) = [line for line in lines(failing / "run") if line["status"] == "failed"]
    assert failed["id"] == "i9"
    assert failed["error"].startswith("step 'a' failed: ValueError: no bad (")
    out, _ = studio_map("f.yaml", "d.jsonl", "--out", "run", code=4)
    assert "0 done, 0 failed" in out
    assert "300 were over before, 30 of which failed: try them with --retry-failed" in out


@pytest.mark.parametrize(("words", "least"), [(["--fail-fast"], 1), (["--max-failures", "3"], 4)])
def test_stopping_for_failures(failing, studio_map, words, least):
    out, _ = studio_map("f.yaml", "d.jsonl", "--out", "run", "--json", "--window", "8", *words, code=4)
    shown = json.loads(out)
    assert least <= shown["failed"] <= least + 1
    assert shown["done"] < 60
    assert len(lines(failing / "run")) == shown["done"] + shown["failed"]
    out, _ = studio_map("f.yaml", "d.jsonl", "--out", "run", code=4)
    assert [line["id"] for line in lines(failing / "run")] == [f"i{n}" for n in range(300)]


def test_as_many_failures_as_are_allowed_stop_nothing(failing, studio_map):
    out, _ = studio_map("f.yaml", "d.jsonl", "--out", "run", "--max-failures", "30", code=4)
    assert "270 done, 30 failed" in out


# Wrong commands --------------------------------------------------------------

MANY = "inputs: {one: image, two: image}\nnodes: {a: {use: 'tests.support.fakes:Brightness', in: {image: one}}, b: {use: 'tests.support.fakes:Brightness', in: {image: two}}}\noutputs: {x: a, y: b}"


@pytest.fixture
def wrong(folder):
    (folder / "m.yaml").write_text(MANY)
    (folder / "p").mkdir()
    (folder / "p" / "p.png").write_bytes(picture())
    write(folder / "d.jsonl", [{"text": "a"}])
    (folder / "d.csv").write_text("txet,n\na,1\n")
    (folder / "u.csv").write_text("Text,N\na,1\n")
    (folder / "d.json").write_text("[]")
    (folder / "other").mkdir()
    (folder / "other" / "thesis.txt").write_text("years of work")
    (folder / "o.yaml").write_text(
        "inputs: {text: text?, n: number?}\nnodes: {a: {use: text.template, with: {template: '{{ t }}'}, in: {t: text}}}\noutputs: {x: a}"
    )
    (folder / "broken.yaml").write_text("nodes: {b: {use: text.jion}}\noutputs: {x: b}")
    return folder


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["g.yaml", "d.csv"], 2, "'d.csv' has no column 'text' for the input 'text'. Did you mean 'txet'? Give --input text=COLUMN, or text=VALUE for all items"),
        (["g.yaml", "d.csv", "--input", "text=nosuch"], 2, "'d.csv' has no column 'nosuch' for the input 'text'. Columns: txet, n."),
        (["g.yaml", "d.csv", "text=x", "--id", "m"], 2, "'d.csv' has no column 'm' to tell items apart by. Columns: txet, n."),
        (["o.yaml", "u.csv"], 2, "no column of 'u.csv' feeds an input. Columns: Text, N. Inputs: text. Give --input text=COLUMN"),
        (["g.yaml", "d.jsonl", "--input", "txt=text"], 2, "there is no input 'txt'. Did you mean 'text'? Inputs: text"),
        (["g.yaml", "d.jsonl", "--input", "text"], 2, "'text' is not NAME=COLUMN"),
        (["g.yaml", "d.jsonl", "text=x", "--input", "text=text"], 2, "the input 'text' is given for all items, and by the column 'text'"),
        (["g.yaml", "d.jsonl", "txet=x"], 3, "there is no input 'txet'"),
        (["g.yaml", "d.jsonl", "--only", "y"], 2, "has no output 'y'"),
        (["g.yaml", "d.jsonl", "--refresh", "b"], 2, "has no step 'b'"),
        (["g.yaml", "nosuch.jsonl"], 2, "there is no file or folder 'nosuch.jsonl'"),
        (["g.yaml", "d.json"], 2, "'d.json' is one JSON document"),
        (["m.yaml", "p"], 2, "the files of 'p' (image) could feed one or two: say which, with --input one=file"),
        (["g.yaml", "p"], 2, "the files of 'p' (file) could feed no input"),
        (["g.yaml", "d.jsonl", "--out", "other"], 1, "'other' is not the folder of a run, and not empty ('thesis.txt'): give one that is new"),
        (["g.yaml", "d.jsonl", "--out", "d.csv"], 2, "is a file"),
        (["broken.yaml", "d.jsonl"], 3, "text.jion"),
        (["g.yaml", "d.jsonl", "--window", "0"], 2, "'--window'"),
        (["g.yaml", "d.jsonl", "--limit", "0"], 2, "'--limit'"),
        (["g.yaml", "d.jsonl", "--max-failures", "-1"], 2, "'--max-failures'"),
        (["g.yaml", "d.jsonl", "--cache", "c", "--no-cache"], 2, "exclude each other"),
        (["nosuch.yaml", "d.jsonl"], 2, "there is no graph 'nosuch.yaml'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_command(wrong, studio_map, words, code, said):
    out, err = studio_map(*words, code=code)
    assert out == ""
    assert said in err
    assert len([line for line in err.splitlines() if line.lower().startswith("error")]) == 1, err


def test_a_folder_that_somebody_else_writes_to(folder, studio_map):
    (folder / "slow.yaml").write_text("inputs: {text: text}\nnodes: {a: {use: 'tests.support.fakes:Slow', in: {text: text}, with: {seconds: 60.0}}}\noutputs: {x: a}")  # fmt: skip
    write(folder / "d.jsonl", [{"text": "a"}])
    first = studio_map.begin("slow.yaml", "d.jsonl", "--out", "run")
    try:
        end = time.monotonic() + 60
        while not (folder / "run" / "plan.json").exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        _, err = studio_map("g.yaml", "d.jsonl", "--out", "run", code=1)
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate()
    (line,) = err.splitlines()
    assert line.startswith(f"error: 'run' is being written to by process {first.pid} on ")
    assert line.endswith(": wait for its end, or give another folder")


def test_what_is_wrong_with_a_call(tmp_path):
    for rows, options, kind, said in [
        ({"text": "a"}, {}, studio.UsageError, "rows are given as an iterable of mappings, one a row, not as a dict"),
        (7, {}, studio.UsageError, "not as a int"),
        ([], {"windw": 3}, studio.UsageError, "unknown option 'windw'"),
        ([], {"window": 0}, studio.UsageError, "window"),
        ([], {"limit": -1}, studio.UsageError, "limit"),
    ]:
        with pytest.raises(kind, match=said):
            list(mapped(UPPER, rows, options))
    assert ends(UPPER, ["text"]) == {next(iter(ends(UPPER, ["text"]))): "row 1: str, not a mapping: a row is {'COLUMN': value, …}"}  # fmt: skip
    results = mapped(UPPER, [{"text": "a"}])
    assert len(list(results)) == 1
    with pytest.raises(studio.UsageError, match="gone through already: keep them in a list"):
        list(results)
