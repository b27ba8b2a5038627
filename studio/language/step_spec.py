"""StepSpec: what a YAML file says of one step: its node, its constants, its wires, and how it is to be run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from studio.language.condition import Condition
from studio.language.malformed import shown
from studio.language.wire import Wire, WireField
from studio.node.resources import Resources

__all__ = ["OnError", "Replicas", "Retries", "StepSpec", "Strict"]

_MOST_REPLICAS, _MOST_RETRIES = 1000, 100
_LONGEST = 1e9  # seconds of any time limit; a clock cannot wait much longer


class Strict(BaseModel):
    """A part of a graph file: it has no unknown keys, and nothing changes it once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, populate_by_name=False)


class Replicas(Strict):
    """How many workers may run a step side by side, and how many are set up as soon as one is needed."""

    min: int = Field(1, ge=1, le=_MOST_REPLICAS, description="workers that are set up as soon as one is needed")
    max: int = Field(ge=1, le=_MOST_REPLICAS, description="workers that there may be where tasks queue up")

    @model_validator(mode="after")
    def _in_order(self) -> Replicas:
        if self.min > self.max:
            message, given = "should have a 'min' that is at most its 'max', not {shown}", f"{self.min} and {self.max}"
            raise PydanticCustomError("replicas", message, {"shown": given})
        return self


class Retries(Strict):
    """How often a failed task is tried again, and how long is waited before each time."""

    times: int = Field(ge=0, le=_MOST_RETRIES, description="how often a failed task is tried again")
    delay: float = Field(0.0, ge=0, le=_LONGEST, description="seconds before the first retry")
    backoff: float = Field(1.0, ge=1, le=_LONGEST, description="how many times longer each further delay is")

    @model_validator(mode="after")
    def _ends(self) -> Retries:
        """A delay that grows again and again may grow beyond what any clock can wait for."""
        longest = self.delay
        for _ in range(self.times - 1):
            longest *= self.backoff
        if longest > _LONGEST:
            message = "should wait at most {most} seconds before its last retry, not {shown}"
            raise PydanticCustomError("retries", message, {"most": f"{_LONGEST:g}", "shown": f"{longest:.3g}"})
        return self


@dataclass(frozen=True)
class OnError:
    """What is done when a step fails: `fail`, `skip`, or `use` of a wire for each output (or for the only one)."""

    does: Literal["fail", "skip", "use"] = "fail"
    wires: Mapping[str, Wire] | Wire = field(default_factory=dict)

    @classmethod
    def read(cls, raw: Any) -> OnError:
        """From `fail`, `skip` or {use: WIRE}; pydantic's error if it is none of them."""
        if raw in ("fail", "skip"):
            return cls(raw)
        if not isinstance(raw, dict) or raw.keys() != {"use"}:
            message = "should be fail, skip or {use: WIRE}, not {shown}"
            raise PydanticCustomError("on_error", message, {"shown": shown(raw)})
        used = raw["use"]
        if isinstance(used, dict) and used.keys() != {"first_of"}:
            return cls("use", {str(port): Wire.read(wire) for port, wire in used.items()})
        return cls("use", Wire.read(used))


_ON_ERROR_SCHEMA: Any = {
    "anyOf": [
        {"enum": ["fail", "skip"]},
        {"type": "object", "properties": {"use": {}}, "required": ["use"], "additionalProperties": False},
    ]
}


def _ports(raw: Any) -> tuple[str, ...]:
    names = raw if isinstance(raw, list | tuple) else [raw]
    if not names or not all(isinstance(name, str) for name in names):
        raise PydanticCustomError("ports", "should be a port or a list of ports, not {shown}", {"shown": shown(raw)})
    return tuple(names)


def _condition(raw: Any) -> Condition:
    if not isinstance(raw, str):
        message = "should be a comparison as text, not {shown}"
        raise PydanticCustomError("condition", message, {"shown": shown(raw)})
    return Condition(raw)


def _counted(key: str, most: int, least: int = 0) -> Callable[[Any], Any]:
    """A reader of what is a mapping or, for short, a number: that of its `key`.

    What is wrong with the number is said of it, and not of a key that the person never wrote.
    """
    count: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=least, le=most)])

    def read(raw: Any) -> Any:
        if isinstance(raw, dict | Strict):
            return raw
        try:
            return {key: count.validate_python(raw)}
        except ValidationError as error:
            wrong = error.errors()[0]
            raise PydanticKnownError(wrong["type"], wrong.get("ctx")) from None  # type: ignore[arg-type]

    return read


def _counted_schema(model: type[Strict], most: int, least: int = 0) -> Any:
    return {"anyOf": [{"type": "integer", "minimum": least, "maximum": most}, model.model_json_schema()]}


class StepSpec(Strict):
    """One entry of `nodes:`: a node to use, its constants and its wires."""

    use: str = Field(description="a node (asr.whisper, pkg.module:Class, ./file.py:Class) or a graph (./x.yaml, dub)")
    with_: dict[str, Any] = Field({}, alias="with", description="constants: config fields, and constants for ports")
    in_: dict[str, WireField] = Field(
        {}, alias="in", description="wires: input, step.port, or step; a list gathers; {first_of: [...]} chooses"
    )
    resources: Resources = Field(Resources(), description="what one worker asks for")
    timeout: float | None = Field(None, gt=0, le=_LONGEST, description="seconds one task may run")
    retries: Annotated[
        Retries,
        BeforeValidator(_counted("times", _MOST_RETRIES)),
        WithJsonSchema(_counted_schema(Retries, _MOST_RETRIES)),
    ] = Field(
        Retries(times=0), description="how often a failed task is tried again: a number, or {times, delay, backoff}"
    )
    cache: Literal["auto", "never", "refresh"] = Field("auto", description="whether results are kept and used")
    each: Annotated[tuple[str, ...], BeforeValidator(_ports)] = Field(
        (),
        description="the port (or ports, side by side) whose list the step runs over, once per element",
        json_schema_extra={"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
    )
    when: Annotated[Condition | None, BeforeValidator(_condition), WithJsonSchema({"type": "string"})] = Field(
        None, description="a comparison over wires; where it does not hold, the step is skipped"
    )
    on_error: Annotated[OnError, BeforeValidator(OnError.read), WithJsonSchema(_ON_ERROR_SCHEMA)] = Field(
        OnError(), description="what a failure means: fail, skip, or {use: WIRE} for that value instead"
    )
    scope: Literal["item", "dataset"] = Field(
        "item", description="of a data set: for each row (item), or once over the values of all rows (dataset)"
    )
    replicas: (
        Annotated[
            Replicas,
            BeforeValidator(_counted("max", _MOST_REPLICAS, least=1)),
            WithJsonSchema(_counted_schema(Replicas, _MOST_REPLICAS, least=1)),
        ]
        | None
    ) = Field(None, description="how many workers may run it side by side: a number, or {min, max}")
    batch: int | None = Field(None, ge=1, le=100_000, description="how many tasks a worker takes at once")
