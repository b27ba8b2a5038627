"""Recipe of a step: what kind of worker it needs, told apart by content alone, so that every process says the same."""

from __future__ import annotations

import json
import uuid
import weakref
from collections.abc import Iterable
from dataclasses import replace

from pydantic import BaseModel

from studio.cache.file_digests import FileDigests
from studio.executors.task import Recipe
from studio.language.plan import Plan, Step
from studio.node.file_package import is_of_file
from studio.node.node import Node
from studio.node.registry import Definition
from studio.node.resources import Machine, Resources
from studio.node.source import Code, code_of
from studio.values.digest import Uncacheable, of_data

__all__ = ["batch_of", "identity_of", "recipe_of", "recipe_of_node"]

_BATCH = 8  # tasks that a node which computes several together is given at once, if nobody says otherwise
_own: weakref.WeakKeyDictionary[type[Node], str] = weakref.WeakKeyDictionary()


def recipe_of(step: Step, config: BaseModel, machine: Machine, files: FileDigests) -> Recipe:
    """The worker that a step needs on this machine."""
    resources = step.resources
    if not step.gpus_asked:
        resources = _within_reach(resources, machine)
    made = _recipe(step.definition, config, resources, files)
    return replace(made, replicas=step.replicas or 1, least=step.least, batch=batch_of(step))


def batch_of(step: Step) -> int:
    """How many tasks of a step are computed together."""
    return step.batch or _batch_of(step.definition.node)


def _batch_of(node: type[Node]) -> int:
    return _BATCH if node.run_batch is not None else 1


def recipe_of_node(definition: Definition, machine: Machine, files: FileDigests) -> Recipe:
    """The worker that a node needs with its own defaults; ValueError if its config has none."""
    return _recipe(definition, definition.node.Config(), _within_reach(definition.node.resources, machine), files)


def _recipe(definition: Definition, config: BaseModel, resources: Resources, files: FileDigests) -> Recipe:
    """Other code, config, weights or resources are another worker's."""
    node = definition.node
    code = _code(definition, files)
    parts = [code.digest, config.model_dump_json(), _model(node, config, files), str(resources)]
    key = f"{definition.name} {of_data(parts)[:24]}"
    made = Recipe(key, definition.name, node, config, resources, batch=_batch_of(node))
    return replace(made, portable=code.by_name, sources=code.sources, in_memory=code.in_memory)


def identity_of(plan: Plan, steps: Iterable[Step], files: FileDigests) -> str:
    """The digest of all that a plan does to its inputs. Variables of the environment count by their names."""
    parts = [[name, str(relay.edge), repr(relay.constant)] for name, relay in sorted(plan.relays.items())]
    for step in steps:
        node = step.definition.node
        wires = {name: str(edge) for name, edge in sorted(step.edges.items())}
        instead = {name: str(edge) for name, edge in sorted(step.instead.items())}
        policy = [step.each, [str(guard.condition) for guard in step.when], step.on_error, step.cache == "never"]
        given = json.dumps([step.settings, step.constants, wires, instead, policy], default=str, sort_keys=True)
        source = _code(step.definition, files).digest
        parts.append([step.id, step.definition.name, node.version, source, given, _model(node, step.config(), files)])
    return of_data([parts, {name: str(edge) for name, edge in plan.outputs.items()}])


def _code(definition: Definition, files: FileDigests) -> Code:
    """The code of a node; where nobody can tell it apart, something of its own stands for its digest."""
    node = definition.node
    try:
        code = code_of(node, files.view)
    except Uncacheable:
        return Code(_own.setdefault(node, uuid.uuid4().hex), by_name=definition.portable)
    return replace(code, by_name=code.by_name and (definition.portable or is_of_file(node.__module__)))


def _model(node: type[Node], config: BaseModel, files: FileDigests) -> str:
    """What tells the weights apart; nothing while they are not here."""
    try:
        return str(node.identity(config, files))
    except Exception:  # the worker will meet the same, and say so
        return ""


def _within_reach(asked: Resources, machine: Machine) -> Resources:
    """What is asked for. A GPU that only the node's default asks for is not missed where there is none."""
    return asked.model_copy(update={"gpus": 0.0}) if asked.gpus and not machine.gpus else asked
