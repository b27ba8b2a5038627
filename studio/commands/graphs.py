"""studio check, show, why: what can be told of a graph that does not run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from studio.commands.options import CACHE, GRAPH, JSON, GraphName

__all__ = ["check", "show", "why"]


@click.command()
@click.argument("graphs", nargs=-1, required=True, type=GraphName())
@JSON
def check(graphs: tuple[str, ...], as_json: bool) -> int:
    """Find every problem of graphs, without loading a model."""
    from studio.errors import GraphError
    from studio.graph import load

    found: list[dict[str, Any]] = []
    for name in graphs:
        try:
            problems, fatal = load(name).check(), False
        except GraphError as error:
            problems, fatal = error.problems, True
        found.append({"graph": name, "ok": not fatal, "problems": [vars(problem) for problem in problems]})
        if not as_json:
            _print_checked(name, fatal, problems)
    if as_json:
        click.echo(json.dumps(found if len(found) > 1 else found[0], ensure_ascii=False))
    return 0 if all(item["ok"] for item in found) else 3


@click.command()
@GRAPH
@click.option("--format", "form", default="text", show_default=True, type=click.Choice(["text", "mermaid", "svg"]))
def show(graph: str, form: str) -> None:
    """Draw a graph."""
    from studio.graph import load

    click.echo(load(graph).draw(form))


@click.command()
@GRAPH
@click.argument("words", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--set", "settings", multiple=True, metavar="STEP.FIELD=VALUE", help="Set a step's config.")
@CACHE
@JSON
def why(graph: str, words: tuple[str, ...], settings: tuple[str, ...], cache: Path | None, as_json: bool) -> None:
    """Say for each step whether it is cached, and if not, what changed."""
    from studio.cache.cache import Cache
    from studio.commands.arguments import inputs_from, setting_from
    from studio.graph import load

    loaded = load(graph, settings=dict(map(setting_from, settings)))
    verdicts = loaded.why(options={"cache": Cache(cache)}, **inputs_from(words, loaded.plan.inputs))
    if as_json:
        click.echo(json.dumps({verdict.step: vars(verdict) for verdict in verdicts}, ensure_ascii=False))
        return
    width = max((len(verdict.step) for verdict in verdicts), default=0)
    for verdict in verdicts:
        told = click.style(str(verdict), fg="green" if verdict.cached else None)
        click.echo(f"{verdict.step:<{width}}  {told}")


def _print_checked(name: str, fatal: bool, problems: Any) -> None:
    for problem in problems:
        click.echo(str(problem) if fatal else f"warning: {problem}", err=True)
    if not fatal:
        click.echo(f"{name}: {click.style('ok', fg='green')}")
