"""Vectors: their numbers as a line of small bars, a matrix as a field of shades."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from studio.page.views.base import Scene, View, facts, figure
from studio.page.views.shelf import Shelf
from studio.values import Vector

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["VectorView"]

_MOST_BARS = 128
_MOST_CELLS = 256  # of one side of a field
_LOW, _MIDDLE, _HIGH = (202, 90, 30), (246, 246, 244), (30, 90, 180)


class VectorView(View):
    """An array of numbers."""

    def show(self, value: Any, scene: Scene) -> Markup:
        import numpy as np

        vector: Vector = value
        array = vector.array.astype(np.float64)
        array = np.where(np.isfinite(array), array, 0.0)
        told = facts(self.brief(vector), str(vector.array.dtype), *_figures(array))
        if array.ndim == 2 and min(array.shape) > 1:
            return _field(array, scene.shelf) + told
        return _spark(array.reshape(-1)) + told

    def brief(self, value: Any) -> str:
        shape = value.array.shape
        return f"{shape[0]:,} numbers" if len(shape) == 1 else " × ".join(f"{side:,}" for side in shape) or "a number"


def _figures(array: NDArray[Any]) -> list[str]:
    if not array.size:
        return []
    length = float((array * array).sum() ** 0.5)
    return [f"from {figure(float(array.min()))} to {figure(float(array.max()))}", f"length {figure(round(length, 4))}"]


def _spark(numbers: NDArray[Any]) -> Markup:
    """The numbers as bars around a line; of many, the strongest of each group."""
    import numpy as np

    if not len(numbers):
        return Markup("")
    groups = np.array_split(numbers, min(_MOST_BARS, len(numbers)))
    strongest = [float(group[np.abs(group).argmax()]) for group in groups]
    top = max(map(abs, strongest)) or 1.0
    path = "".join(f"M{x + 0.5} 20v{-round(19 * number / top, 1)}" for x, number in enumerate(strongest))
    return Markup(
        '<svg class="spark" viewBox="0 0 {0} 40" preserveAspectRatio="none" role="img" '
        'aria-label="a vector of {1} numbers">'
        '<path class="zero" d="M0 20H{0}"/><path d="{2}"/></svg>'
    ).format(len(strongest), len(numbers), path)


def _field(array: NDArray[Any], shelf: Shelf) -> Markup:
    """A matrix as a picture: blue above zero, orange below."""
    import numpy as np
    import PIL.Image

    steps = [max(1, -(-side // _MOST_CELLS)) for side in array.shape]
    cells = array[:: steps[0], :: steps[1]]
    share = (cells / (float(np.abs(cells).max()) or 1.0))[..., None]
    low, middle, high = (np.array(colour, float) for colour in (_LOW, _MIDDLE, _HIGH))
    pixels = np.where(share < 0, middle + (middle - low) * share, middle + (high - middle) * share)
    target = io.BytesIO()
    PIL.Image.fromarray(pixels.astype(np.uint8)).save(target, "PNG")
    url = shelf.place(target.getvalue(), "image/png", ".png")
    return Markup('<img class="field" src="{}" width="{}" height="{}" alt="a matrix of {} by {} numbers">').format(
        url, *reversed(cells.shape), *array.shape
    )
