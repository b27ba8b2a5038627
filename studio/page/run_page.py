"""Page: hears the events of a run, and writes them as one HTML file that needs nothing else."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from studio.language.plan import Edge, Plan, Source, Step
from studio.node.prompt import Prompt
from studio.page.chart import by_step, by_worker, ticks
from studio.page.frame import rendered
from studio.page.gallery import Gallery
from studio.page.phrases import count_of, moment_of, seconds_of
from studio.page.picture import Label, picture
from studio.page.views import Shelf, folded
from studio.run.events import Event
from studio.run.reasons import Given, Reasons
from studio.run.timeline import StepHistory, Timeline
from studio.units import show_bytes
from studio.values.artifact import ABSENT, Artifact, Damaged

__all__ = ["Page"]

_MOST_OPEN = 12  # steps; with more, each is folded
_NOTABLE = 0.001  # seconds; less is not told
_MOST_ELEMENTS = 100  # of a step, in its table


@dataclass(frozen=True)
class _Value:
    """A named value."""

    name: str
    type: str
    anchor: str
    html: Markup
    about: str = ""


@dataclass(frozen=True)
class _Sheet:
    """All that the page says of one step."""

    step: Step
    history: StepHistory
    spent: str
    share: float
    waited: str
    loaded: str
    why: list[str]
    marks: list[str]
    settings: list[tuple[str, Markup]]
    defaults: list[tuple[str, Markup]]
    inputs: list[tuple[str, str, str, str]]
    prompts: list[tuple[str, Markup]] = field(default_factory=list)
    outputs: list[_Value] = field(default_factory=list)
    elements: list[StepHistory] = field(default_factory=list)


class Page:
    """Made before a run, so that it can say why each step ran; `Graph.page` makes one.

    Where there is no cache, it keeps what the steps gave in memory, until it is let go.
    """

    def __init__(self, plan: Plan, given: Given) -> None:
        self._plan, self._given = plan, given
        self._timeline = Timeline()
        self._reasons = Reasons(plan, given)
        self._inline = frozenset(id for id, step in plan.steps.items() if step.definition.node.inline)

    def hear(self, event: Event) -> None:
        """Takes in one event of the run."""
        self._timeline.hear(event)
        self._reasons.hear(event)

    def save(self, path: str | Path) -> Path:
        """Writes the page; media too large to be in it go into a folder of its name beside it."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.html(Shelf(path.with_suffix(".files"))), encoding="utf-8")
        return path

    def html(self, shelf: Shelf | None = None) -> str:
        """The page as text; without a shelf all media are inside it."""
        return rendered("page.html", self._content(shelf or Shelf()))

    def _content(self, shelf: Shelf) -> dict[str, Any]:
        cache = self._given.cache
        gallery = Gallery(cache.store if cache else None, shelf)
        inputs, outputs = list(self._inputs(gallery)), list(self._outputs(gallery))
        sheets = [self._sheet(self._plan.steps[id], gallery) for id in self._timeline.steps]
        content = {"inputs": inputs, "outputs": outputs, "sheets": sheets, "picture": self._picture()}
        return {**content, **self._head(sheets), **self._charts(), "beside": _beside(shelf)}

    # The run as a whole ------------------------------------------------------

    def _head(self, sheets: list[_Sheet]) -> dict[str, Any]:
        statuses = [sheet.history.status for sheet in sheets]
        known = ("done", "cached", "replaced", "failed", "skipped", "open")
        counts = [(status, statuses.count(status)) for status in known if status in statuses]
        outcome = "failed" if "failed" in statuses else "done" if self._timeline.ended else "stopped"
        return {
            "plan": self._plan,
            "timeline": self._timeline,
            "outcome": outcome,
            "counts": counts,
            "sentences": list(self._sentences(sheets)),
            "unfolded": len(sheets) <= _MOST_OPEN,
            "most_elements": _MOST_ELEMENTS,
        }

    def _sentences(self, sheets: list[_Sheet]) -> Iterator[str]:
        """The run in a few words."""
        timeline, slowest = self._timeline, self._timeline.slowest()
        if slowest and len(sheets) > 1:
            share = 100 * timeline.spent(slowest) / sum(timeline.spent(id) for id in timeline.steps)
            yield f"The slowest step was {slowest}: {seconds_of(timeline.spent(slowest))}, {share:.0f} % of all work."
        loading = sum(span.seconds for span in timeline.spans() if span.part == "load")
        if loading >= 0.05:
            yield f"{seconds_of(loading)} went into setting up workers and loading models."
        cached = [sheet.history for sheet in sheets if sheet.history.status == "cached"]
        if cached:
            saved = seconds_of(sum(history.seconds for history in cached))
            yield f"{count_of(len(cached), 'step')} of {len(sheets)} came from the cache, which saved {saved}."
        if self._given.cache is None:
            yield "No cache was in use."

    def _charts(self) -> dict[str, Any]:
        workers = by_worker(self._timeline, self._inline)
        steps = by_step(self._timeline, self._inline)
        return {"by_step": steps, "by_worker": workers, "ticks": ticks(self._timeline.seconds)}

    def _picture(self) -> Markup:
        critical = set(self._critical())
        labels = {}
        for id in self._timeline.steps:
            history = self._timeline.history(id)
            time = seconds_of(self._timeline.spent(id)) if history.status in ("done", "failed") else history.status
            labels[id] = Label(history.status, time, id in critical)
        return picture(self._plan, labels)

    def _critical(self) -> list[str]:
        """The chain that the end waited for; of a single step there is none to speak of."""
        chain = self._timeline.critical(
            {id: self._plan.needs[id] | self._plan.spares[id] for id in self._timeline.steps}
        )
        return chain if len(self._timeline.steps) > 1 and self._timeline.slowest() else []

    def _inputs(self, gallery: Gallery) -> Iterator[_Value]:
        for name in self._reasons.read:
            given = self._plan.inputs[name]
            anchor = f"input-{name}"
            html = self._attempt(gallery, Edge((Source(name),)), (anchor, f"the input {name}"))
            about = given.description if name in self._given.inputs else f"{given.description} (by default)".strip()
            yield _Value(name, str(given.type), anchor, html, about)

    def _outputs(self, gallery: Gallery) -> Iterator[_Value]:
        for name, edge in self._plan.outputs.items():
            if self._given.outputs and name not in self._given.outputs:
                continue
            anchor = f"output-{name}"
            html = self._attempt(gallery, edge, (anchor, f"the output {name}"))
            sources = ", ".join(map(str, self._plan.origins(edge)))
            yield _Value(name, str(self._plan.output_types.get(name, "")), anchor, html, f"from {sources}")

    def _attempt(self, gallery: Gallery, edge: Edge, place: tuple[str, str]) -> Markup:
        """What comes along an edge, if it was made."""
        origins = list(self._plan.origins(edge))
        unmade = [source for source in origins if source.port and source.name not in self._reasons.made]
        if unmade and len(unmade) == len([source for source in origins if source.port]):
            return Markup('<span class="absent">not made</span>')
        first = origins[0] if len(origins) == 1 else None
        beside = self._beside(self._plan.steps[first.name]) if first and first.port else {}
        return gallery.show(self._reasons.input(edge), place, beside)

    def _beside(self, step: Step) -> dict[str, Artifact]:
        return self._reasons.inputs_of(step)

    # One step ----------------------------------------------------------------

    def _sheet(self, step: Step, gallery: Gallery) -> _Sheet:
        timeline, history = self._timeline, self._timeline.history(step.id)
        spent, whole = timeline.spent(step.id), sum(timeline.spent(id) for id in timeline.steps)
        parts = {part: sum(s.seconds for s in timeline.spans(step.id) if s.part == part) for part in ("queue", "load")}
        given = self._beside(step)
        return _Sheet(
            step=step,
            history=history,
            spent=seconds_of(spent) if spent else "",
            share=100 * spent / whole if whole else 0.0,
            waited=seconds_of(parts["queue"]) if parts["queue"] > _NOTABLE else "",
            loaded=seconds_of(parts["load"]) if parts["load"] > _NOTABLE else "",
            why=self._why(step, history),
            marks=self._marks(step.id),
            settings=[(name, _written(value)) for name, value in step.settings.items()],  # variables unread
            defaults=list(_defaults(step)),
            inputs=[self._wire(step, port, gallery.brief(artifact)) for port, artifact in given.items()],
            prompts=list(_prompts(step, _plain_values(step, given, gallery))),
            outputs=list(self._made(step, gallery, given)),
            elements=timeline.elements(step.id),
        )

    def _made(self, step: Step, gallery: Gallery, given: Mapping[str, Artifact]) -> Iterator[_Value]:
        for port, artifact in self._reasons.made.get(step.id, {}).items():
            anchor = f"value-{step.id}-{port}"
            html = gallery.show(artifact, (anchor, f"{step.id}.{port}"), given)
            yield _Value(port, str(step.outputs[port]), anchor, html)

    def _marks(self, id: str) -> list[str]:
        marks = ["slowest"] if id == self._timeline.slowest() and len(self._timeline.steps) > 1 else []
        return [*marks, "critical"] if id in self._critical() else marks

    def _why(self, step: Step, history: StepHistory) -> list[str]:
        if history.status == "cached":
            return [f"Known already{self._since(step, history)}: it saved {seconds_of(history.seconds)}."]
        if history.status in ("skipped", "replaced"):
            return [history.message]
        return self._reasons.why.get(step.id, [])

    def _wire(self, step: Step, port: str, brief: str) -> tuple[str, str, str, str]:
        """A port, where its value came from, the anchor of that, and the value in brief."""
        edge = step.edges.get(port)
        origins = list(self._plan.origins(edge)) if edge else []
        if not origins:
            return port, "the graph" if edge or port in step.constants else "default", "", brief
        first = origins[0]
        anchor = f"value-{first.name}-{first.port}" if first.port else f"input-{first.name}"
        return port, ", ".join(map(str, origins)), anchor, brief

    def _since(self, step: Step, history: StepHistory) -> str:
        """When the result that was used was made."""
        cache = self._given.cache
        record = cache.read(history.key) if cache and history.key else None
        return f", made on {moment_of(record.made)}" if record else ""


def _defaults(step: Step) -> Iterator[tuple[str, Markup]]:
    """The config that the graph leaves as the node has it."""
    for name, info in step.definition.node.Config.model_fields.items():
        if name not in step.settings:
            yield name, _written(info.get_default(call_default_factory=True, validated_data={}))


def _written(value: object) -> Markup:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return folded(text, "setting")


def _plain_values(step: Step, given: Mapping[str, Artifact], gallery: Gallery) -> dict[str, Any]:
    """The plain inputs of a step; where it runs once per element, those of the first."""
    firsts = {port: (given[port].items or (None,))[0] for port in step.each if port in given}
    chosen = {port: firsts.get(port, artifact) for port, artifact in given.items()}
    values = dict[str, Any]()
    for port, artifact in chosen.items():
        if artifact is not None and artifact.kind in ("text", "number", "bool", "data", ABSENT.kind):
            with contextlib.suppress(Damaged):  # it is gone since
                values[port] = gallery.load(artifact)
    return values


def _prompts(step: Step, values: Mapping[str, Any]) -> Iterator[tuple[str, Markup]]:
    """Each prompt of the config, filled in with what the step was given; variables of the environment unread."""
    for name, info in step.definition.node.Config.model_fields.items():
        written = step.settings.get(name, info.default)
        if info.annotation is not Prompt or not isinstance(written, str):
            continue
        try:
            yield name, folded(Prompt.parsed(written).render(**values), "prompt")
        except ValueError:  # the node fills it in with more than its inputs
            continue


def _beside(shelf: Shelf) -> str:
    if not shelf.beside or shelf.folder is None:
        return ""
    files, size = count_of(len(shelf.beside), "large file"), sum(path.stat().st_size for path in shelf.beside)
    return f"{files} ({show_bytes(size)}) in the folder {shelf.folder.name}, which belongs beside it"
