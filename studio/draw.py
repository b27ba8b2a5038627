"""A plan as a picture: text for a terminal, Mermaid for a page, SVG for everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape
from itertools import pairwise

from studio.errors import UsageError
from studio.layout import Layout, arrange
from studio.plan import Plan, Step

__all__ = ["FORMATS", "draw"]

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _EDGE = 180, 52, 28, 46, 20


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
    labels: dict[tuple[str, str], list[str]] = {}
    for start, end, port in _arrows(plan):
        labels.setdefault((start, end), []).append(port)
    layout = arrange(_rows(plan), list(labels), _WIDTH, _GAP_X)
    wide = layout.width + 2 * _EDGE
    high = (1 + max(layout.rows.values())) * (_HEIGHT + _GAP_Y) - _GAP_Y + 2 * _EDGE
    curves = "".join(_curve(layout, wire, ", ".join(filter(None, ports))) for wire, ports in labels.items())
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
        below = [rows.get(end, 2) for start, end, _ in arrows if start == f"in_{name}"]
        rows[f"in_{name}"] = min(below, default=1) - 1
    for name in plan.outputs:
        rows[f"out_{name}"] = 1 + max(rows[start] for start, end, _ in arrows if end == f"out_{name}")
    return rows


def _corner(layout: Layout, name: str) -> tuple[float, float]:
    return _EDGE + layout.lefts[name], _EDGE + layout.rows[name] * (_HEIGHT + _GAP_Y)


def _curve(layout: Layout, wire: tuple[str, str], label: str) -> str:
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
    return f'<path d="{path}" fill="none" stroke="#667" marker-end="url(#tip)"/>{text}'


def _box(plan: Plan, name: str, x: float, y: float) -> str:
    title, below, fill, round_ = _face(plan, name)
    middle = f'x="{x + _WIDTH / 2:.1f}" text-anchor="middle"'
    return (
        f'<g><rect x="{x:.1f}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="{round_}" fill="{fill}" stroke="#99a"/>'
        f'<text {middle} y="{y + 22}" font-weight="600">{escape(title)}</text>'
        f'<text {middle} y="{y + 40}" fill="#556" font-size="12">{escape(below)}</text></g>'
    )


def _face(plan: Plan, name: str) -> tuple[str, str, str, int]:
    if name.startswith("in_") and name[3:] in plan.inputs:
        return name[3:], str(plan.inputs[name[3:]].type), "#eef6ee", 26
    if name.startswith("out_") and name[4:] in plan.outputs:
        return name[4:], str(plan.output_types.get(name[4:], "")), "#fdf3e3", 26
    return name[:-1], plan.steps[name[:-1]].use, "#eef1fa", 6


FORMATS: dict[str, Callable[[Plan], str]] = {"text": _text, "mermaid": _mermaid, "svg": _svg}
