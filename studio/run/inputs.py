"""Inputs: what the steps of a run are given, as artifacts. A file is known by its digest before it is read.

Looking a key up needs no more than that digest; only a step that really runs needs the file opened,
checked and copied into the store. So a cached run decodes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from studio.cache.cache import Cache
from studio.cache.file_digests import FileDigests
from studio.cache.store import Store
from studio.errors import InputError, did_you_mean
from studio.language.plan import Edge, GraphInput, Plan, Relay, Source, Step
from studio.run.given import GivenColumn, GivenPlain, GivenValue
from studio.values import KINDS, PortType
from studio.values.artifact import ABSENT, Artifact
from studio.values.digest import of_bytes

__all__ = ["Inputs"]

_NO_ROWS = Artifact.of_items("data", ())  # an empty list; one of kind `absent` would be no list at all


class Inputs:
    """Where the inputs of a plan's steps come from: what a run is given, constants, and what steps have made."""

    def __init__(
        self,
        plan: Plan,
        edges: Iterable[Edge],
        values: Mapping[str, object],
        cache: Cache | None,
        later: Iterable[str] = (),
        files: FileDigests | None = None,
        rows: Callable[[Step], Mapping[str, Artifact]] | None = None,
    ) -> None:
        """What is given `later`, to each item its own, is not asked for here.

        files: where the digests of files come from, if not from the cache.
        rows: what a step is given of all rows of a data set, by port; without, there is one row, and it is this one.
        """
        self.rows = rows
        self.notes: list[str] = []  # what a person should know of how files were read that were opened so far
        self.own_notes = self.notes  # the same of what one item was given of its own
        edges = [edge for edge in edges if rows is None or edge.form != "rows"]
        self._plan, self._cache = plan, cache
        self._files = files or (cache.files if cache else None)
        read = set(_ends(plan, edges))
        self._own_names = read & set(later)
        self._later = sorted(self._own_names)
        _check_names(plan, values, (read & plan.inputs.keys()).difference(self._later))
        self._given: Mapping[str, GivenValue | GivenPlain | GivenColumn] = {
            name: self._input(name, values.get(name), self.notes) for name in sorted(read.difference(self._later))
        }
        self._names = sorted((*self._given, *self._later))
        self._constants: dict[str, dict[str, GivenValue]] = {}  # by step and port
        self._defaults: dict[str, GivenValue] = {}  # of the inputs of graphs inside, where one was needed
        self.made: Callable[[Source], Artifact]  # the artifact of an output port of a step; set by who knows

    def of_item(self, values: Mapping[str, object]) -> Inputs:
        """The inputs of one item, with these values; it shares with others what is the same for all."""
        if values.keys() != self._own_names:  # a data set has very many
            _check_names(self._plan, values, self._own_names)
        notes: list[str] = []
        inputs = self._with({name: self._own(name, values.get(name), notes) for name in self._later})
        inputs.own_notes = notes
        return inputs

    @staticmethod
    def together(supplies: Sequence[Inputs]) -> Inputs:
        """That of several items, each of which can be placed: what is their own stands in columns."""
        first = supplies[0]
        return first._with(
            {name: GivenColumn([each._given[name].artifact for each in supplies]) for name in first._later}
        )

    def _with(self, own: Mapping[str, GivenValue | GivenPlain | GivenColumn]) -> Inputs:
        """The same inputs, where items have these of their own."""
        inputs = object.__new__(Inputs)
        inputs.__dict__ = {**self.__dict__, "_given": {**self._given, **own}}
        return inputs

    def unopened(self, edges: Iterable[Edge] | None = None) -> Inputs:
        """The same for another run: what was given (or what these edges read of it) is opened and checked anew."""
        names = self._given if edges is None else set(_ends(self._plan, edges))
        inputs = self._with({})
        inputs._given = {name: self._given[name].unopened() for name in names}
        inputs._constants = {}
        return inputs

    def _own(self, name: str, value: object, notes: list[str]) -> GivenValue | GivenPlain:
        type_ = self._plan.inputs[name].type
        if value is None or type_.many or not KINDS[type_.kind].plain or isinstance(value, Path):
            return self._input(name, value, notes)
        return GivenPlain(name, type_.kind, value)

    def digest(self, identity: str) -> str:
        """The digest of all that one item was given, for a plan; empty where content cannot be told."""
        return _digest(self._given, self._names, identity)

    @property
    def own_digest(self) -> str:
        """The digest of what one item was given of its own; empty where content cannot be told."""
        return _digest(self._given, self._later)

    @property
    def own(self) -> dict[str, object]:
        """What one item was given of its own, by input, as it came."""
        return {name: self._given[name].raw for name in self._later}

    @property
    def store(self) -> Store | None:
        """Where values lie at rest."""
        return self._cache.store if self._cache else None

    def artifact(self, edge: Edge) -> Artifact:
        """What comes along an edge: ABSENT where that is not there, or a list is gathered that lacks a part."""
        found = [self.of(source) for source in edge.sources]
        if edge.form == "one":
            return found[0]
        if edge.form == "filled":
            return _filled(*found)
        there = [artifact for artifact in found if not artifact.absent]
        if edge.form == "first":
            return there[0] if there else ABSENT
        if len(there) < len(found) and not edge.holed:
            return _NO_ROWS if edge.form == "rows" else ABSENT
        return Artifact.of_items(there[0].kind if there else "data", tuple(found))

    def of(self, source: Source) -> Artifact:
        """What a source gives."""
        if source.port:
            return self.made(source)
        relay = self._plan.relays.get(source.name)
        if relay is None or relay.edge is None:
            return self._given[source.name].artifact
        found = self.artifact(relay.edge)
        return self._with_default(source.name, relay, found) if relay.fills else found

    def _with_default(self, name: str, relay: Relay, found: Artifact) -> Artifact:
        """What comes to an input of a graph inside, with its default in place of what is absent."""
        if not relay.each:
            return self._default(name, relay) if found.absent else found
        holed = any(item.absent for item in found.items or ())
        return _filled(found, self._default(name, relay)) if holed else found

    def _default(self, name: str, relay: Relay) -> Artifact:
        """The default of an input of a graph inside, opened: something is to be made with it."""
        if name not in self._defaults:
            type_ = relay.type.item() if relay.each else relay.type
            given = self._of_relay(name, type_, relay, self.notes)
            given.admit()
            self._defaults[name] = given
        return self._defaults[name].artifact

    def inputs_of(self, step: Step, admit: bool) -> dict[str, Artifact]:
        """What a step is given, by port; `admit` if it is to run."""
        gathered = [name for name, edge in step.edges.items() if edge.form == "rows"]
        found: dict[str, Artifact] = {}
        if gathered and self.rows is not None:
            found |= self.rows(step)
        found |= {name: self.artifact(edge) for name, edge in step.edges.items() if name not in found}
        if not all(found[name].items for name in gathered) and self.rows is None:  # the row is left out as a whole
            found |= dict.fromkeys(gathered, _NO_ROWS)
        for name, constant in self._constants_of(step).items():
            if admit:
                constant.admit()
            found[name] = constant.artifact
        for name in step.unwired:
            found[name] = ABSENT
        for name in [name for name, artifact in found.items() if artifact.absent]:
            if step.has_default(name):
                del found[name]  # as if it were not wired
        return found

    def constants_of(self, step: Step) -> dict[str, Artifact]:
        """The values that a step itself gives its ports; InputError says what is wrong with one."""
        return {name: constant.artifact for name, constant in self._constants_of(step).items()}

    def place(self) -> None:
        """Puts what was given where workers find it, unopened: they will see what it is. InputError if that fails."""
        for name in self._given:
            self._given[name].place()

    def renew(self) -> None:
        """Puts what was given where workers find it, if it is gone from there; InputError if it changed."""
        for given in self._given.values():
            given.renew()

    def admit(self, edges: Iterable[Edge] | None = None) -> None:
        """Opens and checks what was given (all of it, or what these edges read); InputError says what is wrong."""
        for name in self._given if edges is None else set(_ends(self._plan, edges)):
            self._given[name].admit()

    def name_of(self, digest: str) -> tuple[str, bool]:
        """The input that gave a value, and whether it is the item's own; an empty name, if none did."""
        for name in (*self._later, *self._names):
            if any(leaf.digest == digest for leaf in self._given[name].artifact.leaves):
                return name, name in self._own_names
        return "", False

    def _constants_of(self, step: Step) -> dict[str, GivenValue]:
        """The constants of a step, read once however often the step is tried."""
        if step.id not in self._constants:
            ports = step.ports.inputs.items()
            types = {name: port.type.listed() if name in step.each else port.type for name, port in ports}
            self._constants[step.id] = {
                name: self._value(f"step '{step.id}', port '{name}'", types[name], raw, step.folder, self.notes)
                for name, raw in step.constants.items()
            }
        return self._constants[step.id]

    def _input(self, name: str, value: object, notes: list[str]) -> GivenValue:
        if relay := self._plan.relays.get(name):
            return self._of_relay(name, relay.type, relay, notes)
        given = self._plan.inputs[name]
        raw, folder = (given.default, self._plan.folder) if value is None else (value, None)
        return self._value(f"input '{name}'", given.type, raw, folder, notes)

    def _of_relay(self, name: str, type_: PortType, relay: Relay, notes: list[str]) -> GivenValue:
        return self._value(f"'{name}'", type_, relay.constant, relay.folder, notes)

    def _value(self, name: str, type_: PortType, raw: object, folder: Path | None, notes: list[str]) -> GivenValue:
        return GivenValue(name, type_, raw, self._cache, self._files, folder, notes)


def _filled(whole: Artifact, default: Artifact) -> Artifact:
    """A list with something in place of each item that is absent."""
    if whole.absent or not any(item.absent for item in whole.items or ()):
        return whole
    kind = whole.kind if default.absent else default.kind
    return Artifact.of_items(kind, tuple(default if item.absent else item for item in whole.items or ()))


def _ends(plan: Plan, edges: Iterable[Edge]) -> Iterator[str]:
    """The names of what edges read that no step makes: inputs, and relays that hold a constant."""
    for edge in edges:
        for source in edge.sources:
            relay = plan.relays.get(source.name)
            if relay is not None and relay.edge is not None and not source.port:
                yield from _ends(plan, [relay.edge])
            elif not source.port:
                yield source.name


def _check_names(plan: Plan, values: Mapping[str, object], needed: set[str]) -> None:
    """InputError names every input that is unknown, and every needed one that is missing."""
    wrong = [_unknown(name, plan.inputs) for name in values if name not in plan.inputs]
    for name in sorted(needed):
        given = plan.inputs[name]
        if given.required and values.get(name) is None:
            about = f": {given.description}" if given.description else ""
            wrong.append(f"the input '{name}' ({given.type}) is missing{about}")
    if wrong:
        raise InputError("\n".join(wrong))


def _digest(given: Mapping[str, GivenValue | GivenPlain | GivenColumn], names: Iterable[str], head: str = "") -> str:
    lines = [head] if head else []
    for name in names:
        artifact = given[name].artifact
        if (identity := artifact.identity) is None:
            return ""
        lines += name, artifact.kind, identity
    return of_bytes("\n".join(lines).encode())


def _unknown(name: str, inputs: Mapping[str, GraphInput]) -> str:
    known = ", ".join(f"{given.name} ({given.type})" for given in inputs.values()) or "none"
    return f"there is no input '{name}'. {did_you_mean(name, inputs)} Inputs: {known}".replace("  ", " ")
