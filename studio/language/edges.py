"""Edges: what the wires of a step lead to, and whether what comes along them fits."""

from __future__ import annotations

from collections.abc import Mapping

from studio.errors import did_you_mean
from studio.language.document import Path
from studio.language.names import Names
from studio.language.plan import Edge, Guard, Source
from studio.language.step_entry import StepEntry
from studio.language.wire import Wire
from studio.values import PortType

__all__ = ["check_ports", "edges", "fallbacks", "guards", "output"]


def edges(entry: StepEntry) -> dict[str, Edge]:
    """What comes to each input that is wired; without those that lead nowhere or to no input, which is told."""
    found = {name: _edge(entry, name, wire) for name, wire in entry.spec.in_.items()}
    return {name: edge for name, edge in found.items() if edge}


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


def guards(entry: StepEntry) -> tuple[Guard, ...]:
    """Its condition, if it has one, with the edges that it reads; what its types make senseless is told."""
    when = entry.spec.when
    if when is None:
        return ()
    path = entry.path("when")
    found = {ref: entry.names.edge(Wire((ref,)), path, entry.id) for ref in when.refs}
    known = {ref: edge for ref, edge in found.items() if edge}
    types = {ref: type_ for ref, edge in known.items() if (type_ := entry.names.type(edge))}
    for problem in when.problems(types):
        entry.tell(("when",), f"'when: {when}': {problem}")
    return (Guard(when, known),)


def fallbacks(entry: StepEntry) -> dict[str, Edge]:
    """What stands in for each output if the step fails, as `on_error: {use: …}` says."""
    wires, outputs = entry.spec.on_error.wires, entry.signature.outputs
    path = entry.path("on_error", "use")
    if not isinstance(wires, Wire):
        return _fallbacks(entry, {name: (wire, (*path, name)) for name, wire in wires.items()})
    if len(outputs) > 1:
        hint = f"Write: use: {{{', '.join(f'{name}: WIRE' for name in outputs)}}}"
        message = f"step '{entry.id}' has {len(outputs)} outputs, so one wire cannot stand in for it"
        entry.names.tell(path, message, hint)
        return {}
    return _fallbacks(entry, dict.fromkeys(outputs, (wires, path)))


def _fallbacks(entry: StepEntry, written: Mapping[str, tuple[Wire, Path]]) -> dict[str, Edge]:
    found: dict[str, Edge] = {}
    outputs = entry.signature.outputs
    for name, (wire, path) in written.items():
        edge = entry.names.edge(wire, path, entry.id)
        if name not in outputs:
            hint = did_you_mean(name, outputs) or f"{entry.id} has: {entry.signature.gives}."
            entry.names.tell(path, f"step '{entry.id}' has no output '{name}'", hint, key=True)
        elif edge is not None:
            takes = f"step '{entry.id}': its output '{name}' is {outputs[name]}"
            _fit(entry.names, path, takes, outputs[name], wire, edge)
            found[name] = edge
    return found


def output(names: Names, name: str) -> Edge | None:
    """Where an output of a graph comes from; None (and told) where its wire means nothing."""
    wire, path = names.spec.outputs[name], ("outputs", name)
    edge = names.edge(wire, path)
    if edge is None:
        return None
    types = {names.types[source].required() for source in edge.sources}
    if len(types) > 1:
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
    each = name in entry.spec.each
    wanted = port.type.listed() if each else port.type
    takes = f"step '{entry.id}': input '{name}' takes {wanted}" + (", to run once per element" if each else "")
    if entry.spec.scope == "dataset" and _differs_by_row(entry.names, edge, wanted):
        return _all_rows(entry.names, path, takes, wanted, edge)
    _fit(entry.names, path, takes, wanted, wire, edge)
    return edge


def _differs_by_row(names: Names, edge: Edge, wanted: PortType) -> bool:
    """Whether each row has its own of what comes along an edge; an input that fits is the same for all."""
    if edge.form != "one":
        return False
    (source,) = edge.sources
    common = not source.port and source.name in names.inputs and names.types[source].feeds(wanted)
    return not common and not names.spans_rows(source)


def _all_rows(names: Names, path: Path, takes: str, wanted: PortType, edge: Edge) -> Edge:
    """An edge to a step that runs once over all rows: what each of them gives, as a list."""
    (source,) = edge.sources
    listed = names.types[source].required().listed()
    if not listed.feeds(wanted):
        names.tell(path, f"{takes}, but '{source}' of all rows is {listed}")
    return Edge(edge.sources, "rows")


def _fit(names: Names, path: Path, takes: str, wanted: PortType, wire: Wire, edge: Edge) -> None:
    """Tells of each source that does not fit what is wanted; `takes` says in words what that is, and where."""
    if edge.form == "many" and not wanted.many:
        names.tell(path, f"{takes}, but a list of wires is gathered there")
        return
    if edge.form == "many":
        wanted, takes = wanted.item(), f"{takes.partition(' takes ')[0]} gathers items of {wanted.item()}"
    for index, source in enumerate(edge.sources):
        given = names.types[source]
        if not given.feeds(wanted):
            hint = _way_out(names, source, given, wanted)
            names.tell(wire.path(path, index), f"{takes}, but '{source}' is {given}", hint)


def _way_out(names: Names, source: Source, given: PortType, wanted: PortType) -> str:
    """A hint for a source of another type."""
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
