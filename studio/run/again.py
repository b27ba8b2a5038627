"""Again: an output of a run that is over, made again where its value is gone: from the same inputs and settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from studio.cache.cache import Cache
from studio.errors import StoreError, StudioError
from studio.executors.base import Executor
from studio.language.plan import Plan
from studio.run.events import RunFinished, StepFailed
from studio.run.inputs import Inputs
from studio.run.provisioning import Found
from studio.run.run import Run
from studio.run.subplan import Subplan
from studio.values.artifact import Artifact

__all__ = ["Again"]


@dataclass(frozen=True)
class Again:
    """What the outputs of some runs of a plan can be made again by. It keeps nothing that those runs made."""

    plan: Plan
    scope: Literal["item", "dataset"] | None
    cache: Cache | None
    executor: Callable[[], Executor]
    inline: Callable[[], Executor]
    found: Found  # when the runs were asked for

    def __call__(self, inputs: Inputs, name: str) -> Artifact:
        """The output of that name on these inputs. What the cache still knows does not run; StoreError says why not."""
        failures: dict[str, str] = {}
        outputs: Mapping[str, Artifact] = {}
        try:
            for event in self._run(inputs, name).events():
                if isinstance(event, StepFailed) and event.element is None:
                    failures[event.step] = f"step '{event.step}' failed: {event.message}"
                elif isinstance(event, RunFinished):
                    outputs = event.outputs
        except StudioError as error:
            failures[""] = str(error)
        if name not in outputs:
            why = "; ".join(failures.values()) or "nothing gives it"
            raise StoreError(f"the value of the output '{name}' is gone, and could not be made again: {why}")
        return outputs[name]

    def _run(self, inputs: Inputs, name: str) -> Run:
        part = Subplan(self.plan, [name], self.scope)
        return Run(
            part,
            inputs.unopened(part.edges),
            cache=self.cache,
            executor=self.executor,
            inline=self.inline,
            found=self.found,
            waits=False,  # another run of this very thread may be what it would wait for
        )
