"""The folder of a run: what is written is there once, in order, and whoever else comes is told what is wrong."""

import gc
import json
import os
import random
import resource
import signal
import sqlite3
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

import studio
from studio.dataset.results import JournalEntry, ResultsFolder
from tests.support.at_rest import line
from tests.support.processes import begin, python

ABOUT = {"graph": "dub", "text": "nodes: {}", "plan": "p"}


def rows(folder) -> list:
    return [json.loads(text) for text in (folder / "results.jsonl").read_bytes().splitlines()]


def ids(folder) -> str:
    return "".join(row["id"] for row in rows(folder))


def test_a_run_and_its_continuation(tmp_path):
    folder = tmp_path / "runs" / "talks"
    with ResultsFolder.open(folder, ABOUT) as results:
        results.write([line("c", 2), line("a", 0, said="olá")])
        assert results.known("a") == JournalEntry("d", "done")
        assert results.known("b") is None
    assert ids(folder) == "ca"
    with ResultsFolder.open(folder, {**ABOUT, "plan": "q"}) as results:
        results.met([("a", 0), ("c", 2)])
        results.write([line("b", 1, "failed", kind="hear")])
        results.settle(complete=True)
        assert [session.about["plan"] for session in results.sessions()] == ["p", "q"]
        first, second = results.sessions()
        assert first.started <= first.ended <= second.started
        assert second.ended is None
    assert ids(folder) == "abc"
    assert rows(folder)[0]["outputs"] == {"said": "olá", "digest": "d"}
    plan = json.loads((folder / "plan.json").read_text())
    assert {name: plan[name] for name in ABOUT} == {**ABOUT, "plan": "q"}
    assert sorted(path.name for path in folder.iterdir() if not path.name.endswith("-journal")) == [
        "journal.sqlite",
        "plan.json",
        "results.jsonl",
    ]


def test_a_later_line_stands_for_an_earlier_one(tmp_path):
    with ResultsFolder.open(tmp_path, ABOUT) as results:
        results.write([line("a", 0, "failed", kind="hear"), line("b", 1)])
        results.write([line("a", 0, digest="e"), line("b", 1, digest="e"), line("b", 1, digest="f")])
        assert results.known("a") == JournalEntry("e", "done")
        assert results.known("b") == JournalEntry("f", "done")
        assert (results.totals().done, results.totals().failed) == (2, 0)
        results.settle(complete=True)
    assert [(row["id"], row["outputs"]["digest"]) for row in rows(tmp_path)] == [("a", "e"), ("b", "f")]


def test_an_item_stands_where_it_was_met_first(tmp_path):
    """Two rows of equal content are one item, whichever of them is done first."""
    with ResultsFolder.open(tmp_path, ABOUT) as results:
        results.write([line("b", 1), line("a", 2)])
        results.met([("a", 0), ("b", 5)])
        results.write([line("a", 7, digest="e"), line("c", 3)])
        results.settle(complete=True)
        assert ids(tmp_path) == "abc"


def test_what_a_broken_off_pass_did_not_meet_stays_behind_it(tmp_path):
    with ResultsFolder.open(tmp_path, ABOUT) as results:
        results.write([line(id, position) for position, id in enumerate("abcd")])
        results.settle(complete=True)
    with ResultsFolder.open(tmp_path, ABOUT) as results:
        results.write([line("n", 0)])
        results.met([("c", 1)])
        results.settle(complete=False)
        assert ids(tmp_path) == "ncabd"
        results.settle(complete=True)
        assert ids(tmp_path) == "nc"
        assert results.known("a") is None


def test_what_is_in_order_is_not_written_again(tmp_path):
    with ResultsFolder.open(tmp_path, ABOUT) as results:
        results.write([line("b", 1), line("a", 0)])
        results.settle(complete=True)
        before = (tmp_path / "results.jsonl").stat().st_ino
        results.settle(complete=True)
        assert (tmp_path / "results.jsonl").stat().st_ino == before
        results.write([line("c", 2)])  # the file that was renamed is the one that grows
        results.settle(complete=True)
        assert (tmp_path / "results.jsonl").stat().st_ino == before
    assert ids(tmp_path) == "abc"


def test_figures(tmp_path):
    with ResultsFolder.open(tmp_path, ABOUT) as results:
        assert results.totals() == studio.dataset.results.Totals(0, 0, 0.0, ())
        assert results.sample("done", 5) == []
        results.write([line(f"d{n}", n) for n in range(100)])
        results.write([line(f"f{n}", 199 - n, "failed", kind="hear" if n % 3 else "disk") for n in range(99)])
        totals = results.totals()
        assert (totals.done, totals.failed, totals.seconds) == (100, 99, 99.5)
        assert [(each.kind, each.count) for each in totals.failures] == [("hear", 66), ("disk", 33)]
        assert [row["id"] for row in totals.failures[0].rows] == ["f98", "f97", "f95"]
        assert [row["id"] for row in results.sample("done", 4)] == ["d0", "d25", "d50", "d75"]
        assert len(results.sample("failed", 1000)) == 99
        assert len(results.sample("done", 99)) == 99


def test_text_that_utf8_does_not_have(tmp_path):
    with ResultsFolder.open(tmp_path, ABOUT) as results:
        results.write([line("\ud800", 0, said="\udfff\n\u2028\0")])
        assert results.known("\ud800")
        results.settle(complete=True)
    assert rows(tmp_path)[0]["outputs"]["said"] == "\udfff\n\u2028\0"


# A random life, against a model -----------------------------------------------

items = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 9), st.sampled_from(["done", "failed"])), max_size=5
)
deeds = st.one_of(
    st.tuples(st.just("write"), items),
    st.tuples(st.just("met"), items),
    st.tuples(st.just("settle"), st.booleans()),
    st.tuples(st.just("again"), st.binary(max_size=30)),  # what a kill left after the last line
)


class Model:
    def __init__(self):
        self.session, self.items = 1, {}  # id: (session, position, number of writing, status)

    def met(self, id, position):
        session, old, *_ = self.items[id]
        return min(old, position) if session == self.session else position

    def order(self):
        return sorted(self.items, key=lambda name: (self.items[name][0] != self.session, self.items[name][1]))


@given(st.lists(deeds, max_size=25))
def test_a_random_life(tmp_path_factory, life):
    folder = tmp_path_factory.mktemp("life")
    model, count = Model(), 0
    results = ResultsFolder.open(folder, ABOUT)
    for deed, given_ in life:
        if deed == "write":
            lines = []
            for id, position, status in given_:
                count += 1
                lines.append(line(id, position, status, digest=str(count)))
                place = model.met(id, position) if id in model.items else position
                model.items[id] = (model.session, place, count, status)
            results.write(lines)
        elif deed == "met":
            there = [(id, position) for id, position, _ in given_ if id in model.items]
            results.met([(id, position) for id, position, _ in given_])  # one that is not there is no matter
            for id, position in there:
                model.items[id] = (model.session, model.met(id, position), *model.items[id][2:])
        elif deed == "settle":
            if given_:
                model.items = {id: item for id, item in model.items.items() if item[0] == model.session}
            results.settle(given_)
            found = [(row["id"], row["outputs"]["digest"]) for row in rows(folder)]
            assert sorted(found) == sorted((id, str(item[2])) for id, item in model.items.items())
            places = {id: item[:2] for id, item in model.items.items()}
            assert [places[id] for id, _ in found] == [places[id] for id in model.order()]
        else:
            results.close()
            with (folder / "results.jsonl").open("ab") as file:
                file.write(given_)
            results = ResultsFolder.open(folder, ABOUT)
            model.session += 1
        for id in "abcdefgh":
            item = model.items.get(id)
            assert results.known(id) == (item and JournalEntry(str(item[2]), item[3]))
        last = {row["id"]: row["outputs"]["digest"] for row in rows(folder)}
        assert {id: last[id] for id in model.items} == {id: str(item[2]) for id, item in model.items.items()}
    results.close()


# Folders that cannot be used ---------------------------------------------------

HOLDER = """
import sys, time
from pathlib import Path
from studio.dataset.results import ResultsFolder
results = ResultsFolder.open(Path(sys.argv[1]), {"graph": "dub"})
print("open", flush=True)
time.sleep(60)
"""


def test_one_process_at_a_time(tmp_path):
    holder = begin("-c", HOLDER, tmp_path)
    assert holder.stdout.readline() == "open\n"
    with pytest.raises(studio.StoreError) as told:
        ResultsFolder.open(tmp_path, ABOUT)
    assert f"'{tmp_path}' is being written to by process {holder.pid} on " in str(told.value)
    assert "wait for its end, or give another folder" in str(told.value)
    holder.kill()
    holder.communicate()
    ResultsFolder.open(tmp_path, ABOUT).close()


def test_one_ledger_at_a_time_in_a_process(tmp_path):
    with (
        ResultsFolder.open(tmp_path, ABOUT),
        pytest.raises(studio.StoreError, match=f"written to by process {os.getpid()} on "),
    ):
        ResultsFolder.open(tmp_path, ABOUT)
    ResultsFolder.open(tmp_path, ABOUT).close()


def test_foreign_folders(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(
        studio.StoreError, match=r"is not the folder of a run, and not empty \('thesis\.tex'\): give one"
    ):
        ResultsFolder.open(tmp_path, ABOUT)
    with pytest.raises(studio.StoreError, match="is a file; the results go to a folder: give one that is new"):
        ResultsFolder.open(tmp_path / "thesis.tex", ABOUT)
    with pytest.raises(studio.StoreError, match="cannot be written: Not a directory"):
        ResultsFolder.open(tmp_path / "thesis.tex" / "run", ABOUT)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_foreign_journals(tmp_path):
    path = tmp_path / "journal.sqlite"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE days (day TEXT)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(studio.StoreError, match=r"cannot be used: it is not a journal of the Studio\. Give a folder"):
        ResultsFolder.open(tmp_path, ABOUT)
    assert path.read_bytes() == before
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(studio.StoreError, match=r"'.*journal\.sqlite' is damaged .*: give a folder that is new"):
        ResultsFolder.open(tmp_path, ABOUT)
    path.unlink()
    ResultsFolder.open(tmp_path, ABOUT).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 3")
    db.close()
    with pytest.raises(studio.StoreError, match="it has format 3, and this Studio reads format 2"):
        ResultsFolder.open(tmp_path, ABOUT)


def test_lines_that_were_taken_away_are_to_be_done_again(tmp_path):
    with ResultsFolder.open(tmp_path, ABOUT) as results:
        results.write([line("a", 0), line("b", 1), line("c", 2)])
    lines = tmp_path / "results.jsonl"
    lines.write_bytes(lines.read_bytes()[:-5])
    with ResultsFolder.open(tmp_path, ABOUT) as results:
        assert [bool(results.known(id)) for id in "abc"] == [True, True, False]
        results.write([line("c", 2)])
    assert ids(tmp_path) == "abc"
    lines.unlink()
    with ResultsFolder.open(tmp_path, ABOUT) as results:
        assert results.known("a") is None
    assert rows(tmp_path) == []


def test_lines_that_were_changed_are_not_taken_for_ours(tmp_path):
    with ResultsFolder.open(tmp_path, ABOUT) as results:
        results.write([line("b", 1), line("a", 0)])
    lines = tmp_path / "results.jsonl"
    lines.write_bytes(b" " + lines.read_bytes())
    with (
        ResultsFolder.open(tmp_path, ABOUT) as results,
        pytest.raises(studio.StoreError, match=r"results\.jsonl' is not as this run wrote it, at byte"),
    ):
        results.settle(complete=False)


# A full disk -------------------------------------------------------------------


@pytest.mark.parametrize("most", [40_000, 60_000, 90_000, 200_000])
def test_a_full_disk(tmp_path, most):
    """Whichever of the files hits the limit: what was kept is whole, and goes on when there is room."""
    done = python("-c", FULL, tmp_path, most)
    assert done.returncode == 0, done.stderr
    kept, message = done.stdout.split("\n", 1)
    assert int(kept) > 0
    assert message.startswith(f"'{tmp_path}' cannot be written: ")
    assert message.endswith(
        "What was kept so far is whole: make room, or see to its permissions, and give the same command again\n"
    )
    with ResultsFolder.open(tmp_path, ABOUT) as results:
        assert len(rows(tmp_path)) == int(kept) == results.totals().done
        assert not results.known(f"{int(kept):040}")
        results.write([line("more", 10**6)])
        results.settle(complete=False)
    assert len(rows(tmp_path)) == int(kept) + 1


FULL = """
import resource, sys
from pathlib import Path
from studio import StoreError
from studio.dataset.results import ResultsFolder
from tests.support.at_rest import line
folder, most = Path(sys.argv[1]), int(sys.argv[2])
with ResultsFolder.open(folder, {}) as results:
    kept = 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, -1))
    try:
        while kept < 10_000:
            results.write([line(f"{n:040}", -n, text="x" * (n % 7 * most // 10_000)) for n in range(kept, kept + 10)])
            kept += 10
    except StoreError as error:
        for again in range(3):  # and nothing gets worse by trying
            try:
                results.write([line(f"{n:040}", n, text="x" * 200_000) for n in range(kept, kept + 10)])
            except StoreError:
                assert results.results.read_bytes().count(b"\\n") == kept
                assert results.results.stat().st_size == results._journal.end
                continue
            raise SystemExit("it took what cannot fit")
        resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
        print(kept)
        print(error)
"""


def test_no_room_to_settle(tmp_path):
    """The lines stay as they were, and the folder can still be used."""
    code = f"""
import resource
from pathlib import Path
from studio import StoreError
from studio.dataset.results import ResultsFolder
from tests.support.at_rest import line
folder = Path({str(tmp_path)!r})
with ResultsFolder.open(folder, {{}}) as results:
    results.write([line(f"{{n}}", -n, text="x" * 100) for n in range(1000)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, -1))
    try:
        results.settle(True)
    except StoreError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    results.write([line("more", -1000)])
    assert not (folder / ".results.jsonl.settled").exists()
"""
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    assert "cannot be written: File too large" in done.stdout
    assert [int(row["id"]) for row in rows(tmp_path)[:-1]] == list(range(1000))
    with ResultsFolder.open(tmp_path, ABOUT) as results:
        results.settle(complete=False)
    assert [row["id"] for row in rows(tmp_path)] == ["more", *map(str, range(999, -1, -1))]


# Forks -------------------------------------------------------------------------

PARENT_AND_CHILD = """
import os, sys
from pathlib import Path
from studio import StoreError
from studio.dataset.results import ResultsFolder
from tests.support.at_rest import line
folder = Path(sys.argv[1])
results = ResultsFolder.open(folder, {})
results.write([line("before", 0)])
read, write = os.pipe()
child = os.fork()
if child == 0:
    os.read(read, 1)  # the parent has written more
    try:
        results.write([line("child", 9)])
    except StoreError as error:
        print(error)
    sys.exit(0)  # an ordinary end, which closes whatever is open
results.write([line(f"after {n}", 1 + n) for n in range(500)])
os.write(write, b"x")
assert os.waitpid(child, 0)[1] == 0
results.write([line("last", 1000)])
try:
    ResultsFolder.open(folder, {})
except StoreError:
    print("held")
results.close()
"""


def test_a_fork_leaves_the_folder_to_the_parent(tmp_path):
    """The child writes nothing, and its end takes nothing away of what the parent has written meanwhile."""
    process = begin("-W", "ignore", "-c", PARENT_AND_CHILD, tmp_path)
    said, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    refused, held = said.splitlines()
    assert "the process that this one was forked from holds it" in refused
    assert held == "held"
    with ResultsFolder.open(tmp_path, ABOUT) as results:
        assert results.totals().done == len(rows(tmp_path)) == 502
        assert results.known("child") is None
        assert results.known("after 499")
        assert results.known("last")


# Kills -------------------------------------------------------------------------

LIVES = """
import os, random, sys
from pathlib import Path
from studio.dataset.results import ResultsFolder
from tests.support.at_rest import line

def live(folder, version, dice, tell):
    '''One pass over a hundred items, done as far as one gets: in any order, a few at a time, settled now and then.'''
    with ResultsFolder.open(folder, {"version": version}) as results:
        order = list(range(100))
        dice.shuffle(order)
        while order:
            some, order = order[:7], order[7:]
            known = {n: results.known(f"item {n}") for n in some}
            there = [n for n in some if known[n] and known[n].digest == f"{version}:{n}"]
            results.met([(f"item {n}", n) for n in there])
            fresh = sorted({*some} - {*there}, key=lambda n: dice.random())
            results.write([line(f"item {n}", n, digest=f"{version}:{n}", text="x" * dice.randrange(300)) for n in fresh])
            tell("".join(f"{version} {n}\\n" for n in fresh))
            if dice.random() < 0.2:
                results.settle(False)
        results.settle(True)
"""


def check_after_kill(folder, told: dict) -> None:
    """Every line parses, and nothing that was told to be kept is lost or older than told."""
    with ResultsFolder.open(folder, {}) as results:
        last = {row["id"]: row["outputs"]["digest"] for row in rows(folder)}
        for number, version in told.items():
            known = results.known(f"item {number}")
            assert known is not None
            assert int(known.digest.split(":")[0]) >= version
            assert last[f"item {number}"] == known.digest
        results.settle(complete=False)
        assert len(rows(folder)) == len({row["id"] for row in rows(folder)}) == len(last)


def check_undisturbed(folder, version: int) -> None:
    assert [(row["id"], row["outputs"]["digest"]) for row in rows(folder)] == [
        (f"item {n}", f"{version}:{n}") for n in range(100)
    ]


FORKED = (
    LIVES
    + """
folder, said = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
for words in iter(sys.stdin.readline, ""):
    seed, version = map(int, words.split())
    child = os.fork()
    if child == 0:
        file = os.open(said, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        live(folder, version, random.Random(seed), lambda text: os.write(file, text.encode()))
        os._exit(0)
    print(child, flush=True)
    sys.stdin.readline()
    print(os.waitpid(child, 0)[1], flush=True)
"""
)


@pytest.mark.slow
def test_a_hundred_and_fifty_kills(tmp_path):
    folder, said = tmp_path / "run", tmp_path / "said"
    dice = random.Random(5)
    lives = begin("-c", FORKED, folder, said)

    def live(version: int, seconds: float) -> int:
        print(dice.randrange(10**6), version, file=lives.stdin, flush=True)
        child = int(lives.stdout.readline())
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        print("it is dead", file=lives.stdin, flush=True)
        return int(lives.stdout.readline())

    assert lives.stdout.readline() == "ready\n"
    killed, patience, told = 0, 0.02, {}
    for round_ in range(150):
        hit = live(round_ // 3, dice.uniform(0, patience)) == signal.SIGKILL
        patience *= 1.1 if hit else 0.9  # so that about half of them get to their end, on any machine
        killed += hit
        if said.exists():
            told |= {int(number): int(version) for version, number in map(str.split, said.read_text().splitlines())}
            said.unlink()
        if round_ % 3 == 2 and folder.exists():
            check_after_kill(folder, told)
    lives.communicate(timeout=20)
    assert 30 < killed < 150
    ended = python("-c", f"{LIVES}\nlive(Path({str(folder)!r}), 99, random.Random(), str)")
    assert ended.returncode == 0, ended.stderr
    check_undisturbed(folder, 99)


STOPPED = (
    LIVES
    + """
import shutil, sys
folder = Path(sys.argv[1])

def life(count):
    '''A short life that ends, as by a kill, at the count-th call or return inside of the results or their database.'''
    def step(frame, event, what):
        nonlocal count
        if "/studio/dataset/results/" in frame.f_code.co_filename or "/studio/cache/database/" in frame.f_code.co_filename:
            count -= 1
            if count == 0:
                os._exit(9)
    sys.setprofile(step)
    with ResultsFolder.open(folder, {}) as results:
        results.write([line("c", 2), line("a", 0)])
        results.write([line("b", 1), line("c", 2, digest="e")])
        results.settle(False)
        results.met([("a", 0)])
        results.write([line("z", 9)])
        results.settle(True)
    sys.setprofile(None)
    os._exit(0)

step, status = 0, 9
while status:
    step += 1
    shutil.rmtree(folder, ignore_errors=True)
    child = os.fork()
    if child == 0:
        life(step)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9), status
    found = {}
    with ResultsFolder.open(folder, {}) as results:
        text = results.results.read_text()
        assert len([*map(__import__("json").loads, text.splitlines())]) == text.count("\\n")
        known = {id: results.known(id) for id in "abcz"}
        kept = {id: entry.digest for id, entry in known.items() if entry}
        assert list(kept) in ([], ["a", "c"], ["a", "b", "c"], ["a", "b", "c", "z"]), kept
        assert kept.get("c", "-") == ("-" if not kept else "e" if "b" in kept else "d"), kept
        results.write([line("n", 10)])
        results.settle(False)
        rows = [*map(__import__("json").loads, results.results.read_text().splitlines())]
        assert {row["id"]: row["outputs"]["digest"] for row in rows} == {**kept, "n": "d"}, rows
        assert [row["id"] for row in rows] == ["n", *sorted(kept)], rows
print(step)
"""
)


@pytest.mark.slow
def test_an_end_at_every_step(tmp_path):
    """A life that stops before any call, and after any: the next one finds all of what was kept, and once."""
    done = python("-c", STOPPED, tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200


# Weight ------------------------------------------------------------------------


@pytest.mark.slow
def test_memory_stays_flat(tmp_path):
    with ResultsFolder.open(tmp_path, ABOUT) as results:
        results.write([line("first", -1)])
        gc.collect()
        tracemalloc.start()
        for start in range(0, 100_000, 1000):
            results.write([line(f"{n:064}", n ^ 1, text="x" * 20) for n in range(start, start + 1000)])
        results.settle(complete=False)
        kept, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert kept < 1 << 20
        assert peak < 4 << 20
        assert results.totals().done == 100_001


def test_a_line_costs_little(tmp_path):
    """Some ten microseconds, measured loosely: the machine is shared."""
    batches = [[line(f"{n:064}", n, text="x" * 20) for n in range(at, at + 100)] for at in range(0, 10_000, 100)]
    with ResultsFolder.open(tmp_path, ABOUT) as results:
        before = resource.getrusage(resource.RUSAGE_SELF)
        for lines in batches:
            results.write(lines)
        after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds / 10_000 < 60e-6
