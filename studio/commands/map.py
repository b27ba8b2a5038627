"""studio map: a graph, for every row of a data set."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import click

from studio.commands.options import CACHE, EXECUTOR, GRAPH, JSON, opened, tend

__all__ = ["map_"]


@click.command("map")
@GRAPH
@click.argument("data", type=click.Path())
@click.argument("words", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="The folder of the run [runs/GRAPH].")
@click.option("--input", "columns", multiple=True, metavar="NAME=COLUMN", help="Feed an input from this column.")
@click.option("--id", "id_column", default="", metavar="COLUMN", help="The column that tells items apart [id].")
@click.option("--set", "settings", multiple=True, metavar="STEP.FIELD=VALUE", help="Set a step's config, for this run.")
@click.option("--window", type=click.IntRange(1), default=1024, show_default=True, help="Items on their way at a time.")
@click.option("--limit", type=click.IntRange(1), help="Take so many items at most, from the first.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first item that fails.")
@click.option("--max-failures", type=click.IntRange(0), metavar="N", help="Stop when more than N items have failed.")
@click.option("--retry-failed", is_flag=True, help="Try those again that failed before.")
@click.option("--unordered", is_flag=True, help="Write results as they come, not in the order of the data.")
@click.option("--parquet", is_flag=True, help="Write results.parquet, too.")
@EXECUTOR
@CACHE
@click.option("--no-cache", is_flag=True, help="Look nothing up and keep nothing.")
@click.option("--refresh", multiple=True, metavar="STEP", help="Run this step again, whatever is cached.")
@click.option("--only", multiple=True, metavar="OUTPUT", help="Make only this output, with the steps it needs.")
@JSON
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
def map_(graph: str, data: str, words: tuple[str, ...], **given: Any) -> int:
    """Run a graph for every row of a data set.

    DATA is a JSONL, CSV or Parquet file, a folder or pattern of media files, or - for JSONL on stdin: a column
    feeds the input of its name. NAME=VALUE gives an input that is the same for all rows.
    The same command goes on where it was stopped. Exit code 4: some rows failed.
    """
    from studio.cache.cache import Cache
    from studio.commands.arguments import columns_from
    from studio.commands.progress import Board

    stdout, sys.stdout = sys.stdout, sys.stderr  # what nodes and libraries print is no output of ours
    loaded, common, cache = opened(graph, words, given)
    names = ("executor", "window", "limit", "retry_failed", "refresh")
    options = {name: given[name] for name in names} | {"cache": cache, "outputs": given["only"]}
    options |= {"ordered": not given["unordered"], "columns": columns_from(given["columns"]), "id": given["id_column"]}
    folder = given["out"] or Path("runs") / loaded.name
    most = 0 if given["fail_fast"] else given["max_failures"]
    with loaded.results(folder) as results:
        run = loaded.start_map(data, common, options, results)
        try:
            with (
                loaded.reported(run, results, ["studio", *sys.argv[1:]]),
                Board(run, run.total, quiet=given["quiet"]) as board,
                contextlib.closing(run.events()) as events,
            ):
                for event in events:
                    board.hear(event)
                    if most is not None and run.failed > most:
                        break
        except KeyboardInterrupt:
            click.echo(f"stopped; what is done is in {folder}: the same command goes on from there", err=True)
            raise
        summary = run.summary()
        if given["parquet"]:
            results.write_parquet()
    if isinstance(cache, Cache):
        tend(cache)
    click.echo(json.dumps(summary.as_data(), ensure_ascii=False) if given["as_json"] else str(summary), file=stdout)
    return 1 if summary.broken else 4 if summary.all_failed else 0
