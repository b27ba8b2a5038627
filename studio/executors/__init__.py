"""Where tasks run: one way a file or a folder, found by its name. Nothing is imported until it is asked for."""

from __future__ import annotations

import atexit
import importlib
import os
import sys
import threading
import warnings
from typing import TYPE_CHECKING

from studio.errors import EnvironmentMissing, UsageError, did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from studio.executors.base import Executor

__all__ = ["ENTRY_POINTS", "NAMES", "abandon_all", "close_all", "executor_class", "executor_for", "known", "shared"]

NAMES = {
    "ray": "studio.executors.ray.executor:RayExecutor",
    "local": "studio.executors.local:LocalExecutor",
    "warm": "studio.executors.service.client:WarmExecutor",
}
ENTRY_POINTS = "icode_studio.executors"  # the group by which packages bring executors of their own


def executor_for(name: str) -> Executor:
    """The shared executor of a name. `auto` is the Studio that is up, if there is one for us; else a Ray of our own."""
    if name != "auto":
        return shared(name)
    if _has_ray():
        return shared("ray")
    return _warm() or shared("ray")


def known() -> list[str]:
    """The names of all executors there are, those that packages bring among them."""
    return [*NAMES, *sorted(entry.name for entry in _brought())]


def executor_class(name: str) -> type[Executor]:
    """The executor of a name; UsageError lists those there are."""
    if name in NAMES:
        module, _, kind = NAMES[name].partition(":")
        found: type[Executor] = getattr(importlib.import_module(module), kind)
        return found
    entries = _brought(name)
    if not entries:
        names = ["auto", *known()]
        raise UsageError(f"there is no executor '{name}'. {did_you_mean(name, names)} Executors: {', '.join(names)}")
    return _loaded(entries[0])


def _brought(name: str | None = None) -> list[EntryPoint]:
    """What packages bring. None of them takes the name of one of ours."""
    from importlib.metadata import entry_points

    found = entry_points(group=ENTRY_POINTS) if name is None else entry_points(group=ENTRY_POINTS, name=name)
    return [entry for entry in found if entry.name not in (*NAMES, "auto")]


def _loaded(entry: EntryPoint) -> type[Executor]:
    from studio.executors.base import Executor

    try:
        found = entry.load()
    except Exception as error:
        raise UsageError(f"the executor '{entry.name}' ({entry.value}) cannot be loaded: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Executor)):
        raise UsageError(f"the executor '{entry.name}' ({entry.value}) is no subclass of studio.PooledExecutor")
    return found


def shared(name: str) -> Executor:
    """The one executor of this name in this process: graphs and threads that share it share its workers."""
    with _mutex:
        executor = _shared.get(name)
        if executor is None or not getattr(executor, "lives", True):
            executor = _shared[name] = executor_class(name)()
            atexit.register(executor.close)
        return executor


def close_all() -> None:
    """Ends every shared executor, with its workers; the next one asked for begins anew."""
    while _shared:
        _shared.popitem()[1].close()


def abandon_all() -> None:
    """Ends every shared executor without ado, for a process that is about to end itself."""
    for executor in list(_shared.values()):
        executor.abandon()


def _has_ray() -> bool:
    """Whether this process has a Ray already, or is told of one."""
    begun = getattr(sys.modules.get("ray"), "is_initialized", bool)
    return bool(os.environ.get("RAY_ADDRESS")) or "ray" in _shared or bool(begun())


def _warm() -> Executor | None:
    """The Studio that is up; None if there is none, or one that is of no use here, which is told."""
    from studio.executors.service.address import Address, ServiceApart

    if Address.found() is None:
        return None
    try:
        return shared("warm")
    except EnvironmentMissing as error:
        why = str(error).partition(";")[0]
        warnings.warn(ServiceApart(f"{why}: this run starts a Ray of its own"), stacklevel=2)
        return None


_shared: dict[str, Executor] = {}
_mutex = threading.RLock()
