"""Schema: the JSON Schema of graphs, for editors, made from the nodes there are."""

from __future__ import annotations

from typing import Any

from studio.language.spec import GraphSpec
from studio.node.node import ports_of
from studio.node.registry import NoSuchNode, Registry

__all__ = ["json_schema"]


def json_schema(registry: Registry) -> dict[str, Any]:
    """A schema with which an editor completes keys, node names and their config.

    Imports every node of the registry; one that cannot be imported is named without its config.
    """
    schema = GraphSpec.model_json_schema(by_alias=True)
    step = schema["$defs"]["StepSpec"]
    names = registry.names()
    step["properties"]["use"] = {
        "description": step["properties"]["use"]["description"],
        "anyOf": [{"enum": names}, {"type": "string", "pattern": r"^[^:]+:[A-Za-z_]\w*$|\.ya?ml$"}],
    }
    step["allOf"] = [condition for name in names if (condition := _condition(registry, name))]
    step["patternProperties"] = {"^x-": {}}
    schema["patternProperties"] = {"^x-": {}}
    schema["properties"]["inputs"]["additionalProperties"] = {
        "anyOf": [{"type": "string"}, {"$ref": "#/$defs/InputSpec"}]
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "i-Code Studio graph", **schema}


def _condition(registry: Registry, name: str) -> dict[str, Any] | None:
    """If a step uses this node, then this is what `with` and `in` may hold."""
    try:
        node = registry.find(name).node
    except NoSuchNode:
        return None
    ports = ports_of(node)
    constants: dict[str, Any] = {port: {} for port in ports.inputs}
    config = node.Config.model_json_schema()
    given = {**constants, **config.get("properties", {})}
    wires = {port: {"description": str(found.type)} for port, found in ports.inputs.items()}
    return {
        "if": {"properties": {"use": {"const": name}}},
        "then": {
            "properties": {
                "with": {"properties": given, "additionalProperties": False},
                "in": {"properties": wires, "additionalProperties": ports.free is not None},
            }
        },
    }
