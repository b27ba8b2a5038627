"""What rows come from: each kind of source, in Python and on the command line, gives the same results."""

import csv
import io
import json

import numpy as np
import PIL.Image
import pyarrow as pa
import pytest
import soundfile
from pyarrow import parquet

import studio
from tests.support.dataset import UPPER, ends, lines, mapped, write

TEXTS = ["one", "zwei", "três", "四"]
WANTED = [{"x": text.upper()} for text in TEXTS]
BRIGHT = (
    "inputs: {image: image}\nnodes: {a: {use: 'tests.support.fakes:Brightness', in: {image: image}}}\noutputs: {x: a}"
)
SOUND = "inputs: {sound: audio}\nnodes: {a: {use: 'tests.support.fakes:Louder', in: {audio: sound}}, b: {use: 'tests.support.fakes:Loudness', in: {audio: sound}}}\noutputs: {half: a, loud: b}"


def as_jsonl(path):
    return write(path / "d.jsonl", [{"text": text} for text in TEXTS])


def as_csv(path, name="d.csv", delimiter=","):
    with (path / name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([["n", "text"], *enumerate(TEXTS)])
    return path / name


def as_tsv(path):
    return as_csv(path, "d.tsv", "\t")


def as_parquet(path):
    parquet.write_table(pa.table({"text": TEXTS, "n": [1.5, 2, 3, None]}), path / "d.parquet")
    return path / "d.parquet"


SOURCES = [as_jsonl, as_csv, as_tsv, as_parquet]


def picture(level: int) -> bytes:
    target = io.BytesIO()
    PIL.Image.fromarray(np.full((4, 4, 3), level, "u1")).save(target, "PNG")
    return target.getvalue()


def gallery(path, suffix=".png"):
    (path / "sub").mkdir(parents=True)
    for n, name in enumerate(("p1", "p10", "p2", "sub/p3")):
        (path / f"{name}{suffix}").write_bytes(picture(10 * n))
    return path


@pytest.mark.parametrize("source", SOURCES)
def test_a_file_in_python(source, tmp_path):
    assert [dict(each) for each in mapped(UPPER, source(tmp_path))] == WANTED


@pytest.mark.parametrize("source", SOURCES)
def test_a_file_on_the_command_line(source, folder, studio_map):
    studio_map("g.yaml", source(folder).name, "--out", "run")
    assert [line["outputs"] for line in lines(folder / "run")] == WANTED


def test_the_same_rows_have_the_same_ids_whatever_the_file(tmp_path):
    found = [[each.id for each in mapped(UPPER, source(tmp_path))] for source in SOURCES]
    assert len(set(map(tuple, found))) == 1
    assert len(set(found[0])) == len(TEXTS)


def test_stdin(folder, studio_map):
    studio_map("g.yaml", "-", "--out", "run", input=as_jsonl(folder).read_text())
    assert [line["outputs"] for line in lines(folder / "run")] == WANTED
    studio_map("g.yaml", "-", input='{"text": "no end"}', seconds=30)
    assert [line["outputs"] for line in lines(folder / "runs" / "g")] == [{"x": "NO END"}]


def test_a_list_and_a_generator():
    rows = [{"text": text} for text in TEXTS]
    assert [dict(each) for each in mapped(UPPER, rows)] == WANTED
    assert [dict(each) for each in mapped(UPPER, (row for row in rows))] == WANTED
    assert [dict(each) for each in mapped(UPPER, [])] == []


def test_a_generator_is_read_no_further_than_the_window():
    read = []

    def rows():
        for n in range(100):
            read.append(n)
            yield {"text": str(n)}

    results = iter(mapped(UPPER, rows(), options={"window": 4}))
    next(results)
    assert len(read) <= 6


def test_a_row_that_is_filled_again_is_another_row():
    row = {}

    def rows():
        for text in TEXTS:
            row["text"] = text
            yield row

    assert [dict(each) for each in mapped(UPPER, rows())] == WANTED


def test_what_python_holds_is_given_as_it_is():
    arrays = [np.full((2, 2, 3), level, np.uint8) for level in (1, 7)]
    assert [each["x"] for each in mapped(BRIGHT, [{"image": array} for array in arrays])] == [1.0, 7.0]


def test_a_folder_and_a_pattern(tmp_path):
    gallery(tmp_path / "p")
    wanted = {"p1.png": {"x": 0.0}, "p2.png": {"x": 20.0}, "p10.png": {"x": 10.0}, "sub/p3.png": {"x": 30.0}}
    assert list(ends(BRIGHT, tmp_path / "p").items()) == list(wanted.items())  # in natural order
    assert list(ends(BRIGHT, str(tmp_path / "p" / "p1*.png"))) == ["p1.png", "p10.png"]
    assert list(ends(BRIGHT, str(tmp_path / "**" / "p3.png"))) == ["p/sub/p3.png"]


def test_a_folder_on_the_command_line(folder, studio_map):
    (folder / "b.yaml").write_text(BRIGHT)
    gallery(folder / "p")
    (folder / "p" / "notes.txt").write_text("no picture")
    studio_map("b.yaml", "p", "--out", "run")
    assert [(line["id"], line["outputs"]["x"]) for line in lines(folder / "run")] == [
        ("p1.png", 0.0), ("p2.png", 20.0), ("p10.png", 10.0), ("sub/p3.png", 30.0),
    ]  # fmt: skip
    studio_map("b.yaml", "p/p*.png", "--out", "some")
    assert len(lines(folder / "some")) == 3


def test_pictures_in_parquet(tmp_path):
    gallery(tmp_path / "p")
    table = pa.table({
        "id": ["bytes", "struct", "path"],
        "image": pa.array(
            [{"bytes": picture(3), "path": None}, {"bytes": picture(5), "path": "gone.png"}, {"bytes": None, "path": "p/p2.png"}],
            pa.struct({"bytes": pa.binary(), "path": pa.string()}),
        ),
    })  # fmt: skip
    parquet.write_table(table, tmp_path / "d.parquet")
    assert ends(BRIGHT, tmp_path / "d.parquet") == {"bytes": {"x": 3.0}, "struct": {"x": 5.0}, "path": {"x": 20.0}}
    parquet.write_table(pa.table({"image": [picture(9)]}), tmp_path / "raw.parquet")
    assert [each["x"] for each in mapped(BRIGHT, tmp_path / "raw.parquet")] == [9.0]


def test_paths_start_beside_the_data_file(folder, studio_map):
    """Whatever folder the command runs in; one that is not there may still be meant from here."""
    (folder / "b.yaml").write_text(BRIGHT)
    gallery(folder / "data" / "p")
    (folder / "here.png").write_bytes(picture(77))
    write(folder / "data" / "d.jsonl", [{"image": "p/p2.png"}, {"image": "here.png"}])
    studio_map("b.yaml", "data/d.jsonl", "--out", "run")
    assert [line["outputs"]["x"] for line in lines(folder / "run")] == [20.0, 77.0]


def test_columns_are_named(folder, studio_map):
    write(folder / "d.jsonl", [{"said": "a", "who": "first"}, {"said": "b", "who": "second"}])
    assert ends(UPPER, folder / "d.jsonl", {"id": "who"}, columns={"text": "said"}) == {
        "first": {"x": "A"},
        "second": {"x": "B"},
    }
    studio_map("g.yaml", "d.jsonl", "--out", "run", "--input", "text=said", "--id", "who")
    assert [(line["id"], line["outputs"]) for line in lines(folder / "run")] == [
        ("first", {"x": "A"}),
        ("second", {"x": "B"}),
    ]


TWO = """
inputs: {text: text, times: {type: number, default: 2}}
nodes:
  a: {use: 'tests.support.fakes:Twice', in: {text: text, times: times}}
  b: {use: 'tests.support.fakes:Upper', in: {text: a}}
  c: {use: 'tests.support.fakes:Boom', in: {text: text}}
outputs: {x: b, y: a, z: c}
"""


def test_what_is_the_same_for_all_and_what_is_wanted(folder, studio_map):
    (folder / "t.yaml").write_text(TWO)
    write(folder / "d.jsonl", [{"text": "a"}, {"text": "b"}, {"text": "c"}])
    words = ("--only", "x", "--set", "b.end=z", "--limit", "2", "--out", "run")
    studio_map("t.yaml", "d.jsonl", "times=3", *words)
    assert [line["outputs"] for line in lines(folder / "run")] == [{"x": "AAAz"}, {"x": "BBBz"}]
    options = {"outputs": ["x"], "limit": 2}
    assert [dict(each) for each in mapped(TWO, folder / "d.jsonl", options, times=3)] == [{"x": "AAA"}, {"x": "BBB"}]


def test_a_column_feeds_an_input_that_has_a_default(folder):
    write(folder / "d.jsonl", [{"text": "a", "times": 1}, {"text": "b"}, {"text": "c", "times": None}])
    assert [each["x"] for each in mapped(TWO, folder / "d.jsonl", {"outputs": ["x"]})] == ["A", "BB", "CC"]
    (folder / "d.csv").write_text("text,times\na,1\nb,\n")
    assert [each["x"] for each in mapped(TWO, folder / "d.csv", {"outputs": ["x"]})] == ["A", "BB"]


def test_media_lie_beside_the_results_and_open(folder, studio_map):
    (folder / "s.yaml").write_text(SOUND)
    for n, name in enumerate(("a.wav", "b c.wav"), 1):
        soundfile.write(folder / name, np.full(800, 0.1 * n, np.float32), 8000)
    write(folder / "d.jsonl", [{"id": "First/é", "sound": "a.wav"}, {"id": "second", "sound": "b c.wav"}])
    studio_map("s.yaml", "d.jsonl", "--out", "run")
    first, second = lines(folder / "run")
    assert [first["outputs"]["loud"], second["outputs"]["loud"]] == [100, 200]
    for line, level in ((first, 0.05), (second, 0.1)):
        told = line["outputs"]["half"]
        assert told["kind"] == "audio"
        samples, rate = soundfile.read(folder / "run" / told["path"])
        assert rate == 8000
        assert abs(samples.mean() - level) < 1e-3
    (folder / "run").rename(folder / "elsewhere")
    assert soundfile.info(folder / "elsewhere" / second["outputs"]["half"]["path"]).frames == 800


def test_media_of_a_pattern_on_the_command_line(folder, studio_map):
    """As many as there are, and the folder of the run may be among them."""
    (folder / "s.yaml").write_text(SOUND)
    for n in range(3):
        soundfile.write(folder / f"clip{n}.wav", np.full(800, 0.1, np.float32), 8000)
    studio_map("s.yaml", "*.wav", "--out", "run")
    assert [line["id"] for line in lines(folder / "run")] == ["clip0.wav", "clip1.wav", "clip2.wav"]
    studio_map("s.yaml", "*.wav", "--out", "run")
    assert [line["id"] for line in lines(folder / "run")] == ["clip0.wav", "clip1.wav", "clip2.wav"]


def test_a_table_of_the_results(folder, studio_map):
    as_jsonl(folder)
    out, _ = studio_map("g.yaml", "d.jsonl", "--out", "run", "--parquet", "--json")
    shown = json.loads(out)
    assert (shown["done"], shown["failed"], shown["out"]) == (4, 0, "run")
    table = parquet.read_table(folder / "run" / "results.parquet").to_pylist()
    assert [row["id"] for row in table] == [line["id"] for line in lines(folder / "run")]


def test_results_in_python_load_media_when_they_are_looked_at(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(800, 0.1, np.float32), 8000)
    (result,) = mapped(SOUND, tmp_path / "a.wav")
    assert (result.id, result.status, result.error) == ("a.wav", "done", "")
    assert isinstance(result["half"], studio.Audio)


def test_a_folder_for_results_in_python(tmp_path):
    list(mapped(UPPER, as_jsonl(tmp_path), resume=tmp_path / "run"))
    assert [line["outputs"] for line in lines(tmp_path / "run")] == WANTED
    assert list(mapped(UPPER, as_jsonl(tmp_path), resume=tmp_path / "run")) == []


def test_results_that_lie_among_the_data_are_no_items(tmp_path):
    for n in range(3):
        soundfile.write(tmp_path / f"s{n}.wav", np.full(800, 0.1 * (n + 1), "f4"), 8000)
    for _ in range(2):
        assert len(list(mapped(SOUND, tmp_path, resume=tmp_path / "run"))) in (3, 0)
        assert len(lines(tmp_path / "run")) == 3


def test_a_graph_over_files_takes_a_single_one(tmp_path):
    (tmp_path / "notes.txt").write_text("one")
    step = {"use": "text.template", "with": {"template": "A paper"}}
    graph = {"inputs": {"paper": "file"}, "nodes": {"a": step}, "outputs": {"a": "a", "paper": "paper"}}
    (row,) = studio.load(graph).map(tmp_path / "notes.txt", options={"executor": "local", "cache": False})
    assert (row.id, row["paper"].name) == ("notes.txt", "notes.txt")
