"""GraphSpec: what a YAML file says, checked for its form alone, with the place of everything in it.

It has met no node class: names of nodes, ports and config fields are checked by the binder.

Problems are told all at once. So what is malformed is told and left out, and the rest is read on; and
what is left out is remembered, for nobody wants to hear that a step is missing whose `use` is misspelled.
Problems are sorted by their places in the end (GraphError): the order in which they are found is free.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, PrivateAttr, ValidationError, model_validator

from studio.errors import GraphError, Problem, UsageError, did_you_mean
from studio.language.document import Document, Path
from studio.language.malformed import malformed, shown
from studio.language.step_spec import Replicas, Retries, StepSpec, Strict
from studio.language.wire import WireField
from studio.node.resources import Resources
from studio.paths import absolute
from studio.values import KINDS, PortType

__all__ = ["GraphSpec", "InputSpec"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST_TOLD = 500  # problems of form, each with a search for what was meant
_MOST_READINGS = 4


def _input(raw: Any) -> Any:
    return {"type": raw} if isinstance(raw, str) else raw


class InputSpec(Strict):
    """One input of a graph."""

    type: str = Field(
        description="text, number, bool, data, audio, image, video, boxes, segments, vector, file, list[T], T?"
    )
    default: Any = Field(None, description="what is used when nothing is given")
    description: str = Field("", description="what it is, for people")

    @property
    def has_default(self) -> bool:
        return "default" in self.model_fields_set

    @property
    def port_type(self) -> PortType:
        found = PortType.parse(self.type)
        assert found is not None  # checked when the spec was read
        return found


class GraphSpec(Strict):
    """A whole graph, as a person wrote it."""

    graph: str = Field("", description="the graph's name")
    description: str = Field("", description="what it does, for people")
    inputs: dict[str, Annotated[InputSpec, BeforeValidator(_input)]] = Field(
        {}, description="what a run is given: name: type, or name: {type, default, description}"
    )
    nodes: dict[str, StepSpec] = Field({}, description="the steps, in any order")
    outputs: dict[str, WireField] = Field({}, description="what a run gives: name: wire")
    schema_: str = Field("", alias="$schema", description="for editors; ignored")

    _document: Document = PrivateAttr(default_factory=lambda: Document("<graph>"))
    _problems: list[Problem] = PrivateAttr(default_factory=list)
    _left_out: set[Path] = PrivateAttr(default_factory=set)

    @model_validator(mode="before")
    @classmethod
    def _without_extensions(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        bare = _bare(data)
        if isinstance(nodes := bare.get("nodes"), dict):
            bare["nodes"] = {name: _bare(step) if isinstance(step, dict) else step for name, step in nodes.items()}
        return {key: value for key, value in bare.items() if value is not None}

    @staticmethod
    def document(path: str | FilePath, told: str = "") -> Document:
        """The document in a file, `told` by this name; GraphError if it cannot be read, or is no YAML."""
        told = told or str(path)
        try:
            return Document.read(FilePath(path).read_bytes(), told, absolute(path).parent)
        except OSError as error:
            why = "no such file" if isinstance(error, FileNotFoundError) else (error.strerror or "unreadable").lower()
            raise GraphError([Problem(told, 0, 0, why)]) from None

    @classmethod
    def of(cls, document: Document, settings: Mapping[str, Any] | None = None) -> GraphSpec:
        """From a document. What is malformed is left out and told in `problems`.

        settings: config to set over what it says, by STEP.FIELD; UsageError where there is no such step.
        GraphError where it is no mapping, or so malformed that nothing can be read past.
        """
        document = _set(document, settings or {})
        if not isinstance(document.data, Mapping):
            what = "nothing" if document.data is None else shown(document.data)
            raise GraphError(
                [document.problem((), f"a graph is a mapping (graph, inputs, nodes, outputs), not {what}")]
            )
        spec = cls._without_malformed(document)
        spec._document = document
        _check_form(spec)
        return spec

    @classmethod
    def _without_malformed(cls, document: Document) -> GraphSpec:
        problems, left_out, data = list(document.problems), set[Path](), document.data
        for _ in range(_MOST_READINGS):  # leaving something out may show what lay behind it
            try:
                spec = cls.model_validate(data)
                break
            except ValidationError as error:
                fresh = [item for item in error.errors() if item["loc"] not in left_out]
                problems += [malformed(document, item, _known_keys) for item in fresh[:_MOST_TOLD]]
                left_out |= {_existing(data, item["loc"]) for item in error.errors()}
                data = _pruned(document.data, left_out)
        else:
            raise GraphError(problems)
        spec._problems, spec._left_out = problems, left_out
        return spec

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the form, as far as it could be read past."""
        return tuple(self._problems)

    def left_out(self, *path: str) -> bool:
        """Whether this stood in the file, but malformed: what follows from its absence need not be told."""
        return any(path[:length] in self._left_out for length in range(1, len(path) + 1))

    @property
    def file(self) -> str:
        """The file that the graph was read from, as it is told, or what stands for it."""
        return self._document.file

    @property
    def folder(self) -> FilePath:
        """The folder that paths in it start from, wherever this process works by then."""
        return self._document.folder

    def problem(self, path: Path, message: str, hint: str = "", key: bool = False) -> Problem:
        """A problem at a path of the document: ('nodes', 'hear', 'use')."""
        return self._document.problem(path, message, hint, key)


def _set(document: Document, settings: Mapping[str, Any]) -> Document:
    """The document with some config set over what it says."""
    if not settings or not isinstance(document.data, dict):
        return document
    changed = copy.copy(document)
    changed.data = copy.deepcopy(document.data)
    nodes = changed.data.get("nodes") or {}
    for name, value in settings.items():
        step, _, key = name.partition(".")
        if not key or not isinstance(nodes, dict) or not isinstance(nodes.get(step), dict):
            hint = did_you_mean(step, nodes) or f"Steps: {', '.join(nodes)}."
            raise UsageError(f"'{name}' is no STEP.FIELD of this graph. {hint}")
        nodes[step]["with"] = {**(nodes[step].get("with") or {}), key: value}
    return changed


def _bare(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if not str(key).startswith("x-")}


def _existing(data: Any, loc: Path) -> Path:
    """The longest part of a location that the data has (pydantic adds names of its own)."""
    path: Path = ()
    for part in loc:
        if not (isinstance(data, Mapping) and part in data):
            break
        data, path = data[part], (*path, part)
    return path


def _pruned(data: Any, left_out: set[Path], path: Path = ()) -> Any:
    """The data without what lies at some paths; what is changed is copied, for aliases share their values."""
    if not isinstance(data, Mapping):
        return data
    kept = [(key, value) for key, value in data.items() if (*path, key) not in left_out]
    return {key: _pruned(value, left_out, (*path, key)) for key, value in kept}


def _check_form(spec: GraphSpec) -> None:
    """Tells what pydantic does not see: names, types, defaults."""
    tell = spec._problems.append
    for section, names in (("inputs", spec.inputs), ("nodes", spec.nodes), ("outputs", spec.outputs)):
        for name in names:
            if not _NAME.fullmatch(name):
                hint = "A name is letters, digits and '_', and starts with no digit."
                tell(spec.problem((section, name), f"'{name}' is no name", hint, key=True))
    for name in spec.inputs.keys() & spec.nodes.keys():
        message = f"'{name}' names both an input and a step; a wire could mean either"
        tell(spec.problem(("nodes", name), message, "Rename one of them.", key=True))
    for name, given in spec.inputs.items():
        spec._problems += _input_problems(spec, name, given)
    if not spec.nodes and not spec._left_out:
        tell(spec.problem(("nodes",), "a graph has at least one step under 'nodes'"))
    for name, step in spec.nodes.items():
        if len(set(step.each)) < len(step.each):
            tell(spec.problem(("nodes", name, "each"), f"step '{name}': 'each' names a port twice"))


def _input_problems(spec: GraphSpec, name: str, given: InputSpec) -> list[Problem]:
    path: Path = ("inputs", name, "type")
    found = PortType.parse(given.type)
    if found is None or found.kind not in KINDS:
        spec._left_out.add(("inputs", name))
        known = f"Types: {', '.join(KINDS)}, list[T], T?"
        hint = did_you_mean(found.kind if found else given.type, KINDS) or known
        return [spec.problem(path, f"input '{name}' has the unknown type '{given.type}'", hint)]
    if not given.has_default or given.default is None:
        return []
    if found.many != isinstance(given.default, list) and (found.kind != "data" or found.many):
        wanted = f"{found} wants {'a list' if found.many else 'one value'}"
        return [spec.problem(("inputs", name, "default"), f"the default of '{name}' does not fit: {wanted}")]
    kind = KINDS[found.kind]
    try:
        for item in found.leaves(given.default):
            if not (kind.from_path and isinstance(item, str | FilePath)):  # a file is looked at when it is used
                kind.coerce(item)
    except (ValueError, OSError) as error:
        return [spec.problem(("inputs", name, "default"), f"the default of '{name}' does not fit: {error}")]
    return []


def _known_keys(path: Path) -> list[str]:
    model: type[BaseModel] = GraphSpec
    if path[0] == "nodes" and len(path) > 2:
        within: dict[str, type[BaseModel]] = {"resources": Resources, "replicas": Replicas, "retries": Retries}
        model = within.get(str(path[2]), StepSpec) if len(path) > 3 else StepSpec
    elif path[0] == "inputs" and len(path) > 2:
        model = InputSpec
    return [info.alias or name for name, info in model.model_fields.items()]
