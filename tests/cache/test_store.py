"""The store: what it keeps of a file is what it says, and it lends each under its own name."""

import os
import pickle
import signal
import threading
from itertools import cycle
from pathlib import Path

import pytest

from studio import File
from studio.cache.store import Damaged, Store
from studio.values.digest import of_bytes
from studio.values.private_file import PrivateFile
from tests.support.processes import python


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.mark.parametrize("size", [1000, 2 << 20])
def test_a_file_that_is_written_all_the_time(store, tmp_path, size):
    """Whatever of it is kept is kept under its own digest."""
    source, end = tmp_path / "source", threading.Event()
    source.write_bytes(bytes(size))

    def write() -> None:
        with source.open("r+b") as file:
            for value in cycle(range(256)):
                if end.is_set():
                    return
                file.seek(0)
                file.write(bytes([value]) * size)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        kept = [store.put("file", source, name="a.csv") for _ in range(10)]
    finally:
        end.set()
        writer.join()
    for artifact in kept:
        assert of_bytes(Store(store.folder).read(artifact)) == artifact.digest


def test_a_file_that_is_not_what_it_was_known_to_be(store, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"before")
    known = store.put("file", source, name="a")
    source.write_bytes(b"after!")  # of the same size
    assert store.put("file", source, known.digest, "a") == known  # what is asked for is there
    with pytest.raises(ValueError, match="changed while it was read"):
        store.put("file", source, of_bytes(b"never"), "a")
    source.write_bytes(b"of another size")
    with pytest.raises(ValueError, match="changed while it was read"):
        store.put("file", source, known.digest, "a")
    assert store.read(known) == b"before"


@pytest.fixture(params=["links", "no links"])
def lent(request, store):
    """Something that is lent, by a store that can make hard links or cannot."""
    store.folder.mkdir()
    if request.param == "no links":
        store.lent.write_text("a file where a folder should be")
    return lambda artifact: File.lent(*store.lend(artifact))


@pytest.mark.parametrize("meddle", [Path.unlink, lambda path: (path.chmod(0o644), path.write_bytes(b"s"))])
def test_what_goes_while_it_is_read_is_lost(store, meddle):
    class Beside(Store):
        """Somebody comes between the look at a blob and reading it."""

        def verified(self, artifact):
            path = super().verified(artifact)
            meddle(path)
            return path

    artifact = store.put("image", b"same")
    with pytest.raises(Damaged, match="went while it was read"):
        Beside(store.folder).read(artifact)


def test_what_is_lent_has_its_name(store, lent):
    first, second = (store.put("file", b"same", name=name) for name in ("a.csv", "b.csv"))
    assert first.digest == second.digest
    files = [lent(artifact) for artifact in (first, second, first)]
    assert [(file.path.name, file.path.read_bytes()) for file in files] == [
        ("a.csv", b"same"),
        ("b.csv", b"same"),
        ("a.csv", b"same"),
    ]
    assert len({file.path.parent for file in files}) == 3
    for file in files:
        file.check()
    places = [str(file.path) for file in files]
    del file, files
    assert not any(os.path.lexists(place) for place in places)


def test_what_is_not_there_is_not_lent(store, lent):
    kept = store.put("file", b"text", name="a")
    store.path(kept.digest).unlink()
    with pytest.raises(Damaged, match="missing"):
        lent(kept)
    kept.name = "../a"
    with pytest.raises(Damaged, match="a name that is none"):
        lent(kept)


def test_who_takes_a_lent_file_away_takes_nothing_else(store, tmp_path):
    kept = store.put("file", b"text", name="a")
    first, second = (File.lent(*store.lend(kept)) for _ in range(2))
    first.path.rename(tmp_path / "mine")
    first.check()  # nothing about the value has changed
    assert second.path.read_bytes() == store.read(kept) == b"text"


def test_who_writes_to_a_lent_file_is_found_out(store):
    kept = store.put("file", b"text", name="a")
    first, second = (File.lent(*store.lend(kept)) for _ in range(2))
    first.path.chmod(0o644)
    first.path.write_bytes(b"more")
    for file in (first, second):
        with pytest.raises(ValueError, match="has changed since"):
            file.check()
    with pytest.raises(Damaged):
        store.lend(kept)


def test_a_value_travels_with_its_file_or_by_its_path(tmp_path):
    place = tmp_path / "a.csv"
    place.write_bytes(b"text")
    for file in (
        File(place),
        File(place, name="b.csv"),
        File.from_bytes(b"text", name="c.csv"),
        File(place).snapshot(),
    ):
        there = pickle.loads(pickle.dumps(file))
        there.check()
        assert (there.name, there.path.read_bytes()) == (file.name, b"text")
    by_path = pickle.dumps(File(place))
    place.write_bytes(b"other")
    with pytest.raises(ValueError, match="has changed since"):
        pickle.loads(by_path).check()


def test_what_a_killed_process_left_behind_is_removed(store, tmp_path):
    kept = store.put("file", b"text", name="a")
    code = (
        "import os, signal, sys; from pathlib import Path; from studio.values.private_file import PrivateFile\n"
        "file = PrivateFile('a', Path(sys.argv[1])); file.path.write_text('left'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert python("-c", code, str(store.lent)).returncode == -signal.SIGKILL
    (left,) = store.lent.iterdir()
    os.utime(left, (1, 1))
    held = PrivateFile("held", store.lent)
    assert not left.exists()
    (ours,) = store.lent.iterdir()
    os.utime(ours, (1, 1))
    python("-c", code.partition("; os.kill")[0], str(store.lent))
    assert list(store.lent.iterdir()) == [ours]  # the other removed its own at its end, and not what is in use
    assert held.path.parent.is_dir()
    assert File.lent(*store.lend(kept)).path.read_bytes() == b"text"


def test_a_fork_removes_nothing_of_its_parent(store):
    kept = store.put("file", b"text", name="a")
    file = File.lent(*store.lend(kept))
    place = file.path
    if (child := os.fork()) == 0:
        try:
            del file
            File.lent(*store.lend(kept)).check()
        finally:
            os._exit(0 if place.exists() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert file.path.read_bytes() == b"text"
