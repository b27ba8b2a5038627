"""StepEntry: one entry of `nodes:` before it is bound: what it says, what it is, and the names around it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from studio.errors import did_you_mean
from studio.language.document import Path
from studio.language.names import Names, Signature
from studio.language.step_spec import StepSpec
from studio.node.node import Node

__all__ = ["StepEntry"]


@dataclass(frozen=True)
class StepEntry:
    """One entry of `nodes:` before it is bound."""

    id: str  # in its file
    spec: StepSpec
    signature: Signature
    names: Names
    node: type[Node] | None = None  # None: it is a graph

    @cached_property
    def settings(self) -> Collection[str]:
        """The names of its config fields; a graph has none."""
        return self.node.Config.model_fields if self.node else ()

    def path(self, *parts: str | int) -> Path:
        """The place of a part of it in the document."""
        return ("nodes", self.id, *parts)

    def tell(self, parts: Path, message: str, hint: str = "", key: bool = False) -> None:
        """What is wrong with a part of it, or with the key there."""
        self.names.tell(self.path(*parts), f"step '{self.id}': {message}", hint, key)

    def inputs_like(self, name: str) -> str:
        """A hint for the name of an input that it does not have."""
        return did_you_mean(name, self.signature.inputs) or f"It has: {self.signature.takes}."
