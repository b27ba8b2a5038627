"""Scope: what the wires of one graph file can mean: its inputs and what its steps put out, with their types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from studio.errors import did_you_mean
from studio.language.document import Path
from studio.language.plan import Edge, GraphInput, Source
from studio.language.spec import GraphSpec
from studio.language.wire import Wire
from studio.node.node import Port
from studio.values import PortType

__all__ = ["Face", "Names", "Tell"]

Tell = Callable[..., None]  # takes a path of the document, a message, a hint, and whether the key is meant


@dataclass(frozen=True)
class Face:
    """A step as the rest of its file sees it: a node, or a graph inside the graph."""

    name: str  # of the node or the graph
    inputs: Mapping[str, Port]
    outputs: Mapping[str, PortType]
    sources: Mapping[str, Source]  # what each output is in the plan
    wires: PortType | None = None
    complete: bool = True  # whether all of it could be read

    def input(self, name: str) -> Port | None:
        """The input of this name, one of the free wires included."""
        if name in self.inputs or self.wires is None:
            return self.inputs.get(name)
        return Port(name, self.wires)

    def shown(self, what: Mapping[str, PortType] | Mapping[str, Port]) -> str:
        """Inputs or outputs in words."""
        listed = [str(port) if isinstance(port, Port) else f"{name} ({port})" for name, port in what.items()]
        return ", ".join(listed)


@dataclass
class Names:
    """The names of one file. What cannot be resolved is told."""

    spec: GraphSpec
    prefix: str  # of the ids of its steps in the plan
    tell: Tell
    inputs: dict[str, GraphInput] = field(default_factory=dict)
    faces: dict[str, Face] = field(default_factory=dict)
    types: dict[Source, PortType] = field(default_factory=dict)

    def add_input(self, given: GraphInput) -> None:
        """An input of the file."""
        self.inputs[given.name] = given
        self.types[Source(self.prefix + given.name)] = given.type

    def add_step(self, id: str, face: Face) -> None:
        """A step of the file."""
        self.faces[id] = face
        self.types |= {source: face.outputs[name] for name, source in face.sources.items()}

    def edge(self, wire: Wire, path: Path, reader: str = "") -> Edge | None:
        """What a wire means; None (and told) if one of its references means nothing."""
        found = [self._source(ref, wire.path(path, index), reader) for index, ref in enumerate(wire.refs)]
        sources = tuple(source for source in found if source)
        return Edge(sources, wire.form) if len(sources) == len(found) else None

    def type(self, edge: Edge) -> PortType | None:
        """The type of what comes along an edge."""
        if not edge.sources:
            return None
        types = [self.types[source] for source in edge.sources]
        if edge.form == "many":
            return types[0].required().listed()
        return types[0].required() if not all(type_.optional for type_ in types) else types[0]

    def output_of(self, source: Source) -> tuple[str, str] | None:
        """The step and the output that a source is, as this file writes them; None for an input."""
        for id, face in self.faces.items():
            for name, own in face.sources.items():
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
        face = self.faces.get(name)
        if face is None:
            return None  # told already
        known = f"{name} has: {face.shown(face.outputs) or 'no outputs'}."
        if not port and len(face.sources) == 1:
            return next(iter(face.sources.values()))
        if not face.sources and not face.complete:
            return None  # what is wrong with it is told already
        if not port and not face.sources:
            self.tell(path, f"'{ref}': step '{name}' has no outputs")
        elif not port:
            self.tell(path, f"'{ref}' is ambiguous: step '{name}' has {len(face.outputs)} outputs", known)
        elif port not in face.sources:
            suggestion = did_you_mean(port, face.outputs).replace("'", f"'{name}.", 1)
            self.tell(path, f"'{ref}': step '{name}' has no output '{port}'", f"{known} {suggestion}".strip())
        else:
            return face.sources[port]
        return None
