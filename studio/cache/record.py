"""Record: the outputs computed for one key, with the parts of the key in clear. Basis: a key without its inputs."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from studio.values import KINDS
from studio.values.artifact import ABSENT, MOST_IN_RECORD, Artifact
from studio.values.digest import Uncacheable, of_bytes
from studio.values.measures import Measures
from studio.values.private_file import is_file_name

__all__ = [
    "SCHEME",
    "Basis",
    "Parts",
    "Record",
    "check_foreign",
    "record_from",
    "record_name",
    "slug",
    "whole_record",
    "written_record",
]


SCHEME = 3  # raised when keys or records change their form


_DIGEST = re.compile(r"[0-9a-f]{64}")


Parts = dict[str, Any]  # what a key is made of, in clear


@dataclass(frozen=True)
class Basis:
    """What a key is made of, apart from the inputs of its task."""

    parts: Parts
    digest: str
    step: str = ""  # its name and its graph's: no part of the key, but `why` compares only records of the same step

    def key(self, inputs: Mapping[str, Artifact]) -> str:
        """The key of a task; Uncacheable names an input whose content is not known."""
        lines = [self.digest]
        for name in sorted(inputs):
            artifact = inputs[name]
            if (identity := artifact.identity) is None:
                raise Uncacheable(f"the content of its input '{name}' is not known")
            lines += name, _kind(artifact), identity
        return of_bytes("\n".join(lines).encode())

    def with_inputs(self, inputs: Mapping[str, Artifact]) -> Parts:
        """All that a key is made of."""
        return {**self.parts, "inputs": {name: _told(artifact) for name, artifact in inputs.items()}}


@dataclass(frozen=True)
class Record:
    """The outputs that were computed for one key, and what is needed to say why another key differs."""

    key: str
    parts: Parts
    outputs: Mapping[str, Artifact]
    measures: Measures  # what making them took
    made: float  # seconds since the epoch
    step: str = ""  # that it was made for, as in its Basis

    @property
    def seconds(self) -> float:
        """Seconds that the node took."""
        return self.measures.seconds

    @property
    def node(self) -> str:
        return str(self.parts["node"])

    @property
    def blobs(self) -> Iterator[Artifact]:
        """The artifacts that lie in the store."""
        return (leaf for artifact in self.outputs.values() for leaf in artifact.leaves if leaf.inline is None)


def record_name(key: str, node: str) -> str:
    """What a record is called on the tier."""
    return f"records/{slug(node)}/{key[:2]}/{key}.json"


def _told(artifact: Artifact) -> list[str | None]:
    told = [_kind(artifact), artifact.digest]
    return [*told, artifact.name] if artifact.name else told


def _kind(artifact: Artifact) -> str:
    return f"list[{artifact.kind}]" if artifact.items is not None else artifact.kind


@functools.lru_cache(maxsize=1024)
def slug(node: str) -> str:
    """A node's name as a folder's."""
    plain = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in node)[:80]
    return plain if plain == node else f"{plain}-{of_bytes(node.encode())[:8]}"


def written_record(record: Record) -> bytes:
    """A record at rest: a line of JSON, and a line with its digest, by which damage is seen."""
    body = {
        "key": record.key,
        "parts": record.parts,
        "outputs": {name: _dumped(artifact) for name, artifact in record.outputs.items()},
        "seconds": record.measures.seconds,
        **({"numbers": dict(record.measures.numbers)} if record.measures.numbers else {}),
        "made": record.made or time.time(),
        "step": record.step,
    }
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return text + b"\n" + of_bytes(text).encode()


def record_from(text: bytes) -> Record:
    """The record of such a text; ValueError if it is not what was written."""
    body, _, check = text.rpartition(b"\n")
    if of_bytes(body).encode() != check:
        raise ValueError("the record is not what was written")
    data = json.loads(body)
    outputs = {name: _loaded(artifact) for name, artifact in data["outputs"].items()}
    measures = Measures(data["seconds"], numbers=data.get("numbers", {}))
    return Record(data["key"], data["parts"], outputs, measures, data["made"], data.get("step", ""))


def whole_record(key: str, text: bytes) -> Record | None:
    """The record that is written under a key, if it is whole."""
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
        record = record_from(text)
        if record.key == key and record.node:
            return record
    return None


def check_foreign(record: Record, key: str, node: str) -> None:
    """ValueError unless a record from the tier is the one that was asked for, and nothing in it is out of bounds.

    Digests and names become paths and sizes become limits: all are checked before anything is done with them.
    """
    fits = (
        record.key == key
        and record.node == node
        and all(type(n) in (int, float) for n in (record.seconds, record.made, *record.measures.numbers.values()))
    )
    leaves = [leaf for artifact in record.outputs.values() for leaf in artifact.leaves]
    known = all(leaf.absent or (leaf.kind in KINDS and _may_be_called(leaf)) for leaf in leaves)
    if not fits or not known or not all(_DIGEST.fullmatch(str(leaf.digest)) and leaf.size >= 0 for leaf in leaves):
        raise ValueError("the record is not what was asked for")


def _may_be_called(leaf: Artifact) -> bool:
    """Whether the name of a value is one that its kind can have."""
    return is_file_name(leaf.name) if KINDS[leaf.kind].by_path else not leaf.name


def _dumped(artifact: Artifact) -> Any:
    if artifact.items is not None:
        return {"kind": artifact.kind, "items": [_dumped(item) for item in artifact.items]}
    shown: dict[str, Any] = {"kind": artifact.kind, "digest": artifact.digest, "size": artifact.size}
    if artifact.name:
        shown["name"] = artifact.name
    if artifact.inline is not None and artifact.size <= MOST_IN_RECORD:
        shown["inline"] = artifact.inline.decode()
    return shown


def _loaded(data: Any) -> Artifact:
    kind = data["kind"]
    if kind == ABSENT.kind:
        return ABSENT
    if "items" in data:
        return Artifact.of_items(kind, tuple(_loaded(item) for item in data["items"]))
    if "inline" in data:
        return Artifact.of_plain(kind, data["inline"].encode())
    return Artifact(kind, str(data["digest"]), int(data["size"]), stored=True, name=data.get("name", ""))
