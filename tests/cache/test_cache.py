"""The cache: damage is found, set aside and made anew; a folder that takes nothing stops nobody."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import studio
from studio.cache import store as stores
from studio.cache import upkeep
from studio.cache.store import Store
from tests.support.at_rest import records_at_rest, unused_since_yesterday
from tests.support.door import load, ran, run_log
from tests.support.processes import python

GRAPH = """
inputs: {{text: text}}
nodes:
  tone: {{use: Tone}}
  level: {{use: Loudness, in: {{audio: tone}}}}
  count: {{use: Counter, in: {{text: text}}, with: {{tally: '{tally}'}}}}
outputs: {{tone: tone, level: level, count: count}}
"""


@pytest.fixture
def run(tally):
    return lambda **options: run_log(GRAPH.format(tally=tally), options=options, text="hello")


def files(cache_folder, kind):
    if kind == "records":
        return records_at_rest(cache_folder)
    return sorted(path for path in (cache_folder / kind).rglob("*") if path.is_file())


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    rewrite(path, bytes(data))


def rewrite(path, data):
    if isinstance(path, Path):  # a blob; a record is a row
        path.chmod(0o644)
    path.write_bytes(data)


DAMAGE = {
    "flipped": flip,
    "truncated": lambda path: rewrite(path, path.read_bytes()[:-5]),
    "emptied": lambda path: rewrite(path, b""),
    "lengthened": lambda path: rewrite(path, path.read_bytes() + b"\n"),
    "deleted": lambda path: path.unlink(),
    "words": lambda path: rewrite(path, b"no record"),
}


@pytest.mark.parametrize("kind", ["blobs", "records"])
@pytest.mark.parametrize("how", DAMAGE)
def test_damage_is_found_and_made_anew(run, cache_folder, kind, how):
    fresh = run()
    for path in files(cache_folder, kind):
        DAMAGE[how](path)
    again = run()
    assert again.outputs == fresh.outputs
    assert "tone" in again.steps("done")
    if how != "deleted":
        assert again.of(studio.Warned)
        assert files(cache_folder, "quarantine")
    assert not run().steps("done")
    assert upkeep.verify(studio.Cache()).damaged == 0


@pytest.mark.parametrize("kind", ["blobs", "records"])
def test_swapped_files_are_found(cache_folder, kind):
    graph = "nodes: {a: {use: Tone, with: {hertz: 300}}, b: {use: Tone, with: {hertz: 500}}}\noutputs: {a: a, b: b}"
    fresh = run_log(graph)
    first, second = files(cache_folder, kind)
    one, two = first.read_bytes(), second.read_bytes()
    rewrite(first, two)
    rewrite(second, one)
    again = run_log(graph)
    assert again.outputs == fresh.outputs
    assert again.steps("done") == ["a", "b"]


def test_verify_finds_what_is_damaged(run, cache_folder):
    run()
    assert upkeep.verify(studio.Cache()).damaged == 0
    flip(files(cache_folder, "blobs")[0])
    assert upkeep.verify(studio.Cache()).damaged == 1
    assert upkeep.verify(studio.Cache()).damaged == 0


def test_verify_looks_at_inputs_too(cache_folder, tmp_path):
    (tmp_path / "in.bin").write_bytes(b"0123456789" * 100)
    run_log("inputs: {f: file}\nnodes: {s: {use: Size, in: {file: f}}}\noutputs: {x: s}", f=tmp_path / "in.bin")
    (blob,) = files(cache_folder, "blobs")
    flip(blob)
    assert upkeep.verify(studio.Cache()).damaged == 1


class Planted:
    def __reduce__(self):
        return (os.system, ("touch " + os.environ["PLANTED"],))


@pytest.mark.parametrize("kind", ["blobs", "records"])
def test_a_planted_pickle_is_never_loaded(run, cache_folder, kind, tmp_path, monkeypatch):
    monkeypatch.setenv("PLANTED", str(tmp_path / "planted"))
    fresh = run()
    for path in files(cache_folder, kind):
        rewrite(path, pickle.dumps(Planted()))
    for beside in ("records.pkl", "blobs/00.pkl"):
        (cache_folder / beside).write_bytes(pickle.dumps(Planted()))
    assert run().outputs == fresh.outputs
    list(upkeep.entries(studio.Cache()))
    upkeep.verify(studio.Cache())
    assert not (tmp_path / "planted").exists()


def test_nothing_at_rest_is_a_pickle(run, cache_folder):
    run()
    for path in [*files(cache_folder, "blobs"), *files(cache_folder, "records")]:
        assert not path.read_bytes().startswith((b"\x80\x04", b"\x80\x05"))


def test_a_cached_run_and_a_fresh_one_give_the_same(run):
    fresh, first, cached = run(cache=False), run(), run()
    assert fresh.outputs == first.outputs == cached.outputs
    assert len(cached.steps("cached")) == 3


def test_the_record_tells_its_parts_in_clear(run, cache_folder):
    run()
    texts = [json.loads(path.read_bytes().splitlines()[0]) for path in files(cache_folder, "records")]
    assert {text["parts"]["node"] for text in texts} == {"Tone", "Loudness", "Counter"}
    assert all(
        set(text["parts"]) == {"scheme", "node", "version", "source", "config", "model", "inputs"} for text in texts
    )


def test_no_time_and_no_folder_in_a_key(tally, tmp_path):
    graph = "nodes: {a: {use: Upper, with: {text: x}}}\noutputs: {x: a}"
    keys = {run_log(graph, options={"cache": tmp_path / name}).result.steps["a"].key for name in ("p", "q")}
    assert len(keys) == 1


def test_a_folder_that_is_no_cache(tmp_path):
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(studio.StoreError, match="is not a cache folder, and not empty"):
        studio.Cache(tmp_path)
    with pytest.raises(studio.StoreError):
        studio.Cache(tmp_path / "precious")
    assert (tmp_path / "precious").read_text() == "mine"


def test_clear_touches_nothing_but_a_cache(run, cache_folder):
    run()
    cache = studio.Cache()
    assert upkeep.clear(cache) > 0
    assert upkeep.stats(cache).records == 0
    (cache_folder / "CACHEDIR.TAG").unlink()
    with pytest.raises(studio.StoreError, match="nothing was deleted"):
        upkeep.clear(cache)


def test_prune_lets_the_cheap_and_large_go_first(cache_folder):
    run_log(
        "nodes: {big: {use: Tone, with: {seconds: 20}}, dear: {use: Slow, with: {text: a, seconds: 0.2}}}\noutputs: {b: big, d: dear}"
    )
    unused_since_yesterday(studio.Cache())
    assert upkeep.prune(studio.Cache(), budget=100_000).records == 1
    assert [entry.record.node for entry in upkeep.entries(studio.Cache())] == ["Slow"]


def test_prune_spares_what_was_used_within_the_hour(cache_folder):
    graph = "nodes: {a: {use: Tone}, b: {use: Tone, with: {hertz: 9}}}\noutputs: {a: a, b: b}"
    run_log(graph)
    unused_since_yesterday(cache := studio.Cache())
    assert run_log(graph, options={"outputs": ["a"]}).steps("cached") == ["a"]  # a hit is a use
    other = "import studio; from studio.cache import upkeep; print(*upkeep.prune(studio.Cache(), 0))"
    gone, freed, spared = map(int, python("-c", other).stdout.split())  # and another process knows at once
    assert (gone, spared) == (1, 1)
    assert freed > 0
    assert len(list(upkeep.entries(cache))) == len(files(cache_folder, "blobs")) == 1


def test_a_pruned_blob_s_record_does_not_fail_a_run(run, cache_folder):
    run()
    for path in files(cache_folder, "blobs"):
        path.unlink()
    assert not run().steps("failed")


def test_two_processes_make_one_folder(cache_folder):
    """Many processes that all make the same new cache at once."""
    code = "import studio; studio.Cache()"
    started = [subprocess.Popen([sys.executable, "-c", code], env={**os.environ}) for _ in range(6)]
    assert [process.wait(60) for process in started] == [0] * 6


SMALL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
import studio
from tests.support.door import run_log
graph = open(sys.argv[1]).read()
if sys.argv[2] == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
log = run_log(graph, text="hello")
print(log.steps("done"), log.outputs["level"], len(log.of(studio.Warned)))
"""


@pytest.mark.parametrize("what", ["full", "read-only"])
def test_a_disk_that_takes_nothing(tmp_path, cache_folder, what):
    """One warning, and the run goes on."""
    (tmp_path / "graph").write_text(GRAPH.format(tally=os.devnull))
    (tmp_path / "code.py").write_text(SMALL_DISK)
    if what == "read-only":
        studio.Cache()
        (cache_folder / "records.sqlite").mkdir()
        (cache_folder / "blobs").write_text("a file where a folder should be")
    ran_ = python(tmp_path / "code.py", tmp_path / "graph", what)
    assert ran_.returncode == 0, ran_.stderr
    assert ran_.stdout.strip() == "['count', 'level', 'tone'] 318 1", ran_.stdout + ran_.stderr


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="leaves its rights, which only root has to leave"
)
def test_a_folder_that_may_only_be_read(run, cache_folder, let_in):
    """What is known is still found; what is new is not kept."""
    run()
    code = (
        "import os; import studio; from tests.support.door import run_log\n"
        "text = 'nodes: {tone: {use: Tone}, new: {use: Tone, with: {hertz: 99}}}\\noutputs: {a: tone, b: new}'\n"
        "run_log(text, options={'cache': False})  # loads all there is to load\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "log = run_log(text); print(log.steps('cached'), log.steps('done'), len(log.of(studio.Warned)))"
    )
    let_in(cache_folder)
    for path in cache_folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o444)
    ran_ = python("-c", code, folder="/", HOME="/nonexistent")
    assert ran_.stdout.strip() == "['tone'] ['new'] 1", ran_.stdout + ran_.stderr


def test_a_result_that_goes_while_it_is_held(run, cache_folder):
    """A result loaded late, from a cache that was cleared meanwhile, is made again."""
    result = run().result
    cached = run().result
    upkeep.clear(studio.Cache())
    assert result["tone"].seconds > 0  # still in memory
    assert cached["tone"].seconds == result["tone"].seconds


def test_a_failed_write_leaves_no_record(tmp_path):
    """An output that cannot be encoded fails its step, and nothing of it is kept."""

    class Bad(studio.Node):
        def run(self, text: str) -> dict:
            return {"a": float("nan")}

    log = run_log("nodes: {b: {use: Bad, with: {text: a}}}\noutputs: {x: b}", nodes=[Bad])
    assert log == [("failed", "b")]
    assert "output 'data': JSON has no nan" in log.result.failures["b"]
    assert upkeep.stats(studio.Cache()).records == 0


def test_changing_an_input_while_it_is_read(tmp_path, tally):
    """A file that is rewritten between its hashing and its reading poisons nothing."""
    path = tmp_path / "in.bin"
    path.write_bytes(b"before")
    graph = load("inputs: {f: file}\nnodes: {s: {use: Size, in: {file: f}}}\noutputs: {x: s}")
    run, result = graph.start({"f": path}, {"executor": "local"})
    path.write_bytes(b"after this")
    with pytest.raises(studio.InputError, match="changed while it was read"):
        for event in run.events():
            result.hear(event)
    assert upkeep.stats(studio.Cache()).records == 0
    assert ran(tally) == 0


def test_a_store_remembers_only_so_many_sound_blobs(tmp_path, monkeypatch):
    """A worker that lives for weeks must not grow with every blob that it reads."""
    monkeypatch.setattr(stores, "_MOST_VERIFIED", 3)
    store = Store(tmp_path)
    put = [store.put("text", f"text {n}".encode()) for n in range(10)]
    for _ in range(2):
        for n, artifact in enumerate(put):
            assert store.verified(artifact).read_bytes() == f"text {n}".encode()
            assert len(store._verified) <= 3
    path = store.path(put[-1].digest)
    path.chmod(0o644)
    path.write_bytes(b"others")  # of the same size
    with pytest.raises(stores.Damaged):
        store.verified(put[-1])
