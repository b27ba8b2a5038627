"""How a value looks on a page: one view a kind of value, all of them in `VIEWS`.

A new kind of value gets a class in a file here, and a line in the table below.
"""

from __future__ import annotations

from studio.page.views.base import NOTHING, Scene, View, bars, folded, listing
from studio.page.views.marks import BoxesView, SegmentsView
from studio.page.views.media import AudioView, FileView, ImageView, VideoView
from studio.page.views.plain import BoolView, DataView, NumberView, TextView
from studio.page.views.shelf import Shelf
from studio.page.views.vector import VectorView

__all__ = ["NOTHING", "VIEWS", "Scene", "Shelf", "View", "bars", "folded", "listing"]

VIEWS: dict[str, View] = {
    "text": TextView(),
    "number": NumberView(),
    "bool": BoolView(),
    "data": DataView(),
    "audio": AudioView(),
    "image": ImageView(),
    "video": VideoView(),
    "boxes": BoxesView(),
    "segments": SegmentsView(),
    "vector": VectorView(),
    "file": FileView(),
}
