"""ShippedRecipe: a recipe on its way to a process that may not have its code, and is not to load it: the service.

A class that is found by its name goes by it, with its config; any other goes with its code. Either way the
sources of all that the author wrote go with it, as the sender has them: the worker computes what the key
says, whatever becomes of the files. Only the worker opens a recipe.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel

from studio.executors.surroundings import Surroundings
from studio.executors.task import Recipe
from studio.node.config import ConfigReader, digest_of
from studio.node.module_source import ModuleSource
from studio.node.modules import serve_instead
from studio.node.node import Node, Ports, ports_of
from studio.node.resources import Resources
from studio.paths import absolute
from studio.values import KINDS
from studio.values.digest import Uncacheable

__all__ = ["ShippedRecipe", "opened", "packed", "sealed", "ship", "shipped_from", "unpacked", "unsealed"]

Message = list[Any]


@dataclass(frozen=True)
class ShippedRecipe(Recipe):
    """A recipe whose code is not here."""

    contents: Message = field(default_factory=list, repr=False)
    heavy: bool = False  # whether values go beside its outcomes
    label: str = ""  # of its model, for people


def ship(recipe: Recipe) -> Message:
    """The recipe as plain lists."""
    if recipe.surroundings is None:
        recipe = recipe.within(Surroundings.here())
    assert recipe.surroundings is not None
    ports = ports_of(recipe.node)
    heavy = any(not KINDS[port.type.kind].plain for port in ports.outputs.values())
    contents = [_search_path(), packed(recipe, ports)]
    resources, around = recipe.resources.model_dump(), recipe.surroundings.as_plain()
    sizes = [recipe.replicas, recipe.least, recipe.batch]
    return [recipe.key, recipe.name, resources, sizes, contents, heavy, _label(recipe.config), around]


def shipped_from(message: Message) -> ShippedRecipe:
    """The recipe, unopened."""
    key, name, resources, (replicas, least, batch), contents, heavy, label, around = message
    need, surroundings = Resources.model_validate(resources), Surroundings.from_plain(around)
    sizes = {"replicas": replicas, "least": least, "batch": batch}
    made = ShippedRecipe(key, name, Node, Node.Config(), need, **sizes, contents=contents, heavy=heavy, label=label)
    return replace(made, surroundings=surroundings)


def unpacked(shipped: ShippedRecipe) -> tuple[Recipe, Ports]:
    """The recipe, in the process where it is to be followed, whose surroundings are those of the sender by then."""
    path, told = shipped.contents
    _add(path)
    return opened(told)


def packed(recipe: Recipe, ports: Ports) -> Message:
    """What it takes to follow a recipe in another process: the author's sources, and the class by name or by value."""
    sources = [source.as_list() for source in recipe.sources]
    config = _as_json(recipe.config) if recipe.portable else ""
    if not config:
        return [sources, "value", _by_value(recipe, ports)]
    names = [recipe.node.__module__, recipe.node.__qualname__]
    return [sources, "name", *names, config, recipe.key, recipe.name, recipe.resources.model_dump()]


def opened(told: Message) -> tuple[Recipe, Ports]:
    """The recipe that was packed, in a process of its own; its code is loaded from the sources that came with it."""
    sources, how, *rest = told
    serve_instead(map(ModuleSource.of_list, sources))
    if how == "value":
        import ray.cloudpickle

        modules, recipe, ports = ray.cloudpickle.loads(rest[0])
        sys.modules.update(modules)
        return recipe, ports
    module, qualified, config, key, name, resources = rest
    node: Any = importlib.import_module(module)
    for part in qualified.split("."):
        node = getattr(node, part)
    need = Resources.model_validate(resources)
    return Recipe(key, name, node, node.Config.model_validate_json(config), need), ports_of(node)


def _as_json(config: BaseModel) -> str:
    """The config as JSON; nothing if that would not tell all of it."""
    form = ConfigReader(digest_of, lambda _: "").of
    with suppress(Uncacheable, ValueError, TypeError):
        told = config.model_dump_json()
        if digest_of(form(type(config).model_validate_json(told))) == digest_of(form(config)):
            return told
    return ""


def sealed(content: object, nodes: Iterable[type[Node]]) -> Message:
    """Anything on its way to a process that does as this one would; these classes go with their code."""
    import ray.cloudpickle

    for node in nodes:
        _send_by_value(node)
    around, path = Surroundings.here().of_models.as_plain(), _search_path()
    return [around, path, ray.cloudpickle.dumps(content)]  # type: ignore[no-untyped-call]


def unsealed(message: Message) -> Any:
    """What was sealed, in the process where it is to be used: its surroundings become those of the sender."""
    import ray.cloudpickle

    surroundings, path, content = message
    Surroundings.from_plain(surroundings).settle()
    _add(path)
    return ray.cloudpickle.loads(content)


def _send_by_value(node: type[Node], in_memory: Iterable[str] = ()) -> None:
    """Makes a class travel with its code, and with that of modules whose files say something else by now."""
    import ray.cloudpickle

    for name in {cls.__module__ for cls in node.__mro__} | set(in_memory):
        module = sys.modules.get(name)
        if module is not None and name not in ("__main__", "builtins") and not _shipped(name):
            ray.cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]


def _shipped(module: str) -> bool:
    return module.partition(".")[0] in ("studio", "nodes", "pydantic", "typing")


def _by_value(recipe: Recipe, ports: Ports) -> bytes:
    import ray.cloudpickle

    if not recipe.portable:
        _send_by_value(recipe.node, recipe.in_memory)
    modules = {name: sys.modules[name] for name in sorted(recipe.in_memory - {"__main__"}) if name in sys.modules}
    content = (modules, replace(recipe, sources=(), surroundings=None), ports)
    made: bytes = ray.cloudpickle.dumps(content)  # type: ignore[no-untyped-call]
    return made


def _search_path() -> list[str]:
    """Where Python looks for modules here, apart from its own places."""
    ours = (sys.prefix, sys.base_prefix)
    return [str(absolute(place)) for place in sys.path if not place.startswith(ours)]  # '' is here


def _add(path: Iterable[str]) -> None:
    sys.path += [place for place in path if place not in sys.path]


def _label(config: BaseModel) -> str:
    """The name of the model, if the config has one that is no secret of the environment's."""
    model = getattr(config, "model", "")
    secret = len(str(model)) >= 4 and str(model) in os.environ.values()
    return model if isinstance(model, str) and not secret else ""
