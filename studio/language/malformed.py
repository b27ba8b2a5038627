"""Malformed: what pydantic finds wrong with the form of a graph, in the Studio's words and with its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from studio.errors import Problem, did_you_mean
from studio.language.document import Document, Path

__all__ = ["malformed", "shown"]

_SAYS = {  # pydantic's error types, in our words
    "missing": "is missing",
    "string_type": "should be text",
    "dict_type": "should be a mapping",
    "model_type": "should be a mapping",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "float_parsing": "should be a number",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
}


def malformed(document: Document, error: Any, known: Callable[[Path], list[str]]) -> Problem:
    """One of pydantic's errors, in our words and with its place; `known` are the keys beside the one at a path."""
    path: Path = tuple(error["loc"])
    kind, name = error["type"], str(error["loc"][-1]) if error["loc"] else ""
    if kind == "extra_forbidden":
        return _unknown_key(document, path, name, known)
    if kind == "missing":
        return document.problem(path[:-1], f"{_named(path[:-1])} lacks '{name}'", key=True)
    says = _SAYS.get(kind) or error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if kind.startswith("model") and path[:1] == ("inputs",):
        says = "should be the name of a type, or a mapping with one"
    if says.startswith("should") and ", not " not in says:
        return document.problem(path, f"{_named(path)} {says}, not {shown(error['input'])}")
    return document.problem(path, f"{_named(path)}{'' if says.startswith('should') else ':'} {says}")


def shown(value: Any) -> str:
    """A value in a message: not longer than a line, and of what holds others only what it is."""
    if value is None:
        return "empty"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _unknown_key(document: Document, path: Path, name: str, known: Callable[[Path], list[str]]) -> Problem:
    where = f"in step '{path[1]}'" if path[0] == "nodes" and len(path) > 2 else f"in {_named(path[:-1])}"
    hint = did_you_mean(name, known(path)) or _elsewhere(name, path, known) or f"Known keys: {', '.join(known(path))}."
    return document.problem(path, f"unknown key '{name}' {where}", hint, key=True)


def _elsewhere(name: str, path: Path, known: Callable[[Path], list[str]]) -> str:
    """A hint for a key that means something in another part of the file."""
    if path[0] != "nodes" and name in known(("nodes", "", "")):
        return f"'{name}' belongs inside a step, under 'nodes'."
    if len(path) > 1 and name in known((name,)):
        return f"'{name}' belongs at the top of the file."
    return ""


def _named(path: Path) -> str:
    """A path in words: ('nodes', 'hear', 'timeout') is: step 'hear': 'timeout'."""
    if not path:
        return "the graph"
    owner = {"nodes": "step", "inputs": "input", "outputs": "output"}.get(str(path[0]))
    if owner is None or len(path) == 1:
        return f"'{path[0]}'"
    rest = ".".join(str(part) for part in path[2:])
    return f"{owner} '{path[1]}'" + (f": '{rest}'" if rest else "")
