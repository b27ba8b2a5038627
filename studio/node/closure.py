"""Closure: code in memory, told as plain data: functions, classes, and all that they use, to the end.

It speaks for what no file speaks for: classes of a notebook or made in a function, and modules whose
file was edited since it was loaded. Functions and classes of libraries go by their names, those of an
author's own files by what the files say. What has no canonical form raises `Uncacheable`, which names it.
"""

from __future__ import annotations

import builtins
import copyreg
import dis
import functools
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn, Protocol

from studio.node.modules import installed
from studio.node.node import Node
from studio.values.digest import Uncacheable, of_data

__all__ = ["Closure", "Files", "member"]

_PLAIN = (type(None), bool, int, float, str, bytes)
_BLIND = {"eval", "exec", "globals", "locals", "__import__"}  # what these reach cannot be followed
_BLIND_PARTS = {"sys": "modules", "importlib": "import_module"}
_UNSAID = {"resources", "inline", "extra", "licence", "version"}  # of a node: no results, or a part of keys by itself
_SAID = {"__slots__", "__annotations__", "__pydantic_fields__"}  # of a class, among names that Python and pydantic make
_DECLARED = {
    "model_config",
    "__pydantic_fields__",
    "__hash__",
}  # of a class: as it was written
_DOCUMENTED = 0x4000000  # from Python 3.13 on: a flag of code whose first constant is its docstring


# What is itself as long as no other value is in a place where it was found; what it holds is told by itself.
_FIXED: tuple[type, ...] = (
    *(tuple, frozenset, type, classmethod, staticmethod, property, functools.cached_property),
    *(types.ModuleType, types.CodeType, types.FunctionType, types.MethodType, types.BuiltinFunctionType),
)


class Files(Protocol):
    """What files say of modules."""

    def of_module(self, name: str) -> object:
        """What an author's own module and its imports say, as plain data; None of any other."""

    def in_file(self, name: str) -> bool:
        """Whether an author's own module is, in memory, what its file said."""


def member(module: str, qualified: str) -> object:
    """What is found under a name in a loaded module; None if it is not."""
    found: Any = sys.modules.get(module)
    for part in qualified.split("."):
        found = getattr(found, part, None) if found is not None else None
    return found


class Closure:
    """Follows values from one root, whose name its errors say."""

    def __init__(self, root: str, files: Files) -> None:
        self._root, self._files = root, files
        self._documented = False  # whether docstrings count, since code was met that looks at them
        self._looks = False
        self._start()

    def _start(self) -> None:
        self._open: dict[int, int] = {}  # what is being told: its depth
        self._told: dict[int, tuple[object, str]] = {}  # with what was told, so that no other gets its id
        self._trail: list[str] = []
        self._looked: list[tuple[Callable[[Any], object], Any, object]] = []  # how, at what, and what was found
        self._sizes: list[tuple[Sized, int]] = []  # of what may get further names
        self._fixed = True  # whether what was met can change only by another value in the place of one
        self._declared = 0  # how deep it is inside of what is as a class was written

    def holds(self) -> bool:
        """Whether all that was followed is known to be as it was: that is asked for each step of each run.

        Of lists, objects and whatever else is changed in place only following it again can tell.
        """
        there = all(get(at) is found for get, at, found in self._looked)
        return self._fixed and there and all(len(held) == size for held, size in self._sizes)

    def forget_values(self) -> None:
        """Keeps no more than `holds` needs."""
        self._told = {}

    def of(self, value: object) -> str:
        """The digest of a value and of all that it uses."""
        self._start()
        try:
            found = of_data(self.told(value))
            if self._looks and not self._documented:
                self._documented = True
                return self.of(value)
        except RecursionError:
            self._refuse("is nested too deeply")
        return found

    def told(self, value: object) -> object:
        """A value as plain data: as itself, or as a digest; what it is inside of, by how deep that is."""
        if type(value) in _PLAIN:
            return value
        key = id(value)
        if key in self._open:
            return ["inside of", self._open[key]]
        if key not in self._told:
            self._open[key] = len(self._open)
            try:
                self._told[key] = value, of_data(self._parts(value))
            finally:
                del self._open[key]
        return ["of", self._told[key][1]]

    def _parts(self, value: Any) -> object:
        if not isinstance(value, _FIXED):
            self._fixed = self._fixed and self._declared > 0
        if (tell := _TOLD.get(type(value))) is not None:
            return [type(value).__name__, tell(self, value)]
        if isinstance(value, type):
            return ["class", self._class(value)]
        if isinstance(value, types.ModuleType):
            return ["module", self._module(value)]
        if isinstance(value, functools.cached_property):
            return ["cached_property", self.told(value.func)]
        if callable(value) and hasattr(value, "__wrapped__"):
            return ["around", self.told(type(value)), self.told(value.__wrapped__)]
        if (torch := sys.modules.get("torch")) is not None and isinstance(value, getattr(torch, "Tensor", ())):
            return ["tensor", *self._tensor(value)]
        return ["made", self._made(value)]

    def _tensor(self, value: Any) -> list[object]:
        flat = value.detach().cpu().contiguous().reshape(-1)
        raw = flat.view(sys.modules["torch"].uint8).numpy().tobytes()
        return [type(value).__name__, str(value.dtype), list(value.shape), raw]

    def _made(self, value: Any) -> object:
        """An object as pickle would have it: by what it is made of."""
        if type(value) is object:
            self._refuse("an object has no canonical form")
        reduce = copyreg.dispatch_table.get(type(value))
        try:
            how: Any = reduce(value) if reduce else value.__reduce_ex__(4)
            if isinstance(how, str):
                return [type(value).__module__, type(value).__qualname__, str(getattr(value, "__module__", "")), how]
            make, given, state, items, pairs = (*how, None, None, None)[:5]
            inside = [state, [] if items is None else list(items), [] if pairs is None else list(pairs)]
        except (RecursionError, Uncacheable):
            raise
        except Exception:
            self._refuse(f"a {type(value).__name__} has no canonical form")
        return [self.told(make), self.told(given), self.told(inside)]

    def _refuse(self, why: str) -> NoReturn:
        *way, last = self._trail or [""]
        uses = f" uses '{last}'" if last else ""
        through = f" (in {' in '.join(repr(name) for name in reversed(way))})" if way else ""
        raise Uncacheable(f"{self._root}{uses}{through}: {why}")

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        """An error inside names this; what raised it keeps its trail."""
        self._trail.append(name)
        yield
        self._trail.pop()

    def _under(self, name: str, value: object) -> list[object]:
        with self._named(name):
            return [name, self.told(value)]

    # Functions ---------------------------------------------------------------

    def _function(self, value: types.FunctionType) -> object:
        module, home = value.__module__, str(value.__globals__.get("__name__", ""))
        parts_of = partial(getattr, value)
        self._looked += [(parts_of, name, parts_of(name)) for name in ("__code__", "__defaults__", "__kwdefaults__")]
        self._sizes.append((vars(value), len(vars(value))))
        if member(module, value.__qualname__) is value and (said := self._said(module)) is not None:
            return [module, value.__qualname__, said]
        defaults = [self.told(value.__defaults__), self._optional(value.__kwdefaults__), self._optional(vars(value))]
        cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
        self._looked += [(_held, cell, _held(cell)) for cell in value.__closure__ or ()]
        closed = [self._under(name, _held(cell)) for name, cell in cells if name != "__class__"]
        parts = [self._code(value.__code__), defaults, closed, self._annotations(value.__annotations__)]
        if installed(value.__code__.co_filename):
            return parts
        return [*parts, self._said(home) if self._files.in_file(home) else self._globals(value)]

    def _optional(self, held: object) -> object:
        """What is mostly empty, and then can be changed only by getting something."""
        return self.told(held) if held else None

    def _said(self, module: str) -> object:
        """What stands for all that is found in a module by its name; None if that must be followed."""
        if module == "__main__":  # cells, or a script that still runs: of these only what is used counts
            return None
        if (said := self._files.of_module(module)) is not None:
            return said if self._files.in_file(module) else None
        top, loaded = module.partition(".")[0], sys.modules.get(module)
        library = top in sys.stdlib_module_names or bool(getattr(loaded, "__file__", None))
        return "library" if library else None

    def _globals(self, function: types.FunctionType) -> list[object]:
        names, modules, words = _used(function.__code__)
        for module in modules & _BLIND_PARTS.keys():
            self._check_sighted(sys.modules[module], words)
        package = str(function.__globals__.get("__package__") or "")
        found: list[object] = []
        for name in sorted(names):
            self._looked.append((function.__globals__.get, name, function.__globals__.get(name)))
            if name in function.__globals__:
                value = function.__globals__[name]
                found.append(self._under(name, value))
                if isinstance(value, types.ModuleType):
                    self._check_sighted(value, words)
                    deeper = {f"{value.__name__}.{each}" for each in words} & sys.modules.keys()
                    found.append([[each, self._files.of_module(each)] for each in sorted(deeper)])
            elif name in _BLIND:
                self._refuse_blind(name)
            elif not hasattr(builtins, name):
                found.append(["missing", name])
        wanted = modules | {f"{package}.{name}" for name in modules if package}
        return [found, [[name, self._files.of_module(name)] for name in sorted(wanted)]]

    def _check_sighted(self, module: types.ModuleType, words: Iterable[str]) -> None:
        part = _BLIND_PARTS.get(module.__name__, "")
        if part in words:
            self._refuse_blind(f"{module.__name__}.{part}")

    def _refuse_blind(self, name: str) -> NoReturn:
        self._trail.append(name)
        self._refuse("what it reaches cannot be followed")

    def _code(self, code: types.CodeType) -> list[object]:
        """Code without its places in a file, and without docstrings, if nothing looks at them."""
        self._looks |= not {"__doc__", "getdoc"}.isdisjoint(code.co_names)
        constants = list(code.co_consts)
        described = code.co_flags & _DOCUMENTED if sys.version_info >= (3, 13) else not code.co_name.startswith("<")
        if constants and isinstance(constants[0], str) and described and not self._documented:
            constants[0] = None
        told = [self._code(each) if isinstance(each, types.CodeType) else self.told(each) for each in constants]
        counts = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags]
        names = [code.co_name, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars]
        return [code.co_code, code.co_exceptiontable, told, counts, names]

    # Classes and modules ---------------------------------------------------------

    def _class(self, cls: type) -> object:
        named = [cls.__module__, cls.__qualname__]
        if member(cls.__module__, cls.__qualname__) is cls and (said := self._said(cls.__module__)) is not None:
            return [*named, said]
        bases = [self.told(base) for base in cls.__bases__ if base is not object]
        said = self._files.of_module(cls.__module__) if self._files.in_file(cls.__module__) else None
        meta = None if type(cls) is type else self.told(type(cls))
        return [cls.__qualname__, said, meta, bases, self._attributes(cls)]

    def _attributes(self, cls: type) -> list[object]:
        found: list[object] = []
        self._sizes.append((vars(cls), len(vars(cls))))
        self._looked += [(vars(cls).get, name, value) for name, value in vars(cls).items()]
        for name, value in sorted(vars(cls).items()):
            made = name.startswith("__") and name.endswith("__") and not isinstance(value, types.FunctionType)
            if (made and name not in _SAID) or name == "_abc_impl" or (name in _UNSAID and issubclass(cls, Node)):
                continue
            if isinstance(value, types.MemberDescriptorType | types.GetSetDescriptorType):
                found.append(name)
            elif name == "__annotations__":
                found.append(self._annotations(value))
            else:
                declared = name in _DECLARED
                self._declared += declared
                found.append(self._under(name, value))
                self._declared -= declared
        return found

    def _annotations(self, told: Any) -> list[object]:
        return [[name, self._annotation(value)] for name, value in told.items()]

    def _annotation(self, value: object) -> object:
        trail = len(self._trail)
        try:
            return self.told(value)
        except Uncacheable:  # it decides ports at most, and these are told by its text
            del self._trail[trail:]
            return repr(value)

    def _module(self, module: types.ModuleType) -> object:
        if module.__name__ == "__main__":
            self._refuse("what it reaches cannot be followed")
        said = self._said(module.__name__)
        return [module.__name__, self.contents(module) if said is None else said]

    def contents(self, module: types.ModuleType) -> object:
        """All that a module holds in memory, for one whose file says something else by now."""
        self._sizes.append((vars(module), len(vars(module))))
        self._looked += [(vars(module).get, name, value) for name, value in vars(module).items()]
        held = [(name, value) for name, value in sorted(vars(module).items()) if not name.startswith("__")]
        return [self._under(name, value) for name, value in held]


def _held(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # nothing was put into it yet
        return "nothing"


@functools.lru_cache(maxsize=1024)
def _used(code: types.CodeType) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """What code and the code inside it look up in a module, which modules they import, or may, and all names in it."""
    names: set[str] = set()
    modules: set[str] = set()
    words = set(code.co_names)
    last = ""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            names.add(step.argval)
        elif step.opname == "IMPORT_NAME":
            last = step.argval
            modules.add(last)
        elif step.opname == "IMPORT_FROM":
            modules.add(f"{last}.{step.argval}".lstrip("."))
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            looked, imported, said = _used(inner)
            names, modules, words = names | looked, modules | imported, words | said
    return frozenset(names), frozenset(modules), frozenset(words)


def _each(closure: Closure, value: Any) -> list[object]:
    return [closure.told(each) for each in value]


_TOLD: dict[type, Callable[[Closure, Any], object]] = {
    tuple: _each,
    list: _each,
    dict: lambda closure, value: [[closure.told(key), closure.told(each)] for key, each in value.items()],
    types.MappingProxyType: lambda closure, value: closure.told(dict(value)),
    set: lambda closure, value: sorted(of_data(closure.told(each)) for each in value),
    frozenset: lambda closure, value: sorted(of_data(closure.told(each)) for each in value),
    types.CodeType: lambda closure, value: closure._code(value),
    types.FunctionType: lambda closure, value: closure._function(value),
    types.MethodType: lambda closure, value: [closure.told(value.__self__), closure.told(value.__func__)],
    classmethod: lambda closure, value: closure.told(value.__func__),
    staticmethod: lambda closure, value: closure.told(value.__func__),
    property: lambda closure, value: [closure.told(part) for part in (value.fget, value.fset, value.fdel)],
}
