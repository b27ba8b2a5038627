"""Digests: one encoding for each thing, and no two things with one."""

import os
import sqlite3
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.cache.file_digests import FileDigests
from studio.values.digest import Uncacheable, canonical, of_data

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)


def exact(data) -> object:
    """Data told apart by its types; dicts regardless of their order."""
    if isinstance(data, dict):
        return ("dict", frozenset((exact(key), exact(value)) for key, value in data.items()))
    if isinstance(data, list):
        return ("list", tuple(map(exact, data)))
    return (type(data).__name__, str(data) if isinstance(data, float) else data)  # 0.0 and -0.0 are two


@given(plain, plain)
def test_canonical_is_injective(first, second):
    assert (canonical(first) == canonical(second)) == (exact(first) == exact(second))


@given(st.dictionaries(st.text(max_size=5), plain, max_size=5))
def test_the_order_of_a_dict_does_not_matter(data):
    assert canonical(dict(reversed(data.items()))) == canonical(data)


def test_four_different_ones():
    ones = [1, 1.0, "1", True, b"1", [1], {"1": 1}, None, 0, False, 0.0, -0.0, "", [], {}, [[]], "True", "1.0"]
    assert len({of_data(one) for one in ones}) == len(ones)


def test_neighbours_do_not_run_together():
    assert of_data(["ab", "c"]) != of_data(["a", "bc"])
    assert of_data([["a"], "b"]) != of_data(["a", ["b"]])
    assert of_data({"a": "bc"}) != of_data({"ab": "c"})


@pytest.mark.parametrize(
    "thing", [object(), {1, 2}, 1j, lambda: 0, [object()], {"a": {1}}], ids=lambda thing: type(thing).__name__
)
def test_what_has_no_form_is_never_a_constant(thing):
    with pytest.raises(Uncacheable):
        of_data(thing)


def test_digests_are_the_same_for_ever():
    """Pinned: a change here makes every cache worthless, and needs a new scheme number."""
    assert (
        of_data({"a": [1, 1.0, "1", True, None, b"1"]})
        == "462ae37a383788633dd8e7823ee6924436592bf1a3a60783be70fd58fad3aed4"
    )


def test_a_file_s_digest_follows_its_content(tmp_path):
    files, path = FileDigests(tmp_path / "memo.sqlite"), tmp_path / "weights"
    path.write_bytes(b"a" * 100_000)
    os.utime(path, (time.time() - 60,) * 2)
    first = files(path)
    assert files(path) == FileDigests(tmp_path / "memo.sqlite")(path) == FileDigests()(path) == first
    path.write_bytes(b"b" * 100_000)  # of the same size
    os.utime(path, (time.time() - 60,) * 2)
    assert files(path) != first


def test_a_young_file_is_not_remembered(tmp_path):
    files, path = FileDigests(tmp_path / "memo.sqlite"), tmp_path / "weights"
    path.write_bytes(b"a" * 100_000)
    stamp = path.stat()
    first = files(path)
    path.write_bytes(b"b" * 100_000)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert files(path) != first


def test_a_folder_s_digest_is_of_names_and_contents(tmp_path):
    folder, files = tmp_path / "model", FileDigests()
    (folder / "sub").mkdir(parents=True)
    (folder / "a").write_text("1")
    (folder / "sub" / "b").write_text("2")
    first = files(folder)
    assert FileDigests()(folder.rename(tmp_path / "moved")) == first
    (tmp_path / "moved" / "a").rename(tmp_path / "moved" / "c")
    assert FileDigests()(tmp_path / "moved") != first


def test_what_a_folder_links_to_counts(tmp_path):
    """Under the name by which it is reached, and not round in a circle."""
    folder, files = tmp_path / "model", FileDigests()
    for version, text in (("v1", "1"), ("v2", "2"), ("v3", "1")):
        (tmp_path / version / "deep").mkdir(parents=True)
        (tmp_path / version / "deep" / "w").write_text(text)
    folder.mkdir()
    (folder / "config").write_text("{}")

    def linked(target, name="weights"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)
        return files(folder)

    nothing = files(folder)
    folders = [linked(f"../{version}") for version in ("v1", "v2", "v3")]
    assert folders[0] == folders[2]
    assert len({nothing, *folders}) == 3
    assert linked("../v1/deep/w") != linked("../v2/deep/w")
    assert linked("../v1/deep/w") == linked("../v3/deep/w")
    linked("../v1/deep")
    assert files(folder) == linked("../v1/deep", "weights") != linked("../v1/deep", "others")
    (folder / "others").unlink()
    before = linked("../v1")
    for target in ("..", ".", "nowhere", "circle"):
        assert linked(target, "circle") == linked(target, "circle")
    (tmp_path / "v1" / "deep" / "back").symlink_to("../../model")
    (folder / "circle").unlink()
    assert files(folder) != nothing
    (tmp_path / "v1" / "deep" / "back").unlink()
    assert files(folder) == before


DAMAGE = {
    "words": b"no database at all, but words\n" * 300,
    "nothing": b"",
    "pages of noise": b"SQLite format 3\0" + b"\xff" * 8000,
}


def large(path):
    """A file that is large and old enough to be remembered."""
    path.write_bytes(b"a" * 100_000)
    os.utime(path, (time.time() - 60,) * 2)
    return path


def remembered(memo) -> int:
    db = sqlite3.connect(memo)
    (count,) = db.execute("SELECT count(*) FROM files").fetchone()
    db.close()
    return count


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_memo_costs_no_result_and_is_made_anew(tmp_path, how):
    memo, path = tmp_path / "memo.sqlite", large(tmp_path / "weights")
    memo.write_bytes(DAMAGE[how])
    assert FileDigests(memo)(path) == FileDigests()(path)
    assert remembered(memo) == 1


def test_a_memo_that_is_damaged_while_it_is_used_is_made_anew(tmp_path):
    memo, one, other = tmp_path / "memo.sqlite", large(tmp_path / "one"), large(tmp_path / "other")
    files = FileDigests(memo)
    files(one)
    memo.write_bytes(DAMAGE["words"])
    for end in ("-wal", "-shm"):
        memo.with_name(memo.name + end).unlink(missing_ok=True)
    assert files(other) == FileDigests()(other)
    assert FileDigests(memo)(other) == files(other)
    assert remembered(memo) == 1


def test_the_memo_of_version_0_1_is_read_and_goes_on(tmp_path, monkeypatch):
    memo, path = tmp_path / "memo.sqlite", large(tmp_path / "weights")
    db = sqlite3.connect(memo)
    db.execute("CREATE TABLE IF NOT EXISTS files (stamp TEXT PRIMARY KEY, text TEXT)")
    stat = path.stat()
    stamp = f"{stat.st_dev}:{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}"
    db.execute("INSERT INTO files VALUES (?, ?)", (stamp, "as it was remembered"))
    db.commit()
    db.close()
    files = FileDigests(memo)
    assert files(path) == "as it was remembered"
    files(large(tmp_path / "other"))
    assert remembered(memo) == 2


def test_a_memo_that_cannot_be_written_costs_no_result(tmp_path):
    (tmp_path / "memo.sqlite").mkdir()
    path = large(tmp_path / "weights")
    assert FileDigests(tmp_path / "memo.sqlite")(path) == FileDigests()(path)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_uses_the_memo_and_harms_it_not(tmp_path):
    memo = tmp_path / "memo.sqlite"
    files, known = FileDigests(memo), large(tmp_path / "known")
    first = files(known)
    for n in range(5):
        child = os.fork()
        if child == 0:
            again = FileDigests(memo)(known) == files(known) == first
            files(large(tmp_path / f"child {n}"))
            os._exit(0 if again else 1)
        files(large(tmp_path / f"parent {n}"))  # at the same time
        assert os.waitpid(child, 0)[1] == 0
    assert remembered(memo) == 11
    db = sqlite3.connect(memo)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
