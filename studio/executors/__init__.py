"""Where tasks run: one way a file, found by its name. Nothing is imported until it is asked for."""

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
    from studio.executors.base import Executor

__all__ = ["NAMES", "abandon_all", "close_all", "executor_class", "executor_for", "shared"]

NAMES = {"ray": "RayExecutor", "local": "LocalExecutor", "warm": "WarmExecutor"}
_HOMES = {"ray": "ray.executor", "local": "local", "warm": "service.client"}


def executor_for(name: str) -> Executor:
    """The shared executor of a name. `auto` is the Studio that is up, if there is one for us; else a Ray of our own."""
    if name != "auto":
        return shared(name)
    if _has_ray():
        return shared("ray")
    return _warm() or shared("ray")


def executor_class(name: str) -> type[Executor]:
    """The executor of a name; UsageError lists those there are."""
    if name not in NAMES:
        known = ["auto", *NAMES]
        raise UsageError(f"there is no executor '{name}'. {did_you_mean(name, known)} Executors: {', '.join(known)}")
    found: type[Executor] = getattr(importlib.import_module(f"studio.executors.{_HOMES[name]}"), NAMES[name])
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
