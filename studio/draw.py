"""A plan as a picture: text for a terminal, Mermaid for a page, SVG for everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape

from studio.errors import UsageError
from studio.plan import Plan, Step

__all__ = ["FORMATS", "draw"]

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _EDGE = 190, 52, 56, 40, 20


def draw(plan: Plan, form: str = "text") -> str:
    """The plan in one of FORMATS."""
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
            lines += _step_lines(plan.steps[id])
    lines += [
        f"  ● {name}: {plan.output_types.get(name, '')} ← {_sources(edge)}" for name, edge in plan.outputs.items()
    ]
    return "\n".join(lines)


def _default(required: bool, default: object) -> str:
    return "" if required else f" = {default!r}"


def _step_lines(step: Step) -> Iterator[str]:
    yield f"  ■ {step.id}  ({step.use})"
    for name, edge in step.edges.items():
        yield f"      {name} ← {_sources(edge)}"
    for name, value in {**step.settings, **step.constants}.items():
        yield f"      {name} = {value!r}"
    yield f"      → {', '.join(map(str, step.ports.outputs.values()))}"


def _sources(edge: object) -> str:
    sources = ", ".join(map(str, edge.sources))  # type: ignore[attr-defined]
    return f"[{sources}]" if edge.many else sources  # type: ignore[attr-defined]


def _mermaid(plan: Plan) -> str:
    lines = ["flowchart TD"]
    lines += [f'    in_{name}(["{name}: {given.type}"])' for name, given in plan.inputs.items()]
    lines += [f'    {id}_["{id}<br/><small>{step.use}</small>"]' for id, step in plan.steps.items()]
    lines += [f'    out_{name}(["{name}"])' for name in plan.outputs]
    lines += [f"    {a} -->|{label}| {b}" if label else f"    {a} --> {b}" for a, b, label in _arrows(plan)]
    return "\n".join(lines)


def _arrows(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Each wire as from, to and the port it leaves by."""
    ends = [(f"{id}_", edge) for id, step in plan.steps.items() for edge in step.edges.values()]
    ends += [(f"out_{name}", edge) for name, edge in plan.outputs.items()]
    for end, edge in ends:
        for source in edge.sources:
            yield (f"{source.name}_" if source.port else f"in_{source.name}", end, source.port)


def _levels(plan: Plan) -> list[list[str]]:
    """Steps by how many stand before them."""
    depth: dict[str, int] = {}
    for id, step in plan.steps.items():
        depth[id] = 1 + max((depth[need] for need in step.needs), default=0)
    return [[id for id in depth if depth[id] == level] for level in range(1, 1 + max(depth.values(), default=0))]


def _svg(plan: Plan) -> str:
    rows = [[f"in_{name}" for name in plan.inputs]]
    rows += [[f"{id}_" for id in level] for level in _levels(plan)]
    rows += [[f"out_{name}" for name in plan.outputs]]
    rows = [row for row in rows if row]
    wide = max(len(row) for row in rows) * (_WIDTH + _GAP_X) - _GAP_X + 2 * _EDGE
    high = len(rows) * (_HEIGHT + _GAP_Y) - _GAP_Y + 2 * _EDGE
    places = {box: place for level, row in enumerate(rows) for box, place in _row(row, level, wide)}
    arrows = "".join(_curve(places[a], places[b], label) for a, b, label in _arrows(plan))
    boxes = "".join(_box(plan, name, *place) for name, place in places.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" '
        f'font-family="system-ui, sans-serif" font-size="13">'
        f'<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0 8 4 0 8z" fill="#667"/></marker></defs>'
        f'<rect width="{wide}" height="{high}" fill="#fff"/>{arrows}{boxes}</svg>'
    )


def _row(row: list[str], level: int, wide: int) -> Iterator[tuple[str, tuple[float, float]]]:
    left = (wide - len(row) * (_WIDTH + _GAP_X) + _GAP_X) / 2
    for index, name in enumerate(row):
        yield name, (left + index * (_WIDTH + _GAP_X), _EDGE + level * (_HEIGHT + _GAP_Y))


def _curve(start: tuple[float, float], end: tuple[float, float], label: str) -> str:
    x1, y1 = start[0] + _WIDTH / 2, start[1] + _HEIGHT
    x2, y2 = end[0] + _WIDTH / 2, end[1] - 2
    bend = max(20.0, (y2 - y1) / 2)
    line = f"M{x1} {y1} C{x1} {y1 + bend} {x2} {y2 - bend} {x2} {y2}"
    curve = f'<path d="{line}" fill="none" stroke="#667" marker-end="url(#tip)"/>'
    where = f'x="{(x1 + 3 * x2) / 4:.0f}" y="{y2 - 9:.0f}"'
    return curve + (
        f'<text {where} fill="#667" font-size="11" text-anchor="middle">{escape(label)}</text>' if label else ""
    )


def _box(plan: Plan, name: str, x: float, y: float) -> str:
    title, below, fill, round_ = _face(plan, name)
    middle = x + _WIDTH / 2
    return (
        f'<g><rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="{round_}" fill="{fill}" stroke="#99a"/>'
        f'<text x="{middle}" y="{y + 22}" text-anchor="middle" font-weight="600">{escape(title)}</text>'
        f'<text x="{middle}" y="{y + 40}" text-anchor="middle" fill="#556" font-size="12">{escape(below)}</text></g>'
    )


def _face(plan: Plan, name: str) -> tuple[str, str, str, int]:
    if name.startswith("in_") and name[3:] in plan.inputs:
        return name[3:], str(plan.inputs[name[3:]].type), "#eef6ee", 26
    if name.startswith("out_") and name[4:] in plan.outputs:
        return name[4:], str(plan.output_types.get(name[4:], "")), "#fdf3e3", 26
    return name[:-1], plan.steps[name[:-1]].use, "#eef1fa", 6


FORMATS: dict[str, Callable[[Plan], str]] = {"text": _text, "mermaid": _mermaid, "svg": _svg}
