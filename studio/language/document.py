"""Document: YAML as plain data, with a place for every key and value. It knows no graph.

YAML 1.2's scalars (`no` is Norwegian, not false), duplicate keys refused, no tags, and bounds on
size, depth and alias expansion, so that hostile text costs neither time nor memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from studio.errors import GraphError, Problem
from studio.paths import absolute

__all__ = ["Document", "Path", "Place"]

Path = tuple[str | int, ...]
Place = tuple[int, int]  # line and column, both from 1

# A graph may come from anybody. Ten lines of aliases, each of which names the one before ten times, are
# ten billion values once expanded; and what reads or checks values goes down by recursion, which ends in
# a RecursionError at some hundred levels. So both are counted while the text is read.
_MAX_BYTES = 4 << 20
_MAX_DEPTH = 64
_MAX_NODES = 200_000  # once aliases are expanded

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str")}
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass
class Document:
    """Plain data, and where in the file each part of it stands."""

    file: str  # as it is told
    data: Any = None
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)  # what is wrong, but could be read past
    folder: FilePath = field(default_factory=absolute)  # that paths in it start from

    @classmethod
    def read(cls, text: str | bytes, file: str, folder: FilePath | None = None) -> Document:
        """Parses YAML; GraphError says where it stops being YAML. Without a folder, its paths start from here."""
        return _Reader(cls(file, folder=folder or absolute()), _decoded(text, file)).document()

    @classmethod
    def of(cls, data: Any, file: str = "<graph>") -> Document:
        """Wraps data that never was text, and so has no places."""
        return cls(file, data)

    def problem(self, path: Path, message: str, hint: str = "", key: bool = False) -> Problem:
        """A problem at the value of a path (or at its key), or as near to it as there is a place."""
        line, column = self._place(path, key)
        return Problem(self.file, line, column, message, hint)

    def _place(self, path: Path, key: bool) -> Place:
        if key and path in self.keys:
            return self.keys[path]
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, (0, 0))


def _decoded(text: str | bytes, file: str) -> str:
    size = len(text)
    if size > _MAX_BYTES:
        raise GraphError([Problem(file, 1, 1, f"{size:,} bytes: a graph has at most {_MAX_BYTES:,}")])
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        column = error.start - text.rfind(b"\n", 0, error.start)
        raise GraphError([Problem(file, line, column, "not text in UTF-8: is this a YAML file?")]) from None


class _Reader:
    """Builds a document from the parser's events, within its bounds."""

    def __init__(self, document: Document, text: str) -> None:
        self._document = document
        self._text = text
        self._problems = document.problems
        self._anchors: dict[str, Any] = {}
        self._nodes = 0

    def document(self) -> Document:
        self._events = self._parsed()
        try:
            next(self._events)  # the stream starts
            first = next(self._events)
            if not isinstance(first, yaml.DocumentStartEvent):
                self._stop(first, "the file is empty")
            self._document.data = self._value(next(self._events), (), 0)
            next(self._events)  # the document ends
            if isinstance(second := next(self._events), yaml.DocumentStartEvent):
                self._stop(second, "a second document in one file; a graph is one")
        except yaml.MarkedYAMLError as error:
            self._malformed(error)
        except (yaml.YAMLError, ValueError) as error:
            problem = Problem(self._document.file, 1, 1, f"not YAML: {_first_line(error)}")
            raise GraphError([*self._problems, problem]) from None
        return self._document

    def _parsed(self) -> Iterator[Event]:
        """The parser's events, until they run too deep: the scanner itself slows down in great depth."""
        depth = 0
        for event in yaml.parse(self._text, Loader=_Loader):
            depth += isinstance(event, MappingStartEvent | SequenceStartEvent)
            depth -= isinstance(event, MappingEndEvent | SequenceEndEvent)
            if depth > _MAX_DEPTH:
                self._stop(event, f"nested more than {_MAX_DEPTH} deep")
            yield event

    def _value(self, event: Event, path: Path, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            self._stop(event, f"more than {_MAX_NODES:,} values, aliases expanded")
        self._document.values[path] = _place(event)
        if isinstance(event, AliasEvent):
            return self._alias(event)
        if (tag := getattr(event, "tag", None)) and tag not in _CORE_TAGS and tag != "!":
            self._problem(event, f"the tag '{tag}' is not allowed: a graph is plain data")
        value = self._untagged(event, path, depth)
        if anchor := getattr(event, "anchor", None):
            self._anchors[anchor] = value
        return value

    def _untagged(self, event: Event, path: Path, depth: int) -> Any:
        if isinstance(event, ScalarEvent):
            plain = event.implicit[0] and not event.style and event.tag is None
            return _scalar(event.value) if plain else event.value
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path, depth)
        return self._mapping(path, depth)

    def _alias(self, event: AliasEvent) -> Any:
        if event.anchor not in self._anchors:
            self._problem(event, f"the alias '*{event.anchor}' has no anchor before it")
            return None
        value = self._anchors[event.anchor]
        self._nodes += _weight(value, _MAX_NODES - self._nodes)
        if self._nodes > _MAX_NODES:
            self._stop(event, f"more than {_MAX_NODES:,} values, aliases expanded")
        return value

    def _sequence(self, path: Path, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            items.append(self._value(event, (*path, len(items)), depth + 1))
        return items

    def _mapping(self, path: Path, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            key = self._key(event, path, depth)
            value = self._value(next(self._events), (*path, key), depth + 1)
            if key == "<<":
                self._merge(merged, value, event)
            elif key in mapping:
                first = self._document.keys[(*path, key)]
                self._problem(event, f"the key '{key}' stands twice", f"The first is in line {first[0]}.")
            else:
                mapping[key] = value
                self._document.keys[(*path, key)] = _place(event)
        return {**merged, **mapping}

    def _key(self, event: Event, path: Path, depth: int) -> str:
        if isinstance(event, ScalarEvent):
            return str(event.value)
        self._problem(event, "a key is a plain word")
        self._value(event, (*path, "?"), depth + 1)
        return f"?{self._nodes}"

    def _merge(self, into: dict[str, Any], value: Any, event: Event) -> None:
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict):
                into.update({key: item for key, item in part.items() if key not in into})
            else:
                self._problem(event, "'<<' merges mappings, and this is none")

    def _problem(self, event: Event, message: str, hint: str = "") -> None:
        self._problems.append(Problem(self._document.file, *_place(event), message, hint))

    def _stop(self, event: Event, message: str) -> None:
        self._problem(event, message)
        raise GraphError(self._problems)

    def _malformed(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = error.problem or error.context or "not YAML"
        raise GraphError([*self._problems, Problem(self._document.file, line, column, f"not YAML: {what}")]) from None


def _place(event: Event) -> Place:
    mark: Any = event.start_mark
    return mark.line + 1, mark.column + 1


def _scalar(text: str) -> Any:
    """A plain scalar by YAML 1.2's core schema."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text[0] in "tT"
    if _INT.fullmatch(text):
        return text if len(text) > 1000 else int(text, 0 if text[:2] in ("0x", "0o") else 10)
    if _FLOAT.fullmatch(text):
        word = text.lower()
        return float(word.replace(".", "") if word.endswith(("inf", "nan")) else word)
    return text


def _weight(value: Any, limit: int) -> int:
    """How many values a tree holds, counted no further than needed."""
    count, stack = 0, [value]
    while stack and count <= limit:
        item = stack.pop()
        count += 1
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return count


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["unreadable"])[0]
