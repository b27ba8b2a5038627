"""PortType: a kind of value, perhaps a list of it, perhaps absent: `audio`, `list[text]`, `image?`, `list[number?]`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

__all__ = ["PortType"]

_DEEPEST = 4  # lists in lists; more is no graph that a person wrote


@dataclass(frozen=True)
class PortType:
    """The type of a port or of a graph's input, as `list[kind?]?` is written.

    absences: from the outside in, whether what stands there may be absent: the value itself, the items of its
        list, the items of these.
    """

    kind: str
    absences: tuple[bool, ...] = (False,)

    @classmethod
    def parse(cls, text: str) -> PortType | None:
        """From its written form; None where that has not the form of a type."""
        inner, absences = text.strip(), list[bool]()
        while len(absences) <= _DEEPEST:
            absences.append(inner.endswith("?"))
            inner = inner.removesuffix("?").strip()
            if (match := re.fullmatch(r"list\[(.*)\]", inner)) is None:
                return cls(inner, tuple(absences)) if re.fullmatch(r"\w+", inner) else None
            inner = match[1].strip()
        return None

    @property
    def optional(self) -> bool:
        """Whether a value of it may be absent."""
        return self.absences[0]

    @property
    def depth(self) -> int:
        """How many lists deep it is."""
        return len(self.absences) - 1

    @property
    def many(self) -> bool:
        """Whether it is a list."""
        return self.depth > 0

    @property
    def holed(self) -> bool:
        """Whether it is a list whose items may be absent."""
        return self.many and self.absences[1]

    def alike(self, other: PortType) -> bool:
        """Whether the two are one, but for what may be absent."""
        return self.kind == other.kind and self.depth == other.depth

    def feeds(self, other: PortType) -> bool:
        """Whether a value of this type may go where the other is expected.

        One that may be absent may go anywhere: where it is needed and absent, the step is skipped. But no step
        can be skipped for one item of a list: a list goes only where its items may be absent, if they may.
        """
        pairs = zip(self.absences[1:], other.absences[1:], strict=False)
        return self.alike(other) and all(taken or not given for given, taken in pairs)

    def leaves(self, raw: object) -> list[object]:
        """The single values in what is given for this type; ValueError where its lists are not as deep."""
        if raw is None and self.optional:
            return []
        if not self.many:
            return [raw]
        if not isinstance(raw, list | tuple):
            raise ValueError(f"expected {self.required()}, not a single {type(raw).__name__}")
        if not self.holed and (self.depth > 1 or self.kind != "data"):  # as data, null is a value
            for index, part in enumerate(raw):
                if part is None:
                    may = self.item().maybe().listed()
                    raise ValueError(f"item {index} is null, which {may} may hold, and {self.required()} may not")
        return [leaf for part in raw for leaf in self.item().leaves(part)]

    def listed(self) -> PortType:
        """The type of a list of these."""
        return replace(self, absences=(False, *self.absences))

    def item(self) -> PortType:
        """The type of one of a list."""
        return replace(self, absences=self.absences[1:])

    def required(self) -> PortType:
        """The same, never absent."""
        return replace(self, absences=(False, *self.absences[1:]))

    def maybe(self) -> PortType:
        """The same, perhaps absent."""
        return replace(self, absences=(True, *self.absences[1:]))

    def filled(self) -> PortType:
        """The same list, none of whose items is absent."""
        return replace(self, absences=(self.optional, False, *self.absences[2:]))

    def or_else(self, other: PortType) -> PortType:
        """The type of what may be one or the other of two that are alike."""
        pairs = zip(self.absences, other.absences, strict=True)
        return replace(self, absences=tuple(one or two for one, two in pairs))

    def __str__(self) -> str:
        written = self.kind + "?" * self.absences[-1]
        for absent in self.absences[-2::-1]:
            written = f"list[{written}]" + "?" * absent
        return written
