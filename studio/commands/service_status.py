"""What a Studio that stays up says of itself, for a terminal; and which models it is to load."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from studio.cache.cache import Cache
from studio.errors import EnvironmentMissing, UsageError
from studio.executors.service.address import Address
from studio.executors.service.control import ask
from studio.executors.service.protocol import Hello, Preload, Preloaded, Welcome
from studio.executors.shipping import ship
from studio.executors.task import Recipe
from studio.graph import load
from studio.node.registry import NoSuchNode, Registry
from studio.node.resources import Machine
from studio.paths import graph_names
from studio.run.recipes import recipe_of, recipe_of_node
from studio.units import show_bytes

__all__ = ["preload", "status_page"]


def preload(names: Iterable[str]) -> dict[str, bool]:
    """Has the models of graphs and nodes loaded, by their names, without waiting; False for what finds no room."""
    address = Address.found()
    if address is None:
        raise EnvironmentMissing("no Studio is up; start one with: studio up")
    if why := address.differs():
        raise EnvironmentMissing(f"{why}; `studio down`, then `studio up`")
    machine = Machine.model_validate(ask(address, Hello(), Welcome).machine)
    recipes = [recipe for name in names for recipe in _recipes(name, machine)]
    preloaded = ask(address, Preload([ship(recipe) for recipe in recipes]), Preloaded)
    return {recipe.name: fits for recipe, fits in zip(recipes, preloaded.fits, strict=True)}


def status_page(told: dict[str, Any]) -> str:
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
