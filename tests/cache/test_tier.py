"""The tier: what one machine computed is there for all; nothing out there can be wrong, forged, slow or gone and matter."""

import json
import os
import pickle
import random
import shutil
import signal
import sys
import threading
import time

import pytest

import studio
from studio.cache import upkeep
from studio.cache.tier import Tier, storage
from studio.cache.tier import tier as tiers
from studio.cache.tier.signing import Signer
from studio.executors.surroundings import Surroundings
from studio.values.digest import of_bytes
from tests.cache.test_cache import DAMAGE, Planted, rewrite
from tests.support.at_rest import records_at_rest
from tests.support.door import load, ran, run_log
from tests.support.processes import begin, command

fsspec = pytest.importorskip("fsspec")
from fsspec.implementations.memory import MemoryFileSystem  # noqa: E402
from fsspec.registry import known_implementations  # noqa: E402

GRAPH = """
inputs: {{text: text}}
nodes:
  tone: {{use: Tone}}
  level: {{use: Loudness, in: {{audio: tone}}}}
  count: {{use: Counter, in: {{text: text}}, with: {{tally: '{tally}'}}}}
outputs: {{tone: tone, level: level, count: count}}
"""
STEPS = ["count", "level", "tone"]
SECRET = "correct-horse-battery"


def files(folder, kind):
    """What lies on a tier, where each record is a file."""
    return sorted(path for path in (folder / kind).rglob("*") if path.is_file())


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """No tier, and nothing remembered of one."""
    for name in ("STUDIO_TIER", "STUDIO_TIER_KEY"):
        monkeypatch.delenv(name, raising=False)
    tiers._tier.cache_clear()


@pytest.fixture
def folder(tmp_path):
    """A tier: a folder that nobody else can enter."""
    (tmp_path / "tier").mkdir(mode=0o700)
    return tmp_path / "tier"


@pytest.fixture
def machine(tmp_path, tally, folder):
    """Runs the graph on a machine with a cache and a memory of its own, and waits until all is shared."""

    def run(name, url=folder, graph=GRAPH, seconds=20):
        tiers._tier.cache_clear()
        cache = studio.Cache(tmp_path / name, tier=str(url))
        text = graph.format(tally=tally) if graph is GRAPH else graph
        log = run_log(text, options={"cache": cache}, text="hello")
        log.left, log.cache = cache.flush(seconds), cache
        return log

    return run


class Moody(MemoryFileSystem):
    """A store whose mood is for the test to choose: what it does before each operation."""

    protocol = ("moody", "memory")
    mood = staticmethod(lambda what: None)

    def cat_file(self, path, **more):
        self.mood("read")
        return super().cat_file(path, **more)

    def open(self, path, mode="rb", **more):
        self.mood("read" if "r" in mode else "write")
        return super().open(path, mode, **more)

    def info(self, path, **more):
        self.mood("look")
        return super().info(path, **more)

    def put_file(self, *given, **more):
        self.mood("write")
        return super().put_file(*given, **more)

    def pipe_file(self, *given, **more):
        self.mood("write")
        return super().pipe_file(*given, **more)


@pytest.fixture
def moody(monkeypatch, tmp_path):
    """A URL of such a store, empty."""
    monkeypatch.setenv("STUDIO_TIER_KEY", SECRET)
    monkeypatch.setattr(Moody, "store", {})
    monkeypatch.setattr(Moody, "pseudo_dirs", [""])
    fsspec.register_implementation("moody", Moody, clobber=True)
    return f"moody://{tmp_path.name}"


def set_mood(monkeypatch, mood):
    monkeypatch.setattr(Moody, "mood", staticmethod(mood))


def warnings(log) -> list[str]:
    return [event.message for event in log.of(studio.Warned)]


# What it is for ------------------------------------------------------------------------------------------------------


def test_what_one_computed_is_a_hit_for_the_other(machine, folder, tmp_path, tally):
    first, second = machine("a"), machine("b")
    assert first.steps("done") == STEPS
    assert second.steps("cached") == STEPS
    assert second.outputs == first.outputs
    assert ran(tally) == 1
    assert first.left == second.left == 0
    assert not warnings(first) + warnings(second)
    shutil.rmtree(folder)
    assert machine("b", url="").steps("cached") == STEPS  # it is here now


def test_it_lies_there_as_it_lies_here(machine, folder, tmp_path):
    machine("a")
    blobs = [path.relative_to(tmp_path / "a").as_posix() for path in files(tmp_path / "a", "blobs")]
    records = [record.name for record in records_at_rest(tmp_path / "a")]
    assert [path.relative_to(folder).as_posix() for path in files(folder, "blobs")] == blobs
    assert [path.relative_to(folder).as_posix() for path in files(folder, "records")] == records
    assert [record.read_bytes() for record in records_at_rest(tmp_path / "a")] == [
        Signer(None).verified(path.read_bytes()) for path in files(folder, "records")
    ]
    assert blobs
    assert records


def test_the_environment_is_enough(folder, tmp_path, tally, monkeypatch):
    monkeypatch.setenv("STUDIO_TIER", folder.as_uri())
    graph = load(GRAPH.format(tally=tally))
    for name in "ab":
        graph.run(options={"executor": "local", "cache": tmp_path / name}, text="x")
        tiers._tier.cache_clear()
    assert ran(tally) == 1


def test_a_data_set_is_shared(folder, tmp_path, tally):
    rows = [{"text": f"row {n}"} for n in range(30)]
    for name in "ab":
        tiers._tier.cache_clear()
        options = {"executor": "local", "cache": studio.Cache(tmp_path / name, tier=str(folder))}
        assert len(list(load(GRAPH.format(tally=tally)).map(rows, options=options))) == 30
    assert ran(tally) == 30


def test_media_larger_than_a_chunk(machine, monkeypatch):
    monkeypatch.setattr(storage, "_CHUNK", 100)
    assert machine("a").outputs == machine("b").outputs


def test_a_refreshed_result_is_refreshed_there(machine, folder, tmp_path):
    machine("a")
    before = files(folder, "records")[0].read_bytes()
    cache = studio.Cache(tmp_path / "a", tier=str(folder))
    run_log(GRAPH.format(tally=tmp_path / "tally"), options={"cache": cache, "refresh": STEPS}, text="hello")
    assert cache.flush(20) == 0
    assert files(folder, "records")[0].read_bytes() != before


def test_why_and_verify_know_of_it(machine, folder, tmp_path, tally):
    machine("a")
    cache = studio.Cache(tmp_path / "b", tier=str(folder))
    assert all(
        verdict.cached for verdict in load(GRAPH.format(tally=tally)).why(options={"cache": cache}, text="hello")
    )
    assert upkeep.verify(cache).damaged == 0


# What cannot be trusted ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", SECRET])
@pytest.mark.parametrize("kind", ["blobs", "records"])
@pytest.mark.parametrize("how", [*DAMAGE, "pickled"])
def test_damage_there_is_as_good_as_absent_and_mended(machine, folder, kind, how, key, monkeypatch, tmp_path):
    monkeypatch.setenv("STUDIO_TIER_KEY", key)
    monkeypatch.setenv("PLANTED", str(tmp_path / "planted"))
    first = machine("a")
    for path in files(folder, kind):
        if how == "pickled":
            rewrite(path, pickle.dumps(Planted()))
        else:
            DAMAGE[how](path)
    second = machine("b")
    assert second.outputs == first.outputs
    assert "tone" in second.steps("done")
    assert len(warnings(second)) == (how != "deleted")
    assert second.cache.damaged == 0  # nothing is wrong here
    third = machine("c")
    assert third.steps("cached") == STEPS
    assert not warnings(third)
    assert not (tmp_path / "planted").exists()


def forged(path, seal) -> None:
    """The record of the step `level`, or another one, that says 42, sealed somehow."""
    body = path.read_bytes().splitlines()[0]
    data = json.loads(body)
    for artifact in data["outputs"].values():
        artifact["inline"] = "42"
    text = json.dumps(data).encode()
    rewrite(path, seal(text + b"\n" + of_bytes(text).encode()))


def level(folder):
    (path,) = (path for path in files(folder, "records") if "Loudness" in str(path))
    return path


@pytest.mark.parametrize("by", ["nobody", "another key", "no seal"])
def test_a_forged_record_is_refused(machine, folder, monkeypatch, by):
    monkeypatch.setenv("STUDIO_TIER_KEY", SECRET)
    machine("a")
    seals = {
        "nobody": Signer(None).sign,
        "another key": Signer(b"another").sign,
        "no seal": lambda body: body,
    }
    forged(level(folder), seals[by])
    log = machine("b")
    assert log.outputs["level"] == 318
    (told,) = warnings(log)
    assert "a record with no signature, or another: it is not used, and made anew" in told
    assert log.cache.tier.refused == 1


def test_who_has_the_key_can_forge(machine, folder, monkeypatch):
    """So the tests above see what they should."""
    monkeypatch.setenv("STUDIO_TIER_KEY", SECRET)
    machine("a")
    forged(level(folder), Signer(SECRET.encode()).sign)
    assert machine("b").outputs["level"] == 42


def test_those_with_another_key_share_nothing(machine, monkeypatch):
    monkeypatch.setenv("STUDIO_TIER_KEY", SECRET)
    machine("a")
    monkeypatch.setenv("STUDIO_TIER_KEY", "another")
    assert machine("b").steps("done") == STEPS
    monkeypatch.delenv("STUDIO_TIER_KEY")
    assert machine("c").steps("done") == STEPS


def outputs_of(data):
    return next(iter(data["outputs"].values()))


CRAFTED = {
    "an escape": lambda data: outputs_of(data).update(digest="../../../../out"),
    "an absolute path": lambda data: outputs_of(data).update(digest="/etc/hostname"),
    "a negative size": lambda data: outputs_of(data).update(size=-1),
    "a name for a sound": lambda data: outputs_of(data).update(name="a.wav"),
    "an unknown kind": lambda data: outputs_of(data).update(kind="spell"),
    "another key": lambda data: data.update(key="0" * 64),
    "another node": lambda data: data["parts"].update(node="Upper"),
    "no outputs": lambda data: data.update(outputs=[]),
    "a time that is none": lambda data: data.update(seconds="long"),
    "parts that are none": lambda data: data.update(parts=7),
    "depth": lambda data: data.update(outputs={"audio": nested(200)}),
}


def nested(depth):
    return {"kind": "audio", "items": [nested(depth - 1)]} if depth else {"kind": "audio", "digest": "..", "size": 1}


@pytest.mark.parametrize("how", CRAFTED)
def test_a_crafted_record_does_nothing(machine, folder, how, tmp_path):
    """Rightly sealed, as by somebody who has the key."""
    machine("a")
    (path,) = (path for path in files(folder, "records") if "Tone" in str(path))
    data = json.loads(path.read_bytes().splitlines()[0])
    CRAFTED[how](data)
    text = json.dumps(data).encode()
    rewrite(path, Signer(None).sign(text + b"\n" + of_bytes(text).encode()))
    before = sorted(entry.name for entry in tmp_path.iterdir())
    log = machine("b")
    assert "tone" in log.steps("done")
    assert "a record that is no record" in "".join(warnings(log))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([*before, "b"])


NAMED = """
inputs: {text: text}
nodes: {made: {use: "tests.support.file_nodes:Named", in: {text: text}, with: {called: a.csv}}, read: {use: "tests.support.file_nodes:Read", in: {file: made}}}
outputs: {read: read}
"""


def test_the_name_of_a_file_is_shared(machine):
    machine("a", graph=NAMED)
    log = machine("b", graph=NAMED)
    assert log.steps("cached") == ["made", "read"]
    assert log.outputs == {"read": "a.csv: hello"}


@pytest.mark.parametrize("name", ["../a", "/etc/hostname", "..", ".", "a/b", "a\0", "x" * 256, 7, None, ["a"], ""])
def test_a_crafted_name_leads_nowhere(machine, folder, name):
    machine("a", graph=NAMED)
    (path,) = (path for path in files(folder, "records") if "Named" in str(path))
    data = json.loads(path.read_bytes().splitlines()[0])
    (output,) = data["outputs"].values()
    output["name"] = name
    text = json.dumps(data).encode()
    rewrite(path, Signer(None).sign(text + b"\n" + of_bytes(text).encode()))
    log = machine("b", graph=NAMED)
    assert "made" in log.steps("done")
    assert log.outputs == {"read": "a.csv: hello"}


def test_a_record_that_is_far_too_long(machine, monkeypatch):
    machine("a")
    monkeypatch.setattr(tiers, "_MOST_RECORD", 300)
    assert machine("b").steps("done") == STEPS


def test_a_blob_that_never_ends(machine, folder, tmp_path):
    """No more of it is taken than its record says."""
    machine("a")
    (blob,) = files(folder, "blobs")
    size = blob.stat().st_size
    blob.chmod(0o644)
    os.truncate(blob, 5 << 30)  # takes no room
    taken = []
    tier = Tier(str(folder), None)
    assert tier.fetch([(blob.relative_to(folder).as_posix(), size, lambda chunks: taken.extend(map(len, chunks)))], 20)
    assert sum(taken) == size + 1


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_others_can_enter_needs_a_key(folder, tmp_path, mode, monkeypatch):
    folder.chmod(mode)
    with pytest.raises(studio.StoreError, match=r"set \$STUDIO_TIER_KEY"):
        studio.Cache(tmp_path / "a", tier=str(folder))
    monkeypatch.setenv("STUDIO_TIER_KEY", SECRET)
    assert studio.Cache(tmp_path / "a", tier=str(folder)).tier.signed


def test_a_folder_that_is_made_is_private(machine, tmp_path):
    machine("a", url=tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert machine("b", url=tmp_path / "new").steps("cached") == STEPS


def test_a_place_elsewhere_needs_a_key(moody, tmp_path, monkeypatch):
    monkeypatch.delenv("STUDIO_TIER_KEY")
    with pytest.raises(studio.StoreError, match="needs a key") as caught:
        studio.Cache(tmp_path / "a", tier=moody.replace("://", "://me:word@"))
    assert "word" not in str(caught.value)


def test_what_is_missing_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("STUDIO_TIER_KEY", SECRET)
    monkeypatch.setitem(
        known_implementations, "far", {"class": "no_such_library.Far", "err": "Install farfs to go far"}
    )
    with pytest.raises(studio.EnvironmentMissing, match="a library that is not installed: Install farfs to go far"):
        studio.Cache(tmp_path / "a", tier="far://me:word@x/y")
    with pytest.raises(studio.StoreError, match="'spell' is unknown; give a folder"):
        studio.Cache(tmp_path / "a", tier="spell://x")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(studio.MissingExtra, match=r"icode-studio\[tier\]"):
        studio.Cache(tmp_path / "a", tier="s3://x/y")


def test_the_key_is_nowhere(machine, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("STUDIO_TIER_KEY", SECRET)
    log = machine("a")
    at_rest = b"".join(path.read_bytes() + str(path).encode() for path in tmp_path.rglob("*") if path.is_file())
    told = [
        repr(log.events),
        repr(vars(log.cache)),
        repr(log.cache.tier),
        repr(Surroundings.here().as_plain()),
        repr(upkeep.stats(log.cache)),
    ]
    assert SECRET.encode() not in at_rest
    assert not [text for text in told if SECRET in text]


# What is away, slow or full --------------------------------------------------------------------------------------------


def chain(count: int) -> str:
    """Steps one after the other."""
    steps = [
        f"  s{n}: {{use: Upper, in: {{text: {f's{n - 1}' if n else 'text'}}}, with: {{end: '{n}'}}}}"
        for n in range(count)
    ]
    return "inputs: {text: text}\nnodes:\n" + "\n".join(steps) + f"\noutputs: {{x: s{count - 1}}}"


def away(what):
    raise ConnectionError("nobody there")


def test_it_goes_away_in_the_middle_of_a_run(moody, tmp_path, monkeypatch):
    cache = studio.Cache(tmp_path / "a", tier=moody)
    run, result = load(chain(12)).start({"text": "x"}, {"executor": "local", "cache": cache})
    told = []
    for event in run.events():
        result.hear(event)
        if isinstance(event, studio.StepFinished):
            set_mood(monkeypatch, away)
        told += [event.message] if isinstance(event, studio.Warned) else []
    assert result["x"] == "X01234567891011"
    cache.flush(20)
    told += [*cache.warnings()]
    assert len([text for text in told if "does not answer (ConnectionError)" in text]) == 1
    assert len(told) <= 2
    calls = []
    set_mood(monkeypatch, calls.append)
    run_log(chain(13), options={"cache": cache}, text="y")
    assert calls == []  # it is left alone
    tiers._tier.cache_clear()
    assert not warnings(run_log(chain(13), options={"cache": studio.Cache(tmp_path / "b", tier=moody)}, text="x"))


def test_its_folder_goes_away(machine, folder, tmp_path):
    machine("a")
    cache = studio.Cache(tmp_path / "b", tier=str(folder))
    shutil.rmtree(folder)
    log = run_log(chain(4), options={"cache": cache}, text="x")
    cache.flush(10)
    assert len(log.steps("done")) == 4
    assert len([*warnings(log), *cache.warnings()]) == 1
    assert not folder.exists()  # what may be a mount is not made


def test_a_folder_that_is_not_there_and_cannot_be_made(tmp_path):
    cache = studio.Cache(tmp_path / "a", tier=str(tmp_path / "no" / "such"))
    log = run_log(chain(2), options={"cache": cache}, text="x")
    assert len(log.steps("done")) == 2
    assert len(warnings(log)) == 1


def test_a_slow_one_is_not_waited_for(moody, machine, monkeypatch):
    monkeypatch.setattr(tiers, "_READ_LIMIT", 0.2)
    monkeypatch.setattr(tiers, "_WRITE_LIMIT", 0.2)
    awake = threading.Event()
    set_mood(monkeypatch, lambda what: awake.wait(60))
    began = time.monotonic()
    try:
        log = machine("a", url=moody, graph=chain(12), seconds=5)
        assert len(log.steps("done")) == 12
        assert time.monotonic() - began < 30  # whoever waits for it waits for a minute
        assert [text for text in warnings(log) if "no answer within 0.2 s" in text]
        assert len(warnings(log)) <= 2
    finally:
        awake.set()


def test_one_that_may_only_be_read(moody, machine, monkeypatch):
    machine("a", url=moody)

    def mood(what):
        if what == "write":
            raise PermissionError(13, "Permission denied")

    set_mood(monkeypatch, mood)
    log = machine("b", url=moody)
    assert log.steps("cached") == STEPS
    assert not warnings(log)
    log = machine("c", url=moody, graph=chain(5))
    assert len(log.steps("done")) == 5
    assert len([*warnings(log), *log.cache.warnings()]) == 1
    assert machine("c", url=moody).steps("cached") == STEPS


def test_one_failure_among_others_is_no_reason(moody, machine, monkeypatch):
    reads = []

    def mood(what):
        reads.extend([what] if what == "read" else [])
        if what == "read" and len(reads) % 2:
            raise ConnectionError

    set_mood(monkeypatch, mood)
    log = machine("a", url=moody, graph=chain(12))
    assert len(log.steps("done")) == len(reads) == 12
    assert not warnings(log)
    assert log.left == 0


def test_a_cache_that_takes_nothing_still_reads_the_tier(machine, tmp_path, folder, tally):
    first = machine("a")
    studio.Cache(tmp_path / "b")
    (tmp_path / "b" / "records.sqlite").mkdir()
    for name in ("blobs", "quarantine", "unshared"):
        (tmp_path / "b" / name).write_text("a file where a folder should be")
    log = machine("b")
    assert log.outputs == first.outputs
    assert "count" in log.steps("cached")  # nothing to it but its record
    assert ran(tally) == 1


def test_many_keys_are_asked_at_once_and_absences_remembered(moody, tmp_path, monkeypatch):
    monkeypatch.setattr(tiers, "_READ_LIMIT", 60.0)
    monkeypatch.setattr(tiers, "_ABSENCE", 60.0)
    cache = studio.Cache(tmp_path / "a", tier=moody)
    calls = []
    four = threading.Barrier(4)  # nobody gets by alone
    set_mood(monkeypatch, lambda what: (calls.append(what), four.wait(30)))
    keys = [(of_bytes(b"%d" % n), "Node") for n in range(40)]
    cache.ask(keys)
    assert [cache.lookup(*key) for key in keys] == [None] * 40
    assert not four.broken
    assert len(calls) == 40
    set_mood(monkeypatch, calls.append)
    cache.ask(keys)
    assert [cache.lookup(*key) for key in keys] == [None] * 40
    assert len(calls) == 40
    monkeypatch.setattr(tiers, "_ABSENCE", 0.0)
    cache.lookup("f" * 64, "Node")
    cache.lookup("f" * 64, "Node")
    assert len(calls) == 42


def test_saving_waits_for_nobody(moody, tmp_path, monkeypatch):
    awake = threading.Event()
    set_mood(monkeypatch, lambda what: awake.wait(60) if what != "read" else None)
    cache = studio.Cache(tmp_path / "a", tier=moody)
    log = run_log(chain(3), options={"cache": cache}, text="x")
    began = time.monotonic()
    assert cache.flush(0.2) == 3
    assert time.monotonic() - began < 30  # and not for a minute
    assert len(log.steps("done")) == cache.unshared == 3
    awake.set()
    assert cache.flush(20) == 0


def test_there_is_a_bound_to_what_is_put_off(moody, tmp_path, monkeypatch):
    monkeypatch.setattr(tiers, "_MOST_QUEUED", 2)
    awake = threading.Event()
    set_mood(monkeypatch, lambda what: awake.wait(60) if what != "read" else None)
    cache = studio.Cache(tmp_path / "a", tier=moody)
    run_log(chain(6), options={"cache": cache}, text="x")
    awake.set()
    assert cache.flush(20) == 4
    monkeypatch.setattr(tiers, "_MOST_QUEUED", 100)
    for mark in (tmp_path / "a" / "unshared").iterdir():
        os.utime(mark, (0, 0))
    assert cache.flush(20) == 0


# Many at once, and sudden ends ---------------------------------------------------------------------------------------

RUN = """
import sys
import studio
from tests.support.door import load
graph = load(open(sys.argv[1]).read())
for text in sys.argv[4:]:
    graph.run(options={"executor": "local", "cache": studio.Cache(sys.argv[2], tier=sys.argv[3])}, text=text)
    print(text, flush=True)
"""


@pytest.fixture
def start(tmp_path, folder, tally):
    (tmp_path / "graph.yaml").write_text(GRAPH.format(tally=tally))
    (tmp_path / "code.py").write_text(RUN)

    def start(name, *texts):
        return begin("code.py", "graph.yaml", tmp_path / name, folder, *texts, folder=tmp_path)

    return start


@pytest.mark.parametrize("what", ["put_file", "pipe_file"])
def test_what_is_half_written_is_not_there(machine, folder, monkeypatch, what):
    def half(self, first, second, **more):
        place, data = (second, b"RIFF") if what == "put_file" else (first, second[:20])
        with open(place, "wb") as file:
            file.write(data)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fsspec.get_filesystem_class("file"), what, half)
    log = machine("a")
    assert log.steps("done") == STEPS
    assert log.left > 0
    sizes = {path.stat().st_size for path in [*files(folder, "blobs"), *files(folder, "records")]}
    assert not sizes & {4, 20}


@pytest.mark.slow
def test_eight_processes_at_once(start, machine, folder, tmp_path):
    started = [start(f"m{n % 4}", "hello") for n in range(8)]  # two of them share a cache, too
    said = [process.communicate(timeout=120)[0] for process in started]
    assert said == ["hello\n"] * 8
    assert machine("z").steps("cached") == STEPS
    assert not [path for path in folder.rglob("*") if path.name.endswith(".tmp")]
    assert all(upkeep.verify(studio.Cache(tmp_path / f"m{n}", tier="")).damaged == 0 for n in range(4))


@pytest.mark.slow
def test_a_kill_tears_nothing_and_what_was_not_sent_is_sent_later(start, folder, tmp_path, tally):
    dice = random.Random(3)
    known = set()
    for round_ in range(8):
        process = start("a", *(f"{round_}.{n}" for n in range(1000)))
        known.add(process.stdout.readline().strip())
        time.sleep(dice.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        known |= set(process.stdout.read().split())
        process.communicate()
    cache = studio.Cache(tmp_path / "a", tier=str(folder))
    assert upkeep.verify(cache).damaged == 0
    for mark in (tmp_path / "a" / "unshared").iterdir():
        os.utime(mark, (0, 0))
    assert cache.flush(30) == 0
    tiers._tier.cache_clear()
    elsewhere = studio.Cache(tmp_path / "b", tier=str(folder))
    before = ran(tally)
    for text in sorted(known):
        log = run_log(GRAPH.format(tally=tally), options={"cache": elsewhere}, text=text)
        assert log.steps("cached") == STEPS, text
        assert not warnings(log)
    assert ran(tally) == before
    assert len(known) >= 8


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_a_tier_of_its_own(machine, folder, tmp_path):
    machine("a")
    cache = studio.Cache(tmp_path / "b", tier=str(folder))
    cache.lookup("0" * 64, "Node")  # its threads have begun
    (path,) = (path for path in files(folder, "records") if "Tone" in str(path))
    child = os.fork()
    if child == 0:
        os._exit(0 if cache.lookup(path.stem, "Tone") else 1)
    assert os.waitpid(child, 0)[1] == 0


# What is shown -------------------------------------------------------------------------------------------------------


def test_stats_tell_of_it(machine, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("STUDIO_TIER_KEY", SECRET)
    machine("a")
    env = {"STUDIO_TIER": str(folder), "STUDIO_CACHE": str(tmp_path / "a")}
    told = command("cache", "stats", **env).stdout
    assert f"tier {folder} answers; records are signed; 0 results to share" in told
    told = command("cache", "stats", "--json", **env).stdout
    assert json.loads(told)["tier"] == {"url": str(folder), "reached": True, "signed": True, "unshared": 0}
    assert SECRET not in told
    assert upkeep.stats(studio.Cache(tmp_path / "a")).tier is None


def test_clear_forgets_what_was_to_be_shared(machine, folder, tmp_path):
    cache = machine("a").cache
    (tmp_path / "a" / "unshared" / "Gone@00").touch()
    assert cache.unshared == 1
    upkeep.clear(cache)
    assert cache.unshared == 0
    assert files(folder, "records")  # theirs is not touched
