"""Options: what several commands take, and what they open and tidy for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from studio.cache.cache import Cache
    from studio.graph import Graph


__all__ = ["CACHE", "EXECUTOR", "GRAPH", "JSON", "GraphName", "NodeName", "opened", "tend"]


JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, for programs.")


CACHE = click.option("--cache", "cache", type=click.Path(path_type=Path), help="The cache folder [$STUDIO_CACHE].")


class ExecutorName(click.ParamType):  # type: ignore[type-arg]
    """The name of an executor, of ours or of another package, which the shell can complete."""

    name = "name"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from studio.errors import UsageError
        from studio.executors import NAMES, executor_class

        try:
            if value not in ("auto", *NAMES):  # those need not be loaded for this
                executor_class(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        from studio.executors import known

        return [CompletionItem(name) for name in ("auto", *known()) if name.startswith(incomplete)]


EXECUTOR = click.option(
    "--executor",
    default="auto",
    show_default=True,
    type=ExecutorName(),
    help="Where tasks run: auto (the Studio that is up, or else a Ray of this run alone), ray, local, warm, "
    "or one that a package brings.",
)


class GraphName(click.ParamType):  # type: ignore[type-arg]
    """A graph file or the name of a shipped graph, which the shell can complete."""

    name = "graph"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        from studio.paths import graph_names

        shipped = [CompletionItem(name) for name in graph_names() if name.startswith(incomplete)]
        return [*shipped, CompletionItem(incomplete, type="file")]


class NodeName(click.ParamType):  # type: ignore[type-arg]
    """The name of a node, which the shell can complete."""

    name = "node"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        from studio.node.registry import Registry

        return [CompletionItem(name) for name in Registry().names() if name.startswith(incomplete)]


GRAPH = click.argument("graph", type=GraphName())


def opened(graph: str, words: tuple[str, ...], given: dict[str, Any]) -> tuple[Graph, dict[str, Any], Any]:
    """The graph that a command names, the inputs that its words give, and the cache (False for none)."""
    from studio.cache.cache import Cache
    from studio.commands.arguments import inputs_from, setting_from
    from studio.graph import load

    if given["no_cache"] and given["cache"]:
        raise click.UsageError("--cache and --no-cache exclude each other")
    loaded = load(graph, settings=dict(map(setting_from, given["settings"])))
    inputs = inputs_from(words, loaded.plan.inputs)
    cache = False if given["no_cache"] else Cache(given["cache"])
    _show_warnings_plainly()
    return loaded, inputs, cache


def _show_warnings_plainly() -> None:
    """Ours as one line; those of libraries as they are."""
    import warnings

    show = warnings.showwarning

    def ours(message: Warning | str, category: type[Warning], *more: Any) -> None:
        if category.__name__ == "ServiceApart":
            click.echo(f"warning: {message}", err=True)
        else:
            show(message, category, *more)

    warnings.showwarning = ours  # type: ignore[assignment]


def tend(cache: Cache) -> None:
    """What a command does for its cache at the end: results go where others share them, and old ones go."""
    from studio.cache.upkeep import prune_at_times

    left = cache.flush()
    for message in cache.warnings():
        click.echo(f"warning: {message}", err=True)
    if left:
        click.echo(f"{left} results wait to be shared: a later run sends them", err=True)
    prune_at_times(cache)
