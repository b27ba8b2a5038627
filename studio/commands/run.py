"""studio run: a graph, once."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from studio.commands.errors import tell_error
from studio.commands.options import CACHE, EXECUTOR, GRAPH, JSON, opened, tend

if TYPE_CHECKING:
    from studio.graph import Graph
    from studio.run.result import Result


__all__ = ["run"]


@click.command()
@GRAPH
@click.argument("words", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--set", "settings", multiple=True, metavar="STEP.FIELD=VALUE", help="Set a step's config, for this run.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Where outputs go [out/GRAPH].")
@EXECUTOR
@CACHE
@click.option("--no-cache", is_flag=True, help="Look nothing up and keep nothing.")
@click.option("--refresh", multiple=True, metavar="STEP", help="Run this step again, whatever is cached.")
@click.option("--only", multiple=True, metavar="OUTPUT", help="Make only this output, with the steps it needs.")
@click.option(
    "--report", type=click.Path(path_type=Path, dir_okay=False), help="Write a page about the run: an HTML file."
)
@click.option(
    "--trace",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a trace: JSON for Perfetto or chrome://tracing.",
)
@JSON
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
@click.option("--debug", is_flag=True, help="Show the traces of failed steps.")
def run(graph: str, words: tuple[str, ...], **given: Any) -> int:
    """Run a graph on inputs.

    NAME=VALUE gives an input: text, number and bool as they are, JSON for data and lists, a path for media.
    NAME=@FILE reads the value from a file; NAME given again adds to a list.
    """
    from studio.cache.cache import Cache
    from studio.commands.terminal import Report

    stdout, sys.stdout = sys.stdout, sys.stderr  # what nodes and libraries print is no output of ours
    loaded, inputs, cache = opened(graph, words, given)
    options = {"executor": given["executor"], "cache": cache, "refresh": given["refresh"], "outputs": given["only"]}
    run_, result = loaded.start(inputs, options)
    writers = _writers(loaded, inputs, options, given)
    with Report(quiet=given["quiet"], debug=given["debug"]) as report:
        for event in run_.events():
            for listener in (result, report, *writers):
                listener.hear(event)
    saved = _save(result, given["out"])
    unwritten = [why for writer, path in writers.items() if (why := _unwritten(writer, path))]
    if isinstance(cache, Cache):
        tend(cache)
    told = json.dumps(result.as_json(saved), ensure_ascii=False) if given["as_json"] else result.summary(saved)
    click.echo(told, file=stdout)
    for step, why in result.failures.items():
        tell_error(f"step '{step}' failed: {why}")
    for why in unwritten:
        tell_error(why)
    return max(result.exit_code, 1 if unwritten else 0)


def _save(result: Result, out: Path | None) -> dict[str, Any]:
    """Saves outputs: all of them into a folder that was named, media alone into the default one."""
    folder = out or Path("out") / result.graph
    return result.save(folder) if out else result.save(folder, media_only=True)


def _writers(graph: Graph, inputs: dict[str, Any], options: dict[str, Any], given: dict[str, Any]) -> dict[Any, Path]:
    """What hears the run beside its result, and where each of them is to be written."""
    page = {graph.page(inputs, options): given["report"]} if given["report"] else {}
    trace = {graph.trace(): given["trace"]} if given["trace"] else {}
    return {**page, **trace}


def _unwritten(writer: Any, path: Path) -> str:
    """Writes a page or a trace; if it cannot be written, why: what the run gave is not lost for that."""
    try:
        writer.save(path)
    except OSError as error:
        return f"cannot write '{path}': {(error.strerror or str(error)).lower()}"
    return ""
