"""Source: the digest of a node's code changes if what runs may change, and only then."""

import importlib
import itertools
import sys

import pytest

from studio.node.registry import Registry
from studio.node.source import source_digest
from tests.support.packages import RandomPackage

NAMES = itertools.count()


def memo(path, name, make):
    return make()


@pytest.fixture
def importable(tmp_path, monkeypatch):
    """A folder that modules are imported from; what was imported of it is forgotten at the end."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    forget(tmp_path)


def forget(folder):
    """As a new process: nothing of this folder is loaded."""
    own = {path.stem for path in folder.iterdir()}
    for name in [name for name in sys.modules if name.partition(".")[0] in own or name.startswith("studio_file_")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def loaded(folder, use):
    """The digest of a node that a new process would load, and the files it has loaded once the node has run."""
    forget(folder)
    node = Registry(folder=folder).find(use).node
    digest = source_digest(node, memo)
    said = node().run("")
    count = 0
    while count < (count := len(sys.modules)):  # also what is imported late, by what was imported late
        for module in [module for module in sys.modules.values() if hasattr(module, "USES")]:
            module.total()
    assert source_digest(node, memo) == digest
    return digest, {getattr(module, "__file__", None) for module in sys.modules.values()}, said


def check_package(seed, folder, as_file):
    """What any edit of any file does to the digest: if the file is one that is loaded, it changes."""
    package = RandomPackage(seed, folder, f"random{next(NAMES)}")
    use = f"./{package.path(package.node).relative_to(folder)}:Say" if as_file else f"{package.node}:Say"
    digest, files, said = loaded(folder, use)
    for module in package.files:
        package.edit(module, "\n\n# a comment\n")
    assert loaded(folder, use)[::2] == (digest, said)
    seen = {digest}
    for module in package.files:
        package.edit(module, "\nMORE = 1\n")
        changed, files, _ = loaded(folder, use)
        assert (changed not in seen) == (str(package.path(module)) in files), (seed, module)
        seen.add(changed)


@pytest.mark.parametrize("first", range(0, 30, 10))
def test_random_packages(importable, first):
    for seed in range(first, first + 10):
        check_package(seed, importable, as_file=False)


@pytest.mark.slow
def test_many_random_packages(importable):
    for seed in range(1000, 1200):
        check_package(seed, importable, as_file=False)
