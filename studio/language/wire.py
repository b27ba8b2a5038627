"""Wire: where an input comes from, as a person writes it; what it leads to is an Edge of the plan."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from studio.language.document import Path
from studio.language.malformed import shown

__all__ = ["Wire", "WireField"]

_REFERENCE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")


@dataclass(frozen=True)
class Wire:
    """Where an input comes from: one reference, several gathered into a list, or the first that is there."""

    refs: tuple[str, ...]
    form: Literal["one", "many", "first"] = "one"

    @classmethod
    def read(cls, raw: Any) -> Wire:
        """From `step.port`, a list of these, or {first_of: [...]}; pydantic's error if it is none of them."""
        if isinstance(raw, Wire):
            return raw
        choice = raw.get("first_of") if isinstance(raw, dict) and raw.keys() == {"first_of"} else None
        if isinstance(choice, list) and choice:
            return cls(_refs(choice), "first")
        return cls(_refs(raw), "many") if isinstance(raw, list) else cls(_refs([raw]))

    def path(self, path: Path, index: int) -> Path:
        """Where a reference stands in the document, if the wire stands at `path`."""
        return {"one": path, "many": (*path, index), "first": (*path, "first_of", index)}[self.form]


def _refs(refs: list[Any]) -> tuple[str, ...]:
    for ref in refs:
        if not isinstance(ref, str) or not _REFERENCE.fullmatch(ref):
            raise PydanticCustomError(
                "wire",
                "a wire is the name of an input, 'step.port', 'step', a list of these, "
                "or {first_of: [...]}, not {shown}",
                {"shown": shown(ref)},
            )
    return tuple(refs)


_SCHEMA: Any = {
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

WireField = Annotated[Wire, BeforeValidator(Wire.read), WithJsonSchema(_SCHEMA)]
