"""Gallery: the values of a run as HTML, each loaded when it is shown; large ones once, and then by a link."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, overload

from markupsafe import Markup

from studio.cache.packing import unpack
from studio.cache.store import Store
from studio.executors.handles import fetched
from studio.page.views import NOTHING, VIEWS, Scene, Shelf, listing
from studio.values import Image
from studio.values.artifact import ABSENT, Artifact

__all__ = ["Gallery"]

_LARGE = 150_000  # characters of HTML that are not written twice


class Gallery:
    """Shows artifacts, wherever their values lie."""

    def __init__(self, store: Store | None, shelf: Shelf) -> None:
        self._store, self._shelf = store, shelf
        self._places: dict[str, tuple[str, str]] = {}  # where what is large stands, by digest: anchor and name

    def show(self, artifact: Artifact, place: tuple[str, str], beside: Mapping[str, Artifact] | None = None) -> Markup:
        """A value at a place of the page (its anchor, and what it is called), with what its step was given."""
        kind = f"{artifact.kind} {artifact.identity}"
        if artifact.digest and kind in self._places:
            return Markup('<p class="note">The same as <a href="#{}">{}</a>.</p>').format(*self._places[kind])
        scene = Scene(self._shelf, lambda: list(self._pictures((beside or {}).values())))
        shown = self._shown(artifact, scene)
        if artifact.digest and len(shown) > _LARGE:
            self._places[kind] = place
        return shown

    def brief(self, artifact: Artifact) -> str:
        """A value in a few words."""
        if artifact.kind == ABSENT.kind:
            return "absent"
        if artifact.items is not None:
            return f"{len(artifact.items):,} × {artifact.kind}"
        try:
            return VIEWS[artifact.kind].brief(self.load(artifact))
        except Exception as error:
            return f"not at hand: {error}"

    def load(self, artifact: Artifact) -> Any:
        """The value of an artifact: from where it is at rest, if it is."""
        if artifact.items is not None:
            return [self.load(item) for item in artifact.items]
        at_rest = artifact.at_rest() if artifact.stored and self._store is not None else artifact
        return unpack(at_rest, fetched, self._store)

    def _shown(self, artifact: Artifact, scene: Scene) -> Markup:
        try:
            return self._view(artifact, scene)
        except Exception as error:  # a worker that is gone, a blob that was pruned, a film cut short
            return Markup('<p class="note">This {} cannot be shown: {}</p>').format(artifact.kind, error)

    def _view(self, artifact: Artifact, scene: Scene) -> Markup:
        if artifact.kind == ABSENT.kind:
            return NOTHING
        if artifact.items is None:
            return VIEWS[artifact.kind].show(self.load(artifact), scene)
        if any(item.items is not None or item.kind == ABSENT.kind for item in artifact.items):
            return listing(artifact.items, lambda item: self._shown(item, scene))
        return VIEWS[artifact.kind].show_list(_Items(artifact.items, self.load), scene)

    def _pictures(self, artifacts: Iterable[Artifact]) -> Iterable[Image]:
        for artifact in artifacts:
            for leaf in artifact.leaves:
                if leaf.kind == "image":
                    yield self.load(leaf)


class _Items(Sequence[Any]):
    """The values of a list, each loaded when it is looked at."""

    def __init__(self, items: Sequence[Artifact], load: Callable[[Artifact], Any]) -> None:
        self._items, self._load = items, load

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return _Items(self._items[index], self._load)
        return self._load(self._items[index])

    def __len__(self) -> int:
        return len(self._items)
