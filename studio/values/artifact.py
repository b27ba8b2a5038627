"""Artifact: a value at rest: kind, digest, size. Edges, keys, records and events carry these."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from studio.values import KINDS
from studio.values.digest import of_bytes, of_data

__all__ = ["ABSENT", "MOST_IN_RECORD", "Artifact", "Column", "Damaged"]


MOST_IN_RECORD = 4096  # bytes; smaller plain values stand in the record itself


class Damaged(Exception):
    """A stored value is missing, or is not what its name says."""


@dataclass(slots=True)  # a data set makes very many; frozen, each would take three times as long. Nobody changes one
class Artifact:
    """A value at rest: what edges, keys, records and events carry.

    Small plain values are held `inline`, encoded. Others lie in a store under their `digest`, or
    are still `live` in some process, or both. A list is its `items`. Of kinds that are held by path,
    the `name` of the file is a part of the value.
    """

    kind: str
    digest: str | None = None
    size: int = 0
    inline: bytes | None = None
    items: tuple[Artifact, ...] | None = None
    stored: bool = False
    handle: object = field(default=None, compare=False, repr=False)
    name: str = ""

    @classmethod
    def of_plain(cls, kind: str, encoded: bytes) -> Artifact:
        """A small value, held inline."""
        return cls(kind, of_bytes(encoded), len(encoded), inline=encoded)

    @classmethod
    def of_items(cls, kind: str, items: tuple[Artifact, ...]) -> Artifact:
        """A list of artifacts of one kind, some of which may be absent."""
        digests = [item.identity for item in items]
        if None in digests:
            digest = None
        elif ABSENT.digest in digests:  # a file may hold the bytes whose digest that is
            digest = of_data([None if item.absent else item.identity for item in items])
        else:
            digest = of_data(digests)
        return cls(kind, digest, sum(item.size for item in items), items=items)

    @property
    def identity(self) -> str | None:
        """What keys know it by: all of it that a node can see; None if its content is not known."""
        return of_data([self.digest, self.name]) if self.name and self.digest else self.digest

    @property
    def absent(self) -> bool:
        """Whether it stands for nothing."""
        return self.kind == "absent"

    @property
    def movable(self) -> bool:
        """Whether a worker can take it as it is."""
        if self.items is not None:
            return all(item.movable for item in self.items)
        return self.inline is not None or self.handle is not None or self.stored

    @property
    def leaves(self) -> tuple[Artifact, ...]:
        """The artifact itself, or all that is in a list."""
        return (self,) if self.items is None else tuple(leaf for item in self.items for leaf in item.leaves)

    def at(self, row: int) -> Artifact:
        """What one of many items has: of a Column its own, of anything else the same as all."""
        return self

    def only(self, rows: Iterable[int]) -> Artifact:
        """What some of many items have, as `at` tells of one."""
        return self

    @property
    def held(self) -> int:
        """Bytes of its live values."""
        if self.absent or KINDS[self.kind].plain:
            return 0
        return sum(leaf.size for leaf in self.leaves if leaf.handle is not None)

    def at_rest(self) -> Artifact:
        """The same without its live value."""
        items = None if self.items is None else tuple(item.at_rest() for item in self.items)
        return replace(self, handle=None, items=items)


class Column(Artifact):
    """What many items hold at the same place, one after the other: no list of any item's."""

    __slots__ = ()

    def at(self, row: int) -> Artifact:
        return (self.items or ())[row]

    def only(self, rows: Iterable[int]) -> Artifact:
        return Column(self.kind, items=tuple(map(self.at, rows)))


ABSENT = Artifact("absent", of_bytes(b"absent"), inline=b"")  # what an unwired optional port holds
