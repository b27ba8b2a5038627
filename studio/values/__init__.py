"""What flows along an edge: one kind of value a class, all of them in `KINDS`.

A new kind is a class in a file here, a line in the table below, and a name in the face.
"""

from __future__ import annotations

from studio.values.audio import Audio, AudioKind
from studio.values.base import JsonKind, Kind, Media, to_json
from studio.values.files import File, FileKind, Video, VideoKind
from studio.values.image import Image, ImageKind
from studio.values.marks import Boxes, BoxesKind, Segments, SegmentsKind
from studio.values.plain import BoolKind, DataKind, NumberKind, TextKind
from studio.values.types import PortType
from studio.values.vector import Vector, VectorKind

__all__ = [
    "KINDS",
    "Audio",
    "Boxes",
    "File",
    "Image",
    "JsonKind",
    "Kind",
    "Media",
    "PortType",
    "Segments",
    "Vector",
    "Video",
    "to_json",
]

_ALL: tuple[Kind, ...] = (  # type: ignore[type-arg]
    TextKind(),
    NumberKind(),
    BoolKind(),
    DataKind(),
    AudioKind(),
    ImageKind(),
    VideoKind(),
    BoxesKind(),
    SegmentsKind(),
    VectorKind(),
    FileKind(),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}  # type: ignore[type-arg]
