"""A graph as a class for Ray Data: batches of every form in, the same with its outputs out; and real pipelines."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import studio
from tests.support.door import load, ran

ROOT = Path(__file__).resolve().parents[2]
WORDS = """
graph: words
inputs: {text: text, end: {type: text, default: ''}}
nodes:
  up: {use: Fill, with: {prompt: "{{ text | upper }}{{ end }}"}, in: {text: text, end: end}}
  odd: {use: Deed, with: {name: '!', fails_on: bad}, in: {text: text}}
outputs: {up: up, odd: odd}
"""
FAILED = "step 'odd' failed: ValueError: no bad"


def udf(source, **asked):
    """What a worker of Ray Data holds."""
    return load(source).as_udf(**asked)()


def objects(*cells):
    """A column of objects, as Ray Data gives texts."""
    array = np.empty(len(cells), dtype=object)
    array[:] = cells
    return array


def plain(batch) -> dict:
    """A batch as lists, errors without their places."""
    found = {name: list(batch[name]) for name in batch}
    return {**found, "error": [error.partition(" (")[0] for error in found["error"]]}


# Batches -------------------------------------------------------------------------------------------------------------


def test_a_batch_comes_back_with_its_outputs():
    found = udf(WORDS)({"text": objects("a", "bad", "c"), "n": np.array([1, 2, 3])})
    assert plain(found) == {
        "text": ["a", "bad", "c"],
        "n": [1, 2, 3],
        "up": ["A", None, "C"],
        "odd": ["a!", None, "c!"],
        "error": ["", FAILED, ""],
    }


def test_arrow_tables_stay_arrow_tables_with_types_that_failures_do_not_change():
    made = udf(WORDS)
    good, bad = (made(pa.table({"text": [text], "n": [1]})) for text in ("a", "bad"))
    assert good.schema == bad.schema
    assert pa.concat_tables([good, bad]).column("up").to_pylist() == ["A", None]
    assert bad.column("error").to_pylist()[0].startswith(FAILED)


def test_data_frames_stay_data_frames():
    pandas = pytest.importorskip("pandas")
    found = udf(WORDS)(pandas.DataFrame({"text": ["a", None, "bad"]}, index=[7, 8, 9]))
    assert list(found["up"])[:1] == ["A"]
    assert "the column 'text' for the input 'text' (text) is missing" in list(found["error"])[1]
    assert list(found.index) == [7, 8, 9]


def test_a_column_of_another_name_and_an_input_for_all():
    found = udf(WORDS, columns={"text": "word"}, outputs=["up"], end="?")({"word": objects("a")})
    assert plain(found) == {"word": ["a"], "up": ["A?"], "error": [""]}


def test_a_column_of_the_name_of_an_output_is_replaced():
    text = "inputs: {x: text}\nnodes: {u: {use: Upper, in: {text: x}}}\noutputs: {x: u}"
    assert plain(udf(text)({"x": objects("a")})) == {"x": ["A"], "error": [""]}
    table = udf(text)(pa.table({"x": ["a"], "y": [1]}))
    assert table.to_pylist() == [{"y": 1, "x": "A", "error": ""}]


def test_an_empty_batch():
    found = udf(WORDS)({"text": objects()})
    assert plain(found) == {"text": [], "up": [], "odd": [], "error": []}


def test_numbers_of_arrays_are_numbers_and_nan_is_nothing():
    text = """
inputs: {flags: "list[bool]", n: "number?", m: data}
nodes: {e: {use: 'tests.dataset.test_ray_data:Told', in: {flags: flags, n: n, m: m}}}
outputs: {e: e}
"""
    batch = {
        "flags": np.array([[True, False], [False, True]]),
        "n": np.array([2.5, np.nan]),
        "m": objects({"a": np.array([1, 2])}, {"a": np.float32(0.5)}),
    }
    found = plain(udf(text)(batch))
    assert [json.loads(cell) for cell in found["e"]] == [
        {"flags": [True, False], "n": 2.5, "m": {"a": [1, 2]}},
        {"flags": [False, True], "n": None, "m": {"a": 0.5}},
    ]


class Told(studio.Node):
    """What it was given."""

    def run(self, flags: list[bool], m: dict, n: float | None) -> dict:
        return {"flags": flags, "n": n, "m": m}


MEDIA = """
inputs: {text: text, picture: image?}
nodes:
  tone: {use: Tone, with: {seconds: 0.01}}
  embed: {use: Embed, in: {text: text}}
  bright: {use: Brightness, in: {image: picture}}
  letters: {use: Letters, in: {text: text}}
outputs: {tone: tone, embed: embed, bright: bright, letters: letters}
"""


def test_media_go_in_as_arrays_or_bytes_and_come_out_as_bytes():
    pixels = np.full((2, 4, 4, 3), 7, dtype=np.uint8)
    found = udf(MEDIA)({"text": objects("ab", "c"), "picture": pixels})
    assert studio.Audio.from_bytes(found["tone"][0]).rate == 8000
    assert plain(found)["embed"] == [[97.0, 98.0], [99.0]]
    assert plain(found)["bright"] == [7.0, 7.0]
    assert plain(found)["letters"] == [["a", "b"], ["c"]]
    encoded = studio.Image(pixels[0]).to_bytes()
    assert udf(MEDIA)({"text": objects("a"), "picture": objects(encoded)})["bright"][0] == 7.0


def test_media_go_to_a_folder_if_one_is_named(tmp_path):
    folder = tmp_path / "media"
    found = udf(MEDIA, outputs=["tone"], options={"media": folder})({"text": objects("ab", "c")})
    assert found["tone"][0] == found["tone"][1]  # the same content, the same file
    assert [str(path) for path in folder.iterdir()] == [found["tone"][0]]
    assert studio.Audio.open(found["tone"][0]).rate == 8000


def test_results_are_cached_and_shared_with_runs(tally):
    text = f"inputs: {{t: text}}\nnodes: {{c: {{use: Counter, with: {{tally: '{tally}'}}, in: {{text: t}}}}}}\noutputs: {{x: c}}"
    made = udf(text)
    for _ in range(2):
        assert plain(made({"t": objects("a", "b")}))["x"] == ["a", "b"]
    assert load(text).run(t="a", options={"executor": "local"})["x"] == "a"
    assert ran(tally) == 2
    udf(text, options={"cache": False})({"t": objects("a")})
    assert ran(tally) == 3


def test_the_cache_is_that_of_who_asked(tmp_path, tally, monkeypatch, cache_folder):
    text = f"inputs: {{t: text}}\nnodes: {{c: {{use: Counter, with: {{tally: '{tally}'}}, in: {{text: t}}}}}}\noutputs: {{x: c}}"
    made = load(text).as_udf()
    monkeypatch.setenv("STUDIO_CACHE", str(tmp_path / "another"))
    made()({"t": objects("a")})
    assert (cache_folder / "records.sqlite").is_file()
    assert not (tmp_path / "another").exists()


def test_the_cache_travels_by_its_folder(tmp_path, tally):
    text = f"inputs: {{t: text}}\nnodes: {{c: {{use: Counter, with: {{tally: '{tally}'}}, in: {{text: t}}}}}}\noutputs: {{x: c}}"
    udf(text, options={"cache": studio.Cache(tmp_path / "own")})({"t": objects("a")})
    assert (tmp_path / "own" / "records.sqlite").is_file()


# What is refused -----------------------------------------------------------------------------------------------------

SCORED = """
graph: scored
inputs: {text: text}
nodes:
  up: {use: Upper, in: {text: text}}
  all: {use: Join, in: {texts: up}, scope: dataset}
outputs: {up: up, all: all}
"""


def test_what_is_made_of_all_rows_is_no_column():
    assert plain(udf(SCORED)({"text": objects("a")})) == {"text": ["a"], "up": ["A"], "error": [""]}
    with pytest.raises(studio.UsageError, match="output 'all' is made once of all rows"):
        load(SCORED).as_udf(outputs=["all"])


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"outputs": ["upp"]}, "no output 'upp'. Did you mean 'up'"),
        ({"columns": {"txt": "text"}}, "no input 'txt'. Did you mean 'text'"),
        ({"options": {"limit": 3}}, "unknown option 'limit'"),
        ({"outputs": []}, "gives no output for a row"),
        ({"txt": "a"}, "txt"),
    ],
)
def test_what_is_wrong_is_said_at_once(asked, told):
    with pytest.raises(studio.StudioError, match=told):
        load(WORDS).as_udf(**asked)


def test_an_output_called_error_is_refused():
    with pytest.raises(studio.UsageError, match="'error'"):
        load("inputs: {t: text}\nnodes: {u: {use: Upper, in: {text: t}}}\noutputs: {error: u}").as_udf()


def test_a_column_that_no_row_has_is_said_at_once():
    with pytest.raises(studio.UsageError, match=r"no column 'text' for the input 'text'\. Did you mean 'txt'"):
        udf(WORDS)({"txt": objects("a")})


# Pipelines -----------------------------------------------------------------------------------------------------------

PIPELINE = """
import json, logging, os, sys, warnings
warnings.simplefilter("ignore")
import pyarrow.parquet as pq
import ray, ray.data
import studio

ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
ray.data.DataContext.get_current().enable_progress_bars = False


class Own(studio.Node):
    '''A class of the script itself.'''

    def run(self, text: str) -> int:
        if "bad" in text:
            raise ValueError("no bad")
        return len(text)


graph = studio.load("g.yaml", nodes=[Own], settings={"marked.mark": "!"})
one, two = ray.data.ActorPoolStrategy(size=1), ray.data.ActorPoolStrategy(size=2)

found = {}
texts = [{"text": f"t{n}" + ("bad" if n == 7 else "")} for n in range(40)]
made = ray.data.from_items(texts, override_num_blocks=4).map_batches(graph.as_udf(), batch_size=5, compute=two)
made.write_parquet("out")
found["items"] = pq.read_table("out").to_pylist()
with open("rows.jsonl", "w") as file:
    file.writelines(json.dumps({"text": f"j{n}", "sound": "tone.wav"}) + "\\n" for n in range(4))
heard = studio.load("loud.yaml").as_udf(outputs=["half", "loud"])
dataset = ray.data.read_json("rows.jsonl", lines=True).map_batches(heard, batch_format="pyarrow", compute=one)
found["media"] = [{**row, "half": len(row["half"] or b"")} for row in dataset.take_all()]
print(json.dumps(found))
"""
NODES = """
import os
from studio import Audio, Node


class Marked(Node):
    class Config(Node.Config):
        mark: str = "?"

    def setup(self) -> None:
        with open("setups", "a") as file:
            file.write(f"{os.getpid()}\\n")

    def run(self, text: str) -> str:
        return text + self.config.mark


class Half(Node):
    def run(self, audio: Audio) -> Audio:
        return Audio(audio.samples / 2, audio.rate)


class Loudest(Node):
    def run(self, audio: Audio) -> float:
        return float(abs(audio.samples).max())
"""


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory):
    """What real pipelines gave, in a process as a user starts it; and the folder that it ran in."""
    pytest.importorskip("pandas", reason="Ray Data needs pandas")
    folder = tmp_path_factory.mktemp("pipelines")
    (folder / "nodes_here.py").write_text(NODES)
    (folder / "script.py").write_text(PIPELINE)
    (folder / "g.yaml").write_text(
        "graph: own\ninputs: {text: text}\nnodes:\n"
        "  own: {use: Own, in: {text: text}}\n  marked: {use: './nodes_here.py:Marked', in: {text: text}}\n"
        "outputs: {length: own, marked: marked}"
    )
    (folder / "loud.yaml").write_text(
        "inputs: {sound: audio}\nnodes:\n  half: {use: './nodes_here.py:Half', in: {audio: sound}}\n"
        "  loud: {use: './nodes_here.py:Loudest', in: {audio: half}}\noutputs: {half: half, loud: loud}"
    )
    studio.Audio(np.full(800, 0.5, dtype=np.float32), 8000).save(folder / "tone.wav")
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    ended = subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "STUDIO_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(ended.stdout.splitlines()[-1]), folder


@pytest.mark.ray
@pytest.mark.slow
def test_a_pipeline_with_failures(pipelines):
    found, _ = pipelines
    by_text = {row["text"]: row for row in found["items"]}
    assert len(found["items"]) == len(by_text) == 40
    assert by_text["t5"] == {"text": "t5", "length": 2, "marked": "t5!", "error": ""}
    failed = by_text.pop("t7bad")
    assert failed["error"].startswith("step 'own' failed: ValueError: no bad")
    assert (failed["length"], failed["marked"]) == (None, None)
    assert all(row["length"] == len(row["text"]) and not row["error"] for row in by_text.values())


@pytest.mark.ray
@pytest.mark.slow
def test_each_actor_sets_up_once(pipelines):
    _, folder = pipelines
    setups = (folder / "setups").read_text().splitlines()
    assert len(setups) == len(set(setups))
    assert 1 <= len(setups) <= 2


@pytest.mark.ray
@pytest.mark.slow
def test_a_pipeline_with_sound_from_relative_paths(pipelines):
    found, _ = pipelines
    assert sorted(row["text"] for row in found["media"]) == ["j0", "j1", "j2", "j3"]
    assert [(row["loud"], row["error"], row["sound"]) for row in found["media"]] == [(0.25, "", "tone.wav")] * 4
    assert all(row["half"] > 800 for row in found["media"])
