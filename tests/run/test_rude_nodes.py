"""What a node does to a value, before or after it was given away, changes nothing for others, and nothing on record."""

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from studio import Audio, Boxes, Image, Node, Vector
from tests.support.door import run_log


class Reuses(Node):
    """Gives what it made before, and makes that another thing first."""

    def setup(self) -> None:
        self.array = np.zeros((4, 4, 3), np.uint8)
        self.picture = PIL.Image.new("RGB", (4, 4))
        self.samples = np.zeros(8, np.float32)
        self.numbers = np.zeros(3)
        self.told = {"a": [0]}

    def change(self, number: int) -> None:
        self.array[:] = number
        self.picture.paste((number,) * 3, (0, 0, 4, 4))
        self.samples[:] = number / 8
        self.numbers[:] = number
        self.told["a"][0] = number


class Arrays(Reuses):
    def run(self, number: int) -> Image:
        self.change(number)
        return self.array


class Pictures(Reuses):
    def run(self, number: int) -> Image:
        self.change(number)
        return self.picture


class Sounds(Reuses):
    def run(self, number: int) -> Audio:
        self.change(number)
        return self.samples, 8000


class Views(Reuses):
    def run(self, number: int) -> Vector:
        self.change(number)
        return Vector(np.broadcast_to(self.numbers, (3,)))


class Objects(Reuses):
    def run(self, number: int) -> dict:
        self.change(number)
        return self.told


class Marks(Reuses):
    def run(self, number: int) -> Boxes:
        self.change(number)
        return [{"box": [0, 0, 1, 1], "label": str(self.told["a"][0])}]


class SeesImage(Node):
    def run(self, value: Image) -> int:
        return int(value.array[0, 0, 0])


class SeesAudio(Node):
    def run(self, value: Audio) -> int:
        return round(float(value.samples[0]) * 8)


class SeesVector(Node):
    def run(self, value: Vector) -> int:
        return int(value.array[0])


class SeesObject(Node):
    def run(self, value: dict) -> int:
        return value["a"][0]


class SeesBoxes(Node):
    def run(self, value: Boxes) -> int:
        return int(value[0]["label"])


class Draws(Node):
    """Draws on the picture that it was given."""

    def run(self, value: Image) -> int:
        picture = value.pil
        PIL.ImageDraw.Draw(picture).rectangle((0, 0, 4, 4), fill=(200, 200, 200))
        picture.paste((201, 201, 201), (0, 0, 4, 4))
        return picture.getpixel((0, 0))[0]


class Fills(Node):
    """Writes into the object that it was given."""

    def run(self, value: dict) -> int:
        value["a"][0] = 99
        return 99


NODES = [
    Arrays,
    Pictures,
    Sounds,
    Views,
    Objects,
    Marks,
    SeesImage,
    SeesAudio,
    SeesVector,
    SeesObject,
    SeesBoxes,
    Draws,
    Fills,
]


@pytest.fixture(params=[True, False], ids=["cached", "no cache"])
def options(request):
    return {} if request.param else {"cache": False}


@pytest.mark.parametrize(
    ("makes", "sees"),
    [
        ("Arrays", "Image"),
        ("Pictures", "Image"),
        ("Sounds", "Audio"),
        ("Views", "Vector"),
        ("Objects", "Object"),
        ("Marks", "Boxes"),
    ],
)
def test_what_a_node_changes_after_it_gave_it_away(makes, sees, options):
    graph = f"""
inputs: {{numbers: "list[number]"}}
nodes:
  made: {{use: {makes}, each: number, in: {{number: numbers}}}}
  seen: {{use: Sees{sees}, each: value, in: {{value: made}}}}
outputs: {{x: seen}}
"""
    for _ in range(2):
        assert run_log(graph, options=options, nodes=NODES, numbers=[1, 2, 1, 3]).outputs["x"] == [1, 2, 1, 3]


@pytest.mark.parametrize(("makes", "rude", "sees"), [("Pictures", "Draws", "Image"), ("Objects", "Fills", "Object")])
def test_what_a_node_changes_that_it_was_given(makes, rude, sees, options):
    graph = f"""
inputs: {{number: number}}
nodes:
  made: {{use: {makes}, in: {{number: number}}}}
  rude: {{use: {rude}, in: {{value: made}}}}
  after: {{use: Sees{sees}, in: {{value: made}}, when: rude > 0}}
outputs: {{x: after, y: rude, made: made}}
"""
    for _ in range(2):
        result = run_log(graph, options=options, nodes=NODES, number=7).result
        assert (result["x"], result["y"]) == (7, 201 if rude == "Draws" else 99)
        made = result["made"]
        assert (made["a"][0] if makes == "Objects" else int(made.array[0, 0, 0])) == 7
