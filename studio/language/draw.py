"""A plan as a picture: text for a terminal, Mermaid for a page, SVG for everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from studio.errors import UsageError
from studio.language.dependencies import generations, links
from studio.language.layout import Layout, arrange
from studio.language.plan import Edge, Plan, Source, Step

__all__ = ["FORMATS", "draw"]

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _EDGE = 190, 62, 30, 46, 20


def draw(plan: Plan, form: str = "text") -> str:
    """The plan in one of FORMATS; UsageError for any other.

    Every wire is drawn, those too that a longer way makes unnecessary for the order (a transitive
    reduction would drop them): a person wants to see that `to` goes to three steps.
    """
    if form not in FORMATS:
        raise UsageError(f"there is no format '{form}'; there are: {', '.join(FORMATS)}")
    return FORMATS[form](plan)


def _text(plan: Plan) -> str:
    lines = [plan.name + (f" · {plan.description}" if plan.description else "")]
    lines += [
        f"  ○ {given.name}: {given.type}{_default(given.required, given.default)}" for given in plan.inputs.values()
    ]
    for level in _levels(plan):
        for id in level:
            lines += _step_lines(plan, plan.steps[id])
    lines += [
        f"  ● {name}: {plan.output_types.get(name, '')} ← {_shown(plan, edge)}" for name, edge in plan.outputs.items()
    ]
    return "\n".join(lines)


def _default(required: bool, default: object) -> str:
    return "" if required else f" = {default!r}"


def _step_lines(plan: Plan, step: Step) -> Iterator[str]:
    yield f"  ■ {step.id}  ({step.use})"
    for guard in step.when:
        yield f"      when {guard.condition}"
    for name, edge in step.edges.items():
        yield f"      {'each ' if name in step.each else ''}{name} ← {_shown(plan, edge)}"
    for name, value in {**step.settings, **step.constants}.items():
        yield f"      {'each ' if name in step.each else ''}{name} = {value!r}"
    if workers := _workers(step):
        yield f"      {workers}"
    if step.on_error == "skip":
        yield "      on error: skip"
    for name, edge in step.instead.items():
        yield f"      on error: {name} ← {_shown(plan, edge)}"
    yield f"      → {', '.join(f'{name} ({type_})' for name, type_ in step.outputs.items())}"


def _shown(plan: Plan, edge: Edge) -> str:
    """Where an edge comes from, in words."""
    return edge.worded(_name(plan, source) for source in edge.sources)


def _name(plan: Plan, source: Source) -> str:
    relay = None if source.port else plan.relays.get(source.name)
    if relay is None:
        return str(source)
    return _shown(plan, relay.edge) if relay.edge else repr(relay.constant)


def _mermaid(plan: Plan) -> str:
    lines = ["flowchart TD"]
    lines += [f'    in_{name}(["{name}: {given.type}"])' for name, given in plan.inputs.items()]
    for id, step in plan.steps.items():
        notes = "".join(f"<br/><small><i>{_quoted(note)}</i></small>" for note in _notes(step))
        shape = ("[[", "]]") if step.each else ("[", "]")
        lines.append(f'    {_plain(id)}_{shape[0]}"{id}<br/><small>{step.use}</small>{notes}"{shape[1]}')
    lines += [f'    out_{name}(["{name}"])' for name in plan.outputs]
    for arrow in _arrows(plan):
        line = "-->" if arrow.plain else "-.->"
        label = f"|{arrow.label}|" if arrow.label else ""
        lines.append(f"    {_plain(arrow.start)} {line}{label} {_plain(arrow.end)}")
    return "\n".join(lines)


def _plain(id: str) -> str:
    """An id as Mermaid takes it."""
    return id.replace("/", "__")


def _quoted(text: str) -> str:
    return escape(text, quote=False).replace('"', "#quot;")


def _notes(step: Step) -> list[str]:
    """What a box says beside its name: how often, when, by how many, and what if it fails."""
    notes = [f"for each {', '.join(step.each)}"] if step.each else []
    notes += [f"when {guard.condition}" for guard in step.when]
    notes += [workers] if (workers := _workers(step)) else []
    return notes + (["may fail: skipped"] if step.on_error == "skip" else [])


def _workers(step: Step) -> str:
    """How many may run it side by side, where that is more than one."""
    most = step.replicas or 1
    if most == 1:
        return ""
    return f"{step.least} workers" if step.least == most else f"{step.least} to {most} workers"


@dataclass(frozen=True)
class _Arrow:
    """A wire in the picture: a plain one, one that a condition reads, or one that stands in after a failure."""

    start: str
    end: str
    label: str
    plain: bool


def _arrows(plan: Plan) -> Iterator[_Arrow]:
    words = {"input": "", "output": "", "when": "when ", "instead": "if it fails "}
    for link in links(plan):
        source = link.source
        yield _Arrow(
            f"{source.name}_" if source.port else f"in_{source.name}",
            f"out_{link.target}" if link.role == "output" else f"{link.target}_",
            (words[link.role] + source.port).strip(),
            plain=link.role in ("input", "output"),
        )


def _levels(plan: Plan) -> list[list[str]]:
    """Steps by how many stand before them."""
    return generations({id: plan.needs[id] | plan.spares[id] for id in plan.steps})


def _svg(plan: Plan) -> str:
    bundles: dict[tuple[str, str], list[_Arrow]] = {}
    for arrow in _arrows(plan):
        bundles.setdefault((arrow.start, arrow.end), []).append(arrow)
    layout = arrange(_rows(plan), list(bundles), _WIDTH, _GAP_X)
    wide = layout.width + 2 * _EDGE
    high = (1 + max(layout.rows.values())) * (_HEIGHT + _GAP_Y) - _GAP_Y + 2 * _EDGE
    curves = "".join(_curve(layout, wire, arrows) for wire, arrows in bundles.items())
    boxes = "".join(_box(plan, name, *_corner(layout, name)) for name in layout.rows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high}" width="{wide:.0f}" height="{high}" '
        f'font-family="system-ui, sans-serif" font-size="13">'
        f'<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0 8 4 0 8z" fill="#667"/></marker></defs>'
        f'<rect width="{wide:.0f}" height="{high}" fill="#fff"/>{curves}{boxes}</svg>'
    )


def _rows(plan: Plan) -> dict[str, int]:
    """The row of each box: inputs right above the first that reads them, outputs right below what gives them."""
    rows = {f"{id}_": depth for depth, level in enumerate(_levels(plan), 1) for id in level}
    arrows = list(_arrows(plan))
    for name in plan.inputs:
        below = [rows.get(arrow.end, 2) for arrow in arrows if arrow.start == f"in_{name}"]
        rows[f"in_{name}"] = min(below, default=1) - 1
    for name in plan.outputs:
        above = [rows[arrow.start] for arrow in arrows if arrow.end == f"out_{name}"]
        rows[f"out_{name}"] = 1 + max(above, default=0)
    return rows


def _corner(layout: Layout, name: str) -> tuple[float, float]:
    return _EDGE + layout.lefts[name], _EDGE + layout.rows[name] * (_HEIGHT + _GAP_Y)


def _curve(layout: Layout, wire: tuple[str, str], arrows: list[_Arrow]) -> str:
    label = ", ".join(dict.fromkeys(arrow.label for arrow in arrows if arrow.label))
    dashes = "" if any(arrow.plain for arrow in arrows) else ' stroke-dasharray="5 4"'
    (x1, y1), (x2, y2) = _corner(layout, wire[0]), _corner(layout, wire[1])
    points = [(x1 + _WIDTH / 2, y1 + _HEIGHT)]
    for x, row in layout.bends[wire]:
        top = _EDGE + row * (_HEIGHT + _GAP_Y)
        points += [(_EDGE + x, top), (_EDGE + x, top + _HEIGHT)]
    points.append((x2 + _WIDTH / 2, y2 - 2))
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (xa, ya), (xb, yb) in pairwise(points):
        bend = (yb - ya) / 2
        path += f" C{xa:.1f} {ya + bend:.1f} {xb:.1f} {yb - bend:.1f} {xb:.1f} {yb:.1f}"
    (xa, ya), (xb, yb) = points[-2:]
    where = f'x="{(xa + 2 * xb) / 3:.0f}" y="{ya + (yb - ya) * 0.66:.0f}"'
    style = 'fill="#667" font-size="11" text-anchor="middle" stroke="#fff" stroke-width="4" paint-order="stroke"'
    text = f"<text {where} {style}>{escape(label)}</text>" if label else ""
    return f'<path d="{path}" fill="none" stroke="#667"{dashes} marker-end="url(#tip)"/>{text}'


def _box(plan: Plan, name: str, x: float, y: float) -> str:
    title, below, fill, round_ = _caption(plan, name)
    middle = f'x="{x + _WIDTH / 2:.1f}" text-anchor="middle"'
    step = plan.steps.get(name[:-1]) if name.endswith("_") else None
    notes = " · ".join(_notes(step)) if step else ""
    top = y + (22 if notes else 28)
    lines = [f'<text {middle} y="{top}" font-weight="600">{escape(_short(title, 24))}</text>']
    lines.append(f'<text {middle} y="{top + 16}" fill="#556" font-size="12">{escape(_short(below, 28))}</text>')
    if notes:
        whole = f"<title>{escape(notes)}</title>"
        shown = escape(_short(notes, 34))
        lines.append(f'<text {middle} y="{y + 53}" fill="#845" font-size="10.5">{whole}{shown}</text>')
    rect = f'width="{_WIDTH}" height="{_HEIGHT}" rx="{round_}" fill="{fill}" stroke="#99a"'
    progress = f'<rect x="{x + 5:.1f}" y="{y + 5}" {rect}/>' if step and step.each else ""  # a pile of them
    mark = f' data-step="{escape(step.id)}"' if step else ""
    return f'<g{mark}>{progress}<rect x="{x:.1f}" y="{y}" {rect}/>{"".join(lines)}</g>'


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _caption(plan: Plan, name: str) -> tuple[str, str, str, int]:
    if name.startswith("in_") and name[3:] in plan.inputs:
        return name[3:], str(plan.inputs[name[3:]].type), "#eef6ee", 26
    if name.startswith("out_") and name[4:] in plan.outputs:
        return name[4:], str(plan.output_types.get(name[4:], "")), "#fdf3e3", 26
    return name[:-1], plan.steps[name[:-1]].use, "#eef1fa", 6


FORMATS: dict[str, Callable[[Plan], str]] = {"text": _text, "mermaid": _mermaid, "svg": _svg}
