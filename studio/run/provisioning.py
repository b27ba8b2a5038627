"""Provisioning: the workers that the steps of a run need: by what recipe, whether they fit, and when to set them up.

It asks executors, and gives them nothing to do.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pydantic import BaseModel

from studio.cache.cache import Cache
from studio.cache.file_digests import FileDigests
from studio.executors.base import Executor
from studio.executors.surroundings import Surroundings
from studio.executors.task import Recipe
from studio.language.plan import Step
from studio.node.node import Node
from studio.run.action import Owner
from studio.run.recipes import recipe_of
from studio.run.subplan import Subplan
from studio.values.digest import Uncacheable

__all__ = ["Found", "Provisioning"]


@dataclass(frozen=True)
class Found:
    """What was found when a run was asked for, and holds for all of it: where, and the configs of steps."""

    surroundings: Surroundings = field(default_factory=Surroundings.here)
    configs: dict[str, BaseModel] = field(default_factory=dict)  # by step; their variables are read once


class Provisioning:
    """That of one run."""

    def __init__(
        self,
        subplan: Subplan,
        cache: Cache | None,
        executor: Callable[[], Executor],
        inline: Callable[[], Executor],
        found: Found,
    ) -> None:
        """`executor` and `inline` are called when they are first needed: a fully cached run needs neither.

        The configs found may be some only; others are added.
        """
        self._subplan, self._cache = subplan, cache
        self._executors = {False: executor, True: inline}
        # Read before anything runs: a variable of the environment that is missing is told at once.
        self._configs, self._surroundings = found.configs, found.surroundings
        for id in subplan.steps.keys() & subplan.first:
            self.config(subplan.steps[id])
        self._recipes: dict[str, Recipe] = {}
        self._left = dict(subplan.steps)  # steps of which it is not known yet whether their workers fit
        self._prepared: set[str] = set()  # steps whose workers have been asked for

    def executor(self, step: Step) -> Executor:
        """Where the tasks of a step run."""
        return self._executors[step.definition.node.inline]()

    def config(self, step: Step) -> BaseModel:
        """The config of a step, its variables read once."""
        if step.id not in self._configs:  # it was not needed when the run began
            self._configs[step.id] = step.config()
        return self._configs[step.id]

    def recipe(self, step: Step) -> Recipe:
        """What kind of worker a step needs."""
        if step.id not in self._recipes:
            files = self._cache.files if self._cache else FileDigests.of_process()
            made = recipe_of(step, self.config(step), self.executor(step).machine, files, self._surroundings)
            if self._strays(step):
                made = replace(made, key=f"{made.key} {secrets.token_hex(8)}", once=True)
            self._recipes[step.id] = made
        return self._recipes[step.id]

    def close(self) -> None:
        """The run is over: workers that no other run can use go."""
        for id, recipe in self._recipes.items():
            if recipe.once:
                self.executor(self._subplan.steps[id]).release(recipe)

    def config_of_key(self, step: Step) -> BaseModel:
        """The config of a step whose key is made from it now; Uncacheable where what its weights are cannot be told."""
        if self._strays(step):
            raise Uncacheable("the working folder is another than when the run was asked for")
        return self.config(step)

    def _strays(self, step: Step) -> bool:
        """Whether the paths of weights may mean something else here, by now, than where they are set up."""
        speaks = step.definition.node.identity.__func__ is not Node.identity.__func__  # type: ignore[attr-defined]
        return speaks and self._surroundings.left

    def admit(self, owner: Owner) -> None:
        """Before anything runs: can everything run that may have to? ResourcesMissing says what cannot.

        InputError, from the owner, says what it was given that is not sound.
        """
        fresh = [step for id, step in self._left.items() if owner.is_open(id)]
        for step in fresh:
            self.executor(step).require(step.id, self.recipe(step))
        owner.admit()
        for step in fresh:
            del self._left[step.id]
        if not all(step.definition.node.inline for step in fresh):
            self._executors[False]().wake()

    def prepare_after(self, step: Step, owner: Owner) -> None:
        """While a step runs, workers for what will follow it are set up, where there is room."""
        if step.id in self._prepared:
            return
        self._prepared.add(step.id)
        pending = deque(self._subplan.followers[step.id])
        while pending:
            id = pending.popleft()
            if id in self._prepared or not owner.is_open(id) or not self._will_run(id):
                continue
            self._prepared.add(id)
            follower = self._subplan.steps[id]
            if not follower.definition.node.inline:
                self.executor(follower).prepare(self.recipe(follower))
            pending.extend(self._subplan.followers[id])

    def _will_run(self, id: str) -> bool:
        """Whether nothing but a failure or the cache can keep a step from running."""
        step = self._subplan.steps[id]
        sources = [source for edge in step.edges.values() for source in edge.sources]
        return not step.when and not any(self._subplan.may_be_absent(source) for source in sources)
