"""GraphSpec: what a YAML file says, checked for its form alone, with the place of everything in it.

It has met no node class: names of nodes, ports and config fields are checked by `plan`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from studio.errors import GraphError, Problem, UsageError, did_you_mean
from studio.language.condition import Condition
from studio.language.document import Document, Path
from studio.node.resources import Resources
from studio.values import KINDS, PortType

__all__ = ["GraphSpec", "InputSpec", "Remedy", "StepSpec", "Wire"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")
_MOST_REPLICAS = 1000
_MOST_TOLD = 500  # problems of form, each with a search for what was meant
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


@dataclass(frozen=True)
class Wire:
    """Where an input comes from: one reference, several gathered into a list, or the first that is there."""

    refs: tuple[str, ...]
    form: Literal["one", "many", "first"] = "one"

    def path(self, path: Path, index: int) -> Path:
        """Where a reference stands in the document, if the wire stands at `path`."""
        return {"one": path, "many": (*path, index), "first": (*path, "first_of", index)}[self.form]


def _wire(raw: Any) -> Wire:
    if isinstance(raw, Wire):
        return raw
    if isinstance(raw, dict) and raw.keys() == {"first_of"} and isinstance(raw["first_of"], list) and raw["first_of"]:
        return Wire(_refs(raw["first_of"]), "first")
    return Wire(_refs(raw), "many") if isinstance(raw, list) else Wire(_refs([raw]))


def _refs(refs: list[Any]) -> tuple[str, ...]:
    for ref in refs:
        if not isinstance(ref, str) or not _REFERENCE.fullmatch(ref):
            raise PydanticCustomError(
                "wire",
                "a wire is the name of an input, 'step.port', 'step', a list of these, "
                "or {first_of: [...]}, not {shown}",
                {"shown": _shown(ref)},
            )
    return tuple(refs)


def _input(raw: Any) -> Any:
    return {"type": raw} if isinstance(raw, str) else raw


def _ports(raw: Any) -> tuple[str, ...]:
    names = raw if isinstance(raw, list | tuple) else [raw]
    if not names or not all(isinstance(name, str) for name in names):
        raise PydanticCustomError("ports", "should be a port or a list of ports, not {shown}", {"shown": _shown(raw)})
    return tuple(names)


def _condition(raw: Any) -> Condition:
    if not isinstance(raw, str):
        message = "should be a comparison as text, not {shown}"
        raise PydanticCustomError("condition", message, {"shown": _shown(raw)})
    return Condition(raw)


@dataclass(frozen=True)
class Remedy:
    """What is done when a step fails: `fail`, `skip`, or `use` of a wire for each output (or for the only one)."""

    does: Literal["fail", "skip", "use"] = "fail"
    wires: Mapping[str, Wire] | Wire = field(default_factory=dict)


def _remedy(raw: Any) -> Any:
    if raw in ("fail", "skip"):
        return Remedy(raw)
    if not isinstance(raw, dict) or raw.keys() != {"use"}:
        raise PydanticCustomError("remedy", "should be fail, skip or {use: WIRE}, not {shown}", {"shown": _shown(raw)})
    used = raw["use"]
    if isinstance(used, dict) and used.keys() != {"first_of"}:
        return Remedy("use", {str(port): _wire(wire) for port, wire in used.items()})
    return Remedy("use", _wire(used))


_WIRE_SCHEMA: Any = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}},
        {
            "type": "object",
            "properties": {"first_of": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
            "required": ["first_of"],
            "additionalProperties": False,
        },
    ]
}
_REMEDY_SCHEMA: Any = {
    "anyOf": [
        {"enum": ["fail", "skip"]},
        {"type": "object", "properties": {"use": {}}, "required": ["use"], "additionalProperties": False},
    ]
}


_COUNT: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=1, le=_MOST_REPLICAS)])
_REPLICAS_SCHEMA: Any = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": _MOST_REPLICAS},
        {
            "type": "object",
            "properties": {
                name: {"type": "integer", "minimum": 1, "maximum": _MOST_REPLICAS} for name in ("min", "max")
            },
            "required": ["max"],
            "additionalProperties": False,
        },
    ]
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, populate_by_name=False)


class InputSpec(_Strict):
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


class Replicas(_Strict):
    """How many workers may run a step side by side, and how many are set up as soon as one is needed."""

    min: int = Field(1, ge=1, le=_MOST_REPLICAS, description="workers that are set up as soon as one is needed")
    max: int = Field(ge=1, le=_MOST_REPLICAS, description="workers that there may be where tasks queue up")

    @model_validator(mode="after")
    def _in_order(self) -> Replicas:
        if self.min > self.max:
            message, shown = "should have a 'min' that is at most its 'max', not {shown}", f"{self.min} and {self.max}"
            raise PydanticCustomError("replicas", message, {"shown": shown})
        return self


def _replicas(raw: Any) -> Any:
    """A number is the most; what is wrong with it is said of the number itself."""
    if raw is None or isinstance(raw, dict | Replicas):
        return raw
    try:
        return {"max": _COUNT.validate_python(raw)}
    except ValidationError as error:
        wrong = error.errors()[0]
        raise PydanticKnownError(wrong["type"], wrong.get("ctx")) from None  # type: ignore[arg-type]


class StepSpec(_Strict):
    """One entry of `nodes:`: a node to use, its constants and its wires."""

    use: str = Field(description="a node (asr.whisper, pkg.module:Class, ./file.py:Class) or a graph (./x.yaml, dub)")
    with_: dict[str, Any] = Field({}, alias="with", description="constants: config fields, and constants for ports")
    in_: dict[str, Annotated[Wire, BeforeValidator(_wire)]] = Field(
        {},
        alias="in",
        description="wires: input, step.port, or step; a list gathers",
        json_schema_extra={"additionalProperties": _WIRE_SCHEMA},
    )
    resources: Resources = Field(Resources(), description="what one worker asks for")
    timeout: float | None = Field(None, gt=0, le=1e9, description="seconds one task may run")
    retries: int = Field(0, ge=0, le=100, description="how often a failed task is tried again")
    cache: Literal["auto", "never", "refresh"] = Field("auto", description="whether results are kept and used")
    each: Annotated[tuple[str, ...], BeforeValidator(_ports)] = Field(
        (),
        description="the port (or ports, side by side) whose list the step runs over, once per element",
        json_schema_extra={"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
    )
    when: Annotated[Condition | None, BeforeValidator(_condition), WithJsonSchema({"type": "string"})] = Field(
        None, description="a comparison over wires; where it does not hold, the step is skipped"
    )
    on_error: Annotated[Remedy, BeforeValidator(_remedy), WithJsonSchema(_REMEDY_SCHEMA)] = Field(
        Remedy(), description="what a failure means: fail, skip, or {use: WIRE} for that value instead"
    )
    scope: Literal["item", "dataset"] = Field(
        "item", description="of a data set: for each row (item), or once over the values of all rows (dataset)"
    )
    replicas: Annotated[Replicas | None, BeforeValidator(_replicas), WithJsonSchema(_REPLICAS_SCHEMA)] = Field(
        None, description="how many workers may run it side by side: a number, or {min, max}"
    )
    batch: int | None = Field(None, ge=1, le=100_000, description="how many tasks a worker takes at once")


class GraphSpec(_Strict):
    """A whole graph, as a person wrote it."""

    graph: str = Field("", description="the graph's name")
    description: str = Field("", description="what it does, for people")
    inputs: dict[str, Annotated[InputSpec, BeforeValidator(_input)]] = Field(
        {}, description="what a run is given: name: type, or name: {type, default, description}"
    )
    nodes: dict[str, StepSpec] = Field({}, description="the steps, in any order")
    outputs: dict[str, Annotated[Wire, BeforeValidator(_wire)]] = Field(
        {},
        description="what a run gives: name: wire",
        json_schema_extra={"additionalProperties": _WIRE_SCHEMA},
    )
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
    def document(path: str | FilePath) -> Document:
        """The document in a file."""
        try:
            return Document.read(FilePath(path).read_bytes(), str(path))
        except OSError as error:
            why = "no such file" if isinstance(error, FileNotFoundError) else (error.strerror or "unreadable").lower()
            raise GraphError([Problem(str(path), 0, 0, why)]) from None

    @classmethod
    def of(cls, document: Document, settings: Mapping[str, Any] | None = None) -> GraphSpec:
        """From a document. What is malformed is left out and told in `problems`, so that all can be told at once.

        settings: config to set over what it says, by STEP.FIELD; UsageError where there is no such step.
        """
        document = _set(document, settings or {})
        if not isinstance(document.data, Mapping):
            what = "nothing" if document.data is None else _shown(document.data)
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
        for _ in range(4):  # leaving something out may show what lay behind it
            try:
                spec = cls.model_validate(data)
                break
            except ValidationError as error:
                fresh = [item for item in error.errors() if item["loc"] not in left_out]
                problems += [_problem(document, item) for item in fresh[:_MOST_TOLD]]
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
        """The file that the graph was read from, or what stands for it."""
        return self._document.file

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
    """The data without what lies at some paths."""
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
    if kind.from_path and not isinstance(given.default, list):
        return []  # the path of a file: looked at when it is used
    try:
        for item in found.leaves(given.default):
            kind.coerce(item)
    except (ValueError, OSError) as error:
        return [spec.problem(("inputs", name, "default"), f"the default of '{name}' does not fit: {error}")]
    return []


def _problem(document: Document, error: Any) -> Problem:
    """One of pydantic's errors, in our words and with its place."""
    path: Path = tuple(error["loc"])
    kind, name = error["type"], str(error["loc"][-1]) if error["loc"] else ""
    if kind == "extra_forbidden":
        known = _known_keys(path)
        where = f"in step '{path[1]}'" if path[0] == "nodes" and len(path) > 2 else f"in {_named(path[:-1])}"
        message = f"unknown key '{name}' {where}"
        elsewhere = _valid_elsewhere(name, path)
        hint = did_you_mean(name, known) or elsewhere or f"Known keys: {', '.join(known)}."
        return document.problem(path, message, hint, key=True)
    if kind == "missing":
        return document.problem(path[:-1], f"{_named(path[:-1])} lacks '{name}'", key=True)
    says = _SAYS.get(kind) or error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if kind.startswith("model") and path[:1] == ("inputs",):
        says = "should be the name of a type, or a mapping with one"
    if says.startswith("should") and ", not " not in says:
        return document.problem(path, f"{_named(path)} {says}, not {_shown(error['input'])}")
    return document.problem(path, f"{_named(path)}{'' if says.startswith('should') else ':'} {says}")


def _known_keys(path: Path) -> list[str]:
    model: type[BaseModel] = GraphSpec
    if path[0] == "nodes" and len(path) > 2:
        within: dict[str, type[BaseModel]] = {"resources": Resources, "replicas": Replicas}
        model = within.get(str(path[2]), StepSpec) if len(path) > 3 else StepSpec
    elif path[0] == "inputs" and len(path) > 2:
        model = InputSpec
    return [info.alias or name for name, info in model.model_fields.items()]


def _valid_elsewhere(name: str, path: Path) -> str:
    if path[0] != "nodes" and name in _known_keys(("nodes", "", "")):
        return f"'{name}' belongs inside a step, under 'nodes'."
    if len(path) > 1 and name in _known_keys((name,)):
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


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    text = (
        repr(value) if not isinstance(value, dict | list) else f"a {'mapping' if isinstance(value, dict) else 'list'}"
    )
    return text if len(text) <= 60 else text[:57] + "…"
