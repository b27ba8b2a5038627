"""Where tasks run: one way a file, found by its name. Nothing is imported until it is asked for."""

from __future__ import annotations

import atexit
import functools
import importlib
from typing import TYPE_CHECKING

from studio.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from studio.executors.base import Executor

__all__ = ["NAMES", "abandon_all", "close_all", "executor_class", "shared"]

NAMES = {"ray": "RayExecutor", "local": "LocalExecutor"}


def executor_class(name: str) -> type[Executor]:
    """The executor of a name; UsageError lists those there are."""
    if name not in NAMES:
        raise UsageError(f"there is no executor '{name}'. {did_you_mean(name, NAMES)} Executors: {', '.join(NAMES)}")
    found: type[Executor] = getattr(importlib.import_module(f"studio.executors.{name}"), NAMES[name])
    return found


@functools.cache
def shared(name: str) -> Executor:
    """The one executor of this name in this process: graphs and threads that share it share its workers."""
    executor = executor_class(name)()  # type: ignore[call-arg]
    atexit.register(executor.close)
    _shared.append(executor)
    return executor


def close_all() -> None:
    """Ends every shared executor, with its workers; the next one asked for begins anew."""
    shared.cache_clear()
    while _shared:
        _shared.pop().close()


def abandon_all() -> None:
    """Ends every shared executor without ado, for a process that is about to end itself."""
    for executor in _shared:
        executor.abandon()


_shared: list[Executor] = []
