"""studio up, down, status: a Studio that stays up between commands."""

from __future__ import annotations

import json

import click

from studio.commands.options import JSON

__all__ = ["down", "status", "up"]


@click.command()
@click.option("--models", "models", multiple=True, metavar="NAME", help="Load the models of this graph or node.")
@click.option("--idle", default=15.0, show_default=True, metavar="MINUTES", help="Let unused models go after this.")
def up(models: tuple[str, ...], idle: float) -> None:
    """Start a Studio that stays up: runs find their models loaded.

    --models may be given several times. Models load in the background: `studio status` shows them.
    """
    from studio.commands.service_status import preload
    from studio.executors.service import control

    if not idle > 0:
        raise click.BadParameter("more than 0 minutes", param_hint="--idle")
    begun = control.up(idle)
    click.echo("a Studio is up; end it with: studio down" if begun else "a Studio was up already")
    for name, fits in (preload(models) if models else {}).items():
        click.echo(f"{name}: {'loading' if fits else 'no room for it beside the others'}")


@click.command()
def down() -> None:
    """End the Studio that is up, with all its processes."""
    from studio.executors.service import control

    click.echo("the Studio has ended" if control.down() else "no Studio was up")


@click.command()
@JSON
def status(as_json: bool) -> int:
    """Show the Studio that is up: its models, where they are, what they hold (exit code 1 if none is up)."""
    from studio.commands.service_status import status_page
    from studio.executors.service import control

    found = control.status()
    if as_json:
        click.echo(json.dumps({"up": found is not None, **(found or {})}))
    else:
        click.echo(status_page(found) if found else "no Studio is up; start one with: studio up")
    return 0 if found else 1
