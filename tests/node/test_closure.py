"""Closure: a class that no file speaks for is told apart by its code in memory, and all that this uses."""

import os
import sys
import time
import types

import pytest

from studio.node.closure import Closure
from studio.node.source import source_digest
from studio.values.digest import Uncacheable
from tests.support import processes

HEAD = "from studio import Node\n"
CLASS = "class W(Node):\n    def run(self, text: str) -> float:\n        return f(len(text))\n"


def digest(text, monkeypatch):
    """That of the class W of a notebook: its cells were run in a module that has no file."""
    notebook = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    exec(compile(HEAD + text + ("" if "class W" in text else CLASS), "<cell>", "exec"), notebook.__dict__)
    return source_digest(notebook.W, lambda path, name, make: make())


def both(text, monkeypatch, old="1", new="10"):
    return [digest(text.replace("VALUE", value), monkeypatch) for value in (old, old, new)]


COUNTS = {
    "chain": "def g(n): return n*VALUE\ndef f(n): return g(n)\n",
    "nested": "def f(n):\n    def h(k): return g(k)\n    return h(n)\ndef g(n): return n*VALUE\n",
    "lambda": "g = lambda n: n*VALUE\nf = lambda n: g(n)\n",
    "compr": "def g(n): return n*VALUE\ndef f(n): return sum(g(i) for i in range(n))\n",
    "helperclass": "class H:\n    def go(self, n): return n*VALUE\ndef f(n): return H().go(n)\n",
    "helperbase": "class B:\n    k = VALUE\nclass H(B): pass\ndef f(n): return H().k*n\n",
    "instance": "class H:\n    def __init__(self, k): self.k = k\nh = H(VALUE)\ndef f(n): return h.k*n\n",
    "dataclass": "from dataclasses import dataclass, field\n@dataclass\nclass H:\n    k: int = VALUE\n    l: list = field(default_factory=list)\nh = H()\ndef f(n): return h.k*n\n",
    "dataclass default only": "from dataclasses import dataclass\n@dataclass\nclass H:\n    k: int = VALUE\ndef f(n): return H().k*n\n",
    "frozen slots dc": "from dataclasses import dataclass\n@dataclass(frozen=True, slots=True)\nclass H:\n    k: int = VALUE\nh=H()\ndef f(n): return h.k*n\n",
    "numpy": "import numpy as np\nA = np.arange(5)*VALUE\ndef f(n): return A.sum()\n",
    "numpy scalar": "import numpy as np\nA = np.float32(VALUE)\ndef f(n): return A\n",
    "partial": "from functools import partial\ndef g(a,n): return a*n\nf = partial(g, VALUE)\n",
    "bound": "class H:\n    def __init__(self,k): self.k=k\n    def go(self,n): return self.k*n\nf = H(VALUE).go\n",
    "default": "def f(n, k=VALUE): return n*k\n",
    "kwdefault": "def f(n, *, k=VALUE): return n*k\n",
    "closure": "def mk(k):\n    def f(n): return n*k\n    return f\nf = mk(VALUE)\n",
    "wraps": "import functools\ndef deco(fn):\n    @functools.wraps(fn)\n    def w(*a): return fn(*a)*VALUE\n    return w\n@deco\ndef f(n): return n\n",
    "wrapped inner": "import functools\ndef deco(fn):\n    @functools.wraps(fn)\n    def w(*a): return fn(*a)\n    return w\n@deco\ndef f(n): return n*VALUE\n",
    "lru": "import functools\n@functools.lru_cache\ndef f(n): return n*VALUE\n",
    "dict": "D = {'a': [1, {2: VALUE}]}\ndef f(n): return D['a'][1][2]\n",
    "path": "from pathlib import Path\nD = Path('x/VALUE')\ndef f(n): return str(D)\n",
    "regex": "import re\nD = re.compile('VALUE', re.I)\ndef f(n): return bool(D.match('x'))\n",
    "enum": "from enum import Enum\nclass E(Enum):\n    A=VALUE\n    B=3\nD = E.A\ndef f(n): return D.value\n",
    "datetime decimal": "from decimal import Decimal\nimport datetime\nD=[Decimal('VALUE'), datetime.date(2020,1,VALUE)]\ndef f(n): return D\n",
    "namedtuple": "from typing import NamedTuple\nclass P(NamedTuple):\n    a: int = VALUE\ndef f(n): return P().a\n",
    "collections": "from collections import defaultdict, OrderedDict, Counter, deque\nD=[defaultdict(list, a=VALUE), OrderedDict(a=VALUE), Counter('VALUE'), deque([VALUE])]\ndef f(n): return D\n",
    "recursion": "def f(n): return 1 if n<2 else VALUE*f(n-1)\n",
    "mutual": "def f(n): return g(n-1) if n else 0\ndef g(n): return VALUE*f(n-1) if n else 1\n",
    "selfref list": "L=[VALUE]; L.append(L)\ndef f(n): return L[0]\n",
    "property": "class H:\n    @property\n    def k(self): return VALUE\n    @classmethod\n    def c(cls): return 2\n    @staticmethod\n    def s(): return 3\ndef f(n): return H().k\n",
    "cached_property": "import functools\nclass H:\n    @functools.cached_property\n    def k(self): return VALUE\ndef f(n): return H().k\n",
    "pydantic": "from pydantic import BaseModel, Field, field_validator\nclass M(BaseModel):\n    k: int = Field(VALUE, gt=0)\n    @field_validator('k')\n    @classmethod\n    def v(cls, x): return x\ndef f(n): return M().k\n",
    "pydantic validator": "from pydantic import BaseModel, Field, field_validator\nclass M(BaseModel):\n    k: int = 3\n    @field_validator('k')\n    @classmethod\n    def v(cls, x): return x*VALUE\ndef f(n): return M(k=2).k\n",
    "config validator": "from pydantic import field_validator\nclass W(Node):\n    class Config(Node.Config):\n        k: int = 3\n        @field_validator('k')\n        @classmethod\n        def v(cls, x): return x*VALUE\n    def run(self, text: str) -> float:\n        return self.config.k\n",
    "config method": "class W(Node):\n    class Config(Node.Config):\n        k: int = 3\n        def m(self): return VALUE\n    def run(self, text: str) -> float:\n        return self.config.m()\n",
    "class attr": "class W(Node):\n    K = {'a': VALUE}\n    def run(self, text: str) -> float:\n        return self.K\n",
    "class attr of base": "class B(Node):\n    K = {'a': VALUE}\n    def run(self, text: str) -> float:\n        return self.K\nclass W(B): pass\n",
    "mixin": "class Mix:\n    def k(self): return VALUE\nclass W(Mix, Node):\n    def run(self, text: str) -> float:\n        return self.k()\n",
    "abc": "import abc\nclass H(abc.ABC):\n    @abc.abstractmethod\n    def k(self): ...\nclass I(H):\n    def k(self): return VALUE\ndef f(n): return I().k()\n",
    "slots inst": "class H:\n    __slots__=('k',)\n    def __init__(self): self.k=VALUE\nh=H()\ndef f(n): return h.k\n",
    "lib instance": "import string\nT = string.Template('VALUE $x')\ndef f(n): return T.substitute(x=1)\n",
    "docstring read": "def f(n):\n    'VALUE'\n    return f.__doc__\n",
    "ufunc/builtins": "import numpy as np, math\ng = [np.sin, math.sqrt, len, 'x'.upper, np.float32, dict, VALUE]\ndef f(n): return g\n",
    "logger": "import logging\nlog = logging.getLogger('x')\ndef f(n):\n    log.info('x'); return VALUE\n",
    "typing": "from typing import Optional, Union, Literal\nT = [Optional[int], Union[int, str], list[int], int | None, Literal['VALUE']]\ndef f(n): return T\n",
    "import in fn": "def f(n):\n    import json\n    from os import path\n    return VALUE\n",
    "match": "def f(n):\n    match n:\n        case VALUE: return 1\n        case _: return 2\n",
    "bytes etc": "K=(1+2j, ..., bytearray(b'VALUE'), slice(1,VALUE), range(VALUE), frozenset([VALUE]))\ndef f(n): return K\n",
    "random": "import random\nR = random.Random(VALUE)\ndef f(n): return R.random()\n",
    "itemgetter": "from operator import itemgetter\nf = itemgetter(VALUE)\n",
    "type alias generic class": "from typing import Generic, TypeVar\nT=TypeVar('T')\nclass H(Generic[T]):\n    k=VALUE\ndef f(n): return H[int]().k\n",
    "metaclass": "class M(type):\n    def k(cls): return VALUE\nclass H(metaclass=M): pass\ndef f(n): return H.k()\n",
    "descriptor": "class D:\n    def __get__(self, o, t): return VALUE\nclass H:\n    d = D()\ndef f(n): return H().d\n",
    "contextmanager": "import contextlib\n@contextlib.contextmanager\ndef c():\n    yield VALUE\ndef f(n):\n    with c() as x: return x\n",
    "async": "async def g(): return VALUE\ndef f(n):\n    import asyncio\n    return asyncio.run(g())\n",
    "setattr on function": "def f(n): return f.k\nf.k = VALUE\n",
    "decorated method": "import functools\ndef deco(fn):\n    @functools.wraps(fn)\n    def w(*a, **k): return fn(*a, **k)*VALUE\n    return w\nclass W(Node):\n    @deco\n    def run(self, text: str) -> float:\n        return 1\n",
    "annotation default": "class W(Node):\n    def run(self, text: str = 'VALUE') -> float:\n        return 1\n",
}
ROOMY = {
    "set": ("D = {1, VALUE, 'x'}\ndef f(n): return len(D)\n", "5", "7"),
    "order of dict": ("D = VALUE\ndef f(n): return list(D)\n", "{1:1,2:2}", "{2:2,1:1}"),
    "list vs tuple": ("D = VALUE\ndef f(n): return D\n", "[1]", "(1,)"),
    "output ports": (
        "from typing import NamedTuple\nclass Made(NamedTuple):\n    VALUE: str\n    b: str\nclass W(Node):\n    def run(self, text: str) -> Made:\n        return text, text\n",
        "p",
        "q",
    ),
    "a name that is not there yet": ("VALUE\ndef f(n): return later(n)\n", "", "later = len"),
    "what an import brings": ("def f(n):\n    from os import VALUE\n    return 1\n", "path", "sep"),
}


@pytest.mark.parametrize("what", COUNTS)
def test_what_code_uses_counts(what, monkeypatch):
    first, again, other = both(COUNTS[what], monkeypatch)
    assert first == again != other


@pytest.mark.parametrize("what", ROOMY)
def test_how_it_is_made_counts(what, monkeypatch):
    first, again, other = both(*ROOMY[what][:1], monkeypatch, *ROOMY[what][1:])
    assert first == again != other


@pytest.mark.parametrize("text", ["def f(n):\n    'VALUE'\n    return n\n", "def f(n):\n    # VALUE\n    return n\n"])
def test_what_is_only_said_does_not_count(text, monkeypatch):
    first, again, other = both(text, monkeypatch)
    assert first == again == other


REFUSED = {
    "L": "import threading\nL = threading.Lock()\ndef f(n):\n    with L: return 1\n",
    "client": "import threading\nclass Client:\n    def __init__(self): self.lock = threading.Lock()\nclient = Client()\ndef f(n): return client\n",
    "S": "S = object()\ndef f(n): return S\n",
    "G": "G = (i for i in range(3))\ndef f(n): return next(G)\n",
    "eval": "def f(n): return eval('n')\n",
    "sys.modules": "import sys\ndef f(n): return getattr(sys.modules[__name__], 'g')()\n",
    "importlib.import_module": "def f(n):\n    import importlib\n    return importlib.import_module('a' * n)\n",
    "deep": "deep = []\nfor _ in range(5000): deep = [deep]\ndef f(n): return deep\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_told_is_named(name, monkeypatch):
    with pytest.raises(Uncacheable, match=f"W uses '{name}'"):
        digest(REFUSED[name], monkeypatch)


def test_tensors(monkeypatch):
    pytest.importorskip("torch")
    for made in ("torch.ones(4, dtype=torch.bfloat16)[::2] * VALUE", "torch.nn.Parameter(torch.ones(2) * VALUE)"):
        first, again, other = both(f"import torch\nT = {made}\ndef f(n): return T\n", monkeypatch)
        assert first == again != other


def test_code_that_ran_often_is_the_same(monkeypatch):
    """Python rewrites in place what runs often."""
    text = "def g(n): return sum(i * 2 for i in range(n))\ndef f(n): return g(n)\n"
    before = digest(text, monkeypatch)
    for _ in range(500):
        sys.modules["__main__"].W().run("abc")
    assert source_digest(sys.modules["__main__"].W, lambda path, name, make: make()) == before


def test_a_cell_that_was_run_again(monkeypatch):
    """The class is the same, and what it uses is not."""
    before = digest("K = 1\ndef f(n): return K\n", monkeypatch)
    sys.modules["__main__"].K = 2
    assert source_digest(sys.modules["__main__"].W, lambda path, name, make: make()) != before


SCRIPT = """
import studio

LOUD = 1

class Shout(studio.Node):
    def run(self, text: str) -> str:
        return text + "!" * LOUD

graph = studio.load({"nodes": {"s": {"use": "Shout", "with": {"text": "hi"}}}, "outputs": {"x": "s"}}, nodes=[Shout])
for LOUD in (1, 2, 1):
    result = graph.run(options={"executor": "local"})
    print(result["x"], result.steps["s"].status)
"""


def test_what_else_a_script_holds_does_not_count(tmp_path):
    """Whether its file is older than the process, or not."""
    (tmp_path / "script.py").write_text(
        SCRIPT.replace("LOUD = 1", "import threading\nLOCK = threading.RLock()\nLOUD = 1")
    )
    os.utime(tmp_path / "script.py", (time.time() + 60, time.time() + 60))
    done = processes.python("script.py", folder=tmp_path, STUDIO_CACHE=str(tmp_path / "cache"))
    assert done.stdout.splitlines() == ["hi! done", "hi!! done", "hi! cached"], done.stderr


def test_a_script_that_changes_what_its_node_uses(tmp_path):
    """Its file is no word on the variables that it sets while it runs."""
    (tmp_path / "script.py").write_text(SCRIPT)
    time.sleep(0.03)  # the file is older than the process
    for status in ("done", "cached"):
        done = processes.python("script.py", folder=tmp_path, STUDIO_CACHE=str(tmp_path / "cache"))
        assert done.stdout.splitlines() == [f"hi! {status}", f"hi!! {status}", "hi! cached"], done.stderr


CHANGING = """
from studio import Node
FACTOR, LISTED = 2, [1]
def maker(made):
    class Follows(Node):
        class Config(Node.Config):
            place: int = 0
        own = 3
        def run(self, text: str, more: int = 4) -> str:
            return text * self.own * more * FACTOR * made
        def change(self):
            nonlocal made
            made += 1
    return Follows
def other(self, text: str) -> str:
    return text
W = maker(5)
"""


def test_a_class_is_followed_again_only_where_it_may_have_changed(monkeypatch):
    """It is asked for at each step of each run."""
    notebook = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    exec(CHANGING, notebook.__dict__)
    node, follow, followed = notebook.W, Closure.of, []
    monkeypatch.setattr(Closure, "of", lambda closure, value: followed.append(value) or follow(closure, value))

    def told():
        return source_digest(node, lambda path, name, make: make())

    def renewed(change):
        before = [told(), told(), told()][-1]
        count = len(followed)
        change()
        after = [told(), told()]
        assert after[0] == after[1] != before
        return len(followed) - count

    assert renewed(lambda: vars(notebook).update(FACTOR=7)) == 1
    assert renewed(lambda: node.change(node)) == 1
    assert renewed(lambda: setattr(node, "own", 8)) == 1
    assert renewed(lambda: setattr(node, "another", 9)) == 1
    assert renewed(lambda: setattr(node.run, "__defaults__", (10,))) == 1
    assert renewed(lambda: setattr(node, "run", notebook.other)) == 1


def test_what_is_changed_in_place_is_followed_each_time(monkeypatch):
    notebook = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    exec(f"{HEAD}LISTED = [1]\ndef f(n): return n * LISTED[0]\n{CLASS}", notebook.__dict__)
    digests = []
    for first in (1, 2, 1):
        notebook.LISTED[0] = first
        digests.append(source_digest(notebook.W, lambda path, name, make: make()))
    assert digests[0] == digests[2] != digests[1]
