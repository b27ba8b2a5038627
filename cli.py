"""The command `studio`: each command parses its words, makes one call and prints.

Everything heavy is imported by the command that needs it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from studio import Cache, Graph, Result

JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, for programs.")
CACHE = click.option("--cache", "cache", type=click.Path(path_type=Path), help="The cache folder [$STUDIO_CACHE].")

EXECUTOR = click.option(
    "--executor",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "ray", "local", "warm"]),
    help="Where tasks run: auto is the Studio that is up, or else a Ray of this run alone.",
)


class _GraphName(click.ParamType):  # type: ignore[type-arg]
    """A graph file or the name of a shipped graph, which the shell can complete."""

    name = "graph"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        from studio.home import graph_names

        shipped = [CompletionItem(name) for name in graph_names() if name.startswith(incomplete)]
        return [*shipped, CompletionItem(incomplete, type="file")]


class _NodeName(click.ParamType):  # type: ignore[type-arg]
    """The name of a node, which the shell can complete."""

    name = "node"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        from studio.registry import Registry

        return [CompletionItem(name) for name in Registry().names() if name.startswith(incomplete)]


GRAPH = click.argument("graph", type=_GraphName())


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=lambda c, _, on: _version(c, on))
def cli() -> None:
    """Graphs of AI models from YAML: checked, run in parallel on Ray, every step cached by content."""


@cli.command()
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
    import studio
    from studio.report import Report

    stdout, sys.stdout = sys.stdout, sys.stderr  # what nodes and libraries print is no output of ours
    loaded, inputs, cache = _opened(graph, words, given)
    options = {"executor": given["executor"], "cache": cache, "refresh": given["refresh"], "outputs": given["only"]}
    run_, result = loaded.start(inputs, options)
    writers = _writers(loaded, inputs, options, given)
    with Report(quiet=given["quiet"], debug=given["debug"]) as report:
        for event in run_.events():
            for listener in (result, report, *writers):
                listener.hear(event)
    saved = _save(result, given["out"])
    unwritten = [why for writer, path in writers.items() if (why := _unwritten(writer, path))]
    if isinstance(cache, studio.Cache):
        _tend(cache)
    told = json.dumps(result.as_json(saved), ensure_ascii=False) if given["as_json"] else result.summary(saved)
    click.echo(told, file=stdout)
    for step, why in result.failures.items():
        _tell_error(f"step '{step}' failed: {why}")
    for why in unwritten:
        _tell_error(why)
    return max(result.exit_code, 1 if unwritten else 0)


@cli.command("map")
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
    import studio
    from studio.board import Board
    from studio.words import columns_from

    stdout, sys.stdout = sys.stdout, sys.stderr  # what nodes and libraries print is no output of ours
    loaded, common, cache = _opened(graph, words, given)
    names = ("executor", "window", "limit", "retry_failed", "refresh")
    options = {name: given[name] for name in names} | {"cache": cache, "outputs": given["only"]}
    options |= {"ordered": not given["unordered"], "columns": columns_from(given["columns"]), "id": given["id_column"]}
    folder = given["out"] or Path("runs") / loaded.name
    most = 0 if given["fail_fast"] else given["max_failures"]
    with loaded.ledger(folder) as ledger:
        run = loaded.start_map(data, common, options, ledger)
        try:
            with (
                loaded.reported(run, ledger, ["studio", *sys.argv[1:]]),
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
            ledger.write_parquet()
    if isinstance(cache, studio.Cache):
        _tend(cache)
    click.echo(json.dumps(summary.as_data(), ensure_ascii=False) if given["as_json"] else str(summary), file=stdout)
    return 1 if summary.broken else 4 if summary.all_failed else 0


@cli.command()
@click.argument("graphs", nargs=-1, required=True, type=_GraphName())
@JSON
def check(graphs: tuple[str, ...], as_json: bool) -> int:
    """Find every problem of graphs, without loading a model."""
    import studio

    found: list[dict[str, Any]] = []
    for name in graphs:
        try:
            problems, fatal = studio.load(name).check(), False
        except studio.GraphError as error:
            problems, fatal = error.problems, True
        found.append({"graph": name, "ok": not fatal, "problems": [vars(problem) for problem in problems]})
        if not as_json:
            _print_checked(name, fatal, problems)
    if as_json:
        click.echo(json.dumps(found if len(found) > 1 else found[0], ensure_ascii=False))
    return 0 if all(item["ok"] for item in found) else 3


@cli.command()
@GRAPH
@click.option("--format", "form", default="text", show_default=True, type=click.Choice(["text", "mermaid", "svg"]))
def show(graph: str, form: str) -> None:
    """Draw a graph."""
    import studio

    click.echo(studio.load(graph).draw(form))


@cli.command()
@GRAPH
@click.argument("words", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--set", "settings", multiple=True, metavar="STEP.FIELD=VALUE", help="Set a step's config.")
@CACHE
@JSON
def why(graph: str, words: tuple[str, ...], settings: tuple[str, ...], cache: Path | None, as_json: bool) -> None:
    """Say for each step whether it is cached, and if not, what changed."""
    import studio
    from studio.words import inputs_from, setting_from

    loaded = studio.load(graph, settings=dict(map(setting_from, settings)))
    verdicts = loaded.why(options={"cache": studio.Cache(cache)}, **inputs_from(words, loaded.plan.inputs))
    if as_json:
        click.echo(json.dumps({verdict.step: vars(verdict) for verdict in verdicts}, ensure_ascii=False))
        return
    width = max((len(verdict.step) for verdict in verdicts), default=0)
    for verdict in verdicts:
        told = click.style(str(verdict), fg="green" if verdict.cached else None)
        click.echo(f"{verdict.step:<{width}}  {told}")


@cli.command()
@click.argument("name", required=False, type=_NodeName())
@JSON
def nodes(name: str | None, as_json: bool) -> None:
    """List the nodes, or describe one: ports, config, resources, extra, licence."""
    from studio.catalog import describe, listing, page
    from studio.errors import UsageError
    from studio.registry import NoSuchNode, Registry

    registry = Registry(folder=Path())
    try:
        found = [describe(registry.find(each)) for each in ([name] if name else registry.names())]
    except NoSuchNode as error:
        raise UsageError(f"{error}. {error.hint}".strip()) from None
    if as_json:
        click.echo(json.dumps(found[0] if name else found, ensure_ascii=False, default=str))
    else:
        click.echo(page(found[0]) if name else listing(found))


@cli.command()
@click.option("--models", "models", multiple=True, metavar="NAME", help="Load the models of this graph or node.")
@click.option("--idle", default=15.0, show_default=True, metavar="MINUTES", help="Let unused models go after this.")
def up(models: tuple[str, ...], idle: float) -> None:
    """Start a Studio that stays up: runs find their models loaded.

    --models may be given several times. Models load in the background: `studio status` shows them.
    """
    from studio import standby

    if not idle > 0:
        raise click.BadParameter("more than 0 minutes", param_hint="--idle")
    begun = standby.up(idle)
    click.echo("a Studio is up; end it with: studio down" if begun else "a Studio was up already")
    for name, fits in (standby.preload(models) if models else {}).items():
        click.echo(f"{name}: {'loading' if fits else 'no room for it beside the others'}")


@cli.command()
def down() -> None:
    """End the Studio that is up, with all its processes."""
    from studio import standby

    click.echo("the Studio has ended" if standby.down() else "no Studio was up")


@cli.command()
@JSON
def status(as_json: bool) -> int:
    """Show the Studio that is up: its models, where they are, what they hold (exit code 1 if none is up)."""
    from studio import standby

    found = standby.status()
    if as_json:
        click.echo(json.dumps({"up": found is not None, **(found or {})}))
    else:
        click.echo(standby.page(found) if found else "no Studio is up; start one with: studio up")
    return 0 if found else 1


@cli.command()
def schema() -> None:
    """Print the JSON Schema of graphs, for editors."""
    from studio.catalog import json_schema
    from studio.registry import Registry

    click.echo(json.dumps(json_schema(Registry()), indent=2, ensure_ascii=False))


@cli.group()
def cache() -> None:
    """Look at the cache, check it, tidy it."""


@cache.command("ls")
@click.argument("node", required=False, type=_NodeName())
@CACHE
@JSON
def cache_ls(node: str | None, cache: Path | None, as_json: bool) -> None:
    """List the records (of one node), the last used first."""
    import studio
    from studio.upkeep import describe, entries

    found = list(entries(studio.Cache(cache), node))
    if as_json:
        shown = [
            {"key": e.record.key, "node": e.record.node, "bytes": e.size, "seconds": e.record.seconds} for e in found
        ]
        click.echo(json.dumps(shown))
    else:
        click.echo("\n".join(map(describe, found)) or "the cache is empty")


@cache.command("stats")
@CACHE
@JSON
def cache_stats(cache: Path | None, as_json: bool) -> None:
    """Show the cache in figures."""
    import studio
    from studio.resources import show_bytes
    from studio.upkeep import stats

    found = stats(studio.Cache(cache))
    if as_json:
        click.echo(json.dumps(vars(found), default=str))
        return
    click.echo(f"{found.folder}\n{found.records} records, {found.blobs} blobs, {show_bytes(found.size)}")
    click.echo(f"{found.seconds:.1f} s of computing kept; {found.quarantined} files in quarantine")
    for node, count in sorted(found.nodes.items()):
        click.echo(f"  {node:<24} {count}")
    if tier := found.tier:
        reached, signed = "answers" if tier["reached"] else "does not answer", "" if tier["signed"] else "not "
        click.echo(f"tier {tier['url']} {reached}; records are {signed}signed; {tier['unshared']} results to share")


@cache.command("verify")
@CACHE
@JSON
def cache_verify(cache: Path | None, as_json: bool) -> int:
    """Hash everything again; what is damaged is set aside (exit code 1)."""
    import studio
    from studio.upkeep import verify

    found = verify(studio.Cache(cache))
    text = f"{found.records} records and {found.blobs} blobs are sound; {found.damaged} were damaged and set aside"
    click.echo(json.dumps(vars(found)) if as_json else text)
    return 1 if found.damaged else 0


@cache.command("prune")
@click.option("--budget", default="20G", show_default=True, help="Bytes to keep, like 500M or 20G.")
@CACHE
@JSON
def cache_prune(budget: str, cache: Path | None, as_json: bool) -> None:
    """Let the least worthy records go until the rest fits a budget."""
    import studio
    from studio.resources import parse_bytes, show_bytes
    from studio.upkeep import prune

    try:
        size = parse_bytes(budget)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--budget") from None
    gone, freed = prune(studio.Cache(cache), size)
    shown = {"records": gone, "bytes": freed}
    click.echo(json.dumps(shown) if as_json else f"{gone} records went, {show_bytes(freed)} freed")


@cache.command("clear")
@CACHE
@click.option("--yes", is_flag=True, help="Do not ask.")
def cache_clear(cache: Path | None, yes: bool) -> None:
    """Empty the cache."""
    import studio
    from studio.resources import show_bytes
    from studio.upkeep import clear

    found = studio.Cache(cache)
    if not yes:
        click.confirm(f"Empty {found.folder}?", abort=True)
    click.echo(f"{show_bytes(clear(found))} freed")


def _tend(cache: Cache) -> None:
    """What a command does for its cache at the end: results go where others share them, and old ones go."""
    from studio.upkeep import prune_at_times

    left = cache.flush()
    for message in cache.news():
        click.echo(f"warning: {message}", err=True)
    if left:
        click.echo(f"{left} results wait to be shared: a later run sends them", err=True)
    prune_at_times(cache)


def _version(context: click.Context, asked: bool) -> None:
    """Print the version."""
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            click.echo(f"studio {version('icode-studio')}")
        except PackageNotFoundError:
            click.echo("studio, from a checkout that is not installed")
        context.exit()


def _opened(graph: str, words: tuple[str, ...], given: dict[str, Any]) -> tuple[Graph, dict[str, Any], Any]:
    """The graph that a command names, the inputs that its words give, and the cache (False for none)."""
    import studio
    from studio.words import inputs_from, setting_from

    if given["no_cache"] and given["cache"]:
        raise click.UsageError("--cache and --no-cache exclude each other")
    loaded = studio.load(graph, settings=dict(map(setting_from, given["settings"])))
    inputs = inputs_from(words, loaded.plan.inputs)
    cache = False if given["no_cache"] else studio.Cache(given["cache"])
    _show_warnings_plainly()
    return loaded, inputs, cache


def _show_warnings_plainly() -> None:
    """Ours as one line; those of libraries as they are."""
    import warnings

    show = warnings.showwarning

    def ours(message: Warning | str, category: type[Warning], *more: Any) -> None:
        if category.__name__ == "StandingApart":
            click.echo(f"warning: {message}", err=True)
        else:
            show(message, category, *more)

    warnings.showwarning = ours  # type: ignore[assignment]


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


def _print_checked(name: str, fatal: bool, problems: Any) -> None:
    for problem in problems:
        click.echo(str(problem) if fatal else f"warning: {problem}", err=True)
    if not fatal:
        click.echo(f"{name}: {click.style('ok', fg='green')}")


def main() -> int:
    """Runs the command; the exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = cli.main(prog_name="studio", standalone_mode=False, color=_color())
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, click.Abort):
        _stop_at_once()
    except click.ClickException as error:
        error.show()
        return 2
    except BrokenPipeError:  # the reader of our output has gone
        os._exit(0)
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> int:
    from studio.errors import StudioError

    if not isinstance(error, StudioError):
        raise error
    if "--json" in sys.argv:
        problems = [vars(problem) for problem in getattr(error, "problems", ())]
        told = {"error": str(error), "exit_code": error.exit_code, "problems": problems}
        click.echo(json.dumps(told, ensure_ascii=False), file=sys.__stdout__)
    _tell_error(str(error))
    return error.exit_code


def _tell_error(message: str) -> None:
    click.echo(f"{click.style('error:', fg='red', bold=True)} {message}", err=True, color=_color())


def _color() -> bool | None:
    """No colour where NO_COLOR asks for none; otherwise as the terminal bears it."""
    return False if os.environ.get("NO_COLOR") else None


def _terminated(*_: object) -> None:
    raise KeyboardInterrupt


def _stop_at_once() -> NoReturn:
    """Ends in the middle of things; what is cached is whole at any moment."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    click.echo("interrupted", err=True)
    end(130)


def end(code: int) -> NoReturn:
    """Ends the process with its workers. A Ray of its own is not asked to end, which would take it seconds."""
    if "ray" not in sys.modules and code != 130:
        sys.exit(code)
    if executors := sys.modules.get("studio.executors"):
        executors.abandon_all()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    end(main())
