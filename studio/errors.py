"""Every error the Studio raises, and the exit code each one means.

StudioError                    1  anything below
├── UsageError                 2  the command or the call is wrong
├── GraphError                 3  the graph is wrong: all its problems at once, each with its place
├── InputError                 3  what was given to a run (or to a node) does not fit
├── StepError                  1  steps of a run failed (or the code of what made them fail)
├── StoreError                 1  the cache folder cannot be used as asked, or what it lost not be made again
├── Cancelled                130  the run was stopped by its caller
└── EnvironmentMissing         5  this machine lacks something
    ├── ResourcesMissing          a step asks for more than the machine has
    ├── MissingExtra              a library that an optional extra brings
    ├── MissingVariable           an environment variable that the graph names
    └── ModelUnavailable          weights that are neither here nor reachable
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = [
    "Cancelled",
    "EnvironmentMissing",
    "GraphError",
    "InputError",
    "MissingExtra",
    "MissingVariable",
    "ModelUnavailable",
    "Problem",
    "ResourcesMissing",
    "StepError",
    "StoreError",
    "StudioError",
    "UsageError",
    "did_you_mean",
]


_MOST_SHOWN = 50


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with a graph: where, what is, and the way out."""

    file: str
    line: int  # from 1; 0 when the graph has no text
    column: int  # from 1
    message: str
    hint: str = ""

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" + (f"\n    {self.hint}" if self.hint else "")


class StudioError(Exception):
    """The root of all errors that the Studio raises on purpose."""

    exit_code = 1


class UsageError(StudioError):
    """The command line or the call asks for something that does not exist."""

    exit_code = 2


class GraphError(StudioError):
    """A graph that cannot be run, with every problem found in it."""

    exit_code = 3

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        shown = [str(problem) for problem in self.problems[:_MOST_SHOWN]]
        if (more := len(self.problems) - len(shown)) > 0:
            shown.append(f"… and {more} more problems")
        super().__init__("\n".join(shown))

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.problems,))


class InputError(StudioError):
    """A value that does not fit where it was given."""

    exit_code = 3


class StepError(StudioError):
    """Steps that failed; `failures` maps each step's id to its message."""

    def __init__(self, failures: dict[str, str], exit_code: int = 1) -> None:
        self.failures = failures
        self.exit_code = exit_code
        super().__init__("\n".join(f"step '{step}' failed: {why}" for step, why in failures.items()))

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.failures, self.exit_code))


class StoreError(StudioError):
    """The cache folder is missing, foreign or unusable for what was asked, or a value of it is gone for good."""


class Cancelled(StudioError):
    """The run was stopped before its end by the one who started it."""

    exit_code = 130


class EnvironmentMissing(StudioError):
    """Something that the graph needs is not on this machine."""

    exit_code = 5


class ResourcesMissing(EnvironmentMissing):
    """A step asks for more than any machine at hand has."""


class MissingVariable(EnvironmentMissing):
    """An environment variable that a graph names is not set."""


class ModelUnavailable(EnvironmentMissing):
    """Weights that are not on this machine and could not be fetched."""


class MissingExtra(EnvironmentMissing):
    """A library that one of the optional extras brings is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(f"needs the package '{package}'; install it with: pip install 'icode-studio[{extra}]'")

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.package, self.extra))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that names the nearest known word, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"Did you mean '{near[0]}'?" if near else ""
