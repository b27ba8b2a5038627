"""Graph: what a person holds: load it, check it, run it, ask why, draw it."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cache.cache import Cache
from studio.cache.upkeep import prune_at_times
from studio.dataset.columns import media_of
from studio.dataset.item_result import ItemResult
from studio.dataset.map import ItemFinished
from studio.dataset.options import Options
from studio.dataset.ray_data import Udf, udf_of
from studio.dataset.results import ResultsFolder
from studio.dataset.run import DatasetRun
from studio.dataset.sources import open_rows
from studio.errors import Problem, UsageError, did_you_mean
from studio.executors import executor_for, shared
from studio.executors.base import Executor
from studio.language.binder import bind
from studio.language.dependencies import to_networkx
from studio.language.document import Document
from studio.language.draw import draw
from studio.language.plan import Plan
from studio.language.spec import GraphSpec
from studio.node.node import Node
from studio.node.registry import Registry
from studio.page import DatasetPage, Page
from studio.paths import absolute, find_graph, graph_names
from studio.run.again import Again
from studio.run.events import Event
from studio.run.inputs import Inputs
from studio.run.provisioning import Found
from studio.run.reasons import Given
from studio.run.result import Result
from studio.run.run import Run
from studio.run.subplan import Subplan
from studio.run.trace import Trace
from studio.run.why import Verdict, why

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Graph", "load"]


def load(
    source: str | Path | Mapping[str, Any],
    *,
    nodes: Iterable[type[Node]] = (),
    settings: Mapping[str, Any] | None = None,
) -> Graph:
    """A graph: from a YAML file, the bare name of a shipped one, YAML text (any with a line break), or a mapping.

    nodes: classes of your own, which the graph names by their class names.
    settings: config to set over what the graph says: {"hear.model": "small"}; of a graph inside it,
        {"dubbed/hear.model": "small"}.
    GraphError tells, with their places, what keeps the text from being read; `check` tells the rest.
    """
    document = _document(source)
    chosen = dict(settings or {})
    own = {name: value for name, value in chosen.items() if "/" not in name}
    inner = {name: value for name, value in chosen.items() if "/" in name}
    return Graph(GraphSpec.of(document, own), Registry(nodes, document.folder), inner)


class Graph:
    """A DAG of steps with named inputs and outputs. It holds no state of any run: use it from many threads."""

    def __init__(self, spec: GraphSpec, registry: Registry, settings: Mapping[str, Any] | None = None) -> None:
        """The settings are those of graphs inside it: {"dubbed/hear.model": "small"}."""
        self._spec = spec
        self._registry = registry
        self._settings = settings or {}

    def __reduce__(self) -> tuple[Any, ...]:
        return (Graph, (self._spec, self._registry, self._settings))  # not its plan: another process binds its own

    @functools.cached_property
    def plan(self) -> Plan:
        """The graph with its nodes found, wired and typed; GraphError holds all that is wrong."""
        return bind(self._spec, self._registry, self._settings)

    @property
    def name(self) -> str:
        """What the graph calls itself."""
        return self.plan.name

    def check(self) -> tuple[Problem, ...]:
        """Finds every problem without running or loading anything: GraphError, or the warnings."""
        return self.plan.warnings

    def run(self, *, options: Mapping[str, Any] | None = None, **inputs: Any) -> Result:
        """Runs the graph and waits for its outputs.

        inputs: by name; media as a path, bytes, a PIL image, a numpy array or (samples, rate).
        options: see `Graph.stream`. Raises InputError, StepError, EnvironmentMissing.
        """
        return _to_the_end(*self.start(inputs, options))

    async def arun(self, *, options: Mapping[str, Any] | None = None, **inputs: Any) -> Result:
        """As `run`, without blocking the running loop; cancelling it stops the run."""
        import asyncio

        run, result = await asyncio.to_thread(self.start, inputs, options)
        try:
            return await asyncio.to_thread(_to_the_end, run, result)
        except asyncio.CancelledError:
            run.cancel()
            raise

    def stream(self, *, options: Mapping[str, Any] | None = None, **inputs: Any) -> Iterator[Event]:
        """Runs the graph and yields what happens, as events; closing the iterator cancels the run.

        options: executor ("auto", "ray", "local", "warm", or an Executor), cache (a folder, a Cache, or False
        for none), refresh (steps to run again), outputs (those wanted; steps that none of them needs do not run).
        """
        run, _ = self.start(inputs, options)
        return run.events()

    def start(self, inputs: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> tuple[Run, Result]:
        """A run that has not begun, and the result that is to hear its events: for those who watch and collect."""
        chosen = {"executor": "auto", "cache": None, "refresh": (), "outputs": ()} | dict(options or {})
        self._must_know(chosen, ("executor", "cache", "refresh", "outputs"))
        self._must_have("step", chosen["refresh"], self.plan.steps)
        self._must_have("output", chosen["outputs"], self.plan.outputs)
        cache = _cache(chosen["cache"])
        subplan = Subplan(self.plan, chosen["outputs"] or self.plan.outputs)
        given = Inputs(self.plan, subplan.edges, inputs, cache)
        again = Again(self.plan, None, cache, _executor(chosen["executor"]), lambda: shared("local"), Found())
        run = Run(
            subplan,
            given,
            cache=cache,
            executor=again.executor,
            inline=again.inline,
            refresh=frozenset(chosen["refresh"]),
            found=again.found,
        )
        return run, Result(cache.store if cache else None, functools.partial(again, given.unopened()))

    def map(
        self,
        rows: Any,
        *,
        columns: Mapping[str, str] | None = None,
        resume: str | Path | None = None,
        options: Mapping[str, Any] | None = None,
        **inputs: Any,
    ) -> Mapped:
        """Runs the graph for every row of a data set, many at a time: iterate it (`for`, or `async for`).

        rows: mappings, or the path of a JSONL, CSV or Parquet file, a folder or a pattern of media.
        columns: the column that feeds an input, where it has another name: {"speech": "path"}.
        resume: a folder for results; what it already holds, and is still right, is passed over.
        options: those of `stream`, and window (items on their way at a time), ordered, limit, retry_failed, id
            (the column that tells items apart). inputs: the same for all rows.
        A row that fails is a result like others: its `status` is "failed", and its `error` says why.
        """
        chosen = dict(options or {}) | ({"columns": columns} if columns else {})
        results = self.results(absolute(resume)) if resume else None
        run = self.start_map(rows, inputs, chosen, results)
        return Mapped(self, run, results)

    def start_map(
        self,
        rows: Any,
        common: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
        results: ResultsFolder | None = None,
    ) -> DatasetRun:
        """A run over a data set that has not begun, for those who watch it; `folder` is where its results go."""
        fields = Options.__dataclass_fields__
        chosen = {"executor": "auto", "cache": None} | dict(options or {})
        self._must_know(chosen, {"executor", "cache", *fields})
        given = {name: value for name, value in chosen.items() if name in fields}
        for name, what, known in (("refresh", "step", self.plan.steps), ("outputs", "output", self.plan.outputs)):
            self._must_have(what, given.get(name, ()), known)
            given[name] = frozenset(given.get(name, ()))
        return DatasetRun(
            self.plan,
            open_rows(rows, media_of(self.plan, common), results.folder if results else None),
            common,
            Options(**given),
            results=results,
            cache=_cache(chosen["cache"]),
            executor=_executor(chosen["executor"]),
            inline=lambda: shared("local"),
        )

    def as_udf(
        self,
        columns: Mapping[str, str] | None = None,
        outputs: Iterable[str] | None = None,
        options: Mapping[str, Any] | None = None,
        **inputs: Any,
    ) -> type[Udf]:
        """A class for Ray Data's `map_batches`: each batch comes back with a column for every output, and `error`.

        columns, inputs: as those of `map`. outputs: those wanted; without, all that a row gives by itself.
        options: executor ("local": Ray Data does the scaling), cache, refresh, window, and media: a folder for
            sound, pictures and films, whose columns then hold paths instead of bytes.
        """
        chosen = {"executor": "local"} | dict(options or {})
        self._must_know(chosen, ("executor", "cache", "refresh", "window", "media"))
        media = chosen.pop("media", None)
        self._must_have("output", outputs or (), self.plan.outputs)
        told = chosen | {"columns": dict(columns or {}), "outputs": self._of_each_row(outputs)}
        told["cache"] = _cache(chosen.get("cache")) or False  # that of here, whatever a worker's environment says
        self.start_map([], inputs, told)  # what is wrong is said here, and not by every worker
        return udf_of(self, inputs, told, media, self._registry.own)

    def _of_each_row(self, outputs: Iterable[str] | None) -> list[str]:
        """The outputs that a batch can give: those made of all rows are not its own."""
        by_row = [name for name, edge in self.plan.outputs.items() if self.plan.scope_of([edge]) == "item"]
        if over_all := [name for name in outputs or () if name not in by_row]:
            raise UsageError(
                f"the output '{over_all[0]}' is made once of all rows, and a batch is not all: use graph.map"
            )
        wanted = list(by_row if outputs is None else outputs)
        if not wanted:
            raise UsageError(f"'{self.name}' gives no output for a row, so there is no column to add: use graph.map")
        if "error" in wanted:
            raise UsageError(f"the output 'error' of '{self.name}' would stand in the column of errors: rename it")
        return wanted

    def results(self, folder: str | Path) -> ResultsFolder:
        """The folder that the results of this graph over a data set go to."""
        text = self.plan.path.read_text() if self.plan.path.is_file() else ""
        return ResultsFolder.open(Path(folder), {"graph": self.name, "text": text})

    @contextlib.contextmanager
    def reported(self, run: DatasetRun, results: ResultsFolder, command: Sequence[str] = ()) -> Iterator[None]:
        """Lets a run over a data set happen inside; however it ends, its page is written beside the results then.

        command: the words that a person typed for it, if it was a command.
        """
        try:
            yield
        finally:
            try:
                DatasetPage(self.plan, run, results, command).save()
            except Exception as error:  # a night's work is not to end in an error because of its report
                warnings.warn(f"the report of '{results.folder}' could not be written: {error}", stacklevel=2)

    def why(self, *, options: Mapping[str, Any] | None = None, **inputs: Any) -> list[Verdict]:
        """For each step, whether its result is known, and if not, which part of its key is new."""
        cache = _cache((options or {}).get("cache"))
        if cache is None:
            raise UsageError("without a cache every step runs: there is nothing to explain")
        return why(self.plan, inputs, cache)

    def page(self, inputs: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> Page:
        """A page that is to hear the events of a run on these inputs, with these options; made before the run."""
        chosen = {"cache": None, "refresh": (), "outputs": ()} | dict(options or {})
        cache, refresh, outputs = _cache(chosen["cache"]), frozenset(chosen["refresh"]), frozenset(chosen["outputs"])
        return Page(self.plan, Given(inputs, cache, refresh, outputs))

    def trace(self) -> Trace:
        """A trace that is to hear the events of a run."""
        return Trace(id for id, step in self.plan.steps.items() if step.definition.node.inline)

    def draw(self, form: str = "text") -> str:
        """The graph as `text`, `mermaid` or `svg`."""
        return draw(self.plan, form)

    def to_networkx(self) -> nx.MultiDiGraph[str]:
        """The graph for networkx: what stands before a step, the longest way, a file in GraphML.

        Nodes are steps by their ids, those of graphs inside among them (`hear`, `dubbed/hear`), and
        `input:NAME` and `output:NAME`. All have a `kind` ("step", "input", "output"); steps have `use`,
        `scope` and `each` (the ports, with commas), inputs and outputs `type`, inputs `required`.
        Every wire is an edge of its own, straight from what makes a value to what reads it: `source_port`
        and `target_port` (empty at inputs and outputs), the `type` of what is made, the `form` ("one",
        "many", "first", "filled", "rows") and the `role`: "input", "output", "when" (a condition reads it) or
        "instead" (what stands in if the step fails). The attributes are texts and bools.
        GraphError holds all that is wrong with the graph.
        """
        return to_networkx(self.plan)

    def _must_know(self, chosen: Iterable[str], known: Iterable[str]) -> None:
        for name in chosen:
            if name not in known:
                raise UsageError(f"unknown option '{name}'; there are: {', '.join(known)}")

    def _must_have(self, what: str, names: Iterable[str], known: Mapping[str, object]) -> None:
        for name in names:
            if name not in known:
                hint = did_you_mean(name, known) or f"There are: {', '.join(known)}."
                raise UsageError(f"'{self.name}' has no {what} '{name}'. {hint}")


def _to_the_end(run: Run, result: Result) -> Result:
    run.finish(result)
    if run.cache is not None:
        prune_at_times(run.cache)
    return result.require()


class Mapped:
    """The results of a graph over a data set, as they come. Leaving the loop stops what is on its way."""

    def __init__(self, graph: Graph, run: DatasetRun, results: ResultsFolder | None) -> None:
        self.run = run
        self._graph, self._results = graph, results
        self._begun = False

    def __iter__(self) -> Iterator[ItemResult]:
        if self._begun:
            raise UsageError("these results were gone through already: keep them in a list, or call map again")
        self._begun = True
        with contextlib.ExitStack() as around:
            if self._results is not None:
                around.enter_context(self._results)
                around.enter_context(self._graph.reported(self.run, self._results))
            for event in around.enter_context(contextlib.closing(self.run.events())):
                if isinstance(event, ItemFinished):
                    yield ItemResult(event, self.run.cache, self.run.again)
        if self.run.cache is not None:
            self.run.cache.flush()

    async def __aiter__(self) -> AsyncIterator[ItemResult]:
        import asyncio

        results = iter(self)
        try:
            while (result := await asyncio.to_thread(next, results, None)) is not None:
                yield result
        except asyncio.CancelledError:
            self.run.cancel()
            raise


def _executor(given: Any) -> Callable[[], Executor]:
    return functools.cache(lambda: given if isinstance(given, Executor) else executor_for(given))


def _cache(given: Any) -> Cache | None:
    if given is False:
        return None
    return given if isinstance(given, Cache) else Cache(given)


def _document(source: str | Path | Mapping[str, Any]) -> Document:
    if isinstance(source, Mapping):
        return Document.of(dict(source))
    if isinstance(source, str) and "\n" in source:
        return Document.read(source, "<text>")
    path = find_graph(str(source))
    if not path.is_file():
        shipped = graph_names()
        hint = did_you_mean(path.stem, shipped) or f"Shipped graphs: {', '.join(shipped)}."
        raise UsageError(f"there is no graph '{source}': neither a file nor a shipped one. {hint}")
    return GraphSpec.document(path)
