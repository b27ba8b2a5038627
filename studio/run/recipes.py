"""Recipe of a step: what kind of worker it needs, told apart by content alone, so that every process says the same."""

from __future__ import annotations

import functools
import json
import secrets
import weakref
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from studio.cache.file_digests import FileDigests
from studio.errors import StudioError
from studio.executors.surroundings import Surroundings
from studio.executors.task import Recipe
from studio.language.plan import Plan, Step
from studio.node.config import Form, digest_of
from studio.node.file_package import is_of_file
from studio.node.node import Node
from studio.node.registry import Definition
from studio.node.resources import Machine, Resources
from studio.node.source import Code, code_of
from studio.run.inputs import Inputs
from studio.run.parts import StepParts, salt_of_user
from studio.values.digest import Uncacheable, of_bytes

__all__ = ["batch_of", "identity_of", "recipe_of", "recipe_of_node"]

_BATCH = 8  # tasks that a node which computes several together is given at once, if nobody says otherwise
_own: weakref.WeakKeyDictionary[type[Node], str] = weakref.WeakKeyDictionary()


def recipe_of(
    step: Step, config: BaseModel, machine: Machine, files: FileDigests, surroundings: Surroundings | None = None
) -> Recipe:
    """The worker that a step needs on this machine, asked for from there."""
    resources = step.resources
    if not step.gpus_asked:
        resources = _within_reach(resources, machine)
    told = {"replicas": step.replicas or 1, "least": step.least, "batch": batch_of(step), "surroundings": surroundings}
    return _recipe(step.definition, config, resources, files, told)


def batch_of(step: Step) -> int:
    """How many tasks of a step are computed together."""
    return step.batch or _batch_of(step.definition.node)


def _batch_of(node: type[Node]) -> int:
    return _BATCH if node.run_batch is not None else 1


def recipe_of_node(definition: Definition, machine: Machine, files: FileDigests) -> Recipe:
    """The worker that a node needs with its own defaults; ValueError if its config has none."""
    node = definition.node
    return _recipe(definition, node.Config(), _within_reach(node.resources, machine), files, {"batch": _batch_of(node)})


def _recipe(
    definition: Definition, config: BaseModel, resources: Resources, files: FileDigests, told: dict[str, Any]
) -> Recipe:
    """Other code, config, weights or resources are another worker's; what has no canonical form is that of one run.

    All of it is salted: a config may hold what is secret, and keys of recipes are kept.
    """
    node, once, parts = definition.node, False, _parts_with(files)
    try:
        form = [parts.config(node, config), parts.model(node, config)]  # what is not here, the worker will say
    except Uncacheable:
        form, once = [secrets.token_hex()], True
    code = _code(definition, files)
    form += [code.digest, str(resources)]
    key = f"{definition.name} {of_bytes(salt_of_user() + repr(form).encode())[:24]}"
    if (surroundings := told.get("surroundings")) is not None:
        key = Recipe.key_within(key, node, surroundings)
    told |= {"sources": code.sources, "in_memory": code.in_memory, "once": once}
    return Recipe(key, definition.name, node, config, resources, code.by_name, **told)


def identity_of(plan: Plan, steps: Iterable[Step], inputs: Inputs, files: FileDigests) -> str:
    """The digest of all that a plan does to its inputs: of each step what a key of it would count, and its wires."""
    parts = _parts_with(files)
    told: list[Form] = [[name, str(relay.edge), repr(relay.constant)] for name, relay in sorted(plan.relays.items())]
    for step in steps:
        node = step.definition.node
        wires = {name: str(edge) for name, edge in sorted(step.edges.items())}
        instead = {name: str(edge) for name, edge in sorted(step.instead.items())}
        policy = [step.each, [str(guard.condition) for guard in step.when], step.on_error, step.cache == "never"]
        given = [_constants(step, inputs), wires, instead, policy]
        code = [step.definition.name, node.version, _code(step.definition, files).digest]
        told.append([step.id, *code, *given, _of_step(parts, step)])
    return digest_of([told, {name: str(edge) for name, edge in plan.outputs.items()}])


@functools.lru_cache(maxsize=8)
def _parts_with(files: FileDigests) -> StepParts:
    """What describes steps here; it learns how the types of configs are read."""
    return StepParts(salt_of_user, files, weights_here=False)


def _of_step(parts: StepParts, step: Step) -> Form:
    """What a key would count of its config and model."""
    try:
        return parts.of(step, step.config())
    except Uncacheable:
        return secrets.token_hex()  # what never was before is never over


def _constants(step: Step, inputs: Inputs) -> Form:
    """The values for ports that a step says itself, files by their content; one that is not sound, as it is written."""
    written: dict[str, Form] = {name: json.dumps(raw, default=str) for name, raw in step.constants.items()}
    with suppress(StudioError):
        found = inputs.constants_of(step)
        return {name: found[name].identity or raw for name, raw in written.items()}
    return written


def _code(definition: Definition, files: FileDigests) -> Code:
    """The code of a node; where nobody can tell it apart, something of its own stands for its digest."""
    node = definition.node
    try:
        code = code_of(node, files.view)
    except Uncacheable:
        return Code(_own.setdefault(node, secrets.token_hex()), by_name=definition.portable)
    found = code.by_name and (definition.portable or is_of_file(node.__module__))
    return code if found == code.by_name else replace(code, by_name=found)


def _within_reach(asked: Resources, machine: Machine) -> Resources:
    """What is asked for. A GPU that only the node's default asks for is not missed where there is none."""
    return asked.model_copy(update={"gpus": 0.0}) if asked.gpus and not machine.gpus else asked
