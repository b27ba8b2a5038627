"""Phases: the steps of a plan in groups whose models fit into the machine together, in the order of the plan."""

from __future__ import annotations

from collections.abc import Callable

from studio.cache.file_digests import FileDigests
from studio.executors.base import Executor
from studio.executors.task import Recipe
from studio.run.recipes import recipe_of
from studio.run.subplan import Subplan

__all__ = ["phases_of"]


def phases_of(subplan: Subplan, executor: Callable[[], Executor], files: FileDigests) -> list[list[str]]:
    """The ids of the steps, phase by phase; one phase if all models fit together.

    Without phases, models that do not fit make room for each other every so many items. Steps without a worker
    of their own, and those that are never cached, belong to whatever phase they fall into.
    """
    phases: list[list[str]] = [[]]
    recipes: list[Recipe] = []
    for id, step in subplan.steps.items():
        if not step.definition.node.inline and step.cache != "never":
            where = executor()
            recipes.append(recipe_of(step, step.config(), where.machine, files))
            if not where.fit_together(recipes) and phases[-1]:
                phases.append([])
                recipes = recipes[-1:]
        phases[-1].append(id)
    return phases
