"""Wiring: binds a GraphSpec to node classes, and finds every problem of names, types and wires on the way."""

from __future__ import annotations

import graphlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from studio.errors import GraphError, Problem, did_you_mean
from studio.node import Port, Ports, ports_of
from studio.plan import Edge, GraphInput, Plan, Source, Step, filled, variables_in
from studio.prompt import Prompt
from studio.registry import Definition, NoSuchNode, Registry
from studio.spec import GraphSpec, StepSpec, Wire
from studio.values import KINDS, PortType

__all__ = ["bind"]


def bind(spec: GraphSpec, registry: Registry) -> Plan:
    """A plan, or GraphError with every problem of form, names, types and wiring."""
    binder = _Binder(spec, registry)
    plan = binder.plan()
    if binder.problems:
        raise GraphError(binder.problems)
    assert plan is not None
    return plan


class _Binder:
    """Binds one spec, and gathers what is wrong with it."""

    def __init__(self, spec: GraphSpec, registry: Registry) -> None:
        self._spec = spec
        self._registry = registry
        self.problems: list[Problem] = list(spec.problems)
        self._inputs: dict[str, GraphInput] = {}
        self._definitions: dict[str, Definition] = {}

    def plan(self) -> Plan | None:
        spec = self._spec
        self._inputs = {name: self._input(name) for name in spec.inputs if not spec.left_out("inputs", name)}
        self._definitions = {id: found for id in spec.nodes if (found := self._definition(id))}
        steps = {id: step for id in spec.nodes if (step := self._step(id))}
        outputs = {name: edge for name in spec.outputs if (edge := self._output(name))}
        order = self._order(steps)
        if self.problems or order is None:
            return None
        types = {name: self._edge_type(edge) for name, edge in outputs.items()}
        plan = Plan(
            spec.graph or Path(spec.file).stem,
            spec.file,
            spec.description,
            self._inputs,
            {id: steps[id] for id in order},
            outputs,
            {name: type_ for name, type_ in types.items() if type_},
        )
        return Plan(**{**vars(plan), "warnings": tuple(self._unused(plan))})

    def _tell(self, path: tuple[str | int, ...], message: str, hint: str = "", key: bool = False) -> None:
        self.problems.append(self._spec.problem(path, message, hint, key))

    def _input(self, name: str) -> GraphInput:
        given = self._spec.inputs[name]
        type_ = given.port_type
        required = not given.has_default and not type_.optional
        return GraphInput(name, type_, required, given.default, given.description)

    def _definition(self, id: str) -> Definition | None:
        try:
            return self._registry.find(self._spec.nodes[id].use)
        except NoSuchNode as error:
            self._tell(("nodes", id, "use"), f"step '{id}': {error}", error.hint)
            return None

    def _step(self, id: str) -> Step | None:
        definition = self._definitions.get(id)
        spec = self._spec.nodes[id]
        if definition is None:
            self._dangling(id, spec)
            return None
        ports = ports_of(definition.node)
        settings, constants = self._with(id, spec, definition, ports)
        edges = {name: edge for name, wire in spec.in_.items() if (edge := self._edge(id, name, wire, ports))}
        self._missing(id, spec, ports)
        self._prompts(id, definition, settings, set(spec.in_) | set(constants), ports)
        asked = spec.resources.model_dump(exclude_unset=True)
        resources = definition.node.resources.model_copy(update=asked)
        gpus_asked = "gpus" in asked
        return Step(
            id, spec.use, definition, settings, constants, edges, resources, gpus_asked,
            spec.timeout, spec.retries, spec.cache,
        )  # fmt: skip

    def _dangling(self, id: str, spec: StepSpec) -> None:
        """Wires of a step whose node is unknown: their far ends can still be checked."""
        for port, wire in spec.in_.items():
            for index, ref in enumerate(wire.refs):
                self._source(ref, self._wire_path(("nodes", id, "in", port), wire, index), id)

    def _with(
        self, id: str, spec: StepSpec, definition: Definition, ports: Ports
    ) -> tuple[dict[str, Any], dict[str, object]]:
        """The entries of `with:` that are config, and those that are constants for ports."""
        fields = definition.node.Config.model_fields
        settings = {key: value for key, value in spec.with_.items() if key in fields}
        constants: dict[str, object] = {}
        for key in spec.with_.keys() - fields.keys():
            port = ports.inputs.get(key)
            if port is None:
                self._unknown_setting(id, key, definition, ports)
            elif key in spec.in_:
                self._tell(
                    ("nodes", id, "with", key), f"step '{id}': port '{key}' has both a wire and a constant", key=True
                )
            else:
                self._constant(id, key, spec.with_[key], port, constants)
        self._config(id, definition, settings)
        return settings, constants

    def _unknown_setting(self, id: str, key: str, definition: Definition, ports: Ports) -> None:
        fields = list(definition.node.Config.model_fields)
        known = f"{definition.name} has: {', '.join(fields)}." if fields else f"{definition.name} has no settings."
        hint = did_you_mean(key, [*fields, *ports.inputs]) or known
        self._tell(("nodes", id, "with", key), f"step '{id}': {definition.name} has no setting '{key}'", hint, key=True)

    def _constant(self, id: str, key: str, raw: object, port: Port, constants: dict[str, object]) -> None:
        path = ("nodes", id, "with", key)
        constants[key] = raw
        if port.type.many and not isinstance(raw, list):
            self._tell(path, f"step '{id}': port '{key}' takes {port.type}, not a single {type(raw).__name__}")
        elif KINDS[port.type.kind].plain and (raw is not None or not port.type.optional):
            items: list[object] = raw if port.type.many and isinstance(raw, list) else [raw]
            try:
                for item in items:
                    KINDS[port.type.kind].coerce(item)
            except (ValueError, OSError) as error:
                self._tell(path, f"step '{id}': port '{key}': {error}")

    def _config(self, id: str, definition: Definition, settings: dict[str, Any]) -> None:
        try:
            definition.node.Config.model_validate(filled(settings, id, check=True))
        except ValidationError as error:
            for item in error.errors():
                self._config_problem(id, item, settings)

    def _config_problem(self, id: str, item: Any, settings: Mapping[str, Any]) -> None:
        loc = item["loc"]
        key = str(loc[0]) if loc else ""
        if any(variables_in(settings.get(key))):
            if item["type"] != "missing" and not all(os.environ.get(name) for name in variables_in(settings[key])):
                return  # what an unset variable holds is not known yet
            self._tell(("nodes", id, "with", key), f"step '{id}': '{key}' does not accept what the environment holds")
            return
        name = ".".join(str(part) for part in loc)
        if item["type"] == "missing":
            self._tell(("nodes", id), f"step '{id}': the setting '{name}' is required", key=True)
        else:
            message = item["msg"].removeprefix("Value error, ")
            shown = repr(item["input"])[:60]
            self._tell(
                ("nodes", id, "with", *loc), f"step '{id}': '{name}': {message[0].lower()}{message[1:]}, not {shown}"
            )

    def _edge(self, id: str, name: str, wire: Wire, ports: Ports) -> Edge | None:
        path = ("nodes", id, "in", name)
        port = ports.input(name)
        if port is None:
            self._unknown_port(path, id, name, ports)
        found = [self._source(ref, self._wire_path(path, wire, index), id) for index, ref in enumerate(wire.refs)]
        sources = [source for source in found if source]
        if port is None or len(sources) < len(found):
            return None
        edge = Edge(tuple(sources), wire.many)
        self._fit(path, id, port, wire, edge)
        return edge

    def _unknown_port(self, path: tuple[str, ...], id: str, name: str, ports: Ports) -> None:
        known = ", ".join(map(str, ports.inputs.values()))
        fields = self._definitions[id].node.Config.model_fields
        hint = did_you_mean(name, ports.inputs) or (
            f"'{name}' is a setting: put it under 'with:'." if name in fields else f"It has: {known or 'no inputs'}."
        )
        self._tell(path, f"step '{id}': {self._definitions[id].name} has no input '{name}'", hint, key=True)

    @staticmethod
    def _wire_path(path: tuple[str, ...], wire: Wire, index: int) -> tuple[str | int, ...]:
        return (*path, index) if wire.many else path

    def _source(self, ref: str, path: tuple[str | int, ...], reader: str = "") -> Source | None:
        """What a reference means; None (and told) if nothing."""
        name, _, port = ref.partition(".")
        if name in self._spec.inputs or self._spec.left_out("inputs", name):
            if port:
                self._tell(path, f"'{ref}': '{name}' is an input of the graph, which has no ports", f"Write '{name}'.")
            return None if port or name not in self._inputs else Source(name)
        if name == reader:
            self._tell(path, f"step '{reader}' reads its own output '{ref}'", "A step cannot wait for itself.")
            return None
        if name not in self._spec.nodes:
            if not self._spec.left_out("nodes", name):
                known = [*self._spec.inputs, *(self._spec.nodes.keys() - {reader})]
                hint = did_you_mean(name, known) or f"There are: {', '.join(sorted(known)) or 'none'}."
                self._tell(path, f"'{ref}': there is no step or input '{name}'", hint)
            return None
        return self._output_port(ref, name, port, path)

    def _output_port(self, ref: str, name: str, port: str, path: tuple[str | int, ...]) -> Source | None:
        if name not in self._definitions:
            return None  # told already
        outputs = ports_of(self._definitions[name].node).outputs
        known = f"{name} has: {', '.join(map(str, outputs.values()))}."
        if not port and len(outputs) == 1:
            return Source(name, next(iter(outputs)))
        if not port:
            self._tell(path, f"'{ref}' is ambiguous: step '{name}' has {len(outputs)} outputs", known)
        elif port not in outputs:
            suggestion = did_you_mean(port, outputs).replace("'", f"'{name}.", 1)
            self._tell(path, f"'{ref}': step '{name}' has no output '{port}'", f"{known} {suggestion}".strip())
        else:
            return Source(name, port)
        return None

    def _type(self, source: Source) -> PortType | None:
        if not source.port:
            found = self._inputs.get(source.name)
            return None if found is None else found.type
        return ports_of(self._definitions[source.name].node).outputs[source.port].type

    def _edge_type(self, edge: Edge) -> PortType | None:
        first = self._type(edge.sources[0]) if edge.sources else None
        return first.listed() if first and edge.many else first

    def _fit(self, path: tuple[str, ...], id: str, port: Port, wire: Wire, edge: Edge) -> None:
        """Tells of each source that the port cannot take."""
        if edge.many and not port.type.many:
            self._tell(
                path, f"step '{id}': input '{port.name}' takes {port.type}, but a list of wires is gathered there"
            )
            return
        wanted = PortType(port.type.kind, optional=port.type.optional) if edge.many else port.type
        if not port.required and not port.type.optional:
            wanted = PortType(wanted.kind, wanted.many)
        for index, source in enumerate(edge.sources):
            given = self._type(source)
            if given and not given.feeds(wanted):
                self._misfit(self._wire_path(path, wire, index), id, port.name, wanted, source, given)

    def _misfit(
        self, path: tuple[str | int, ...], id: str, port: str, wanted: PortType, source: Source, given: PortType
    ) -> None:
        hint = ""
        if given.listed() == wanted.listed() and wanted.many:
            hint = f"A list of one is written [{source}]."
        elif source.port:
            outputs = ports_of(self._definitions[source.name].node).outputs
            fitting = [name for name, other in outputs.items() if other.type.feeds(wanted)]
            hint = f"{source.name} has: {', '.join(map(str, outputs.values()))}."
            hint += f" Did you mean '{source.name}.{fitting[0]}'?" if fitting else ""
        takes = f"takes {wanted}" if isinstance(path[-1], str) else f"gathers items of {wanted}"
        self._tell(path, f"step '{id}': input '{port}' {takes}, but '{source}' is {given}", hint)

    def _missing(self, id: str, spec: StepSpec, ports: Ports) -> None:
        for name, port in ports.inputs.items():
            wired = name in spec.in_ or name in spec.with_
            wired = wired or any(self._spec.left_out("nodes", id, word, name) for word in ("in", "with"))
            if port.required and not wired:
                fitting = [str(given.name) for given in self._inputs.values() if given.type.feeds(port.type)]
                hint = f"For example: in: {{{name}: {fitting[0]}}}" if fitting else ""
                self._tell(("nodes", id), f"step '{id}': input '{name}' ({port.type}) is not wired", hint, key=True)

    def _prompts(
        self, id: str, definition: Definition, settings: Mapping[str, Any], given: set[str], ports: Ports
    ) -> None:
        """In a node that takes wires of any name, a prompt asks for no name that is not wired."""
        if ports.wires is None:
            return
        for name, info in definition.node.Config.model_fields.items():
            if info.annotation is not Prompt or not isinstance(settings.get(name), str):
                continue
            try:
                asked = Prompt.parsed(settings[name]).names
            except ValueError:
                continue  # told as a problem of the config
            for unknown in sorted(asked - given):
                hint = did_you_mean(unknown, given) or f"Wired are: {', '.join(sorted(given)) or 'none'}."
                self._tell(
                    ("nodes", id, "with", name), f"step '{id}': '{name}' asks for '{unknown}', which is not wired", hint
                )

    def _output(self, name: str) -> Edge | None:
        wire = self._spec.outputs[name]
        path = ("outputs", name)
        found = [self._source(ref, self._wire_path(path, wire, index)) for index, ref in enumerate(wire.refs)]
        sources = tuple(source for source in found if source)
        kinds = {(type_.kind, type_.many) for source in sources if (type_ := self._type(source))}
        if wire.many and len(kinds) > 1:
            self._tell(
                path, f"output '{name}' gathers values of different types: {', '.join(sorted(k for k, _ in kinds))}"
            )
        if wire.many and not wire.refs:
            self._tell(path, f"output '{name}' gathers nothing")
        return Edge(sources, wire.many) if len(sources) == len(found) else None

    def _order(self, steps: Mapping[str, Step]) -> list[str] | None:
        needs = {id: [need for need in step.needs if need in steps] for id, step in steps.items()}
        try:
            return list(graphlib.TopologicalSorter(needs).static_order())
        except graphlib.CycleError:
            self._cycles(needs)
            return None

    def _cycles(self, needs: Mapping[str, list[str]]) -> None:
        """Tells of every knot of steps that wait for each other."""
        import networkx as nx  # takes a tenth of a second to load, and graphs are mostly acyclic

        graph: nx.DiGraph[str] = nx.DiGraph([(need, id) for id, before in needs.items() for need in before])
        for knot in nx.strongly_connected_components(graph):
            if len(knot) > 1:
                loop = [edge[0] for edge in nx.find_cycle(graph.subgraph(knot), min(knot))]
                start = loop.index(min(loop))
                loop = [*loop[start:], *loop[:start]]
                hint = "Each waits for the one before it: cut one of these wires."
                self._tell(
                    ("nodes", loop[0]), f"the steps form a cycle: {' -> '.join([*loop, loop[0]])}", hint, key=True
                )

    def _unused(self, plan: Plan) -> Iterator[Problem]:
        needed = plan.needed(set(plan.outputs)) if plan.outputs else set(plan.steps)
        for id in plan.steps.keys() - needed:
            yield self._spec.problem(("nodes", id), f"no output needs step '{id}', so it never runs", key=True)
        read = {s.name for step in plan.steps.values() for edge in step.edges.values() for s in edge.sources}
        read |= {source.name for edge in plan.outputs.values() for source in edge.sources}
        for name in plan.inputs.keys() - read:
            yield self._spec.problem(("inputs", name), f"nothing reads the input '{name}'", key=True)
