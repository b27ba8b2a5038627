"""Standby: a Studio that stays up between commands, its models resident: begun, asked, ended."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from studio.cache import Cache
from studio.errors import EnvironmentMissing, UsageError
from studio.executors.channel import Channel, ChannelClosed
from studio.executors.parcel import parcel_of
from studio.executors.standing import Standing
from studio.graph import load
from studio.home import graph_names
from studio.recipe import recipe_of, recipe_of_node
from studio.registry import NoSuchNode, Registry
from studio.resources import Machine, show_bytes
from studio.state import state_folder
from studio.worker import Recipe

__all__ = ["down", "page", "preload", "status", "up"]

_TO_BEGIN = 90.0  # seconds for Ray to begin, on a slow machine
_TO_END = 15.0  # seconds to end by itself, before it is ended
_TICK = 0.05


def up(idle_minutes: float = 15.0, machine: Machine | None = None) -> bool:
    """Has a Studio up; False if one was already."""
    if Standing.found() is not None:
        return False
    folder = state_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    words = [sys.executable, "-P", "-m", "studio.executors.desk", "--idle", str(idle_minutes * 60)]
    words += ["--machine", machine.model_dump_json()] if machine else []
    log = folder / "up.log"
    with log.open("w") as out:
        log.chmod(0o600)
        process = subprocess.Popen(  # noqa: S603  our own module, by our own Python
            words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd=Path.home()
        )
    _await_start(process, log)
    return True


def down() -> bool:
    """Ends the Studio that is up, with all its processes; False if there was none."""
    standing = Standing.found()
    if standing is None:
        return False
    try:
        desk = psutil.Process(standing.pid)
        all_of_it = [desk, *desk.children(recursive=True)]
    except psutil.Error:
        all_of_it = []
    with contextlib.suppress(OSError, ChannelClosed):
        _asked(standing, ["down"], "bye")
    _, left = psutil.wait_procs(all_of_it, timeout=_TO_END)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=1)
    standing.clear()
    return True


def status() -> dict[str, Any] | None:
    """What the Studio that is up says of itself; None if there is none."""
    standing = Standing.found()
    if standing is None:
        return None
    try:
        (told,) = _asked(standing, ["status"], "status")
    except (OSError, ChannelClosed):
        raise EnvironmentMissing("the Studio that is up does not answer; end it with: studio down") from None
    found: dict[str, Any] = told
    return {**found, "apart": standing.differs()}


def preload(names: Iterable[str]) -> dict[str, bool]:
    """Has the models of graphs and nodes loaded, by their names, without waiting; False for what finds no room."""
    standing = Standing.found()
    if standing is None:
        raise EnvironmentMissing("no Studio is up; start one with: studio up")
    if why := standing.differs():
        raise EnvironmentMissing(f"{why}; `studio down`, then `studio up`")
    (told,) = _asked(standing, ["hello"], "hello")
    machine = Machine.model_validate(told)
    recipes = [recipe for name in names for recipe in _recipes(name, machine)]
    (started,) = _asked(standing, ["preload", [parcel_of(recipe) for recipe in recipes]], "preloaded")
    return {recipe.name: ok for recipe, ok in zip(recipes, started, strict=True)}


def page(told: dict[str, Any]) -> str:
    """What a Studio says of itself, for a terminal."""
    machine = Machine.model_validate(told["machine"])
    rows = [("NODE", "MODEL", "STATE", "DEVICE", "MEMORY", "GPU", "IDLE", "TASKS")]
    for worker in told["workers"]:
        idle = f"{worker['idle_seconds']:.0f} s" if worker["state"] == "idle" else ""
        held = [show_bytes(worker[what]) if worker[what] else "" for what in ("memory", "gpu_memory")]
        node, model, state, device, tasks = (worker[k] for k in ("node", "model", "state", "device", "tasks"))
        rows.append((node, model, state, device, *held, idle, str(tasks)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    head = f"up for {told['up_seconds'] / 60:.0f} min on {machine}; {told['waiting']} tasks wait"
    troubles = [f"{node} could not be loaded: {why}" for node, why in told["troubles"].items()]
    troubles += [f"not for this command: {told['apart']}"] if told["apart"] else []
    return "\n".join([head, *(table if told["workers"] else ["no model is loaded"]), *troubles])


def _recipes(name: str, machine: Machine) -> list[Recipe]:
    """What a graph's steps need as workers, or a node with its defaults."""
    files = Cache().files
    if name in graph_names() or Path(name).is_file():
        steps = [step for step in load(name).plan.steps.values() if not step.definition.node.inline]
        return [recipe_of(step, step.config(), machine, files) for step in steps]
    try:
        return [recipe_of_node(Registry(folder=Path()).find(name), machine, files)]
    except NoSuchNode as error:
        raise UsageError(f"there is neither a graph nor a node '{name}'. {error.hint}".strip()) from None
    except ValueError:
        raise UsageError(f"'{name}' has no config to load it with: name a graph that uses it") from None


def _asked(standing: Standing, question: list[Any], answer: str) -> list[Any]:
    """What the desk answers."""
    channel: Channel = standing.connect()
    try:
        channel.send(question)
        while True:
            what, *details = channel.receive()
            if what == answer:
                return details
    finally:
        channel.close()


def _await_start(process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _TO_BEGIN
    while Standing.found() is None:
        if process.poll() is not None and Standing.found() is None:
            told = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
            raise EnvironmentMissing(
                f"the Studio did not come up: {told[-1] if told else 'it said nothing'} (see {log})"
            )
        if time.monotonic() > end:
            process.kill()
            raise EnvironmentMissing(f"the Studio did not come up within {_TO_BEGIN:g} s (see {log})")
        time.sleep(_TICK)
