"""Nodes that give every kind of value, for the page that shows them."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from studio import Audio, Boxes, Field, File, Image, Node, Prompt, Segments, Vector, Video

NASTY = "</script><img src=x onerror=alert(1)>\"'&<!--"


def picture(shift: int = 0) -> Image:
    rows, columns = np.mgrid[0:120, 0:160]
    return Image(np.stack([rows * 2, (columns + shift) % 255, rows + columns], axis=-1).astype(np.uint8))


def sound(hertz: float = 330.0) -> Audio:
    return Audio((0.5 * np.sin(2 * np.pi * hertz * np.arange(8000) / 8000)).astype(np.float32), 8000)


class Scene(Node):
    """A picture."""

    def run(self) -> Image:
        return picture()


class Find(Node):
    """Boxes on a picture."""

    def run(self, image: Image) -> Boxes:
        return Boxes([{"box": [10, 20, 60, 80], "label": f"cat {NASTY}", "score": 0.9}])


class FindAll(Node):
    """Boxes on each picture."""

    def run(self, images: list[Image]) -> list[Boxes]:
        return [Boxes([{"box": [1, 2, 50, 60], "label": "dog", "score": 0.5}]) for _ in images]


class Tell(Node):
    """A prompt, filled in."""

    class Config(Node.Config):
        prompt: Prompt = Field(description="the prompt")
        token: str = ""

    def run(self, **wires: str) -> str:
        print(f"told {NASTY}")
        return self.config.prompt.render(**wires) + NASTY


class All(NamedTuple):
    text: str
    number: float
    bool: bool
    data: dict
    audio: Audio
    image: Image
    boxes: Boxes
    segments: Segments
    vector: Vector
    file: File
    matrix: Vector
    scores: dict
    hits: list
    table: list
    absent: str | None
    texts: list[str]
    numbers: list[float]
    images: list[Image]
    audios: list[Audio]
    none: list[str]


class Everything(Node):
    """A value of each kind but film."""

    def run(self, text: str) -> All:
        path = Path(tempfile.mkdtemp()) / "file.bin"
        path.write_bytes(b"some bytes")
        numbers = np.linspace(-1, 1, 300).astype(np.float32)
        return All(
            NASTY + " long words" * 300, 42.5, True, {NASTY: [NASTY, {"deep": None}]}, sound(), picture(),
            Boxes([{"box": [0, 0, 5, 5], "label": "alone", "score": 1.0}]),
            Segments([{"start": 0.5, "end": 61.25, "text": f"said {NASTY}", "speaker": "Ada"}]),
            Vector(numbers), File(path), Vector(numbers.reshape(30, 10)), {"a cat": 0.75, NASTY: 0.25},
            [{"text": "found", "score": 0.5}], [{"name": "Ada", "age": 36}, {"name": NASTY, "age": 7}],
            None, [f"item {number}" for number in range(300)], [0.5, -0.25], [picture(9), picture(99)],
            [sound(220), sound(440)], [],
        )  # fmt: skip


class Film(Node):
    """A film of one second, by ffmpeg."""

    def run(self) -> Video:
        path = Path(tempfile.mkdtemp()) / "film.mp4"
        made = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=8:duration=1", "-pix_fmt", "yuv420p", str(path)]
        subprocess.run(["ffmpeg", "-loglevel", "error", *made], check=True, stdout=sys.stderr)
        return Video(path)


ALL = [Scene, Find, FindAll, Tell, Everything]
