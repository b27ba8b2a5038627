"""Supply: what the steps of a run are given, as artifacts. A file is known by its digest before it is read.

Looking a key up needs no more than that digest; only a step that really runs needs the file opened,
checked and copied into the store. So a cached run decodes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from studio.cache import Cache
from studio.digest import FileDigests, of_bytes, of_file
from studio.errors import InputError, did_you_mean
from studio.executors.live import Held
from studio.plan import Edge, GraphInput, Plan, Source, Step
from studio.store import ABSENT, Artifact, Column, Damaged, Store
from studio.values import KINDS, PortType
from studio.worker import pack

__all__ = ["Supply"]

_NO_ROWS = Artifact.of_items("data", ())  # an empty list; one of kind `absent` would be no list at all


class Supply:
    """Where the inputs of a plan's steps come from: what a run is given, constants, and what steps have made."""

    def __init__(
        self,
        plan: Plan,
        edges: Iterable[Edge],
        values: Mapping[str, object],
        cache: Cache | None,
        later: Iterable[str] = (),
        files: FileDigests | None = None,
        rows: Mapping[Source, Artifact] | None = None,
    ) -> None:
        """What is given `later`, to each item its own, is not asked for here.

        files: where the digests of files come from, if not from the cache.
        rows: what sources gave for all rows of a data set; without, there is one row, and it is this one.
        """
        self.rows = rows
        edges = [edge for edge in edges if rows is None or edge.form != "rows"]
        self._plan, self._cache = plan, cache
        self._files = files or (cache.files if cache else None)
        self._folder = Path(plan.file).parent  # that paths in the graph start from
        read = set(_ends(plan, edges))
        self._own_names = read & set(later)
        self._later = sorted(self._own_names)
        _check_names(plan, values, (read & plan.inputs.keys()).difference(self._later))
        self._given: Mapping[str, _Given | _Plain | _Column] = {
            name: self._input(name, values.get(name)) for name in sorted(read.difference(self._later))
        }
        self._names = sorted((*self._given, *self._later))
        self._constants: dict[str, dict[str, _Given]] = {}  # by step and port
        self.made: Callable[[Source], Artifact]  # the artifact of an output port of a step; set by who knows

    def of_item(self, values: Mapping[str, object]) -> Supply:
        """The supply of one item, with these values; it shares with others what is the same for all."""
        if values.keys() != self._own_names:  # a data set has very many
            _check_names(self._plan, values, self._own_names)
        return self._with({name: self._own(name, values.get(name)) for name in self._later})

    @staticmethod
    def together(supplies: Sequence[Supply]) -> Supply:
        """That of several items, each of which can be placed: what is their own stands in columns."""
        first = supplies[0]
        return first._with({name: _Column([each._given[name].artifact for each in supplies]) for name in first._later})

    def _with(self, own: Mapping[str, _Given | _Plain | _Column]) -> Supply:
        """The same supply, where items have these of their own."""
        supply = object.__new__(Supply)
        supply.__dict__ = {**self.__dict__, "_given": {**self._given, **own}}
        return supply

    def _own(self, name: str, value: object) -> _Given | _Plain:
        type_ = self._plan.inputs[name].type
        if value is None or type_.many or not KINDS[type_.kind].plain or isinstance(value, Path):
            return self._input(name, value)
        return _Plain(name, type_.kind, value)

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
        """What comes along an edge: ABSENT where that is not there, or a part of a gathered list is not."""
        if edge.form == "rows" and self.rows is not None:
            return self.rows[edge.sources[0]]
        found = [self.of(source) for source in edge.sources]
        if edge.form == "rows":
            return _NO_ROWS if found[0].absent else Artifact.of_items(found[0].kind, (found[0],))
        if edge.form == "first":
            return next((artifact for artifact in found if not artifact.absent), ABSENT)
        if edge.form == "one" or any(artifact.absent for artifact in found):
            return found[0] if edge.form == "one" else ABSENT
        return Artifact.of_items(found[0].kind if found else "data", tuple(found))

    def of(self, source: Source) -> Artifact:
        """What a source gives."""
        if source.port:
            return self.made(source)
        relay = self._plan.relays.get(source.name)
        return self.artifact(relay.edge) if relay and relay.edge else self._given[source.name].artifact

    def inputs_of(self, step: Step, admit: bool) -> dict[str, Artifact]:
        """What a step is given, by port; `admit` if it is to run."""
        found = {name: self.artifact(edge) for name, edge in step.edges.items()}
        gathered = [name for name, edge in step.edges.items() if edge.form == "rows"]
        if self.rows is None and not all(found[name].items for name in gathered):  # the row is left out as a whole
            found |= dict.fromkeys(gathered, _NO_ROWS)
        for name, constant in self._constants_of(step).items():
            if admit:
                constant.admit()
            found[name] = constant.artifact
        for name in step.unwired:
            found[name] = ABSENT
        for name in [name for name, artifact in found.items() if artifact.absent]:
            port = step.ports.inputs[name]
            if not port.required and not port.type.optional:
                del found[name]  # as if it were not wired: the port has a default of its own
        return found

    def place(self) -> None:
        """Puts what was given where workers find it, unopened: they will see what it is. InputError if that fails."""
        for name in self._given:
            self._given[name].place()

    def admit(self, edges: Iterable[Edge] | None = None) -> None:
        """Opens and checks what was given (all of it, or what these edges read); InputError says what is wrong."""
        for name in self._given if edges is None else set(_ends(self._plan, edges)):
            self._given[name].admit()

    def _constants_of(self, step: Step) -> dict[str, _Given]:
        """The constants of a step, read once however often the step is tried."""
        if step.id not in self._constants:
            ports = step.ports.inputs.items()
            types = {name: port.type.listed() if name in step.each else port.type for name, port in ports}
            self._constants[step.id] = {
                name: _Given(
                    f"step '{step.id}', port '{name}'", types[name], raw, self._cache, self._files, self._folder
                )
                for name, raw in step.constants.items()
            }
        return self._constants[step.id]

    def _input(self, name: str, value: object) -> _Given:
        if relay := self._plan.relays.get(name):
            return _Given(f"'{name}'", relay.type, relay.constant, self._cache, self._files, relay.folder)
        given = self._plan.inputs[name]
        if value is not None:
            return _Given(f"input '{name}'", given.type, value, self._cache, self._files)
        return _Given(f"input '{name}'", given.type, given.default, self._cache, self._files, self._folder)


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


def _digest(given: Mapping[str, _Given | _Plain | _Column], names: Iterable[str], head: str = "") -> str:
    lines = [head] if head else []
    for name in names:
        artifact = given[name].artifact
        if artifact.digest is None:
            return ""
        lines += name, artifact.kind, artifact.digest
    return of_bytes("\n".join(lines).encode())


def _unknown(name: str, inputs: Mapping[str, GraphInput]) -> str:
    known = ", ".join(f"{given.name} ({given.type})" for given in inputs.values()) or "none"
    return f"there is no input '{name}'. {did_you_mean(name, inputs)} Inputs: {known}".replace("  ", " ")


class _Plain:
    """A small value that an item gives: what most of a data set is made of."""

    __slots__ = ("artifact", "raw")

    def __init__(self, name: str, kind: str, value: object) -> None:
        try:
            self.raw = value
            self.artifact, _ = pack(kind, value)
        except ValueError as error:
            raise InputError(f"input '{name}': {error}") from None

    def admit(self) -> None:
        """It is what it is."""

    def place(self) -> None:
        """It goes along."""


class _Column:
    """What several items give, placed."""

    __slots__ = ("artifact",)

    def __init__(self, artifacts: Sequence[Artifact]) -> None:
        self.artifact = Column(artifacts[0].kind, items=tuple(artifacts))

    @property
    def raw(self) -> object:
        """Nothing that came as it is."""
        return None

    def admit(self) -> None:
        """Each item sees to its own."""

    def place(self) -> None:
        """Each item has placed its own."""


class _Given:
    """One value handed to a graph or to a port."""

    def __init__(
        self,
        name: str,
        type_: PortType,
        raw: object,
        cache: Cache | None,
        files: FileDigests | None,
        folder: Path | None = None,
    ) -> None:
        self._name = name
        self._kind = type_.kind
        self._cache, self._files = cache, files
        self._folder = folder  # that relative paths start from; None for the current one
        self._type = type_
        self._raws = self._leaves(type_, raw)
        self._shape = raw
        self._first = [self._checked(self._known, item) for item in self._raws]  # as they are known unopened
        self._artifacts = self._first
        self._live = self._placed = False
        self.artifact = self._whole()  # as it enters keys; once `admit` was called, as a worker can take it

    @property
    def raw(self) -> object:
        """The value as it came."""
        return self._shape

    def _formed(self, shape: Any, type_: PortType, leaves: Iterator[Artifact]) -> Artifact:
        """The artifacts in lists as deep as those that were given."""
        if not type_.many:
            return next(leaves)
        return Artifact.of_items(type_.kind, tuple(self._formed(part, type_.item(), leaves) for part in shape))

    def admit(self) -> None:
        """Opens and checks what is given, and puts it where workers find it; InputError says what is wrong."""
        if not self._live:
            pairs = zip(self._raws, self._first, strict=True)
            self._artifacts = [self._checked(self._opened, raw, artifact) for raw, artifact in pairs]
            self._live = True
            self.artifact = self._whole()

    def place(self) -> None:
        """Puts files where workers find them, unopened; InputError if that cannot be done."""
        if not (self._placed or self._live):
            pairs = zip(self._raws, self._first, strict=True)
            self._artifacts = [self._checked(self._stored, raw, artifact) for raw, artifact in pairs]
            self._placed = True
            self.artifact = self._whole()

    def _stored(self, raw: object, known: Artifact) -> Artifact:
        if self._cache is None or not self._is_path(raw) or known.inline is not None or known.live is not None:
            return self._opened(raw, known)
        try:
            return self._cache.store.put(self._kind, self._path(raw), known.digest)
        except OSError:  # the disk does not take it: it goes on from memory
            return self._opened(raw, known)

    def _whole(self) -> Artifact:
        if self._shape is None and not self._raws:
            return ABSENT
        return self._formed(self._shape, self._type, iter(self._artifacts))

    def _leaves(self, type_: PortType, raw: object) -> list[object]:
        if raw is None and type_.optional:
            return []
        try:
            return type_.leaves(raw)
        except ValueError:
            raise InputError(f"{self._name} takes {type_}, not a single {type(raw).__name__}") from None

    def _checked(self, make: Callable[..., Artifact], *arguments: Any) -> Artifact:
        try:
            return make(*arguments)
        except Damaged as error:
            raise InputError(f"{self._name}: {error}") from None
        except OSError as error:
            raise InputError(
                f"{self._name}: '{str(error.filename)[:300]}': {(error.strerror or 'unreadable').lower()}"
            ) from None
        except ValueError as error:
            raise InputError(f"{self._name}: {error}") from None

    def _is_path(self, raw: object) -> bool:
        return KINDS[self._kind].from_path and isinstance(raw, str | Path)

    def _path(self, raw: object) -> Path:
        path = Path(os.path.expanduser(str(raw)))  # noqa: PTH111 the home of nobody stays as it is written
        return path if self._folder is None else self._folder / path

    def _known(self, raw: object) -> Artifact:
        if self._is_path(raw) and not KINDS[self._kind].plain and self._files is not None:
            path = self._path(raw)
            if path.is_file():
                return Artifact(self._kind, self._files(path), path.stat().st_size)
        return self._opened(raw, None)

    def _opened(self, raw: object, known: Artifact | None) -> Artifact:
        """The value read and checked; with a cache its digest, without one itself."""
        if known is not None and (known.inline is not None or known.live is not None or known.stored):
            return known
        artifact, live = pack(self._kind, self._path(raw) if self._is_path(raw) else raw)
        if live is None:
            return artifact
        if self._cache is not None:
            artifact = self._kept(live, known)
        return replace(artifact, live=Held(live))

    def _kept(self, live: object, known: Artifact | None) -> Artifact:
        assert self._cache is not None
        encoded = KINDS[self._kind].encode(live)
        digest = of_file(encoded) if isinstance(encoded, Path) else of_bytes(encoded)
        if known is not None and digest != known.digest:
            raise ValueError("the file changed while it was read")
        try:
            return self._cache.store.put(self._kind, encoded, digest)
        except OSError:  # the disk does not take it: the run goes on with what is in memory
            size = encoded.stat().st_size if isinstance(encoded, Path) else len(encoded)
            return Artifact(self._kind, digest, size)
