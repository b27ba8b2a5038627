"""OnError: what becomes of a step that failed, as its graph says: it fails, is skipped, or another value is used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from studio.executors.task import Failed
from studio.language.plan import Step
from studio.run.events import Event, StepFailed, StepReplaced
from studio.run.scheduler import Consequence, Scheduler

__all__ = ["OnError"]


class OnError:
    """That of one item. What follows for other steps is given back, to be told."""

    def __init__(self, scheduler: Scheduler, tell: Callable[[Event], None], clean: Callable[[str], str]) -> None:
        """Texts are `clean` of secrets before they are told."""
        self._scheduler, self._tell, self._clean = scheduler, tell, clean
        self._failures: dict[str, Failed] = {}  # of steps that something else is to stand in for

    def failed(self, step: Step, failed: Failed) -> list[Consequence]:
        """A step has failed."""
        failed = self.cleaned(failed)
        if step.on_error == "skip":
            self._tell(StepReplaced(step.id, failed.message, failed.trace, failed.log, {}))
            return self._scheduler.skip(step.id)
        if step.on_error == "use":
            self._failures[step.id] = failed
            return self._scheduler.fall_back(step.id)
        return self._lost(step, failed)

    def replaced(self, step: Step) -> list[Consequence]:
        """What was to stand in for the outputs of a failed step has come to its end."""
        failed, outputs = self._failures[step.id], self._scheduler.instead(step.id)
        if outputs is None:
            return self._lost(step, failed)
        self._tell(StepReplaced(step.id, failed.message, failed.trace, failed.log, outputs))
        return self._scheduler.end(step.id, outputs)

    def cleaned(self, failed: Failed) -> Failed:
        """A failure without the secrets that its texts may hold."""
        clean = self._clean
        return replace(failed, message=clean(failed.message), trace=clean(failed.trace), log=clean(failed.log))

    def _lost(self, step: Step, failed: Failed) -> list[Consequence]:
        self._tell(StepFailed(step.id, failed.message, failed.trace, failed.exit_code, failed.log))
        return self._scheduler.fail(step.id)
