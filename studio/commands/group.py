"""The command `studio`: its commands, one file a family."""

from __future__ import annotations

import click

from studio.commands.cache import cache
from studio.commands.graphs import check, show, why
from studio.commands.map import map_
from studio.commands.nodes import nodes, schema
from studio.commands.run import run
from studio.commands.service import down, status, up

__all__ = ["cli"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=lambda c, _, on: _version(c, on))
def cli() -> None:
    """Graphs of AI models from YAML: checked, run in parallel on Ray, every step cached by content."""


def _version(context: click.Context, asked: bool) -> None:
    """Print the version."""
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            click.echo(f"studio {version('icode-studio')}")
        except PackageNotFoundError:
            click.echo("studio, from a checkout that is not installed")
        context.exit()


for _command in (run, map_, check, show, why, nodes, schema, up, down, status, cache):
    cli.add_command(_command)
