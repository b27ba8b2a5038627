"""Names: what the wires of one graph file can mean: its inputs and what its steps put out, with their types."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

from studio.errors import Problem, did_you_mean
from studio.language.document import Path
from studio.language.plan import Edge, GraphInput, Relay, Source, origins
from studio.language.spec import GraphSpec
from studio.language.wire import Wire
from studio.node.node import Port
from studio.values import PortType

__all__ = ["Names", "Signature"]


@dataclass(frozen=True)
class Signature:
    """A step as the rest of its file sees it: what a node, or a graph inside the graph, takes and gives."""

    name: str  # of the node or the graph
    inputs: Mapping[str, Port]
    outputs: Mapping[str, PortType]
    sources: Mapping[str, Source]  # what each output is in the plan
    free: PortType | None = None  # the type of further inputs, of any name
    complete: bool = True  # whether all of it could be read

    def input(self, name: str) -> Port | None:
        """The input of this name, one of the free ones included."""
        if name in self.inputs or self.free is None:
            return self.inputs.get(name)
        return Port(name, self.free)

    @property
    def takes(self) -> str:
        """Its inputs in words."""
        return ", ".join(map(str, self.inputs.values())) or "no inputs"

    @property
    def gives(self) -> str:
        """Its outputs in words."""
        return ", ".join(f"{name} ({type_})" for name, type_ in self.outputs.items()) or "no outputs"


@dataclass
class Names:
    """The names of one file. What cannot be resolved is told.

    Steps are added before any wire is read: a wire may name a step that stands below it.
    """

    spec: GraphSpec
    prefix: str  # of the ids of its steps in the plan
    problems: list[Problem]  # all that is wrong with the file, which is told here
    inputs: dict[str, GraphInput] = field(default_factory=dict)
    signatures: dict[str, Signature] = field(default_factory=dict)
    types: dict[Source, PortType] = field(default_factory=dict)
    relays: dict[str, Relay] = field(default_factory=dict)  # those of the graphs inside
    written: dict[str, tuple[GraphSpec, str]] = field(
        default_factory=dict
    )  # by step of the plan: its file, its id there

    def tell(self, path: Path, message: str, hint: str = "", key: bool = False) -> None:
        """A problem at a path of the file, or at the key there."""
        self.problems.append(self.spec.problem(path, message, hint, key))

    def tell_of(self, step: str, message: str, hint: str = "") -> None:
        """A problem at a step of the plan, in whichever file it stands."""
        spec, id = self.written[step]
        self.problems.append(spec.problem(("nodes", id), message, hint, key=True))

    def add_input(self, given: GraphInput) -> None:
        """An input of the file."""
        self.inputs[given.name] = given
        self.types[Source(self.prefix + given.name)] = given.type

    def add_step(self, id: str, signature: Signature, inner: Names | None = None) -> None:
        """A step of the file; if it is a graph, with the names inside it."""
        self.signatures[id] = signature
        self.types |= {source: signature.outputs[name] for name, source in signature.sources.items()}
        self.written |= {self.prefix + id: (self.spec, id)} if inner is None else inner.written

    def edge(self, wire: Wire, path: Path, reader: str = "") -> Edge | None:
        """What a wire means; None (and told) if one of its references means nothing."""
        found = [self._source(ref, wire.path(path, index), reader) for index, ref in enumerate(wire.refs)]
        sources = tuple(source for source in found if source)
        if len(sources) < len(found):
            return None
        types = [self.types[source] for source in sources]
        filled = wire.form == "first" and len(types) == 2 and types[0].many and types[1].alike(types[0].item())
        return Edge(sources, "filled" if filled else wire.form)

    def type(self, edge: Edge) -> PortType | None:
        """The type of what comes along an edge; None where nothing does."""
        if not edge.sources:
            return None
        types = [self.types[source] for source in edge.sources]
        if edge.form == "filled":
            return types[0] if types[1].optional else types[0].filled()
        found = functools.reduce(PortType.or_else, (type_ for type_ in types if type_.alike(types[0])))
        if edge.form == "many":
            return (found if edge.holed else found.required()).listed()
        return found if all(type_.optional for type_ in types) else found.required()

    def spans_rows(self, source: Source) -> bool:
        """Whether a source gives something of the whole data set, and not of each row."""
        makers = [origin.name for origin in origins(Edge((source,)), self.relays) if origin.port]
        return any(spec.nodes[id].scope == "dataset" for spec, id in map(self.written.__getitem__, makers))

    def output_of(self, source: Source) -> tuple[str, str] | None:
        """The step and the output that a source is, as this file writes them; None for an input."""
        for id, signature in self.signatures.items():
            for name, own in signature.sources.items():
                if own == source:
                    return id, name
        return None

    def _source(self, ref: str, path: Path, reader: str) -> Source | None:
        name, _, port = ref.partition(".")
        if name in self.spec.inputs or self.spec.left_out("inputs", name):
            return self._input(ref, name, port, path)
        if name == reader:
            self.tell(path, f"step '{reader}' reads its own output '{ref}'", "A step cannot wait for itself.")
            return None
        if name in self.spec.nodes:
            return self._output(ref, name, port, path)
        if not self.spec.left_out("nodes", name):
            known = [*self.spec.inputs, *(self.spec.nodes.keys() - {reader})]
            hint = did_you_mean(name, known) or f"There are: {', '.join(sorted(known)) or 'none'}."
            self.tell(path, f"'{ref}': there is no step or input '{name}'", hint)
        return None

    def _input(self, ref: str, name: str, port: str, path: Path) -> Source | None:
        if port:
            self.tell(path, f"'{ref}': '{name}' is an input of the graph, which has no ports", f"Write '{name}'.")
        return None if port or name not in self.inputs else Source(self.prefix + name)

    def _output(self, ref: str, name: str, port: str, path: Path) -> Source | None:
        signature = self.signatures.get(name)
        if signature is None:
            return None  # told already
        known = f"{name} has: {signature.gives}."
        if not port and len(signature.sources) == 1:
            return next(iter(signature.sources.values()))
        if not signature.sources and not signature.complete:
            return None  # what is wrong with it is told already
        if not port and not signature.sources:
            self.tell(path, f"'{ref}': step '{name}' has no outputs")
        elif not port:
            self.tell(path, f"'{ref}' is ambiguous: step '{name}' has {len(signature.outputs)} outputs", known)
        elif port not in signature.sources:
            suggestion = did_you_mean(port, signature.outputs).replace("'", f"'{name}.", 1)
            self.tell(path, f"'{ref}': step '{name}' has no output '{port}'", f"{known} {suggestion}".strip())
        else:
            return signature.sources[port]
        return None
