"""Picture: the drawing of a graph, coloured by how each step ended, each box a link to its step."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from studio.language.draw import draw
from studio.language.plan import Plan

__all__ = ["Label", "picture"]

_SVG = "http://www.w3.org/2000/svg"


@dataclass(frozen=True)
class Label:
    """What the picture says of a step: how it ended, its time (or other words), whether the end waited for it.

    busy: of a run over a data set, the share of the time that the step was at work.
    """

    status: str
    time: str = ""
    critical: bool = False
    busy: float | None = None


def picture(plan: Plan, labels: Mapping[str, Label]) -> Markup:
    """The graph as SVG to stand in a page; its colours are the page's."""
    root = ET.fromstring(draw(plan, "svg"))  # noqa: S314 - our own drawing
    wide = f"--wide:{float(root.get('width', '0')):.0f}px"  # so that the page can say how far it may shrink
    root.attrib.update({"style": wide, "class": "graph", "role": "group", "aria-label": f"the graph {plan.name}"})
    for part in root.findall(f"{{{_SVG}}}rect"):
        root.remove(part)  # the white ground: the page has its own
    for group in list(root.findall(f"{{{_SVG}}}g")):
        _dress(root, group, labels)
    ET.register_namespace("", _SVG)
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704 - serialised, so escaped


def _dress(root: ET.Element, group: ET.Element, labels: Mapping[str, Label]) -> None:
    box, name = group.findall(f"{{{_SVG}}}rect")[-1], group.get("data-step")
    if name is None:
        group.set("class", "end")
        return
    label = labels.get(name, Label("left out"))
    group.set("class", f"step {label.status.replace(' ', '-')}" + " critical" * label.critical)
    if label.status != "left out":
        link = ET.Element(
            f"{{{_SVG}}}a", {"href": f"#step-{name}", "aria-label": f"{name}: {label.status} {label.time}"}
        )
        root[list(root).index(group)] = link
        link.append(group)
    if label.time:
        _badge(group, box, label.time)
    if label.busy is not None:
        _meter(group, box, label.busy)


def _meter(group: ET.Element, box: ET.Element, share: float) -> None:
    """A bar along the foot of a box."""
    x, wide = float(box.get("x", "0")) + 10, float(box.get("width", "0")) - 20
    y = float(box.get("y", "0")) + float(box.get("height", "0")) - 3
    for css, length in (("meter", wide), ("meter full", wide * min(share, 1.0))):
        where = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{length:.1f}", "height": "6", "rx": "3", "class": css}
        ET.SubElement(group, f"{{{_SVG}}}rect", where)


def _badge(group: ET.Element, box: ET.Element, text: str) -> None:
    """A small sign on the upper right corner of a box."""
    wide = 7 * len(text) + 14
    x = float(box.get("x", "0")) + float(box.get("width", "0")) - wide + 8
    y = float(box.get("y", "0")) - 9
    where = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{wide}", "height": "18", "rx": "9", "class": "badge"}
    ET.SubElement(group, f"{{{_SVG}}}rect", where)
    middle = {"x": f"{x + wide / 2:.1f}", "y": f"{y + 13:.1f}", "text-anchor": "middle", "class": "badge"}
    ET.SubElement(group, f"{{{_SVG}}}text", middle).text = text
