"""A file is its content and its name: what a key says of one is what every node sees, whoever writes to it meanwhile."""

import os
import resource

import numpy as np
import pytest

import studio
from studio.cache.file_digests import FileDigests
from studio.cache.upkeep import prune
from studio.run.given import GivenValue
from studio.values import PortType
from tests.support.dataset import ends, lines, mapped, write
from tests.support.door import outputs, run_log

NODES = "tests.support.file_nodes"


@pytest.fixture(params=[True, False], ids=["cached", "no cache"])
def options(request):
    return {} if request.param else {"cache": False}


def test_a_place_that_is_written_again_and_again(tmp_path, options):
    graph = f"""
inputs: {{texts: "list[text]"}}
nodes:
  made: {{use: "{NODES}:OnePlace", each: text, in: {{text: texts}}, with: {{place: "{tmp_path}/a.txt"}}}}
  read: {{use: "{NODES}:Read", each: file, in: {{file: made}}}}
  all: {{use: "{NODES}:ReadAll", in: {{files: made}}}}
outputs: {{made: made, read: read, all: all}}
"""
    seen = ["a.txt: one", "a.txt: two", "a.txt: one"]
    for _ in range(2):
        result = run_log(graph, options=options, texts=["one", "two", "one"]).result.require()
        assert result["read"] == seen
        assert result["all"] == ", ".join(seen)
        (tmp_path / "a.txt").write_text("later")
        assert [file.path.read_text() for file in result["made"]] == ["one", "two", "one"]
        assert [file.name for file in result["made"]] == ["a.txt"] * 3
        saved = result.save(tmp_path / "saved")["made"]
        assert [path.suffix for path in saved] == [".txt"] * 3
        assert saved[1].read_text() == "two"


def test_what_a_result_holds_does_not_change_with_the_next_run(tmp_path, options):
    graph = f'inputs: {{t: text}}\nnodes: {{s: {{use: "{NODES}:OnePlace", in: {{text: t}}, with: {{place: "{tmp_path}/a"}}}}}}\noutputs: {{x: s}}'
    first = run_log(graph, options=options, t="one").result
    second = run_log(graph, options=options, t="two").result
    assert [first["x"].path.read_text(), second["x"].path.read_text()] == ["one", "two"]


def test_files_of_several_in_one_folder(tmp_path, options):
    graph = f"""
inputs: {{texts: "list[text]"}}
nodes:
  made: {{use: "{NODES}:Several", each: text, in: {{text: texts}}, with: {{place: "{tmp_path}/f"}}}}
  read: {{use: "{NODES}:ReadAll", each: files, in: {{files: made}}}}
outputs: {{read: read}}
"""
    for _ in range(2):
        found = run_log(graph, options=options, texts=["ab", "c"]).outputs["read"]
        assert found == ["a.txt: aa, b.txt: bb", "c.txt: cc"]


def test_one_value_that_changes_is_refused(tmp_path, options):
    graph = f'inputs: {{t: "list[text]"}}\nnodes: {{s: {{use: "{NODES}:OneValue", each: text, in: {{text: t}}, with: {{place: "{tmp_path}/a"}}}}}}\noutputs: {{x: s}}'
    (told,) = run_log(graph, options=options, t=["one", "two"]).result.failures.values()
    assert told.endswith("write it first, to a place of its own, then make the value")
    assert told.startswith(
        f"1 of 2 elements failed; element 1: its output 'file': the file '{tmp_path}/a' has changed since"
    )


def test_a_batch_that_writes_to_one_place(tmp_path, options):
    """What is over is over: the others are tried alone."""
    rows = write(tmp_path / "rows.jsonl", [{"id": str(n), "t": f"text {n}"} for n in range(6)])
    graph = f"""
inputs: {{t: text}}
nodes:
  made: {{use: "{NODES}:OnePlaceInBatches", in: {{text: t}}, batch: 3, with: {{place: "{tmp_path}/a.txt"}}}}
  read: {{use: "{NODES}:Read", in: {{file: made}}}}
outputs: {{x: read}}
"""
    assert ends(graph, rows, options) == {str(n): {"x": f"a.txt: text {n}"} for n in range(6)}


def test_rows_in_a_chunk(tmp_path, options):
    rows = write(tmp_path / "rows.jsonl", [{"id": str(n), "t": f"text {n}"} for n in range(300)])
    graph = f"""
inputs: {{t: text}}
nodes:
  made: {{use: "{NODES}:OnePlace", in: {{text: t}}, with: {{place: "{tmp_path}/a.txt"}}}}
  read: {{use: "{NODES}:Read", in: {{file: made}}}}
outputs: {{x: read}}
"""
    for _ in range(2):
        assert ends(graph, rows, options) == {str(n): {"x": f"a.txt: text {n}"} for n in range(300)}


READ = f'inputs: {{f: file}}\nnodes: {{s: {{use: "{NODES}:Read", in: {{file: f}}}}, t: {{use: "{NODES}:Same", in: {{file: f}}}}, u: {{use: "{NODES}:Read", in: {{file: t}}}}}}\noutputs: {{x: s, y: u}}'


def test_a_node_sees_the_name_of_its_file(tmp_path, options):
    for name in ("x.csv", "x.tsv", "x.csv"):
        (tmp_path / name).write_text("same")
        seen = f"{name}: same"
        assert run_log(READ, options=options, f=tmp_path / name).outputs == {"x": seen, "y": seen}


def test_a_name_of_ones_own(tmp_path, options):
    (tmp_path / "a").write_text("same")
    for name in ("x.csv", "x.tsv", "naïve – 1.csv", ".hidden", "x" * 255):
        for value in (studio.File(tmp_path / "a", name=name), studio.File.from_bytes(b"same", name=name)):
            assert value.path.name == value.name == name
            found = run_log(READ, options=options, f=value).outputs
            assert found == {"x": f"{name}: same", "y": f"{name}: same"}


@pytest.mark.parametrize("place", ["", "a"])
def test_a_node_names_its_file(tmp_path, options, place):
    graph = f"""
inputs: {{t: text}}
nodes:
  a: {{use: "{NODES}:Named", in: {{text: t}}, with: {{place: "{place and tmp_path / place}", called: x.csv}}}}
  b: {{use: "{NODES}:Read", in: {{file: a}}}}
outputs: {{file: a, read: b}}
"""
    for text in ("one", "two", "one"):
        result = run_log(graph, options=options, t=text).result
        assert result["read"] == f"x.csv: {text}"
        assert result["file"].path.name == "x.csv"
        assert result.save(tmp_path / "saved")["file"].name == "file.csv"


@pytest.mark.parametrize("name", ["a/b", "../a", "..", ".", "", "a\0b", "x" * 256, "\ud800"])
def test_what_is_no_name(tmp_path, name):
    (tmp_path / "a").write_text("same")
    with pytest.raises(ValueError, match="cannot be the name of a file"):
        studio.File(tmp_path / "a", name=name)
    if name:
        with pytest.raises(ValueError, match="cannot be the name of a file"):
            studio.File.from_bytes(b"same", name=name)


def test_items_of_one_content_and_other_names(tmp_path, options):
    folder = tmp_path / "docs"
    (folder / "in").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "in/a.txt"):
        (folder / name).write_text("same")
    graph = f'inputs: {{file: file}}\nnodes: {{s: {{use: "{NODES}:Read", in: {{file: file}}}}}}\noutputs: {{x: s}}'
    for _ in range(2):
        found = ends(graph, folder, options)
        assert found == {
            "a.txt": {"x": "a.txt: same"},
            "b.txt": {"x": "b.txt: same"},
            "in/a.txt": {"x": "a.txt: same"},
        }


def test_links_to_what_a_node_was_given(tmp_path):
    """Their times change with every other use of the content; that is no change of the file."""
    (tmp_path / "a.txt").write_text("same")
    graph = f"""
inputs: {{f: file}}
nodes:
  s: {{use: "{NODES}:Same", in: {{file: f}}}}
  link: {{use: "{NODES}:Linked", in: {{file: s}}, with: {{place: "{tmp_path}/hard.txt"}}}}
  moved: {{use: "{NODES}:Moved", in: {{file: s}}}}
  named: {{use: "{NODES}:Renamed", in: {{file: s}}}}
  all: {{use: "{NODES}:ReadAll", in: {{files: [s, link, moved, named]}}}}
outputs: {{all: all}}
"""
    for refresh in ([], [], ["link", "moved", "named"]):
        found = run_log(graph, options={"refresh": refresh}, f=tmp_path / "a.txt").result.require()
        assert found["all"] == "a.txt: same, hard.txt: same, moved.txt: same, named.txt: same"
    (tmp_path / "hard.txt").unlink()


def test_who_holds_a_path_holds_the_file(tmp_path, options):
    (tmp_path / "a.txt").write_text("same")
    path = run_log(READ.replace("y: u", "y: t"), options=options, f=tmp_path / "a.txt").result["y"].path
    assert path.read_text() == "same"
    assert studio.File.from_bytes(b"some").path.read_bytes() == b"some"
    folder = path.parent
    del path
    assert os.listdir(folder) == []


def test_films_too(tmp_path, options):
    graph = f'inputs: {{v: video}}\nnodes: {{s: {{use: "{NODES}:ReadFilm", in: {{video: v}}}}}}\noutputs: {{x: s}}'
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_text("film")
        assert run_log(graph, options=options, v=tmp_path / name).outputs == {"x": f"{name}: film"}


def test_the_name_of_a_sound_is_no_part_of_it(tmp_path):
    graph = f'inputs: {{a: audio}}\nnodes: {{s: {{use: "{NODES}:Loud", in: {{audio: a}}}}}}\noutputs: {{x: s}}'
    sound = studio.Audio(np.zeros(80, np.float32), 8000)
    assert run_log(graph, a=sound.save(tmp_path / "a.wav")) == [("done", "s")]
    assert run_log(graph, a=sound.save(tmp_path / "b.wav")) == [("cached", "s")]


def test_constants_defaults_and_lists(tmp_path, options):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("same")
    (tmp_path / "g.yaml").write_text(f"""
inputs: {{f: {{type: file, default: a.txt}}, many: {{type: "list[file]", default: ["{tmp_path}/b.txt", "{tmp_path}/a.txt"]}}}}
nodes:
  s: {{use: "{NODES}:Read", with: {{file: b.txt}}}}
  t: {{use: "{NODES}:Read", in: {{file: f}}}}
  u: {{use: "{NODES}:ReadAll", in: {{files: many}}}}
outputs: {{s: s, t: t, u: u}}
""")
    graph = studio.load(tmp_path / "g.yaml")
    for _ in range(2):
        found = run_log(graph, options=options).outputs
        assert found == {"s": "b.txt: same", "t": "a.txt: same", "u": "b.txt: same, a.txt: same"}
    other = run_log(graph, options=options, many=[tmp_path / "a.txt", tmp_path / "b.txt"]).outputs
    assert other["u"] == "a.txt: same, b.txt: same"


MEDDLER = """
inputs: {{f: file}}
nodes: {{s: {{use: "{}:Meddler", in: {{file: f}}, with: {{place: "{}"}}}}}}
outputs: {{x: s}}
"""


def test_an_input_that_changes_while_it_is_read(tmp_path, options):
    place = tmp_path / "a.txt"
    place.write_text("before")
    log = run_log(MEDDLER.format(NODES, place), options=options, f=place)
    if options:  # there is nobody who has a copy
        assert log.result.failures["s"].startswith(f"its input 'file': the file '{place}' has changed since")
    else:
        assert log.outputs == {"x": "before"}
        place.write_text("before")
        assert run_log(MEDDLER.format(NODES, place), f=place) == [("cached", "s")]


def test_another_content_is_another_input(tmp_path, options):
    place = tmp_path / "a.txt"
    place.write_text("one")
    value = studio.File(place)
    for text in ("one", "two", "one"):
        place.write_text(text)
        assert run_log(READ, options=options, f=place).outputs["x"] == f"a.txt: {text}"
        assert run_log(READ, options=options, f=value).outputs["x"] == f"a.txt: {text}"


def test_a_node_that_writes_to_its_input(tmp_path, options):
    place = tmp_path / "a.txt"
    place.write_text("before")
    graph = f'inputs: {{f: file}}\nnodes: {{s: {{use: "{NODES}:InPlace", in: {{file: f}}}}}}\noutputs: {{x: s}}'
    told = run_log(graph, options=options, f=place).result.failures["s"]
    assert "its input 'file': the file '" in told
    if not options:
        assert place.read_text() == "before"
        assert outputs(READ, f=place)["x"] == "a.txt: before"


def test_a_node_that_moves_its_input_away(tmp_path, options):
    graph = f"""
inputs: {{t: text}}
nodes:
  a: {{use: "{NODES}:OnePlace", in: {{text: t}}, with: {{place: "{tmp_path}/a.txt"}}}}
  s: {{use: "{NODES}:Moves", in: {{file: a}}, with: {{place: "{tmp_path}/b.txt"}}}}
  r: {{use: "{NODES}:Read", in: {{file: a}}, when: s}}
outputs: {{x: s, y: r, a: a}}
"""
    for _ in range(2):
        result = run_log(graph, options=options, t="text").result
        assert (result["x"], result["y"], result["a"].path.read_text()) == ("text", "a.txt: text", "text")


def test_a_given_file_that_is_moved_away_stays_where_it_was(tmp_path):
    place = tmp_path / "a.txt"
    place.write_text("text")
    graph = f'inputs: {{f: file}}\nnodes: {{s: {{use: "{NODES}:Moves", in: {{file: f}}, with: {{place: "{tmp_path}/b.txt"}}}}}}\noutputs: {{x: s}}'
    assert outputs(graph, f=place) == {"x": "text"}
    assert place.read_text() == "text"


def test_a_file_that_is_gone_by_then(options):
    log = run_log(f'nodes: {{s: {{use: "{NODES}:Gone", with: {{text: x}}}}}}\noutputs: {{x: s}}', options=options)
    assert log == [("failed", "s")]
    assert log.result.failures["s"].startswith("its output 'file': its file '/")
    assert log.result.failures["s"].endswith("a.txt' is gone: it has to be there until the task ends")


@pytest.mark.parametrize("kind", ["file", "audio"])
def test_a_pipe_is_told_as_one(tmp_path, options, kind):
    os.mkfifo(tmp_path / "pipe")
    graph = f'inputs: {{f: {kind}}}\nnodes: {{s: {{use: "{NODES}:{"Read" if kind == "file" else "Loud"}", in: {{{kind}: f}}}}}}\noutputs: {{x: s}}'
    with pytest.raises(studio.InputError, match=r"'/.*/pipe' is a pipe or a device.*: save it to a file first"):
        run_log(graph, options=options, f=tmp_path / "pipe")


def test_an_item_that_changes_after_its_digest_was_told(tmp_path):
    """Without a cache too: the line of an item in a data set says by that digest what was computed."""
    place, files = tmp_path / "a.wav", FileDigests()
    for number, kind in enumerate(("audio", "file")):
        studio.Audio(np.zeros(80 + number, np.float32), 8000).save(place)
        given = GivenValue("input 'a'", PortType(kind), place, None, files)
        told = given.artifact.digest
        given.admit()
        assert given.artifact.handle
        again = GivenValue("input 'a'", PortType(kind), place, None, files)
        studio.Audio(np.ones(80 + number, np.float32), 8000).save(place)
        assert files(place) != told
        if kind == "audio":
            with pytest.raises(studio.InputError, match="input 'a': the file changed while it was read"):
                again.admit()
        else:
            again.admit()
            with pytest.raises(ValueError, match="has changed since"):  # as the worker will find
                again.artifact.handle.get().check()


def test_a_file_beside_the_given_one(tmp_path, options):
    (tmp_path / "a.txt").write_text("text")
    graph = f"""
inputs: {{f: file}}
nodes:
  s: {{use: "{NODES}:Beside", in: {{file: f}}}}
  t: {{use: "{NODES}:Read", in: {{file: s}}}}
outputs: {{x: t}}
"""
    for _ in range(2):
        assert run_log(graph, options=options, f=tmp_path / "a.txt").outputs == {"x": "a.out: text!"}


def test_nothing_is_left_behind(tmp_path, cache_folder):
    (tmp_path / "a.txt").write_text("text")
    result = run_log(READ, f=tmp_path / "a.txt").result
    assert result["x"] == "a.txt: text"
    assert not [path for path in (cache_folder / "lent").rglob("*") if path.is_file()]


def test_what_is_read_is_not_pruned(tmp_path, cache_folder):
    graph = f'inputs: {{t: text}}\nnodes: {{s: {{use: "{NODES}:OnePlace", in: {{text: t}}, with: {{place: "{tmp_path}/a"}}}}}}\noutputs: {{x: s}}'
    film = run_log(graph, t="one").result["x"]
    cache = studio.Cache(cache_folder)
    cache.records.clear()
    for blob in (cache_folder / "blobs").rglob("*"):
        if blob.is_file():
            os.utime(blob, (1, 1))
    prune(cache, 0)
    assert not [blob for blob in (cache_folder / "blobs").rglob("*") if blob.is_file()]
    assert film.path.read_text() == "one"
    assert film.name == "a"


def test_a_disk_that_takes_no_copy(tmp_path):
    """Without a store, what follows would read a place that anybody may write to."""
    place = tmp_path / "a.txt"
    place.write_text("x" * 1000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        told = run_log(READ, options={"cache": False}, f=place).result.failures["t"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert told.startswith("its output 'file': no copy of its file could be kept: [Errno 27]")


def test_a_row_whose_file_has_another_name_now(tmp_path, options):
    """The same content under another name is another item to a node that sees both: it is done again."""
    graph = f'inputs: {{file: file}}\nnodes: {{s: {{use: "{NODES}:Read", in: {{file: file}}}}}}\noutputs: {{x: s}}'
    for name in ("a.csv", "b.csv", "b.csv"):
        (tmp_path / name).write_text("same")
        rows = write(tmp_path / "rows.jsonl", [{"id": "1", "file": name}])
        run = mapped(graph, rows, options, resume=tmp_path / "out")
        for _ in run:
            pass
        assert [line["outputs"] for line in lines(tmp_path / "out")] == [{"x": f"{name}: same"}]
