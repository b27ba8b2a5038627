"""ShippedRecipe: a recipe on its way to a process that may not have its code, and is not to load it: the service.

A class that every Python here can import goes by its name, with its config as JSON; any other goes
with its code. Only the worker opens a recipe. What the code imports is part of the key: edited code never
meets an old worker.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from studio.executors.surroundings import Surroundings
from studio.executors.task import Recipe
from studio.node.config import ConfigReader, digest_of
from studio.node.node import Node, Ports, ports_of
from studio.node.resources import Resources
from studio.node.source import parsed
from studio.paths import NODES, absolute
from studio.values import KINDS
from studio.values.digest import Uncacheable, of_data

__all__ = ["ShippedRecipe", "sealed", "send_by_value", "ship", "shipped_from", "unpacked", "unsealed"]

Message = list[Any]

_ENGINE = Path(__file__).parents[1]


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
    own = not recipe.portable or not recipe.node.__module__.startswith(f"{NODES}.")
    key = f"{recipe.key} {of_data(_code_of(recipe.node))[:12]}" if own else recipe.key
    heavy = any(not KINDS[port.type.kind].plain for port in ports.outputs.values())
    told = _by_name(recipe) if recipe.portable else _by_value(replace(recipe, surroundings=None), ports)
    contents = [_search_path(), recipe.name, told]
    resources = recipe.resources.model_dump()
    sizes = [recipe.replicas, recipe.least, recipe.batch]
    return [key, recipe.name, resources, sizes, contents, heavy, _label(recipe.config), recipe.surroundings.as_plain()]


def shipped_from(message: Message) -> ShippedRecipe:
    """The recipe, unopened."""
    key, name, resources, (replicas, least, batch), contents, heavy, label, surroundings = message
    need = Resources.model_validate(resources)
    sizes = {
        "replicas": replicas,
        "least": least,
        "batch": batch,
        "surroundings": Surroundings.from_plain(surroundings),
    }
    return ShippedRecipe(key, name, Node, Node.Config(), need, **sizes, contents=contents, heavy=heavy, label=label)


def unpacked(shipped: ShippedRecipe) -> tuple[Recipe, Ports]:
    """The recipe, in the process where it is to be followed, whose surroundings are those of the sender by then."""
    path, name, told = shipped.contents
    _add(path)
    if told[0] == "value":
        import ray.cloudpickle

        recipe, ports = ray.cloudpickle.loads(told[1])
        return recipe, ports
    _, module, qualified, config = told
    node: Any = importlib.import_module(module)
    for part in qualified.split("."):
        node = getattr(node, part)
    return Recipe(shipped.key, name, node, _config_from(node, config), shipped.resources), ports_of(node)


def sealed(content: object, nodes: Iterable[type[Node]]) -> Message:
    """Anything on its way to a process that does as this one would; these classes go with their code."""
    import ray.cloudpickle

    for node in nodes:
        send_by_value(node)
    return [Surroundings.here().of_models.as_plain(), _search_path(), ray.cloudpickle.dumps(content)]  # type: ignore[no-untyped-call]


def unsealed(message: Message) -> Any:
    """What was sealed, in the process where it is to be used: its surroundings become those of the sender."""
    import ray.cloudpickle

    surroundings, path, content = message
    Surroundings.from_plain(surroundings).settle()
    _add(path)
    return ray.cloudpickle.loads(content)


def send_by_value(node: type[Node]) -> None:
    """Makes a class that no other process can import travel with its code."""
    import ray.cloudpickle

    for cls in node.__mro__:
        module = sys.modules.get(cls.__module__)
        if module is not None and module.__name__ not in ("__main__", "builtins") and not _shipped(module.__name__):
            ray.cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]


def _shipped(module: str) -> bool:
    return module.partition(".")[0] in ("studio", "nodes", "pydantic", "typing")


def _by_name(recipe: Recipe) -> Message:
    return ["name", recipe.node.__module__, recipe.node.__qualname__, _told(recipe.config)]


def _told(config: BaseModel) -> str | bytes:
    """A config as JSON where that says all of it, or else with the state of its objects."""
    form = ConfigReader(digest_of, lambda _: "").of
    with suppress(Uncacheable, ValueError, TypeError):
        told = config.model_dump_json()
        if digest_of(form(type(config).model_validate_json(told))) == digest_of(form(config)):
            return told
    import ray.cloudpickle

    return bytes(ray.cloudpickle.dumps(config))  # type: ignore[no-untyped-call]


def _config_from(node: type[Node], told: str | bytes) -> BaseModel:
    if isinstance(told, str):
        return node.Config.model_validate_json(told)
    import ray.cloudpickle

    config: BaseModel = ray.cloudpickle.loads(told)
    return config


def _by_value(recipe: Recipe, ports: Ports) -> Message:
    import ray.cloudpickle

    send_by_value(recipe.node)
    return ["value", ray.cloudpickle.dumps((recipe, ports))]  # type: ignore[no-untyped-call]


def _search_path() -> list[str]:
    """Where Python looks for modules here, apart from its own places."""
    ours = (sys.prefix, sys.base_prefix)
    return [str(absolute(place)) for place in sys.path if not place.startswith(ours)]  # '' is here


def _add(path: Iterable[str]) -> None:
    sys.path += [place for place in path if place not in sys.path]


def _code_of(node: type[Node]) -> list[list[object]]:
    """The state of all files of code that a node's module imports, however far, and that no package brought."""
    pending = [cls.__module__ for cls in node.__mro__]
    files: dict[str, list[object]] = {}
    seen: set[str] = set()
    while pending:
        module = pending.pop()
        if module in seen:
            continue
        seen.add(module)
        file = _file_of(module)
        if file and not file.startswith((sys.prefix, sys.base_prefix, str(_ENGINE))):
            with suppress(OSError, SyntaxError, ValueError):
                stat = Path(file).stat()
                files[file] = [file, stat.st_mtime_ns, stat.st_size]
                pending += _imported_by(Path(file), module)
    return sorted(files.values(), key=str)


def _file_of(module: str) -> str:
    loaded = sys.modules.get(module)
    if loaded is not None:
        return getattr(loaded, "__file__", None) or ""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return ""
    return (spec.origin if spec else "") or ""


def _imported_by(file: Path, module: str) -> Iterator[str]:
    """The modules that a file imports, at the top or inside of functions; and perhaps some that are none."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for part in ast.walk(parsed(file.read_bytes())):
        if isinstance(part, ast.Import):
            yield from (alias.name for alias in part.names)
        elif isinstance(part, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - part.level + 1] if part.level else []
            base = ".".join([*above, *([part.module] if part.module else [])])
            yield from (base, *(f"{base}.{alias.name}" for alias in part.names))


def _label(config: BaseModel) -> str:
    """The name of the model, if the config has one that is no secret of the environment's."""
    model = getattr(config, "model", "")
    secret = len(str(model)) >= 4 and str(model) in os.environ.values()
    return model if isinstance(model, str) and not secret else ""
