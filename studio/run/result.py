"""Result: the outputs of a run by name, each loaded when it is looked at, with how every step ended."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from studio.cache.packing import unpack
from studio.cache.store import Store
from studio.errors import StepError, StoreError
from studio.executors.handles import fetched
from studio.run.events import (
    Event,
    RunFinished,
    RunStarted,
    StepCached,
    StepEvent,
    StepFailed,
    StepFinished,
    StepReplaced,
    StepSkipped,
)
from studio.values import KINDS, JsonKind
from studio.values.artifact import Artifact, Damaged
from studio.values.digest import of_bytes, of_file

__all__ = ["Places", "Result", "StepResult"]

Places: TypeAlias = "Path | list[Places]"  # where an output was saved: of lists, in lists as deep

_ENDINGS: dict[type[Event], str] = {StepCached: "cached", StepFinished: "done", StepFailed: "failed"}


@dataclass(frozen=True)
class StepResult:
    """How one step ended: done, cached, replaced (it failed, and something stands in for it), failed or skipped."""

    status: str
    seconds: float = 0.0
    key: str = ""
    message: str = ""
    spans: Mapping[str, float] = field(default_factory=dict)
    elements: Mapping[str, int] = field(default_factory=dict)  # how they ended, of a step with `each`
    numbers: Mapping[str, float] = field(default_factory=dict)  # what its node measured; of a cached one, then

    def as_data(self) -> dict[str, Any]:
        """As plain data, without the message, the elements and the numbers where there are none."""
        shown: dict[str, Any] = {"status": self.status, "seconds": self.seconds, "key": self.key}
        shown |= {"elements": dict(self.elements)} if self.elements else {}
        shown |= {"numbers": dict(self.numbers)} if self.numbers else {}
        return {**shown, "message": self.message} if self.message else shown


class Result(Mapping[str, Any]):
    """The outputs of a run by name, each loaded when it is looked at; `steps` says how each step ended."""

    def __init__(self, store: Store | None, again: Callable[[str], Artifact] | None = None) -> None:
        """`again` makes an output again whose value is gone; StoreError if it cannot."""
        self._store, self._again = store, again
        self.graph = ""
        self.seconds = 0.0
        self.artifacts: dict[str, Artifact] = {}
        self.steps: dict[str, StepResult] = {}
        self._loaded: dict[str, Any] = {}
        self._elements: dict[str, Counter[str]] = {}  # of steps that run once per element, how these ended
        self.failures: dict[str, str] = {}
        self.exit_code = 0

    def hear(self, event: Event) -> None:
        """Takes in one event of the run."""
        if isinstance(event, StepEvent) and event.element is not None:
            if ending := _ENDINGS.get(type(event)):  # what became of the step as a whole is told, too
                self._elements.setdefault(event.step, Counter())[ending] += 1
            return
        match event:
            case RunStarted(graph=graph):
                self.graph = graph
            case StepCached(step=step, key=key, measures=measures):
                self.steps[step] = StepResult("cached", 0.0, key, "", {}, self._ends_of(step), measures.numbers)
            case StepFinished(step=step, key=key, measures=took):
                ends = self._ends_of(step)
                self.steps[step] = StepResult("done", took.seconds, key, "", took.spans, ends, took.numbers)
            case StepFailed(step=step, message=message, exit_code=code):
                self.steps[step] = StepResult("failed", message=message, elements=self._ends_of(step))
                self.failures[step] = message
                self.exit_code = max(self.exit_code, code)
            case StepReplaced(step=step, message=message, outputs=instead):
                self.steps[step] = StepResult("replaced" if instead else "skipped", message=message)
            case StepSkipped(step=step, reason=reason):
                self.steps[step] = StepResult("skipped", message=reason)
            case RunFinished(outputs=outputs, seconds=seconds):
                self.artifacts, self.seconds = dict(outputs), seconds

    def _ends_of(self, step: str) -> dict[str, int]:
        return dict(self._elements.get(step, {}))

    def require(self) -> Result:
        """Itself, or StepError if a step failed."""
        if self.failures:
            raise StepError(self.failures, self.exit_code)
        return self

    def __getitem__(self, name: str) -> Any:
        if name not in self.artifacts:
            raise KeyError(f"there is no output '{name}'; there are: {', '.join(self.artifacts) or 'none'}")
        if name not in self._loaded:
            self._loaded[name] = self._read(name)
        return self._loaded[name]

    def _read(self, name: str, at_rest: bool = False) -> Any:
        """The value of an output; it is made again if it is gone."""
        artifact, why = self.artifacts[name], ""
        for _ in range(2):
            both = artifact, artifact.at_rest()  # in the memory of a process that may have ended, or in the store
            for each in reversed(both) if at_rest else both:
                try:
                    return unpack(each, fetched, self._store)
                except Damaged as error:
                    why = str(error)
            if self._again is None:
                break
            self.artifacts[name] = artifact = self._again(name)
        raise StoreError(f"the value of the output '{name}' is gone, run again: {why}")

    def __iter__(self) -> Iterator[str]:
        return iter(self.artifacts)

    def __len__(self) -> int:
        return len(self.artifacts)

    def save(self, folder: str | Path, media_only: bool = False) -> dict[str, Places]:
        """Writes every output (or those that are media) into a folder, and says where each is."""
        names = [name for name in self if not (media_only and _is_plain(self.artifacts[name]))]
        folder = Path(os.path.expanduser(folder))  # noqa: PTH111 the home of nobody stays as it is written
        if names:
            folder.mkdir(parents=True, exist_ok=True)
        return {name: self.save_as(name, folder / name) for name in names}

    def save_as(self, name: str, stem: Path) -> Places:
        """Writes one output as a file of this name, to which the suffix is added; of lists of media, several."""
        artifact = self.artifacts[name]
        at_rest = all(leaf.stored for leaf in artifact.leaves)  # encoded already
        value = self._read(name, at_rest=True) if at_rest else self[name]
        artifact = self.artifacts[name]  # made again, it may be another
        if artifact.items is not None and _is_plain(artifact):
            path = stem.with_name(f"{stem.name}.json")
            path.write_text(json.dumps(self.data(name), ensure_ascii=False) + "\n", encoding="utf-8")
            return path
        return _write(stem, value, artifact)

    def as_json(self, saved: Mapping[str, Any]) -> dict[str, Any]:
        """The whole result as plain data: outputs (media by where they were `saved`), steps, and the error if any."""
        steps = {id: step.as_data() for id, step in self.steps.items()}
        shown = {"graph": self.graph, "seconds": round(self.seconds, 4), "outputs": self.as_data(saved), "steps": steps}
        return {**shown, "error": "\n".join(self.failures.values())} if self.failures else shown

    def summary(self, saved: Mapping[str, Any]) -> str:
        """The result for people: where each output was saved, or else what it is, and how the steps ended."""
        lines = [f"{name}: {_places(saved[name]) if name in saved else self._shown(name)}" for name in self]
        ends = [step.status for step in self.steps.values()]
        counts = [
            f"{ends.count(status)} {status}"
            for status in ("done", "cached", "replaced", "failed", "skipped")
            if status in ends
        ]
        steps = "1 step" if len(ends) == 1 else f"{len(ends)} steps"
        return "\n".join([*lines, f"{steps}: {', '.join(counts)}, in {self.seconds:.2f} s"])

    def _shown(self, name: str) -> str:
        value = self.as_data({})[name]
        if isinstance(value, str):
            return value
        if self.artifacts[name].kind == "segments" and self.artifacts[name].items is None:
            return "".join(f"\n  {m['start']:6.2f} – {m['end']:6.2f}  {m['text'].strip()}" for m in value)
        return json.dumps(value, ensure_ascii=False)

    def as_data(self, saved: Mapping[str, Any]) -> dict[str, Any]:
        """Every output as plain data; of media, what they are and where they were saved."""
        return {name: self.data(name, saved.get(name)) for name in self}

    def is_plain(self, name: str) -> bool:
        """Whether an output is small and plain, rather than media."""
        return _is_plain(self.artifacts[name])

    def data(self, name: str, saved: Any = None) -> Any:
        """One output as plain data; of media, what it is and where it was saved."""
        if encoded := self.artifacts[name].inline:
            return json.loads(encoded)
        value = self[name]
        return _data(self.artifacts[name], value, saved)  # read now: made again, it may be another

    def __repr__(self) -> str:
        return f"Result({', '.join(f'{name}: {artifact.kind}' for name, artifact in self.artifacts.items())})"


def _places(where: Places) -> str:
    return ", ".join(filter(None, map(_places, where))) if isinstance(where, list) else str(where)


def _is_plain(artifact: Artifact) -> bool:
    return artifact.kind not in KINDS or KINDS[artifact.kind].plain


def _data(artifact: Artifact, value: Any, where: Places | None) -> Any:
    if value is None:
        return None
    if artifact.items is not None:
        places = where if isinstance(where, list) else [None] * len(artifact.items)
        return [_data(*each) for each in zip(artifact.items, value, places, strict=True)]
    kind = KINDS[artifact.kind]
    if isinstance(kind, JsonKind):
        return kind.dump(value)
    encoded = kind.encode(value) if artifact.digest is None else b""
    digest = artifact.digest or (of_file(encoded) if isinstance(encoded, Path) else of_bytes(encoded))
    return {"kind": artifact.kind, "path": str(where.absolute()) if isinstance(where, Path) else None, "digest": digest}


def _write(stem: Path, value: Any, artifact: Artifact) -> Places:
    """One value as a file that other programs read, the items of a list as numbered ones."""
    if value is not None and artifact.items is not None:
        pairs = enumerate(zip(value, artifact.items, strict=True))
        return [_write(stem.with_name(f"{stem.name}-{index:03}"), item, part) for index, (item, part) in pairs]
    kind = KINDS.get(artifact.kind)
    if kind is None or value is None:
        path = stem.with_name(f"{stem.name}.json")
        path.write_text("null\n")
        return path
    path = stem.with_name(stem.name + (_ending(artifact.name) or kind.suffix))
    if hasattr(value, "save"):
        return Path(value.save(path))
    text = value if artifact.kind == "text" else kind.encode(value).decode()  # type: ignore[union-attr]
    path.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
    return path


def _ending(name: str) -> str:
    """The suffix of a file's name, if it is one that tells what the file holds: `.csv`, `.tar.gz`."""
    found = re.search(r"(?<=[^.])(\.tar)?\.\w{1,12}$", name)
    return found[0] if found else ""
