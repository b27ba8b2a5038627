"""Reading by RapidOCR: PaddleOCR's models on ONNX Runtime. https://github.com/RapidAI/RapidOCR"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from studio import Boxes, Field, Image, MissingExtra, Node

from .._packaged import Packaged, single
from ._strips import found_in, joined, looks, room

_PACKAGE = "rapidocr==3.10.0"


def _model(name: str, sha256: str) -> Any:
    return single(_PACKAGE, f"rapidocr/models/{name}", sha256)


MODELS = Packaged(
    "pp-ocr-v6-small",
    "ocr",
    {
        "find.onnx": _model(
            "PP-OCRv6_det_small.onnx", "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f"
        ),
        "turn.onnx": _model(
            "ch_ppocr_mobile_v2.0_cls_mobile.onnx", "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c"
        ),
        "read.onnx": _model(
            "PP-OCRv6_rec_small.onnx", "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884"
        ),
    },
)


_LONGEST = 1_000_000  # pixels a side; the reader is to shrink and pad nothing: what it is shown is as it should be
_MOST_LINES = 100_000  # in a strip; the reader drops more without a word
_HEAD = 6  # so many times its height of a line tell which way up it is
_MOST_WARPED = 32_767  # pixels a side; OpenCV turns nothing larger


class _Line(NamedTuple):
    """A line of text: its four corners (4, 2) in the picture, what it says, and how sure that is."""

    corners: np.ndarray
    words: str
    score: float


class Read(NamedTuple):
    """The lines, one under the other, and a box around each with its words as label; nothing where there are none."""

    text: str
    boxes: Boxes


class Rapid(Node):
    """The words on a picture, by RapidOCR (PP-OCRv6 small: Latin letters, Chinese, Japanese).

    Good on print, screens and signs; weak on handwriting and on pages turned by a quarter. Large and long pictures
    are read in strips, and their lines put together.
    """

    version = "2"
    extra = "ocr"
    licence = "Apache-2.0 (RapidOCR, and the PaddleOCR models in it)"

    class Config(Node.Config):
        """How sure it must be."""

        threshold: float = Field(0.5, ge=0, le=1, description="lines with a lower score are left out")

    config: Config

    @classmethod
    def identity(cls, config: Config, fingerprint: Callable[[Path], str]) -> object:
        """The recorded digest of the three models."""
        return {"packaged": MODELS.name, "sha256": MODELS.digest}

    def setup(self) -> None:
        """Load the models that find lines, turn them upright, and read them."""
        try:
            from rapidocr import RapidOCR
        except ImportError as error:
            raise MissingExtra("rapidocr", "ocr") from error
        folder = MODELS.folder()
        self.reader = RapidOCR(
            params={
                "Global.log_level": "error",
                "Global.text_score": self.config.threshold,
                "Global.max_side_len": _LONGEST,
                "Global.width_height_ratio": -1,
                "Det.max_candidates": _MOST_LINES,
                "Det.model_path": str(folder / "find.onnx"),
                "Cls.model_path": str(folder / "turn.onnx"),
                "Rec.model_path": str(folder / "read.onnx"),
                "EngineConfig.onnxruntime.intra_op_num_threads": self.threads,
            }
        )

    def run(self, image: Image) -> Read:
        """Read it, from the top of the page down. Lines are found in strips, and each is read out of it whole."""
        picture = image.rgb()
        boxes = self._found(picture)
        if not boxes:
            return Read("", Boxes())
        crops = [self._crop(picture, box) for box in boxes]
        turned = self._turned(crops)
        upright = [np.rot90(crop, 2) if turn else crop for crop, turn in zip(crops, turned, strict=True)]
        read = self.reader.recognize_txt(upright)
        lines = [_Line(*line) for line in zip(boxes, read.txts, read.scores, strict=True)]
        if sum(turned) > len(lines) / 2:  # the page stands on its head
            lines.reverse()
        lines = [line for line in lines if line.words.strip() and line.score >= self.config.threshold]
        return Read("\n".join(line.words for line in lines), Boxes([_mark(line) for line in lines]))

    def _found(self, picture: Any) -> list[np.ndarray]:
        """Where lines of text are."""
        found = []
        for look in looks(*picture.size):
            size = look.strips[-1][2:]
            shown = picture if picture.size == size else picture.resize(size, reducing_gap=3.0)
            for strip in look.strips:
                pixels = _pixels(shown.crop(room(strip)))
                corners = self.reader(pixels, use_det=True, use_cls=False, use_rec=False).boxes
                found.append(found_in(strip, look, corners))
        return joined(found)

    def _turned(self, crops: list[np.ndarray]) -> list[bool]:
        """Which lines stand on their heads. Their first letters tell: a long line whole is shown too small."""
        heads = [np.ascontiguousarray(crop[:, : _HEAD * crop.shape[0]]) for crop in crops]
        _, told = self.reader.cls_and_rotate(heads)
        return ["180" in label and score > self.reader.text_cls.cls_thresh for label, score in told.cls_res]

    def _crop(self, picture: Any, box: np.ndarray) -> np.ndarray:
        """A line of text, upright."""
        low, high = np.floor(box.min(0)).astype(int), np.ceil(box.max(0)).astype(int)
        region = _pixels(picture.crop((*low.tolist(), *high.tolist())))
        if max(region.shape) >= _MOST_WARPED:
            return region
        (crop,) = self.reader.crop_text_regions(region, [(box - low).astype(np.float32)])
        return np.ascontiguousarray(crop)


def _pixels(picture: Any) -> np.ndarray:
    """As the reader wants them: blue first, as OpenCV has it."""
    return np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])


def _mark(line: _Line) -> dict[str, Any]:
    """A line of text as a box that holds its four corners."""
    low, high = np.min(line.corners, 0), np.max(line.corners, 0)
    edges = [round(float(edge), 1) for edge in (*low, *high)]
    return {"box": edges, "label": line.words, "score": round(float(line.score), 4)}
