"""Keys: from a step and its inputs to the key of a task, or why it has none. The one home of that; it looks nothing up.

A key is the digest of all that decides a step's outputs, and of nothing else: not the step's id, not
its resources, no path and no time. Because inputs enter by content, a step that runs again and gives
the same leaves everything after it cached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from pydantic import BaseModel

from studio.cache.cache import Cache
from studio.cache.record import SCHEME, Basis, Record
from studio.errors import ModelUnavailable
from studio.language.plan import Step
from studio.node.config import digest_of
from studio.node.source import source_digest
from studio.run.parts import StepParts
from studio.values.artifact import Artifact
from studio.values.digest import Uncacheable

__all__ = ["Keys", "TaskKey"]


class TaskKey(NamedTuple):
    """The key of a task and what it is made of; or why the task has none."""

    key: str = ""
    basis: Basis | None = None
    missing: str = ""  # why there is no key


class Keys:
    """Those of the tasks of one plan, for one cache."""

    def __init__(self, cache: Cache, graph: str, config: Callable[[Step], BaseModel]) -> None:
        """`config` gives the config of a step, its environment variables read."""
        self._cache, self._graph, self._config = cache, graph, config
        self._parts = StepParts(lambda: cache.salt, cache.files)
        self._bases: dict[str, Basis] = {}

    def of(self, step: Step, inputs: Mapping[str, Artifact]) -> TaskKey:
        """The key of a task that is given these inputs."""
        try:
            basis = self.basis(step)
            return TaskKey(basis.key(inputs), basis)
        except (Uncacheable, ModelUnavailable) as error:
            return TaskKey(missing=str(error))

    def basis(self, step: Step) -> Basis:
        """What the keys of a step's tasks have in common.

        Uncacheable says what has no canonical form; ModelUnavailable that the weights are not here yet: then
        it is asked for again.
        """
        if step.id not in self._bases:
            self._bases[step.id] = self._made(step, self._config(step))
        return self._bases[step.id]

    def news(self, step: Step, inputs: Mapping[str, Artifact], among: Sequence[Record] | None = None) -> list[str]:
        """Why a task that is given these inputs is not known: what sets its key apart from the nearest one.

        among: the records to compare with, if not those that are there now.
        """
        if step.cache != "auto":
            return [f"the graph says cache: {step.cache}"]
        named = self.of(step, inputs)
        if named.basis is None:
            return [f"cannot be cached: {named.missing}"]
        return self._cache.changes(named.basis, inputs, among)

    def _made(self, step: Step, config: BaseModel) -> Basis:
        node = step.definition.node
        if not node.repeatable(config):
            raise Uncacheable("it samples without a seed")
        parts = {
            "scheme": SCHEME,
            "node": step.definition.name,
            "version": node.version,
            "source": source_digest(node, self._cache.files.view),
            **self._parts.of(step, config),
        }
        return Basis(parts, digest_of(parts), f"{self._graph}: {step.id}")
