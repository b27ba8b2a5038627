"""Binder: binds a GraphSpec to node classes, and finds every problem of names, types and wires on the way.

A graph inside the graph is bound by a binder of its own, whose problems have their places in its own
file; its steps then stand in the plan among the others, as `step/inner`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from studio.errors import GraphError, Problem, UsageError
from studio.language.constants import check_prompts, port_constants, settings
from studio.language.dataset_scope import mixed_outputs, scope_problems
from studio.language.dependencies import cycles, order
from studio.language.edges import Wired, check_ports, check_wires, output, wired
from studio.language.holes import follow_holes
from studio.language.names import Names, Signature
from studio.language.nested import BoundFile, NotPerElement, run_per_element
from studio.language.plan import GraphInput, Plan, Relay, Source, Step
from studio.language.spec import GraphSpec, InputSpec
from studio.language.step_entry import StepEntry
from studio.node.node import ports_of
from studio.node.registry import Definition, NoSuchNode, Registry
from studio.paths import GRAPHS

__all__ = ["bind"]

_OF_A_GRAPH = {"use", "with_", "in_", "each", "when"}  # words that a step which is a graph can have
_CUT = "Each waits for the one before it: cut one of these wires."


def bind(spec: GraphSpec, registry: Registry, settings: Mapping[str, Any] | None = None) -> Plan:
    """A plan, or GraphError with every problem of form, names, types and wiring.

    settings: config to set over what graphs inside the graph say: {"dubbed/hear.model": "small"};
    UsageError where there is no such step.
    """
    bound = _Binder(spec, registry, settings or {}).bound()
    plan = _plan(bound)
    if bound.names.problems:
        raise GraphError(bound.names.problems)
    return replace(plan, warnings=tuple(_unused(plan, spec)))


class _Binder:
    """Binds one file, and the graphs inside it. What is wrong is gathered in its names.

    First every step gets its signature, then wires are read: they may name steps that stand below.
    Graphs come before nodes: what a wire means may depend on what is wired into a graph that hands it on.
    """

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
        self._trail = trail  # files that this one is inside of
        self._names = Names(spec, prefix, list(spec.problems))
        self._definitions: dict[str, Definition] = {}
        self._inner: dict[str, BoundFile] = {}
        self._wired: dict[str, Wired] = {}

    def bound(self) -> BoundFile:
        """The file with its steps bound, as far as they can be."""
        spec, names = self._spec, self._names
        for name, given in spec.inputs.items():
            if not spec.left_out("inputs", name):
                names.add_input(_input(name, given))
        for id in spec.nodes:
            self._add_step(id)
        for name in self._settings:
            if name.partition("/")[0] not in spec.nodes:
                raise UsageError(f"'{name}' is no STEP/STEP.FIELD: there is no step '{name.partition('/')[0]}'")
        steps = {id: self._steps_inside(id) for id in self._inner}
        self._cut_loops()
        steps |= {id: [self._step(id)] for id in self._definitions}
        self._check_dangling()
        in_file_order = {step.id: step for id in spec.nodes for step in steps.get(id, ())}
        follow_holes(names, in_file_order)
        for id, found in self._wired.items():
            check_wires(self._entry(id), found)
        outputs = {name: edge for name in spec.outputs if (edge := output(names, name))}
        return BoundFile(names, in_file_order, outputs)

    def _entry(self, id: str) -> StepEntry:
        node = self._definitions[id].node if id in self._definitions else None
        return StepEntry(id, self._spec.nodes[id], self._names.signatures[id], self._names, node)

    # Signatures --------------------------------------------------------------

    def _add_step(self, id: str) -> None:
        """Finds out what a step takes and gives; if that cannot be, it is told, and the step has no signature."""
        use = self._spec.nodes[id].use
        try:
            path = self._registry.graph(use)
            if path is None:
                self._add_node(id, self._registry.find(use))
            elif (inner := self._bound_inside(id, path)) is not None:
                self._add_graph(id, use, inner)
        except NoSuchNode as error:
            self._names.tell(("nodes", id, "use"), f"step '{id}': {error}", error.hint)

    def _add_node(self, id: str, definition: Definition) -> None:
        self._definitions[id] = definition
        ports, each = ports_of(definition.node), self._spec.nodes[id].each
        types = {name: port.type for name, port in ports.outputs.items()}
        outputs = {name: type_.listed() if each else type_ for name, type_ in types.items()}
        sources = {name: Source(self._names.prefix + id, name) for name in outputs}
        self._names.add_step(id, Signature(definition.name, ports.inputs, outputs, sources, ports.free))

    def _add_graph(self, id: str, use: str, inner: BoundFile) -> None:
        self._inner[id] = inner
        listed: set[str] = set()
        try:
            listed = run_per_element(inner, self._spec.nodes[id].each)
        except NotPerElement as error:
            message = f"step '{id}': {use} cannot run once per element: {error}"
            self._names.tell(("nodes", id, "each"), message)
        relays = inner.relays(listed)
        outputs = {name: relay.type for name, relay in relays.items()}
        sources = {name: Source(f"{self._names.prefix}{id}.{name}") for name in relays}
        self._names.relays |= {sources[name].name: relay for name, relay in relays.items()}
        complete = not inner.names.problems
        self._names.add_step(id, Signature(use, inner.ports, outputs, sources, complete=complete), inner.names)

    def _bound_inside(self, id: str, path: Path) -> BoundFile | None:
        """A graph inside the graph, bound; None (and told) if it cannot be read."""
        trail = (*self._trail, (self._spec.folder / Path(self._spec.file).name).resolve())
        if path.resolve() in trail:
            loop = " -> ".join([*(each.name for each in trail), path.name])
            self._names.tell(("nodes", id, "use"), f"step '{id}': a graph cannot be inside itself: {loop}")
            return None
        inside = {name.partition("/")[2]: value for name, value in self._settings.items() if name.startswith(f"{id}/")}
        own = {name: value for name, value in inside.items() if "/" not in name}
        deeper = {name: value for name, value in inside.items() if "/" in name}
        try:
            told = path if path.parent == GRAPHS else Path(self._spec.file).parent / self._spec.nodes[id].use
            spec = GraphSpec.of(GraphSpec.document(path, str(told)), own)
        except GraphError as error:
            self._names.problems += error.problems
            return None
        registry, prefix = self._registry.within(path.parent), f"{self._names.prefix}{id}/"
        inner = _Binder(spec, registry, deeper, prefix, trail).bound()
        self._names.problems += inner.names.problems
        return inner

    # Steps -------------------------------------------------------------------

    def _step(self, id: str) -> Step:
        """A step that is a node."""
        entry, definition, spec = self._entry(id), self._definitions[id], self._spec.nodes[id]
        written, constants, found = settings(entry), port_constants(entry), wired(entry)
        self._wired[id] = found
        check_ports(entry)
        check_prompts(entry, written, spec.in_.keys() | constants.keys())
        asked = spec.resources.model_dump(exclude_unset=True)
        return Step(
            id=self._names.prefix + id,
            use=spec.use,
            definition=definition,
            settings=written,
            constants=constants,
            folder=self._spec.folder,
            edges=found.inputs,
            resources=definition.node.resources.model_copy(update=asked),
            gpus_asked="gpus" in asked,
            timeout=spec.timeout,
            retries=spec.retries.times,
            retry_delay=spec.retries.delay,
            retry_backoff=spec.retries.backoff,
            cache=spec.cache,
            each=spec.each,
            when=found.when,
            on_error=spec.on_error.does,
            instead=found.instead,
            replicas=spec.replicas.max if spec.replicas else None,
            least=spec.replicas.min if spec.replicas else 1,
            batch=spec.batch,
            scope=spec.scope,
        )

    def _steps_inside(self, id: str) -> list[Step]:
        """The steps of a graph inside the graph, which run if its condition holds, and what its inputs stand for."""
        entry, spec, inner = self._entry(id), self._spec.nodes[id], self._inner[id].names
        for word in sorted(spec.model_fields_set - _OF_A_GRAPH):
            message = f"step '{id}' is a graph: '{word}' belongs on the steps inside it"
            self._names.tell(entry.path(word), message, key=True)
        constants, found = port_constants(entry), wired(entry)
        self._wired[id] = found
        check_ports(entry)
        for name, given in inner.inputs.items():
            each = name in spec.each
            type_ = given.type.listed() if each else given.type
            default, folder = (
                (constants[name], self._spec.folder) if name in constants else (given.default, inner.spec.folder)
            )
            self._names.relays[inner.prefix + name] = Relay(type_, found.inputs.get(name), default, folder, each)
        self._names.relays |= inner.relays
        return [replace(step, when=(*found.when, *step.when)) for step in self._inner[id].steps.values()]

    def _cut_loops(self) -> None:
        """Tells of graphs that only hand on what they get from each other, and cuts one of their wires.

        No step is part of such a loop, so the order of the steps would not show it; and who asks where a
        wire comes from would go round in it for ever.
        """
        relays = self._names.relays
        handed = {
            name: [source.name for source in relay.edge.sources if not source.port and source.name in relays]
            for name, relay in relays.items()
            if relay.edge is not None
        }
        if order(handed) is not None:
            return
        for loop in cycles(handed):
            local = [name.removeprefix(self._names.prefix) for name in loop]
            steps = list(dict.fromkeys(name.partition("/")[0].partition(".")[0] for name in local))
            message = f"the steps form a cycle: {' -> '.join([*steps, steps[0]])}"
            self._names.tell(("nodes", steps[0]), message, _CUT, key=True)
            for name in loop:
                relays[name] = replace(relays[name], edge=None)

    def _check_dangling(self) -> None:
        """Wires of steps whose node is unknown: their far ends can still be checked."""
        for id, spec in self._spec.nodes.items():
            if id not in self._names.signatures:
                for port, wire in spec.in_.items():
                    self._names.edge(wire, ("nodes", id, "in", port), id)


def _input(name: str, given: InputSpec) -> GraphInput:
    type_ = given.port_type
    required = not given.has_default and not type_.optional
    return GraphInput(name, type_, required, given.default, given.description)


# The whole ---------------------------------------------------------------


def _plan(bound: BoundFile) -> Plan:
    """The plan of the whole, with its steps in order; what can only be seen of the whole is told.

    Later checks are left out where earlier ones found something: scopes follow wires through the plan,
    and a wire that is wrong would be told a second time, as something else.
    """
    names, spec = bound.names, bound.names.spec
    types = {name: type_ for name, edge in bound.outputs.items() if (type_ := names.type(edge))}
    name = spec.graph or Path(spec.file).stem
    plan = Plan(name, spec.file, spec.description, names.inputs, bound.steps, bound.outputs, types, names.relays)
    plan = replace(plan, folder=spec.folder)
    needs = {id: sorted((plan.needs[id] | plan.spares[id]) & plan.steps.keys()) for id in plan.steps}
    ordered = order(needs)
    if ordered is None:
        for cycle in cycles(needs):
            names.tell_of(cycle[0], f"the steps form a cycle: {' -> '.join([*cycle, cycle[0]])}", _CUT)
    if names.problems or ordered is None:
        return plan
    for id, message in scope_problems(plan):
        names.tell_of(id, message)
    for name, message in mixed_outputs(plan):
        names.tell(("outputs", name), message)
    return replace(plan, steps={id: plan.steps[id] for id in ordered})


def _unused(plan: Plan, spec: GraphSpec) -> Iterator[Problem]:
    """Steps that no output needs and inputs that nothing reads: most often a wire was forgotten."""
    needed = plan.needed(plan.outputs, spares=True) if plan.outputs else set(plan.steps)
    used = {id.partition("/")[0] for id in needed}
    for id in spec.nodes:
        if id not in used:
            yield spec.problem(("nodes", id), f"no output needs step '{id}', so it never runs", key=True)
    found = [*plan.outputs.values(), *(edge for step in plan.steps.values() for edge in step.all_edges)]
    found += [relay.edge for relay in plan.relays.values() if relay.edge]
    read = {source.name for edge in found for source in edge.sources}
    for name in plan.inputs:
        if name not in read:
            yield spec.problem(("inputs", name), f"nothing reads the input '{name}'", key=True)
