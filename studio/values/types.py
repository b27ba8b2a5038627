"""PortType: a kind of value, perhaps a list of it, perhaps absent: `audio`, `list[text]`, `image?`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

__all__ = ["PortType"]

_DEEPEST = 4  # lists in lists; more is no graph that a person wrote


@dataclass(frozen=True)
class PortType:
    """The type of a port or of a graph's input, as `list[kind]?` is written; `depth` lists deep."""

    kind: str
    depth: int = 0
    optional: bool = False

    @classmethod
    def parse(cls, text: str) -> PortType | None:
        """From its written form; None where that has not the form of a type."""
        inner, depth = text.strip(), 0
        optional = inner.endswith("?")
        inner = inner.removesuffix("?").strip()
        while (match := re.fullmatch(r"list\[(.*)\]", inner)) and depth <= _DEEPEST:
            inner, depth = match[1].strip(), depth + 1
        return cls(inner, depth, optional) if re.fullmatch(r"\w+", inner) and depth <= _DEEPEST else None

    @property
    def many(self) -> bool:
        """Whether it is a list."""
        return self.depth > 0

    def feeds(self, other: PortType) -> bool:
        """Whether a value of this type may go where the other is expected.

        One that may be absent may go anywhere: where it is needed and absent, the step is skipped.
        """
        return self.kind == other.kind and self.depth == other.depth

    def leaves(self, raw: object) -> list[object]:
        """The single values in what is given for this type; ValueError where its lists are not as deep."""
        if not self.many:
            return [raw]
        if not isinstance(raw, list | tuple):
            raise ValueError(f"expected {self.required()}, not a single {type(raw).__name__}")
        return [leaf for part in raw for leaf in self.item().leaves(part)]

    def listed(self) -> PortType:
        """The type of a list of these."""
        return replace(self, depth=self.depth + 1)

    def item(self) -> PortType:
        """The type of one of a list."""
        return replace(self, depth=self.depth - 1)

    def required(self) -> PortType:
        """The same, never absent."""
        return replace(self, optional=False)

    def __str__(self) -> str:
        return f"{'list[' * self.depth}{self.kind}{']' * self.depth}{'?' * self.optional}"
