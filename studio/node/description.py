"""Description: what a node takes, gives and needs, as plain data and for people."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

from studio.node.node import Ports, ports_of
from studio.node.registry import Definition

__all__ = ["node_data", "node_listing", "node_page"]


def node_data(definition: Definition) -> dict[str, Any]:
    """A node as plain data: ports, config, resources, extra, licence, docs."""
    node = definition.node
    ports = ports_of(node)
    return {
        "name": definition.name,
        "doc": inspect.cleandoc(node.__doc__ or ""),
        "inputs": _inputs(ports),
        "outputs": {name: str(port.type) for name, port in ports.outputs.items()},
        "config": node.Config.model_json_schema().get("properties", {}),
        "required": node.Config.model_json_schema().get("required", []),
        "resources": node.resources.model_dump(exclude_defaults=True),
        "inline": node.inline,
        "extra": node.extra,
        "licence": node.licence,
        "version": node.version,
    }


def _inputs(ports: Ports) -> dict[str, Any]:
    inputs: dict[str, Any] = {
        name: {"type": str(port.type), "required": port.required} for name, port in ports.inputs.items()
    }
    if ports.free is not None:
        inputs["*"] = {"type": str(ports.free), "required": False}
    return inputs


def node_page(node: Mapping[str, Any]) -> str:
    """A described node for people."""
    lines = [node["name"], node["doc"], "", "in:"]
    for name, port in node["inputs"].items():
        lines.append(f"  {name}: {port['type']}" + ("" if port["required"] else "  (optional)"))
    lines += ["out:", *(f"  {name}: {kind}" for name, kind in node["outputs"].items()), "with:"]
    for name, about in node["config"].items():
        default = "  (required)" if name in node["required"] else f" = {json.dumps(about.get('default'))}"
        lines.append(f"  {name}: {about.get('type', 'value')}{default}  {about.get('description', '')}".rstrip())
    asked = ", ".join(f"{name} {amount}" for name, amount in node["resources"].items()) or "nothing in particular"
    lines.append(f"resources: {asked}" + (" (runs in the caller's process)" if node["inline"] else ""))
    lines += [f"extra: pip install 'icode-studio[{node['extra']}]'"] if node["extra"] else []
    lines += [f"licence: {node['licence']}"] if node["licence"] else []
    return "\n".join(lines)


def node_listing(nodes: Sequence[Mapping[str, Any]]) -> str:
    """Described nodes for people, two lines each: ports, and what it is."""
    width = max((len(node["name"]) for node in nodes), default=0)
    lines: list[str] = []
    for node in nodes:
        first = node["doc"].partition("\n")[0]
        lines.append(f"{node['name']:<{width}}  {', '.join(node['inputs'])} → {', '.join(node['outputs'])}")
        lines.append(f"{'':<{width}}  {first}")
    return "\n".join(lines)
