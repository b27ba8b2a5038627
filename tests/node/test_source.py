"""Source: the digest of a node's code changes if what runs may change, and only then."""

import importlib
import itertools
import os
import sys
import time
import zipfile

import pytest

import studio
from studio.node.registry import Registry
from studio.node.source import code_of, source_digest
from tests.support.door import run_log
from tests.support.packages import RandomPackage

NAMES = itertools.count()
NODE = "from studio import Node\n{imports}\nclass Say(Node):\n    def run(self, text: str) -> str:\n        {late}\n        return text + {word}\n"


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


def put(folder, **texts):
    """Modules of a folder, by their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)


def digest(folder, use):
    """That of a node as a new process would load it."""
    forget(folder)
    return source_digest(Registry(folder=folder).find(use).node, memo)


# Packages of random shape ------------------------------------------------------


def loaded(folder, use):
    """The digest of a node that a new process would load, and the files it has loaded once all of it has run."""
    forget(folder)
    node = Registry(folder=folder).find(use).node
    found = source_digest(node, memo)
    said = node().run("")
    count = 0
    while count < (count := len(sys.modules)):  # also what is imported late, by what was imported late
        for module in [module for module in sys.modules.values() if "USES" in getattr(module, "__dict__", ())]:
            module.total()
    assert source_digest(node, memo) == found
    return found, {getattr(module, "__file__", None) for module in sys.modules.values()}, said


def check_package(seed, folder, as_file):
    """What an edit of each file does to the digest: it changes if the file is one that is loaded."""
    package = RandomPackage(seed, folder, f"random{next(NAMES)}")
    use = f"./{package.path(package.node).relative_to(folder)}:Say" if as_file else f"{package.node}:Say"
    found, _, said = loaded(folder, use)
    for module in package.files:
        package.edit(module, "\n\n# a comment\n")
    assert loaded(folder, use)[::2] == (found, said), seed
    seen = {found}
    for module in package.files:
        package.edit(module, "\nMORE = 1\n")
        changed, files, _ = loaded(folder, use)
        assert (changed not in seen) == (str(package.path(module)) in files), (seed, module)
        seen.add(changed)


@pytest.mark.parametrize("as_file", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_random_packages(importable, seed, as_file):
    check_package(seed, importable, as_file)


@pytest.mark.slow
@pytest.mark.parametrize("as_file", [False, True])
def test_many_random_packages(importable, as_file):
    for seed in range(1000, 1100):
        check_package(seed, importable, as_file)


# What counts ---------------------------------------------------------------


COUNTS = {
    "an import for types": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .helper import W",
    "a submodule by its attribute": "import PACKAGE\nuse = lambda: PACKAGE.helper.W",
    "any module, by a name made at run time": "import importlib\nuse = lambda name: importlib.import_module(f'.{name}', __package__)",
    "that function by another name": "from importlib import import_module as take\nuse = lambda: take('PACKAGE.helper')",
    "that function as a value": "import importlib\nuse = lambda: [*map(importlib.import_module, ['PACKAGE.helper'])]",
    "that function by its name": "import importlib\nuse = lambda: getattr(importlib, 'import_module')('PACKAGE.helper')",
    "what a star takes": "from .stars import *",
    "what a star takes by names made at run time": "from .bright import *",
    "what a star takes by names that are added": "from .added import *",
    "what a call takes": "use = lambda: __import__('PACKAGE.stars', fromlist=['one'])",
}


@pytest.mark.parametrize("what", COUNTS)
def test_what_may_be_imported_counts(importable, what):
    name = f"counted{next(NAMES)}"
    package = importable / name
    imports = COUNTS[what].replace("PACKAGE", name)
    put(package / "stars", __init__="__all__ = ['one']")
    put(package / "bright", __init__="names = ['one']\n__all__ = [*names]")
    put(package / "added", __init__="__all__ = []\n__all__.append('one')")
    put(package, __init__="", node=NODE.format(imports=imports, late="", word="''"))
    found = []
    for word in "12":
        put(package, helper=f"W = {word}")
        for folder in ("stars", "bright", "added"):
            put(package / folder, one=f"W = {word}")
        found.append(digest(importable, f"{name}.node:Say"))
    assert found[0] != found[1]


def test_modules_beside_one_in_no_package_may_be_imported(importable):
    (importable / "shelf").mkdir()
    (importable / "shelf" / "back").symlink_to(importable)
    use = "import importlib\nuse = lambda name: importlib.import_module(name)"
    put(importable, alone=NODE.format(imports=use, late="", word="''"))
    found = []
    for plug, deeper in ("11", "21", "22"):
        put(importable, plug=f"W = {plug}")
        put(importable / "shelf", plug=f"W = {deeper}")
        found.append(digest(importable, "alone:Say"))
    assert len({*found}) == 3


def test_exchanged_files_count(importable):
    imports = "from .a import W as first\nfrom .b import W as second"
    put(importable / "swapped", node=NODE.format(imports=imports, late="", word="first + second"), a="W='1'", b="W='2'")
    before = digest(importable, "swapped.node:Say")
    put(importable / "swapped", a="W='2'", b="W='1'")
    assert digest(importable, "swapped.node:Say") != before


@pytest.mark.parametrize("reads", ["W.__doc__", "getattr(W, '__doc__')", "inspect.getdoc(W)", "inspect.getsource(W)"])
def test_a_docstring_counts_where_something_reads_it(importable, reads):
    imports = "import inspect\nfrom .helper import W"
    for word, counts in (("''", False), (reads, True)):
        put(importable / "told", node=NODE.format(imports=imports, late="", word=word), helper="def W():\n    '1'\n")
        before = digest(importable, "told.node:Say")
        put(importable / "told", helper="def W():\n    '2'\n")
        assert (digest(importable, "told.node:Say") != before) == counts


def test_code_that_is_nested_too_deeply_counts_by_its_text(importable):
    put(importable, deep=NODE.format(imports=f"X = {'+'.join('1' * 800)}", late="", word="''"))
    before = digest(importable, "deep:Say")
    put(importable, deep=NODE.format(imports=f"X = {'+'.join('1' * 801)}", late="", word="''"))
    assert digest(importable, "deep:Say") != before


def test_an_installed_package_of_nodes_counts_as_a_whole(tmp_path, monkeypatch):
    """Also its absolute imports; those of other packages do not."""
    site = tmp_path / "site-packages"
    monkeypatch.syspath_prepend(site)
    imports = "from brought_nodes import helper\nimport brought_library"
    put(site / "brought_nodes", __init__="", node=NODE.format(imports=imports, late="", word="''"), helper="W = 1")
    put(site, brought_library="W = 1")
    before = digest(site, "brought_nodes.node:Say")
    put(site, brought_library="W = 2")
    assert digest(site, "brought_nodes.node:Say") == before
    put(site / "brought_nodes", helper="W = 2")
    assert digest(site, "brought_nodes.node:Say") != before
    forget(site)


# As it was loaded ------------------------------------------------------------


def spoken(folder, use, text="a", **more):
    """What a graph of one node says, and whether it came from the cache; with what was warned of."""
    graph = folder / "graph.yaml"
    graph.write_text(f"inputs: {{text: text}}\nnodes: {{s: {{use: '{use}', in: {{text: text}}}}}}\noutputs: {{x: s}}")
    log = run_log(studio.load(graph, **more), text=text)
    return log.outputs["x"], log.steps("done") == ["s"], [event.message for event in log.of(studio.Warned)]


@pytest.mark.parametrize("late", [False, True])
def test_a_module_that_was_edited_stays_as_it_was_loaded(importable, late):
    """What it gives is kept as that of the old code, and a new process asks for the new one's."""
    take = "from .helper import W"
    node = NODE.format(imports="" if late else take, late=take if late else "", word="W")
    put(importable / "edited", __init__="", node=node, helper="W = 'old'")
    use = "edited.node:Say"
    assert spoken(importable, use) == ("aold", True, [])
    put(importable / "edited", helper="W = 'new'")
    said, ran, warned = spoken(importable, use, "b")
    assert (said, ran) == ("bold", True)
    assert "'edited.helper' was edited since this process loaded it" in warned[0]
    assert spoken(importable, use, "b")[:2] == ("bold", False)
    forget(importable)
    assert spoken(importable, use, "b") == ("bnew", True, [])


def test_a_helper_that_is_not_loaded_yet_follows_its_file(importable):
    node = NODE.format(imports="", late="from .helper import W", word="W")
    put(importable / "waiting", __init__="", node=node, helper="W = 'old'")
    found = Registry().find("waiting.node:Say").node
    before = source_digest(found, memo)
    put(importable / "waiting", helper="W = 'new'")
    assert source_digest(found, memo) != before
    assert spoken(importable, "waiting.node:Say") == ("anew", True, [])


def test_what_ran_other_code_than_its_key_says_is_not_kept(importable):
    """Its helper is edited between the taking of the digest and the import."""
    edit = "open(__file__.replace('node', 'helper'), 'w').write(\"W = 'new!'\")"
    put(importable / "racing", __init__="", helper="W = 'old'")
    put(importable / "racing", node=NODE.format(imports="", late=f"{edit}; from .helper import W", word="W"))
    assert spoken(importable, "racing.node:Say")[:2] == ("anew!", True)
    forget(importable)
    put(importable / "racing", helper="W = 'old'")
    assert spoken(importable, "racing.node:Say")[:2] == ("anew!", True)


def test_a_module_that_was_loaded_again(importable):
    put(importable, again=NODE.format(imports="W = 'old'", late="", word="W"))
    assert spoken(importable, "again:Say") == ("aold", True, [])
    put(importable, again=NODE.format(imports="W = 'new!'", late="", word="W"))
    importlib.reload(sys.modules["again"])
    assert spoken(importable, "again:Say") == ("anew!", True, [])


@pytest.mark.parametrize("place", ["node.Say.run", "helper.word", "helper.Word.said"])
def test_what_a_test_puts_in_the_place_of_a_function_is_not_kept_as_that(importable, place):
    """As a mock does; put back, it is the old one again."""
    helper = "def word(): return Word().said()\nclass Word:\n    def said(self): return 'old'"
    node = NODE.format(imports="from . import helper", late="", word="helper.word()")
    put(importable / "mocked", __init__="", node=node, helper=helper)
    use = "mocked.node:Say"
    assert spoken(importable, use) == ("aold", True, [])

    def run(self, text: str) -> str:
        return f"{text}new"

    instead = {"node.Say.run": run, "helper.word": lambda: "new", "helper.Word.said": lambda self: "new"}[place]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"mocked.{place}", instead)
        assert [spoken(importable, use, text) for text in "ab"] == [("anew", True, []), ("bnew", True, [])]
    assert spoken(importable, use) == ("aold", False, [])
    forget(importable)
    assert spoken(importable, use, "b") == ("bold", True, [])


def test_a_module_that_was_edited_before_anybody_looked(importable):
    """Its file tells nothing of what was loaded, so that its code in memory does."""
    take, helper = "from .helper import W", "def speak(): return W\nW = 'old'\n"
    put(importable / "unseen", node=NODE.format(imports="from .helper import speak", late="", word="speak()"))
    put(importable / "unseen", __init__="", helper=helper, clean=NODE.format(imports=take, late="", word="W"))
    node = importlib.import_module("unseen.node").Say
    put(importable / "unseen", helper=helper.replace("old", "new!"))
    assert spoken(importable, "unseen.node:Say")[:2] == ("aold", True)
    assert spoken(importable, "unseen.node:Say")[:2] == ("aold", False)
    assert "unseen.helper" in code_of(node, memo).in_memory
    sys.modules["unseen.helper"].lock = importable  # a path can be told, what cannot is said
    sys.modules["unseen.helper"].lock = open(os.devnull)  # noqa: SIM115
    verdict = studio.load("nodes: {s: {use: 'unseen.node:Say', with: {text: a}}}\noutputs: {x: s}").why()[0]
    assert "cannot be cached: Say uses 'lock' (in 'helper')" in verdict.reasons[0]
    sys.modules["unseen.helper"].lock.close()


def test_bytecode_of_another_source(importable, monkeypatch):
    """Python takes what it kept of a file of the same second and size: the key is that of what it took."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for word in ("old", "new"):
        put(importable, kept=NODE.format(imports=f"W = '{word}'", late="", word="W"))
        os.utime(importable / "kept.py", (1e9, 1e9))
        assert spoken(importable, "kept:Say")[0] == "aold"
        forget(importable)
        time.sleep(0.02)  # the clock of the file system
    for kept in (importable / "__pycache__").iterdir():
        kept.unlink()
    assert spoken(importable, "kept:Say") == ("anew", True, [])


# Node files ------------------------------------------------------------------


@pytest.mark.parametrize(
    "take",
    ["from .words import W", "from words import W", "import words; W = words.W", "from . import words as w; W = w.W"],
)
@pytest.mark.parametrize("late", [False, True])
def test_two_folders_helpers_of_one_name(tmp_path, take, late):
    node = NODE.format(imports="" if late else take, late=take if late else "", word="W")
    for name in "ab":
        put(tmp_path / name, node=node, words=f"W = ' of {name}'")
    for name in "abab":
        assert spoken(tmp_path, f"./{name}/node.py:Say")[0] == f"a of {name}"
    put(tmp_path / "a", words="W = ' of A'")
    assert spoken(tmp_path, "./a/node.py:Say") == ("a of A", True, [])


def test_a_graph_that_is_loaded_keeps_a_node_file_s_helper(tmp_path):
    put(tmp_path, node=NODE.format(imports="", late="from .words import W", word="W"), words="W = 'old'")
    graph = "inputs: {text: text}\nnodes: {s: {use: './node.py:Say', in: {text: text}}}\noutputs: {x: s}"
    (tmp_path / "graph.yaml").write_text(graph)
    before = studio.load(tmp_path / "graph.yaml")
    before.check()
    put(tmp_path, words="W = 'new'")
    assert run_log(before, text="a").outputs == {"x": "aold"}
    assert run_log(studio.load(tmp_path / "graph.yaml"), text="a").outputs == {"x": "anew"}
    assert run_log(before, text="a") == [("cached", "s")]


def test_the_package_of_a_node_file(tmp_path):
    """With its `__init__.py`, those above it, and what lies above its folder."""
    put(
        tmp_path / "top" / "inner",
        __init__="INNER = 'i'",
        node=NODE.format(
            imports="from . import INNER\nfrom .. import TOP\nfrom ..beside import B\nimport deeper.most as most",
            late="import deeper.most",
            word="INNER + TOP + B + most.W + deeper.most.W",
        ),
    )
    put(tmp_path / "top", __init__="TOP = 't'", beside="B = 'b'")
    put(tmp_path / "top" / "inner" / "deeper", most="W = 'd'")
    assert spoken(tmp_path, "./top/inner/node.py:Say") == ("aitbdd", True, [])
    (tmp_path / "top" / "__init__.py").unlink()
    put(tmp_path / "top" / "inner", node=NODE.format(imports="from ..beside import B", late="", word="B"))
    assert spoken(tmp_path, "./top/inner/node.py:Say") == ("ab", True, [])


def test_a_helper_that_is_not_there(tmp_path):
    put(tmp_path, node=NODE.format(imports="from .gone import W", late="", word="W"))
    with pytest.raises(studio.GraphError, match=r"cannot be loaded: ModuleNotFoundError: No module named '\.gone'"):
        spoken(tmp_path, "./node.py:Say")


def test_a_folder_beside_hides_no_module(tmp_path, importable):
    """One without Python files of its own; as in Python itself."""
    put(tmp_path, shelf="W = 's'")
    put(tmp_path / "own" / "shelf")
    put(tmp_path / "own", node=NODE.format(imports="import shelf", late="", word="shelf.W"))
    assert spoken(tmp_path, "./own/node.py:Say") == ("as", True, [])


def test_modules_in_an_archive(tmp_path, monkeypatch):
    archive = tmp_path / "packed.zip"
    monkeypatch.syspath_prepend(archive)
    found = []
    for word in ("old", "new"):
        forget(tmp_path)
        sys.modules.pop("in_archive", None)
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(
                "in_archive.py", NODE.format(imports="from studio import Resources", late="", word=f"'{word}'")
            )
        assert spoken(tmp_path, "in_archive:Say")[:2] == (f"a{word}", True)
        found.append(source_digest(Registry().find("in_archive:Say").node, memo))
    sys.modules.pop("in_archive", None)
    assert found[0] != found[1]


def test_a_file_beside_is_no_library(tmp_path):
    """What is installed, or comes with Python, is not hidden by a file of its name."""
    put(tmp_path, json="W = 1", pydantic="W = 1", studio="W = 1")
    put(tmp_path, node=NODE.format(imports="import json, pydantic", late="", word="json.dumps(1)"))
    assert spoken(tmp_path, "./node.py:Say") == ("a1", True, [])
