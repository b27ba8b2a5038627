"""Generators: those of random numbers that nodes draw from, and that all threads of a process share.

Two nodes that draw side by side change each other's results. So one that draws is alone with the generators
of the process; if it has a seed, they begin at it with each task, and are afterwards as they were before.
Then a result depends on no other task, on no order of tasks, and on no executor.
"""

from __future__ import annotations

import copy
import gc
import importlib
import importlib.machinery
import random
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from types import FrameType, FunctionType, ModuleType
from typing import Any

from studio.node.node import Node
from studio.values.digest import of_data

__all__ = ["Generators"]

_TURN = threading.RLock()  # held by whoever draws


class Generators:
    """Those that one node draws from, in its turn: `with` it. `begin` each task."""

    def __init__(self, seed: object) -> None:
        """Without a seed (None) the node draws what comes next."""
        self._seed = None if seed is None else _number(seed)
        self._before: dict[str, Callable[[], object]] = {}  # puts back those of each library, while it is our turn
        self._own: list[Callable[[], object]] = []  # puts back those that the node itself has made in `setup`
        self._attributes: tuple[dict[str, object], dict[str, object]] = {}, {}  # of the node: now, and after `setup`
        self._depth = 0

    @property
    def seeded(self) -> bool:
        """Whether each task is to draw the same numbers."""
        return self._seed is not None

    def __enter__(self) -> None:
        _TURN.acquire()
        self._depth += 1
        if self._depth == 1 and self.seeded:
            self._before = {name: _as_it_is(name) for name in _LIBRARIES if name in sys.modules}
            sys.meta_path.insert(0, self)  # it finds specs

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0 and self.seeded:
            sys.meta_path.remove(self)
            for put_back in self._before.values():
                put_back()
        _TURN.release()

    def begin(self) -> None:
        """A task begins: all generators stand at the seed, those of the node itself as `setup` left them."""
        if self._seed is not None:
            for name in self._before:
                _LIBRARIES[name][1](importlib.import_module(name), self._seed)
            for put_back in self._own:
                put_back()
            self._forget()

    def of_setup(self, node: Node) -> None:
        """The node has been set up: what it has made to draw from is part of it."""
        if self.seeded:
            self._own = [put_back for held in _held_by(node) if (put_back := _as_it_stands(held))]
            self._attributes = vars(node), dict(vars(node))

    def _forget(self) -> None:
        """A generator that a task before has made, and left in an attribute, is made anew."""
        now, then = self._attributes
        for name in [name for name, held in now.items() if held is not then.get(name) and _as_it_stands(held)]:
            if name in then:
                now[name] = then[name]
            else:
                del now[name]

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """Sees to it that a library which is first imported now begins at the seed, too."""
        if name not in _LIBRARIES or name in self._before:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = partial(self._loaded, name, spec.loader.exec_module)  # type: ignore[method-assign]
        return spec

    def _loaded(self, name: str, execute: Callable[[ModuleType], None], module: ModuleType) -> None:
        execute(module)
        self._before[name] = _as_it_is(name, module)
        _LIBRARIES[name][1](module, self._seed)


def _number(seed: object) -> int:
    """A seed that every library takes."""
    fits = isinstance(seed, int) and 0 <= seed < 1 << 32
    return int(seed) if fits else int(of_data(str(seed))[:8], 16)  # type: ignore[call-overload]


def _as_it_is(name: str, module: ModuleType | None = None) -> Callable[[], object]:
    """What puts the generators of a library back to where they are."""
    return _LIBRARIES[name][0](module or importlib.import_module(name))  # waits, if another thread is at it


def _of_random(library: Any) -> Callable[[], object]:
    return partial(library.setstate, library.getstate())


def _of_numpy(library: Any) -> Callable[[], object]:
    return partial(library.random.set_state, library.random.get_state())


def _of_torch(library: Any) -> Callable[[], object]:
    kept = library.get_rng_state()
    on_gpus = library.cuda.get_rng_state_all() if library.cuda.is_initialized() else None

    def put_back() -> None:
        library.set_rng_state(kept)
        if on_gpus is not None:
            library.cuda.set_rng_state_all(on_gpus)

    return put_back


# By the name of a library: what puts its generators back, and what seeds them.
_LIBRARIES: Mapping[str, tuple[Callable[..., Callable[[], object]], Callable[..., object]]] = {
    "random": (_of_random, lambda library, seed: library.seed(seed)),
    "numpy": (_of_numpy, lambda library, seed: library.random.seed(seed)),
    "torch": (_of_torch, lambda library, seed: library.manual_seed(seed)),
}


_NOT_ITS_OWN = (type, ModuleType, FrameType)  # from these on, what is found belongs to everybody


def _held_by(node: Node) -> Iterator[object]:
    """All that a node holds, however deep: in lists and dicts, in objects of any class, in closures."""
    seen, pending = set[int](), [*vars(node).values()]
    while pending:
        held = pending.pop()
        if id(held) in seen or isinstance(held, _NOT_ITS_OWN):
            continue
        seen.add(id(held))
        yield held
        if isinstance(held, FunctionType):  # it also refers to all variables of its module
            pending += [*(held.__closure__ or ()), *(held.__defaults__ or ())]
        else:
            pending += gc.get_referents(held)


def _as_it_stands(held: object) -> Callable[[], object] | None:
    """What puts a generator back to where it stands; None for anything else."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if isinstance(held, random.Random):
        with suppress(NotImplementedError):  # one of the machine's, which has no state
            return partial(held.setstate, held.getstate())
    elif numpy is not None and isinstance(held, numpy.random.Generator):
        return _as_it_stands(held.bit_generator)
    elif numpy is not None and isinstance(held, numpy.random.BitGenerator):
        kept = copy.deepcopy(held.__getstate__())  # with how many others were spawned from it
        return lambda: held.__setstate__(copy.deepcopy(kept))
    elif (numpy is not None and isinstance(held, numpy.random.RandomState)) or (
        torch is not None and isinstance(held, torch.Generator)
    ):
        return partial(held.set_state, held.get_state())
    return None
