"""ItemResult: the outputs of one item of a data set by name, and how it ended."""

from __future__ import annotations

import re
from functools import partial
from typing import Literal

from studio.cache.cache import Cache
from studio.dataset.map import ItemFinished
from studio.run.again import Again
from studio.run.result import Result

__all__ = ["ItemResult", "Status", "failed_steps"]

_FED = re.compile(r": (?:the )?((?:input|column) '[^']*')")  # which of its inputs a row is told to have wrong

_STEP = re.compile(r"^step '([^']+)' failed: ", re.MULTILINE)

Status = Literal["done", "failed"]


def failed_steps(error: str) -> set[str]:
    """The steps that failed, of which an `error` tells; none by name, if it is of what the row was given."""
    return set(_STEP.findall(error)) or {""}


class ItemResult(Result):
    """The outputs of one item by name, each loaded when it is looked at."""

    def __init__(self, finished: ItemFinished, cache: Cache | None, again: Again) -> None:
        """`again` makes an output again whose value is gone."""
        inputs = finished.item.inputs
        super().__init__(cache.store if cache else None, partial(again, inputs) if inputs else None)
        self.id = finished.item.id
        self.artifacts, self.seconds = dict(finished.outputs), finished.seconds
        self.failures = dict(finished.failures)
        self.exit_code = 1 if self.failures else 0

    @property
    def status(self) -> Status:
        """`done` or `failed`."""
        return "failed" if self.failures else "done"

    @property
    def error(self) -> str:
        """What went wrong; nothing if it is done."""
        return "\n".join(f"step '{step}' failed: {why}" if step else why for step, why in self.failures.items())

    @property
    def kind(self) -> str:
        """The kind of its failure: where it was, and what it is called there."""
        for step, why in self.failures.items():
            name = why.partition(":")[0]
            if step:
                return f"{name} in step '{step}'" if name.isidentifier() else f"step '{step}'"
            fed = _FED.search(why)
            return fed[1] if fed else "input"
        return ""
