"""Records in one file: the first stays, damage is set aside, many use it at once, and room is given back."""

import os
import pickle
import shutil
import signal
import sqlite3
import threading
import time

import pytest
from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import studio
from studio import Measures
from studio.cache import records as of_records
from studio.cache import upkeep
from studio.cache.database import database
from studio.cache.packing import pack
from studio.cache.record import Record
from studio.values.artifact import Artifact
from tests.support.at_rest import key_of, opened, records_at_rest, unused_since_yesterday
from tests.support.processes import begin, python


@pytest.fixture
def records(tmp_path):
    return opened(tmp_path / "c")


def record(n, node="N", value=None, step="g: s") -> Record:
    parts = {"scheme": 1, "node": node, "version": "", "source": "", "config": {"n": n}, "model": None, "inputs": {}}
    number, _ = pack("data", n if value is None else value)
    return Record(key_of(n), parts, {"x": number}, Measures(1.0), 1.0, step)


def aside(folder):
    return sorted(path.name for path in (folder / "quarantine").iterdir()) if (folder / "quarantine").exists() else []


# What it gives back --------------------------------------------------------------------------------------------------


def test_nothing_is_made_by_a_look(records):
    assert records.find(key_of(1)) is None
    assert records.find_many([key_of(1)]) == {}
    assert list(records.latest()) == []
    assert records.count() == records.size == 0
    assert os.listdir(records.path.parent) == []


def test_the_first_stays_unless_it_is_to_be_replaced(records):
    assert records.put([(key_of(1), "N", b"one"), (key_of(2), "N", b"two")]) == set()
    assert records.put([(key_of(1), "N", b"other"), (key_of(3), "N", b"three")]) == {key_of(1)}
    assert records.find(key_of(1)) == b"one"
    assert records.put([(key_of(1), "N", b"other")], replace=True) == set()
    assert records.find_many(map(key_of, range(5))) == {key_of(1): b"other", key_of(2): b"two", key_of(3): b"three"}
    assert records.put([(key_of(4), "N", b"a"), (key_of(4), "N", b"b")]) == set()
    assert records.find(key_of(4)) == b"a"


def test_all_of_a_transaction_or_nothing(records):
    records.put([(key_of(0), "N", b"0")])
    with pytest.raises(OSError, match=r"records\.sqlite"):
        records.put([(key_of(1), "N", b"1"), (key_of(2), "N", None)])
    assert records.count() == 1
    assert records.put([(key_of(1), "N", b"1")]) == set()


def test_more_than_one_portion(records):
    keys = [key_of(n) for n in range(1000)]
    records.put((key, "N", key.encode()) for key in keys)
    assert records.find_many(keys) == {key: key.encode() for key in keys}
    assert records.holds([*keys, key_of("none")]) == set(keys)
    assert [row.key for row in records.latest()] == keys[::-1]
    assert [row.key for row in records.latest("N", 3)] == keys[:-4:-1]
    assert list(records.latest("M")) == []


def test_a_hit_is_written_down_once_an_hour(records, monkeypatch):
    keys = [key_of(n) for n in range(3)]
    records.put((key, "N", b"x") for key in keys)
    old = int(time.time()) - 5000
    db = sqlite3.connect(records.path)
    with db:
        db.execute("UPDATE records SET used = ?", (old,))
    db.close()
    records.touch([keys[0]])  # it was not looked up: nobody knows how old it is
    assert records.find(keys[1])
    records.touch([keys[1]])
    assert [row.used > old for row in records.latest()] == [True, False, False]
    assert next(records.latest()).key == keys[1]
    monkeypatch.setattr(records._file, "write", None)  # from now on nothing is written
    for _ in range(1000):
        assert records.find(keys[1])
        records.touch([keys[1]])
    records.flush()


def test_touches_are_written_together_and_at_the_end(records, tmp_path):
    keys = [key_of(n) for n in range(of_records._MOST_TOUCHED + 1)]
    records.put((key, "N", b"x") for key in keys)
    db = sqlite3.connect(records.path)
    with db:
        db.execute("UPDATE records SET used = 0")
    records.find_many(keys)
    for key in keys[:-1]:
        records.touch([key])
    assert db.execute("SELECT count(*) FROM records WHERE used = 0").fetchone() == (1,)
    records.touch(keys)
    records.close()
    assert db.execute("SELECT count(*) FROM records WHERE used = 0").fetchone() == (0,)
    db.close()


class Model(RuleBasedStateMachine):
    """Against a dict; through two that have the same file open."""

    keys = some.integers(0, 8).map(key_of)

    @initialize(folder=some.builds(lambda: None))
    def begin(self, folder):
        import tempfile
        from pathlib import Path

        self.folder = tempfile.TemporaryDirectory()
        self.both = [opened(Path(self.folder.name)), opened(Path(self.folder.name))]
        self.known = {}

    @rule(
        rows=some.lists(some.tuples(keys, some.sampled_from("NM"), some.binary(max_size=5000)), max_size=5),
        replace=some.booleans(),
        which=some.integers(0, 1),
    )
    def put(self, rows, replace, which):
        there = {key for key, _, _ in rows if key in self.known}
        assert self.both[which].put(rows, replace) == (set() if replace else there)
        for key, node, text in rows:
            if replace or key not in self.known:
                self.known[key] = (node, text)

    @rule(gone=some.sets(keys, max_size=3), which=some.integers(0, 1))
    def delete(self, gone, which):
        self.both[which].delete(gone)
        for key in gone:
            self.known.pop(key, None)

    @rule(key=keys, which=some.integers(0, 1))
    def set_aside(self, key, which):
        _, text = self.known.pop(key, ("", b"none"))
        self.both[which].set_aside(key, text + b"?")
        assert (self.both[1 - which].find(key) is None) == (text == b"none")
        self.both[which].set_aside(key, text)

    @rule(which=some.integers(0, 1))
    def clear(self, which):
        self.both[which].clear()
        self.known.clear()

    @rule(which=some.integers(0, 1))
    def close(self, which):
        self.both[which].close()

    @invariant()
    def same(self):
        for records in getattr(self, "both", ()):
            assert records.find_many(map(key_of, range(9))) == {key: text for key, (_, text) in self.known.items()}
            assert {row.key: (row.node, row.text) for row in records.latest()} == self.known
            assert {row.key for row in records.latest("M")} == {k for k, (node, _) in self.known.items() if node == "M"}
            assert records.count() == len(self.known)
            assert records.damaged == 0 or aside(records.path.parent)

    def teardown(self):
        for records in getattr(self, "both", ()):
            records.close()
        if hasattr(self, "folder"):
            self.folder.cleanup()


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


# The file ------------------------------------------------------------------------------------------------------------


def test_it_is_the_owner_s_and_holds_nothing_but_texts(records):
    records.put([(key_of(1), "N", b"a text")])
    records.find(key_of(1))
    for path in records.path.parent.glob("records.sqlite*"):
        assert path.stat().st_mode & 0o777 == 0o600
    assert not list((records.path.parent / "unfinished").iterdir())
    db = sqlite3.connect(records.path)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [("records",)]
    db.close()


def test_room_is_given_back(tmp_path):
    cache = studio.Cache(tmp_path / "c", tier="")
    cache.save_many([record(n, value="x" * 3000) for n in range(2000)])
    full = cache.records.size
    assert full > 6_000_000
    cache.lookup(key_of(1), "N")
    unused_since_yesterday(cache)
    gone, freed, _ = upkeep.prune(cache, 1_000_000)
    assert gone > 1000
    assert freed > full / 2
    assert cache.records.size < full / 3
    assert upkeep.clear(cache) > 0
    assert cache.records.size < 100_000
    assert upkeep.stats(cache).records == 0


def test_clear_empties_it_though_others_have_it_open(tmp_path):
    one, other = (studio.Cache(tmp_path / "c", tier="") for _ in range(2))
    one.save_many([record(n) for n in range(100)])
    assert other.lookup(key_of(3), "N")
    upkeep.clear(one)
    assert other.lookup(key_of(3), "N") is None
    other.save(record(3))
    assert one.lookup(key_of(3), "N")
    assert upkeep.stats(one).records == 1


def test_what_cannot_be_emptied_is_set_aside(records):
    records._file.patience = 0.05
    records.put([(key_of(1), "N", b"x")])
    db = sqlite3.connect(records.path, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    records.close()
    records.clear()
    assert records.count() == 0
    assert records.put([(key_of(1), "N", b"y")]) == set()
    assert records.find(key_of(1)) == b"y"
    db.close()


# Damage --------------------------------------------------------------------------------------------------------------


def test_a_damaged_record_goes_and_its_text_is_kept_aside(tmp_path):
    cache = studio.Cache(tmp_path / "c", tier="")
    cache.save_many([record(n) for n in range(3)])
    (bad,) = (row for row in records_at_rest(tmp_path / "c") if row.stem == key_of(1))
    bad.write_bytes(b"{}\n00")
    assert cache.lookup(key_of(1), "N") is None
    assert cache.damaged == 1
    (name,) = aside(tmp_path / "c")
    assert name.startswith(key_of(1))
    assert (tmp_path / "c" / "quarantine" / name).read_bytes() == b"{}\n00"
    assert cache.records.count() == 2
    assert cache.lookup_many(map(key_of, range(3)), "N").keys() == {key_of(0), key_of(2)}
    assert cache.save(record(1)).outputs == record(1).outputs
    assert cache.damaged == 1


def test_who_comes_second_takes_the_place_of_what_is_damaged(tmp_path):
    cache = studio.Cache(tmp_path / "c", tier="")
    cache.save(record(1))
    records_at_rest(tmp_path / "c")[0].write_bytes(b"")
    assert [found.key for found in cache.save_many([record(1), record(2)])] == [key_of(1), key_of(2)]
    assert cache.damaged == 1
    assert cache.lookup_many([key_of(1), key_of(2)], "N").keys() == {key_of(1), key_of(2)}


@pytest.mark.parametrize("value", [None, 7, 7.5, "a text", "\udcff"])
def test_a_column_of_another_type(tmp_path, value):
    """As one bit that flips would make it."""
    cache = studio.Cache(tmp_path / "c", tier="")
    cache.save(record(1))
    db = sqlite3.connect(tmp_path / "c" / "records.sqlite")
    with db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '')")
    db.close()
    db = sqlite3.connect(tmp_path / "c" / "records.sqlite")
    given = b"\xff\xfe" if value == "\udcff" else value
    with db:
        db.execute("UPDATE records SET text = ?, used = ?, node = CAST(? AS TEXT)", (given, given, given))
    db.close()
    again = studio.Cache(tmp_path / "c", tier="")
    assert next(again.records.latest()).key == key_of(1)
    assert again.lookup(key_of(1), "N") is None
    assert again.damaged == 1
    upkeep.verify(again)


def spoil(path, how):
    data = path.read_bytes()
    spoilt = {
        "words": b"no database at all, but words\n" * 300,
        "emptied": b"",
        "truncated": data[: len(data) // 2],
        "overwritten": data[:4096] + b"\xa5" * (len(data) - 4096),
        "another": b"SQLite format 3\0" + b"\xff" * (len(data) - 16),
        "pickle": pickle.dumps({"a": 1}),
    }[how]
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    path.write_bytes(spoilt)


HOWS = ["words", "emptied", "truncated", "overwritten", "another", "pickle"]


@pytest.mark.parametrize("first", ["look", "save"])
@pytest.mark.parametrize("how", HOWS)
def test_a_file_that_is_no_database_is_set_aside_whole(tmp_path, how, first):
    cache = studio.Cache(tmp_path / "c", tier="")
    cache.save_many([record(n) for n in range(300)])
    cache.records.close()
    spoil(cache.records.path, how)
    if first == "look":
        found = cache.lookup_many(map(key_of, range(300)), "N")
        assert len(found) < 300
    assert cache.save(record(1)).key == key_of(1)
    upkeep.verify(cache)
    assert cache.damaged >= 1
    assert any(name.startswith("records.sqlite.") for name in aside(tmp_path / "c"))
    cache.save_many([record(n) for n in range(300)])
    assert len(cache.lookup_many(map(key_of, range(300)), "N")) == 300
    assert upkeep.verify(studio.Cache(tmp_path / "c", tier="")).damaged == 0


def test_a_log_whose_file_was_deleted_is_not_taken_for_the_new_one_s(tmp_path):
    one = opened(tmp_path / "c")
    one.put([(key_of(n), "N", b"x" * 3000) for n in range(200)])
    one.path.unlink()
    other = opened(tmp_path / "c")
    assert one.path.with_name("records.sqlite-wal").stat().st_size > 0
    other.put([(key_of(1), "N", b"y")])
    assert [row.text for row in other.latest()] == [b"y"]
    one.put([(key_of(2), "N", b"z")])
    assert [row.text for row in other.latest()] == [b"z", b"y"]
    other.check()
    assert one.damaged == other.damaged == 0


def test_verify_finds_damage_that_no_look_up_meets(tmp_path):
    cache = studio.Cache(tmp_path / "c", tier="")
    cache.save_many([record(n) for n in range(300)])
    db = sqlite3.connect(cache.records.path)
    root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'recent'").fetchone()[0]
    db.close()
    cache.records.close()
    data = bytearray(cache.records.path.read_bytes())
    data[(root - 1) * 4096 : root * 4096] = bytes(4096)
    cache.records.path.write_bytes(data)
    assert cache.lookup(key_of(1), "N")
    assert upkeep.verify(cache).damaged == 1
    assert cache.lookup(key_of(1), "N") is None


def test_who_has_the_old_file_open_goes_over_to_the_new_one(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "_NOW_AND_THEN", 0.0)
    one, other = (opened(tmp_path / "c") for _ in range(2))
    one.put([(key_of(1), "N", b"1")])
    assert other.find(key_of(1)) == b"1"
    other.put([(key_of(2), "N", b"2")])
    old = database._identity(one.path)
    assert one._file._set_aside(old)
    one.put([(key_of(3), "N", b"3")])
    assert other.put([(key_of(4), "N", b"4")]) == set()
    assert {row.key for row in one.latest()} == {row.key for row in other.latest()} == {key_of(3), key_of(4)}
    there = aside(tmp_path / "c")
    assert other._file._set_aside(old)  # who met the damage later: what is there now is another file, and stays
    assert aside(tmp_path / "c") == there
    assert {row.key for row in other.latest()} == {key_of(3), key_of(4)}
    assert other.damaged == 0


# What cannot be written ----------------------------------------------------------------------------------------------


def test_locked_too_long_is_an_error_and_looks_go_on(records):
    records._file.patience = 0.05
    records.put([(key_of(1), "N", b"x")])
    records.close()
    db = sqlite3.connect(records.path, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    with pytest.raises(OSError, match=r"records\.sqlite: database is locked"):
        records.put([(key_of(2), "N", b"y")])
    assert records.find(key_of(1)) == b"x"
    db.execute("ROLLBACK")
    db.close()
    assert records.put([(key_of(2), "N", b"y")]) == set()
    assert not aside(records.path.parent)


FULL = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from tests.support.at_rest import key_of, opened
records = opened(Path(sys.argv[1]))
records.put([(key_of(n), "N", b"x" * 100) for n in range(10)])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for n in range(1000):
    try:
        records.put([(key_of(10 + n), "N", b"x" * 3000)])
    except OSError as error:
        print(n, records.count() == 10 + n, records.find(key_of(3)) == b"x" * 100)
        break
"""


def test_a_full_disk_keeps_what_there_is(tmp_path):
    ended = python("-c", FULL, tmp_path / "c")
    number, *rest = ended.stdout.split()
    assert rest == ["True", "True"], ended
    records = opened(tmp_path / "c")
    assert records.count() == 10 + int(number)
    records.check()
    assert records.damaged == 0


READ = """
import os, sys
from pathlib import Path
import studio
from tests.support.at_rest import key_of, opened
os.setgid(65534); os.setuid(65534)
records = opened(Path(sys.argv[1]))
print(records.find(key_of(1)), len(list(records.latest())))
records.touch([key_of(1)]); records.flush(); records.check()
try: records.put([(key_of(9), "N", b"9")])
except OSError as error: print("OSError", records.damaged)
"""


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="leaves its rights, which only root has to leave"
)
@pytest.mark.parametrize("left", ["closed", "open", "killed"])
def test_a_folder_that_may_only_be_read(tmp_path, left, let_in):
    records = opened(tmp_path / "c")
    records.put([(key_of(n), "N", b"x") for n in range(3)])
    if left == "closed":
        records.close()
    if left == "killed":
        copy = tmp_path / "d"
        shutil.copytree(tmp_path / "c", copy)
    let_in(tmp_path)
    folder = tmp_path / ("d" if left == "killed" else "c")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o444)
    ended = python("-c", READ, folder)
    assert ended.stdout.split("\n")[:2] == ["b'x' 3", "OSError 0"], ended


def test_what_waits_beside_a_folder_is_no_folder(tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "records.sqlite").mkdir()
    records = opened(tmp_path / "c")
    assert records.find(key_of(1)) is None
    with pytest.raises(OSError, match=r"records\.sqlite: unable to open"):
        records.put([(key_of(1), "N", b"1")])
    assert records.damaged == 0


# Many at once, and sudden ends ---------------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from tests.support.at_rest import key_of, opened
records = opened(Path(sys.argv[1]))
for n in range(100_000):
    some = [key_of(f"{sys.argv[2]} {n} {m}") for m in range(1 + n % 40)]
    records.put((key, "N", key.encode() * 9) for key in [*some, key_of(n)])
    print(*some, flush=True)
"""


@pytest.mark.slow
def test_a_kill_loses_nothing_that_was_kept(tmp_path):
    kept = set()
    for round_ in range(4):
        writers = [begin("-c", WRITER, tmp_path / "c", f"{round_} {n}") for n in range(3)]
        told = [writer.stdout.readline() for writer in writers]
        time.sleep(0.1 + 0.07 * round_)
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
        for writer, first in zip(writers, told, strict=True):
            said = first + writer.stdout.read()
            writer.communicate()
            kept |= set(said[: said.rfind("\n")].split())
    records = opened(tmp_path / "c")
    found = records.find_many(kept)
    assert found.keys() == kept
    assert all(text == key.encode() * 9 for key, text in found.items())
    assert len(kept) > 100
    records.check()
    assert records.damaged == 0


def test_threads_write_and_read_at_once(records):
    wrong, keys = [], [key_of(n) for n in range(400)]

    def work(number):
        for start in range(0, 400, 10):
            records.put((key, "N", key.encode()) for key in keys[start : start + 10])
            found = records.find_many(keys)
            if not found.keys() >= set(keys[: start + 10]) or any(k.encode() != text for k, text in found.items()):
                wrong.append(number)
            records.touch(keys)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert records.count() == 400


def test_a_look_waits_for_no_write(records):
    records.put([(key_of(1), "N", b"x")])
    db = sqlite3.connect(records.path, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    db.execute("DELETE FROM records")
    writing = threading.Thread(target=lambda: records.put([(key_of(2), "N", b"y")]))
    writing.start()
    assert records.find(key_of(1)) == b"x"
    assert writing.is_alive()  # it waits for the other writer still
    db.execute("ROLLBACK")
    writing.join()
    db.close()
    assert records.count() == 2


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_opens_its_own(records):
    records.put([(key_of(n), "N", b"x") for n in range(10)])
    stop = threading.Event()

    def write():
        n = 0
        while not stop.is_set():
            records.put([(key_of(f"mine {n}"), "N", b"x")])
            n += 1

    writing = threading.Thread(target=write)
    writing.start()
    try:
        for round_ in range(10):
            child = os.fork()
            if child == 0:
                found = records.find(key_of(3)) == b"x"
                records.put([(key_of(f"child {round_}"), "N", b"x")])
                os._exit(0 if found else 1)
            assert os.waitpid(child, 0)[1] == 0
            assert records.find(key_of(f"child {round_}")) == b"x"
    finally:
        stop.set()
        writing.join()
    records.check()
    assert records.damaged == 0


def test_a_cache_travels_by_its_folder(tmp_path):
    cache = studio.Cache(tmp_path / "c", tier="")
    cache.save(record(1))
    again = pickle.loads(pickle.dumps(cache))
    assert again.lookup(key_of(1), "N") == cache.lookup(key_of(1), "N")
    assert again.records is cache.records  # one for all of this process


# From many tasks -----------------------------------------------------------------------------------------------------


def test_leases_are_given_back_when_the_record_is_there(tmp_path, monkeypatch):
    """Whatever is put together, and whoever puts it."""
    from studio.cache.record import Basis
    from studio.cache.record_writer import PendingRecord, RecordWriter

    cache = studio.Cache(tmp_path / "c", tier="")
    early, given, batches = [], [], []
    give, save_many = cache.leases.give, cache.save_many

    def checked(key):
        given.append(key)
        early.extend([] if cache.records.holds([key]) else [key])
        give(key)

    monkeypatch.setattr(cache.leases, "give", checked)
    monkeypatch.setattr(
        cache, "save_many", lambda found, replace: (batches.append(len(found)), save_many(found, replace))
    )
    record_writer = RecordWriter(cache, pytest.fail, many=True)
    parts = record(1).parts
    for n in range(3000):
        assert cache.leases.take(key_of(n))
        outputs = record(n).outputs
        record_writer.keep(
            PendingRecord(key_of(n), Basis(parts, "d", "g: s"), {}, outputs, Measures(1.0), n % 5 == 0, leased=True)
        )
    record_writer.close()
    assert not early
    assert sorted(given) == sorted(map(key_of, range(3000)))
    assert cache.records.count() == 3000
    assert max(batches) <= 257
    assert len(batches) < 1500


@pytest.mark.parametrize("many", [False, True])
def test_a_result_that_cannot_be_written_fails_nothing_but_the_keeping(tmp_path, many):
    """Its bytes are no text, as those of plain values are: nobody expects that error."""
    from studio.cache.record import Basis
    from studio.cache.record_writer import PendingRecord, RecordWriter

    cache = studio.Cache(tmp_path / "c", tier="")
    told = []
    record_writer = RecordWriter(cache, told.append, many)
    outputs = {"x": Artifact.of_plain("text", b"\xff")}
    for n in range(3):
        assert cache.leases.take(key_of(n))
        record_writer.keep(
            PendingRecord(
                key_of(n), Basis(record(n).parts, "d"), {}, outputs, record(n).measures, replace=False, leased=True
            )
        )
    record_writer.close()
    assert len(told) == 1
    assert "UnicodeDecodeError" in told[0]
    assert all(cache.leases.take(key_of(n)) for n in range(3))  # they were given back
    for n in range(3):
        cache.leases.give(key_of(n))


def test_what_cannot_be_kept_gives_its_leases_back(tmp_path):
    from studio.cache.record import Basis
    from studio.cache.record_writer import PendingRecord, RecordWriter

    cache = studio.Cache(tmp_path / "c", tier="")
    cache.records.path.mkdir()
    told = []
    for many in (False, True):
        record_writer = RecordWriter(cache, told.append, many)
        for n in range(20):
            assert cache.leases.take(key_of(n))
            made = PendingRecord(
                key_of(n), Basis(record(n).parts, "d"), {}, record(n).outputs, Measures(1.0), replace=False, leased=True
            )
            record_writer.keep(made)
        record_writer.close()
        assert len(told) == 1 + many
        assert "records.sqlite: unable to open" in told[0]
    assert cache.leases.take(key_of(3))
    cache.leases.give(key_of(3))


def test_why_compares_with_what_was_there_before(tmp_path):
    from studio.cache.record import Basis

    cache = studio.Cache(tmp_path / "c", tier="")
    cache.save(record(1))
    past = cache.comparable("N")
    asked = Basis({**record(2).parts}, "d", "g: s")
    assert cache.changes(asked, {}, past) == ["config.n: 1 -> 2"]
    cache.save(record(2))
    cache.save(record(3))
    assert cache.changes(Basis({**record(3).parts}, "d", "g: s"), {}, past) == ["config.n: 1 -> 3"]
    assert cache.changes(Basis({**record(4).parts}, "d", "g: t"), {}) == ["N has not run as this step before"]
