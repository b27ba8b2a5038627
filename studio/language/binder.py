"""Wiring: binds a GraphSpec to node classes, and finds every problem of names, types and wires on the way.

A graph inside the graph is bound by a binder of its own, whose problems have their places in its own
file; its steps then stand in the plan among the others, as `step/inner`.
"""

from __future__ import annotations

import graphlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from studio.errors import GraphError, Problem, UsageError, did_you_mean
from studio.language.dataset_scope import misplaced, mixed
from studio.language.names import Face, Names
from studio.language.nested import Uneven, depends, spread
from studio.language.plan import Edge, GraphInput, Guard, Plan, Relay, Source, Step, filled, variables_in
from studio.language.spec import GraphSpec
from studio.language.step_spec import StepSpec
from studio.language.wire import Wire
from studio.node.node import Port, ports_of
from studio.node.prompt import Prompt
from studio.node.registry import Definition, NoSuchNode, Registry
from studio.values import KINDS, PortType

__all__ = ["bind"]

_OF_A_GRAPH = {"use", "with_", "in_", "each", "when"}  # words that a step which is a graph can have


def bind(spec: GraphSpec, registry: Registry, settings: Mapping[str, Any] | None = None) -> Plan:
    """A plan, or GraphError with every problem of form, names, types and wiring.

    settings: config to set over what graphs inside the graph say: {"dubbed/hear.model": "small"}.
    """
    binder = _Binder(spec, registry, settings or {})
    plan = binder.plan()
    if binder.problems:
        raise GraphError(binder.problems)
    assert plan is not None
    return plan


class _Binder:
    """Binds one spec, with the graphs inside it, and gathers what is wrong."""

    def __init__(
        self,
        spec: GraphSpec,
        registry: Registry,
        settings: Mapping[str, Any],
        prefix: str = "",
        trail: tuple[Path, ...] = (),
    ) -> None:
        self._spec = spec
        self._registry = registry
        self._settings = settings  # of the graphs inside, by their paths from here
        self._prefix = prefix
        self._trail = trail  # files that this one is inside of
        self.problems: list[Problem] = list(spec.problems)
        self.names = Names(spec, prefix, self._tell)
        self._definitions: dict[str, Definition] = {}
        self._inner: dict[str, _Binder] = {}
        self.steps: dict[str, Step] = {}  # those of the graphs inside included
        self.relays: dict[str, Relay] = {}
        self.outputs: dict[str, Edge] = {}

    def plan(self) -> Plan | None:
        """The plan of the whole; None if there are problems."""
        self.bind()
        spec, outputs = self._spec, self.outputs
        types = {name: type_ for name, edge in outputs.items() if (type_ := self.names.type(edge))}
        name = spec.graph or Path(spec.file).stem
        plan = Plan(name, spec.file, spec.description, self.names.inputs, self.steps, outputs, types, self.relays)
        order = self._order(plan)
        if self.problems or order is None:
            return None
        for id, message in misplaced(plan):
            self._tell_at(id, message, "")
        for name, message in mixed(plan):
            self._tell(("outputs", name), message)
        if self.problems:
            return None
        plan = replace(plan, steps={id: self.steps[id] for id in order})
        return replace(plan, warnings=tuple(self._unused(plan)))

    def bind(self) -> None:
        """Binds what stands in this file, and in the files that it uses."""
        spec = self._spec
        for name in spec.inputs:
            if not spec.left_out("inputs", name):
                self.names.add_input(self._input(name))
        for id in spec.nodes:
            if (face := self._face(id)) is not None:
                self.names.add_step(id, face)
        for name in self._settings:
            if name.partition("/")[0] not in spec.nodes:
                raise UsageError(f"'{name}' is no STEP/STEP.FIELD: there is no step '{name.partition('/')[0]}'")
        for id, step in spec.nodes.items():
            if id in self._inner:
                self._splice(id, step)
            elif id in self._definitions:
                self.steps[self._prefix + id] = self._step(id, step)
            else:
                self._dangling(id, step)
        self.outputs = {name: edge for name in spec.outputs if (edge := self._output(name))}

    def _tell(self, path: tuple[str | int, ...], message: str, hint: str = "", key: bool = False) -> None:
        self.problems.append(self._spec.problem(path, message, hint, key))

    def _input(self, name: str) -> GraphInput:
        given = self._spec.inputs[name]
        type_ = given.port_type
        required = not given.has_default and not type_.optional
        return GraphInput(name, type_, required, given.default, given.description)

    # What a step is ----------------------------------------------------------

    def _face(self, id: str) -> Face | None:
        use = self._spec.nodes[id].use
        try:
            path = self._registry.graph(use)
            if path is not None:
                return self._inner_face(id, use, path)
            self._definitions[id] = definition = self._registry.find(use)
        except NoSuchNode as error:
            self._tell(("nodes", id, "use"), f"step '{id}': {error}", error.hint)
            return None
        ports = ports_of(definition.node)
        outputs = {name: self._listed(id, port.type) for name, port in ports.outputs.items()}
        sources = {name: Source(self._prefix + id, name) for name in outputs}
        return Face(definition.name, ports.inputs, outputs, sources, ports.wires)

    def _listed(self, id: str, type_: PortType) -> PortType:
        """The type of an output as others see it: of a step that runs once per element, a list."""
        return type_.required().listed() if self._spec.nodes[id].each else type_

    def _inner_face(self, id: str, use: str, path: Path) -> Face | None:
        """Binds a graph inside the graph; None (and told) if it cannot be."""
        trail = (*self._trail, Path(self._spec.file).resolve())
        if path.resolve() in trail:
            loop = " -> ".join([*(each.name for each in trail), path.name])
            self._tell(("nodes", id, "use"), f"step '{id}': a graph cannot be inside itself: {loop}")
            return None
        settings = {
            name.partition("/")[2]: value for name, value in self._settings.items() if name.startswith(f"{id}/")
        }
        own = {name: value for name, value in settings.items() if "/" not in name}
        deeper = {name: value for name, value in settings.items() if "/" in name}
        try:
            spec = GraphSpec.of(GraphSpec.document(path), own)
        except GraphError as error:
            self.problems += error.problems
            return None
        inner = _Binder(spec, self._registry.within(path.parent), deeper, f"{self._prefix}{id}/", trail)
        inner.bind()
        self.problems += inner.problems
        self._inner[id] = inner
        return self._face_of_graph(id, use, inner)

    def _face_of_graph(self, id: str, use: str, inner: _Binder) -> Face:
        spread_ = set(self._spec.nodes[id].each)
        many: set[str] = set()
        try:
            listed = spread(inner.steps, inner.relays, {f"{inner._prefix}{name}" for name in spread_})
            many = {name for name, edge in inner.outputs.items() if depends(edge, listed, f"its output '{name}'")}
        except Uneven as error:
            self._tell(("nodes", id, "each"), f"step '{id}': {use} cannot run once per element: {error}")
        inputs = {
            name: Port(name, given.type, given.required, given.default) for name, given in inner.names.inputs.items()
        }
        outputs, sources = {}, {}
        for name, edge in inner.outputs.items():
            if (type_ := inner.names.type(edge)) is None:
                continue
            outputs[name] = type_.required().listed() if name in many else type_
            sources[name] = Source(f"{self._prefix}{id}.{name}")
            self.relays[sources[name].name] = Relay(outputs[name], edge)
        return Face(use, inputs, outputs, sources, complete=not inner.problems)

    # Steps -------------------------------------------------------------------

    def _step(self, id: str, spec: StepSpec) -> Step:
        definition, face = self._definitions[id], self.names.faces[id]
        settings, constants = self._with(id, spec, definition, face)
        edges = self._edges(id, spec, face)
        self._missing(id, spec, face)
        self._prompts(id, definition, settings, set(spec.in_) | set(constants))
        asked = spec.resources.model_dump(exclude_unset=True)
        return Step(
            id=self._prefix + id,
            use=spec.use,
            definition=definition,
            settings=settings,
            constants=constants,
            edges=edges,
            resources=definition.node.resources.model_copy(update=asked),
            gpus_asked="gpus" in asked,
            timeout=spec.timeout,
            retries=spec.retries.times,
            retry_delay=spec.retries.delay,
            retry_backoff=spec.retries.backoff,
            cache=spec.cache,
            each=self._each(id, spec, face),
            when=self._guards(id, spec),
            on_error=spec.on_error.does,
            instead=self._instead(id, spec, face),
            replicas=spec.replicas.max if spec.replicas else None,
            least=spec.replicas.min if spec.replicas else 1,
            batch=spec.batch,
            scope=spec.scope,
        )

    def _splice(self, id: str, spec: StepSpec) -> None:
        """Puts the steps of a graph inside the graph among the others."""
        inner, face = self._inner[id], self.names.faces[id]
        for word in sorted(spec.model_fields_set - _OF_A_GRAPH):
            self._tell(
                ("nodes", id, word), f"step '{id}' is a graph: '{word}' belongs on the steps inside it", key=True
            )
        constants: dict[str, object] = {}
        for key, raw in spec.with_.items():
            self._constant_or_unknown(id, key, raw, spec, face, constants)
        edges, _ = self._edges(id, spec, face), self._each(id, spec, face)
        self._missing(id, spec, face)
        guards = self._guards(id, spec)
        for name, given in inner.names.inputs.items():
            type_ = given.type.listed() if name in spec.each else given.type
            default, folder = given.default, Path(inner._spec.file).parent
            if name in constants:
                default, folder = constants[name], Path(self._spec.file).parent
            self.relays[inner._prefix + name] = Relay(type_, edges.get(name), default, folder)
        self.relays |= inner.relays
        for step in inner.steps.values():
            self.steps[step.id] = replace(step, when=(*guards, *step.when))

    def _dangling(self, id: str, spec: StepSpec) -> None:
        """Wires of a step whose node is unknown: their far ends can still be checked."""
        for port, wire in spec.in_.items():
            self.names.edge(wire, ("nodes", id, "in", port), id)

    # Constants and settings ---------------------------------------------------

    def _with(
        self, id: str, spec: StepSpec, definition: Definition, face: Face
    ) -> tuple[dict[str, Any], dict[str, object]]:
        """The entries of `with:` that are config, and those that are constants for ports."""
        fields = definition.node.Config.model_fields
        settings = {key: value for key, value in spec.with_.items() if key in fields}
        constants: dict[str, object] = {}
        for key, raw in spec.with_.items():
            if key not in fields:
                self._constant_or_unknown(id, key, raw, spec, face, constants)
        self._config(id, definition, settings)
        return settings, constants

    def _constant_or_unknown(
        self, id: str, key: str, raw: object, spec: StepSpec, face: Face, constants: dict[str, object]
    ) -> None:
        port, path = face.inputs.get(key), ("nodes", id, "with", key)
        if port is None:
            self._unknown_setting(id, key, face)
        elif key in spec.in_:
            self._tell(path, f"step '{id}': port '{key}' has both a wire and a constant", key=True)
        else:
            constants[key] = raw
            self._constant(id, path, raw, port, key in spec.each)

    def _unknown_setting(self, id: str, key: str, face: Face) -> None:
        path, known = ("nodes", id, "with", key), list(face.inputs)
        if id in self._inner:
            hint = did_you_mean(key, known) or f"It has: {', '.join(known) or 'none'}."
            self._tell(path, f"step '{id}': the graph {face.name} has no input '{key}'", hint, key=True)
            return
        fields = list(self._definitions[id].node.Config.model_fields)
        shown = f"{face.name} has: {', '.join(fields)}." if fields else f"{face.name} has no settings."
        hint = did_you_mean(key, [*fields, *known]) or shown
        self._tell(path, f"step '{id}': {face.name} has no setting '{key}'", hint, key=True)

    def _constant(self, id: str, path: tuple[str, ...], raw: object, port: Port, each: bool) -> None:
        type_ = port.type.listed() if each else port.type
        if type_.many and not isinstance(raw, list):
            self._tell(path, f"step '{id}': port '{port.name}' takes {type_}, not a single {type(raw).__name__}")
        elif KINDS[type_.kind].plain and (raw is not None or not type_.optional):
            try:
                for item in type_.leaves(raw):
                    KINDS[type_.kind].coerce(item)
            except (ValueError, OSError) as error:
                self._tell(path, f"step '{id}': port '{port.name}': {error}")

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

    def _prompts(self, id: str, definition: Definition, settings: Mapping[str, Any], given: set[str]) -> None:
        """In a node that takes wires of any name, a prompt asks for no name that is not wired."""
        if self.names.faces[id].wires is None:
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

    # Wires -------------------------------------------------------------------

    def _edges(self, id: str, spec: StepSpec, face: Face) -> dict[str, Edge]:
        edges = {name: self._edge(id, name, wire, face, spec) for name, wire in spec.in_.items()}
        return {name: edge for name, edge in edges.items() if edge}

    def _edge(self, id: str, name: str, wire: Wire, face: Face, spec: StepSpec) -> Edge | None:
        path = ("nodes", id, "in", name)
        port = face.input(name)
        if port is None:
            self._unknown_port(path, id, name, face)
        edge = self.names.edge(wire, path, id)
        if port is None or edge is None:
            return None
        each = name in spec.each
        wanted = port.type.listed() if each else port.type
        takes = f"step '{id}': input '{name}' takes {wanted}" + (", to run once per element" if each else "")
        if spec.scope == "dataset" and self._is_of_rows(edge, wanted):
            return self._all_rows(path, takes, wanted, edge)
        self._fit(path, takes, wanted, wire, edge)
        return edge

    def _is_of_rows(self, edge: Edge, wanted: PortType) -> bool:
        """Whether each row has its own of what comes along an edge; an input that fits is the same for all."""
        source = edge.sources[0] if edge.form == "one" else None
        return (
            source is not None
            and not self._spans_rows(source)
            and not (source.name in self.names.inputs and not source.port and self.names.types[source].feeds(wanted))
        )

    def _all_rows(self, path: tuple[str, ...], takes: str, wanted: PortType, edge: Edge) -> Edge:
        """An edge to a step that runs once over all rows: what each of them gives, as a list."""
        source = edge.sources[0]
        listed = self.names.types[source].required().listed()
        if not listed.feeds(wanted):
            self._tell(path, f"{takes}, but '{source}' of all rows is {listed}")
        return Edge(edge.sources, "rows")

    def _spans_rows(self, source: Source) -> bool:
        """Whether a source gives something of the whole data set."""
        if not source.port:
            relay = self._relay(source.name)
            return relay is not None and relay.edge is not None and any(map(self._spans_rows, relay.edge.sources))
        binder, local = self, source.name.removeprefix(self._prefix)
        while "/" in local:
            step, _, local = local.partition("/")
            binder = binder._inner[step]
        return local in binder._spec.nodes and binder._spec.nodes[local].scope == "dataset"

    def _relay(self, name: str) -> Relay | None:
        """An input or output of a graph inside this one, however deep."""
        deeper = (inner._relay(name) for inner in self._inner.values())
        return self.relays.get(name) or next((relay for relay in deeper if relay), None)

    def _unknown_port(self, path: tuple[str, ...], id: str, name: str, face: Face) -> None:
        known = face.shown(face.inputs)
        fields = self._definitions[id].node.Config.model_fields if id in self._definitions else {}
        hint = did_you_mean(name, face.inputs) or (
            f"'{name}' is a setting: put it under 'with:'." if name in fields else f"It has: {known or 'no inputs'}."
        )
        self._tell(path, f"step '{id}': {face.name} has no input '{name}'", hint, key=True)

    def _fit(self, path: tuple[str | int, ...], takes: str, wanted: PortType, wire: Wire, edge: Edge) -> None:
        """Tells of each source that does not fit what is wanted."""
        if edge.form == "many" and not wanted.many:
            self._tell(path, f"{takes}, but a list of wires is gathered there")
            return
        if edge.form == "many":
            wanted, takes = wanted.item(), f"{takes.partition(' takes ')[0]} gathers items of {wanted.item()}"
        for index, source in enumerate(edge.sources):
            given = self.names.types[source]
            if not given.feeds(wanted):
                hint = self._way_out(source, given, wanted)
                self._tell(wire.path(path, index), f"{takes}, but '{source}' is {given}", hint)

    def _way_out(self, source: Source, given: PortType, wanted: PortType) -> str:
        """A hint for a source of another type."""
        if given.listed().feeds(wanted):
            return f"A list of one is written [{source}]."
        if given.feeds(wanted.listed()):
            return f"To run once per element of '{source}', name the port in 'each:'."
        step = self.names.output_of(source)
        if step is None:
            return ""
        face = self.names.faces[step[0]]
        fitting = [name for name, other in face.outputs.items() if other.feeds(wanted)]
        hint = f"{step[0]} has: {face.shown(face.outputs)}."
        return hint + (f" Did you mean '{step[0]}.{fitting[0]}'?" if fitting else "")

    def _missing(self, id: str, spec: StepSpec, face: Face) -> None:
        for name, port in face.inputs.items():
            wired = name in spec.in_ or name in spec.with_
            wired = wired or any(self._spec.left_out("nodes", id, word, name) for word in ("in", "with"))
            if port.required and not wired:
                fitting = [given.name for given in self.names.inputs.values() if given.type.feeds(port.type)]
                hint = f"For example: in: {{{name}: {fitting[0]}}}" if fitting else ""
                self._tell(("nodes", id), f"step '{id}': input '{name}' ({port.type}) is not wired", hint, key=True)

    def _each(self, id: str, spec: StepSpec, face: Face) -> tuple[str, ...]:
        for name in spec.each:
            if face.input(name) is None:
                hint = did_you_mean(name, face.inputs) or f"It has: {face.shown(face.inputs) or 'no inputs'}."
                self._tell(("nodes", id, "each"), f"step '{id}': 'each' names '{name}', which is no input", hint)
            elif name not in spec.in_ and name not in spec.with_:
                self._tell(("nodes", id, "each"), f"step '{id}': 'each' names '{name}', which is not wired")
        return spec.each

    def _guards(self, id: str, spec: StepSpec) -> tuple[Guard, ...]:
        if spec.when is None:
            return ()
        path = ("nodes", id, "when")
        edges = {ref: self.names.edge(Wire((ref,)), path, id) for ref in spec.when.refs}
        known = {ref: edge for ref, edge in edges.items() if edge}
        types = {ref: type_ for ref, edge in known.items() if (type_ := self.names.type(edge))}
        for problem in spec.when.problems(types):
            self._tell(path, f"step '{id}': 'when: {spec.when}': {problem}")
        return (Guard(spec.when, known),)

    def _instead(self, id: str, spec: StepSpec, face: Face) -> dict[str, Edge]:
        """What each output is if the step fails."""
        wires, path = spec.on_error.wires, ("nodes", id, "on_error", "use")
        if isinstance(wires, Wire) and len(face.outputs) > 1:
            hint = f"Write: use: {{{', '.join(f'{name}: WIRE' for name in face.outputs)}}}"
            self._tell(path, f"step '{id}' has {len(face.outputs)} outputs, so one wire cannot stand in for it", hint)
            return {}
        single = isinstance(wires, Wire)
        by_port = {next(iter(face.outputs)): wires} if isinstance(wires, Wire) else wires
        found: dict[str, Edge] = {}
        for name, wire in by_port.items():
            place = path if single else (*path, name)
            edge = self.names.edge(wire, place, id)
            if name not in face.outputs:
                hint = did_you_mean(name, face.outputs) or f"{id} has: {face.shown(face.outputs)}."
                self._tell(place, f"step '{id}' has no output '{name}'", hint, key=True)
            elif edge is not None:
                self._fit(
                    place, f"step '{id}': its output '{name}' is {face.outputs[name]}", face.outputs[name], wire, edge
                )
                found[name] = edge
        return found

    def _output(self, name: str) -> Edge | None:
        wire, path = self._spec.outputs[name], ("outputs", name)
        edge = self.names.edge(wire, path)
        if edge is None:
            return None
        types = {self.names.types[source].required() for source in edge.sources}
        if len(types) > 1:
            verb = "gathers values" if edge.form == "many" else "could be values"
            self._tell(path, f"output '{name}' {verb} of different types: {', '.join(sorted(map(str, types)))}")
        if not edge.sources:
            self._tell(path, f"output '{name}' gathers nothing")
        return edge

    # The whole ---------------------------------------------------------------

    def _order(self, plan: Plan) -> list[str] | None:
        needs = {id: sorted((plan.needs[id] | plan.spares[id]) & self.steps.keys()) for id in self.steps}
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
                outermost = min(loop, key=lambda step: (step.count("/"), step))
                start = loop.index(outermost)
                loop = [*loop[start:], *loop[:start]]
                hint = "Each waits for the one before it: cut one of these wires."
                self._tell_at(loop[0], f"the steps form a cycle: {' -> '.join([*loop, loop[0]])}", hint)

    def _tell_at(self, id: str, message: str, hint: str) -> None:
        """Tells a problem at a step, in the file that it stands in."""
        binder, local = self, id
        while "/" in local:
            step, _, local = local.partition("/")
            binder = binder._inner[step]
        self.problems.append(binder._spec.problem(("nodes", local), message, hint, key=True))

    def _unused(self, plan: Plan) -> Iterator[Problem]:
        needed = plan.needed(plan.outputs, spares=True) if plan.outputs else set(plan.steps)
        used = {id.partition("/")[0] for id in needed}
        for id in self._spec.nodes.keys() - used:
            yield self._spec.problem(("nodes", id), f"no output needs step '{id}', so it never runs", key=True)
        edges = [*plan.outputs.values(), *(edge for step in plan.steps.values() for edge in step.wires)]
        edges += [edge for step in plan.steps.values() for edge in step.instead.values()]
        edges += [relay.edge for relay in plan.relays.values() if relay.edge]
        read = {source.name for edge in edges for source in edge.sources}
        for name in plan.inputs.keys() - read:
            yield self._spec.problem(("inputs", name), f"nothing reads the input '{name}'", key=True)
