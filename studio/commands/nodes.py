"""studio nodes, schema: what a graph can be made of."""

from __future__ import annotations

import json
from pathlib import Path

import click

from studio.commands.options import JSON, NodeName

__all__ = ["nodes", "schema"]


@click.command()
@click.argument("name", required=False, type=NodeName())
@JSON
def nodes(name: str | None, as_json: bool) -> None:
    """List the nodes, or describe one: ports, config, resources, extra, licence."""
    from studio.errors import UsageError
    from studio.node.description import node_data, node_listing, node_page
    from studio.node.registry import NoSuchNode, Registry

    registry = Registry(folder=Path())
    try:
        found = [node_data(registry.find(each)) for each in ([name] if name else registry.names())]
    except NoSuchNode as error:
        raise UsageError(f"{error}. {error.hint}".strip()) from None
    if as_json:
        click.echo(json.dumps(found[0] if name else found, ensure_ascii=False, default=str))
    else:
        click.echo(node_page(found[0]) if name else node_listing(found))


@click.command()
def schema() -> None:
    """Print the JSON Schema of graphs, for editors."""
    from studio.language.schema import json_schema
    from studio.node.registry import Registry

    click.echo(json.dumps(json_schema(Registry()), indent=2, ensure_ascii=False))
