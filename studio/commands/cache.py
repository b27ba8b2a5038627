"""studio cache: what is in it, is it sound, what may go."""

from __future__ import annotations

import json
from pathlib import Path

import click

from studio.commands.options import CACHE, JSON, NodeName

__all__ = ["cache"]


@click.group()
def cache() -> None:
    """Look at the cache, check it, tidy it."""


@cache.command("ls")
@click.argument("node", required=False, type=NodeName())
@CACHE
@JSON
def cache_ls(node: str | None, cache: Path | None, as_json: bool) -> None:
    """List the records (of one node), the last used first."""
    from studio.cache.cache import Cache
    from studio.cache.upkeep import describe, entries

    found = list(entries(Cache(cache), node))
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
    from studio.cache.cache import Cache
    from studio.cache.upkeep import stats
    from studio.units import show_bytes

    found = stats(Cache(cache))
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
    from studio.cache.cache import Cache
    from studio.cache.upkeep import verify

    found = verify(Cache(cache))
    text = f"{found.records} records and {found.blobs} blobs are sound; {found.damaged} were damaged and set aside"
    click.echo(json.dumps(vars(found)) if as_json else text)
    return 1 if found.damaged else 0


@cache.command("prune")
@click.option("--budget", default="20G", show_default=True, help="Bytes to keep, like 500M or 20G.")
@CACHE
@JSON
def cache_prune(budget: str, cache: Path | None, as_json: bool) -> None:
    """Let the least worthy records go until the rest fits a budget."""
    from studio.cache.cache import Cache
    from studio.cache.upkeep import prune
    from studio.units import parse_bytes, show_bytes

    try:
        size = parse_bytes(budget)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--budget") from None
    pruned = prune(Cache(cache), size)
    if as_json:
        click.echo(json.dumps({"records": pruned.records, "bytes": pruned.freed, "spared": pruned.spared}))
        return
    click.echo(f"{pruned.records} records went, {show_bytes(pruned.freed)} freed")
    if pruned.spared:
        click.echo(f"{pruned.spared} more were used within the last hour, and stay: the budget is not met yet")


@cache.command("clear")
@CACHE
@click.option("--yes", is_flag=True, help="Do not ask.")
def cache_clear(cache: Path | None, yes: bool) -> None:
    """Empty the cache."""
    from studio.cache.cache import Cache
    from studio.cache.upkeep import clear
    from studio.units import show_bytes

    found = Cache(cache)
    if not yes:
        click.confirm(f"Empty {found.folder}?", abort=True)
    click.echo(f"{show_bytes(clear(found))} freed")
