"""Pictures of one coloured shape each, drawn here, with a caption and with questions whose answers are known."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from PIL import Image, ImageDraw

COLORS = {
    "red": (210, 40, 40),
    "orange": (245, 145, 30),
    "yellow": (240, 220, 50),
    "green": (40, 150, 60),
    "blue": (40, 80, 210),
    "purple": (140, 50, 170),
    "black": (25, 25, 25),
    "pink": (250, 140, 190),
}
FORMS = ("circle", "square", "triangle", "cross")
SIDE = 64  # pixels
CAPTIONS = [f"a {color} {form}" for color in COLORS for form in FORMS]
ANSWERS = ["yes", "no", *COLORS, *FORMS]


@dataclass(frozen=True)
class Drawing:
    """A picture and what is true of it."""

    picture: Image.Image
    color: str
    form: str

    @property
    def caption(self) -> str:
        return f"a {self.color} {self.form}"

    def questions(self, random: random.Random) -> list[tuple[str, str]]:
        """One question of each sort with its answer; half of those for yes or no are answered with no."""
        color, form = _either(self.color, COLORS, random), _either(self.form, FORMS, random)
        pair = _either(self.caption, CAPTIONS, random)
        return [
            ("what color is the shape?", self.color),
            ("what shape is in the picture?", self.form),
            (f"is the shape {color}?", _yes(color == self.color)),
            (f"is there a {form}?", _yes(form == self.form)),
            (f"is there {pair}?", _yes(pair == self.caption)),
        ]


def drawings(count: int, seed: int) -> list[Drawing]:
    """So many drawings; the same ones for the same seed."""
    chance = random.Random(seed)
    return [_drawing(chance) for _ in range(count)]


def _drawing(chance: random.Random) -> Drawing:
    color, form = chance.choice(list(COLORS)), chance.choice(FORMS)
    ground = tuple(chance.randint(215, 255) for _ in range(3))
    picture = Image.new("RGB", (SIDE, SIDE), ground)
    radius = chance.uniform(9, 22)
    x, y = (chance.uniform(radius + 1, SIDE - radius - 1) for _ in range(2))
    shade = tuple(max(0, min(255, part + chance.randint(-18, 18))) for part in COLORS[color])
    _draw(ImageDraw.Draw(picture), form, x, y, radius, shade)
    return Drawing(picture, color, form)


def _draw(pen: ImageDraw.ImageDraw, form: str, x: float, y: float, radius: float, fill: tuple[int, ...]) -> None:
    if form == "circle":
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
    elif form == "square":
        half = radius * 0.85
        pen.rectangle((x - half, y - half, x + half, y + half), fill=fill)
    elif form == "triangle":
        corners = [math.radians(angle) for angle in (-90, 30, 150)]
        pen.polygon([(x + radius * math.cos(a), y + radius * math.sin(a)) for a in corners], fill=fill)
    else:
        arm = radius * 0.32
        pen.rectangle((x - radius, y - arm, x + radius, y + arm), fill=fill)
        pen.rectangle((x - arm, y - radius, x + arm, y + radius), fill=fill)


def _either(true: str, others: object, chance: random.Random) -> str:
    """What is true, or something else, with even chances."""
    return true if chance.random() < 0.5 else chance.choice([other for other in others if other != true])


def _yes(true: bool) -> str:
    return "yes" if true else "no"
