"""PortType: a kind of value, perhaps a list of it, perhaps absent: `audio`, `list[text]`, `image?`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

__all__ = ["PortType"]


@dataclass(frozen=True)
class PortType:
    """The type of a port or of a graph's input, as `list[kind]?` is written."""

    kind: str
    many: bool = False
    optional: bool = False

    @classmethod
    def parse(cls, text: str) -> PortType | None:
        """From its written form; None where that has not the form of a type."""
        match = re.fullmatch(r"(?:(\w+)|list\[\s*(\w+)\s*\])(\?)?", text.strip())
        if not match:
            return None
        return cls(match[1] or match[2], bool(match[2]), bool(match[3]))

    def feeds(self, other: PortType) -> bool:
        """Whether a value of this type may go where the other is expected."""
        return self.kind == other.kind and self.many == other.many and (other.optional or not self.optional)

    def listed(self) -> PortType:
        """The type of a list of these."""
        return replace(self, many=True)

    def __str__(self) -> str:
        name = f"list[{self.kind}]" if self.many else self.kind
        return name + "?" * self.optional
