"""Edges: what the wires of a step lead to, and whether what comes along them fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from studio.errors import did_you_mean
from studio.language.document import Path
from studio.language.names import Names
from studio.language.plan import Edge, Guard, Source
from studio.language.step_entry import StepEntry
from studio.language.wire import Wire
from studio.node.node import Port
from studio.values import PortType

__all__ = ["Wired", "check_ports", "check_wires", "output", "wired"]


@dataclass(frozen=True)
class Wired:
    """What the wires of a step lead to; without those that lead nowhere, or to nothing that it has, which is told."""

    inputs: Mapping[str, Edge]
    when: tuple[Guard, ...]
    instead: Mapping[str, Edge]  # what stands in for each output if the step fails, as `on_error: {use: …}` says


def wired(entry: StepEntry) -> Wired:
    """What the wires of a step lead to. Whether it fits is another question: what a list may lack is not known yet."""
    inputs = {name: _edge(entry, name, wire) for name, wire in entry.spec.in_.items()}
    instead = {name: _fallback(entry, name, *written) for name, written in _fallbacks(entry).items()}
    return Wired(
        {name: edge for name, edge in inputs.items() if edge},
        _guards(entry),
        {name: edge for name, edge in instead.items() if edge},
    )


def check_wires(entry: StepEntry, found: Wired) -> None:
    """Tells of what comes along the wires of a step and does not fit."""
    for name, edge in found.inputs.items():
        _check_input(entry, name, edge)
    for name, (wire, path) in _fallbacks(entry).items():
        if name in found.instead:
            wanted = entry.signature.outputs[name]
            takes = f"step '{entry.id}': its output '{name}' is {wanted}"
            _fit(entry.names, path, takes, wanted, wire, found.instead[name])
    for guard in found.when:
        types = {ref: type_ for ref, edge in guard.edges.items() if (type_ := entry.names.type(edge))}
        for problem in guard.condition.problems(types):
            entry.tell(("when",), f"'when: {guard.condition}': {problem}")


def check_ports(entry: StepEntry) -> None:
    """Tells of inputs that must be wired and are not, and of `each` that names what is not."""
    spec, signature = entry.spec, entry.signature
    for name, port in signature.inputs.items():
        malformed = any(entry.names.spec.left_out(*map(str, entry.path(word, name))) for word in ("in", "with"))
        if port.required and not (name in spec.in_ or name in spec.with_ or malformed):
            fitting = [given.name for given in entry.names.inputs.values() if given.type.feeds(port.type)]
            hint = f"For example: in: {{{name}: {fitting[0]}}}" if fitting else ""
            entry.tell((), f"input '{name}' ({port.type}) is not wired", hint, key=True)
    for name in spec.each:
        if signature.input(name) is None:
            entry.tell(("each",), f"'each' names '{name}', which is no input", entry.inputs_like(name))
        elif name not in spec.in_ and name not in spec.with_:
            entry.tell(("each",), f"'each' names '{name}', which is not wired")


def _guards(entry: StepEntry) -> tuple[Guard, ...]:
    """Its condition, if it has one, with the edges that it reads."""
    when = entry.spec.when
    if when is None:
        return ()
    found = {ref: entry.names.edge(Wire((ref,)), entry.path("when"), entry.id) for ref in when.refs}
    return (Guard(when, {ref: edge for ref, edge in found.items() if edge}),)


def _fallbacks(entry: StepEntry) -> dict[str, tuple[Wire, Path]]:
    """The wires that stand in for outputs, by output, each with its place; a graph inside the graph has none."""
    wires, outputs = entry.spec.on_error.wires, entry.signature.outputs
    path = entry.path("on_error", "use")
    if entry.node is None:
        return {}
    if not isinstance(wires, Wire):
        return {name: (wire, (*path, name)) for name, wire in wires.items()}
    return dict.fromkeys(outputs if len(outputs) == 1 else [""], (wires, path))


def _fallback(entry: StepEntry, name: str, wire: Wire, path: Path) -> Edge | None:
    outputs = entry.signature.outputs
    if not name:
        hint = f"Write: use: {{{', '.join(f'{name}: WIRE' for name in outputs)}}}"
        message = f"step '{entry.id}' has {len(outputs)} outputs, so one wire cannot stand in for it"
        entry.names.tell(path, message, hint)
        return None
    edge = entry.names.edge(wire, path, entry.id)
    if name not in outputs:
        hint = did_you_mean(name, outputs) or f"{entry.id} has: {entry.signature.gives}."
        entry.names.tell(path, f"step '{entry.id}' has no output '{name}'", hint, key=True)
        return None
    return edge


def output(names: Names, name: str) -> Edge | None:
    """Where an output of a graph comes from; None (and told) where its wire means nothing."""
    wire, path = names.spec.outputs[name], ("outputs", name)
    edge = names.edge(wire, path)
    if edge is None:
        return None
    types = {names.types[source].required() for source in edge.sources}
    if edge.form != "filled" and not all(type_.alike(other) for type_, other in pairwise(types)):
        verb = "gathers values" if edge.form == "many" else "could be values"
        names.tell(path, f"output '{name}' {verb} of different types: {', '.join(sorted(map(str, types)))}")
    if not edge.sources:
        names.tell(path, f"output '{name}' gathers nothing")
    return edge


def _edge(entry: StepEntry, name: str, wire: Wire) -> Edge | None:
    """What comes to one input. Both ends are looked at, even if one of them is wrong."""
    path, port = entry.path("in", name), entry.signature.input(name)
    if port is None:
        hint = did_you_mean(name, entry.signature.inputs)
        if not hint and name in entry.settings:
            hint = f"'{name}' is a setting: put it under 'with:'."
        entry.tell(
            ("in", name), f"{entry.signature.name} has no input '{name}'", hint or entry.inputs_like(name), key=True
        )
    edge = entry.names.edge(wire, path, entry.id)
    if port is None or edge is None:
        return None
    wanted = _wanted(entry, port)
    if entry.spec.scope == "dataset" and _differs_by_row(entry.names, edge, wanted):
        edge = replace(edge, form="rows")
    fills = name in entry.spec.each and not port.required
    return replace(edge, holed=edge.form in ("many", "rows") and (fills or wanted.holed))


def _wanted(entry: StepEntry, port: Port) -> PortType:
    """What is to come to an input: where it gets one element at a time, a list."""
    return port.type.listed() if port.name in entry.spec.each else port.type


def _check_input(entry: StepEntry, name: str, edge: Edge) -> None:
    port = entry.signature.input(name)
    assert port is not None  # or it would have no edge
    wanted, each = _wanted(entry, port), name in entry.spec.each
    takes = f"step '{entry.id}': input '{name}' takes {wanted}" + (", to run once per element" if each else "")
    taken = wanted.item().maybe().listed() if each else wanted  # what an element lacks, its outputs lack
    if edge.form != "rows":
        _fit(entry.names, entry.path("in", name), takes, taken, entry.spec.in_[name], edge)
        return
    (source,) = edge.sources
    listed = entry.names.types[source].required().listed()
    if not listed.feeds(taken):
        entry.names.tell(entry.path("in", name), f"{takes}, but '{source}' of all rows is {listed}")


def _differs_by_row(names: Names, edge: Edge, wanted: PortType) -> bool:
    """Whether each row has its own of what comes along an edge; an input that fits is the same for all."""
    if edge.form != "one":
        return False
    (source,) = edge.sources
    common = not source.port and source.name in names.inputs and names.types[source].alike(wanted)
    return not common and not names.spans_rows(source)


def _fit(names: Names, path: Path, takes: str, wanted: PortType, wire: Wire, edge: Edge) -> None:
    """Tells of each source that does not fit what is wanted; `takes` says in words what that is, and where."""
    if edge.form == "many" and not wanted.many:
        names.tell(path, f"{takes}, but a list of wires is gathered there")
        return
    if edge.form == "many":
        wanted, takes = wanted.item(), f"{takes.partition(' takes ')[0]} gathers items of {wanted.item()}"
    for index, source in enumerate(edge.sources if edge.form != "filled" else edge.sources[:1]):
        given = names.types[source] if edge.form != "filled" else names.type(edge) or wanted
        if not given.feeds(wanted):
            hint = _way_out(names, source, given, wanted)
            names.tell(wire.path(path, index), f"{takes}, but '{source}' is {given}", hint)


def _way_out(names: Names, source: Source, given: PortType, wanted: PortType) -> str:
    """A hint for a source of another type."""
    if given.alike(wanted):
        filled = f"let a {given.item().required()} stand in for them, {{first_of: [{source}, …]}}, or "
        way = filled if given.filled().feeds(wanted) else ""
        return f"Some of its items may be absent: {way}take a node with a port of {given}."
    if given.listed().feeds(wanted):
        return f"A list of one is written [{source}]."
    if given.feeds(wanted.listed()):
        return f"To run once per element of '{source}', name the port in 'each:'."
    step = names.output_of(source)
    if step is None:
        return ""
    signature = names.signatures[step[0]]
    fitting = [name for name, other in signature.outputs.items() if other.feeds(wanted)]
    hint = f"{step[0]} has: {signature.gives}."
    return hint + (f" Did you mean '{step[0]}.{fitting[0]}'?" if fitting else "")
