"""Digests: one encoding for each thing, and no two things with one."""

import os
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


def test_a_broken_memo_costs_no_result(tmp_path):
    (tmp_path / "memo.sqlite").write_text("no database")
    path = tmp_path / "weights"
    path.write_bytes(b"a" * 100_000)
    os.utime(path, (time.time() - 60,) * 2)
    assert FileDigests(tmp_path / "memo.sqlite")(path) == FileDigests()(path)
