"""Reading by RapidOCR: PaddleOCR's models on ONNX Runtime. https://github.com/RapidAI/RapidOCR"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from studio import Boxes, Field, Image, MissingExtra, Node

from .._packaged import Packaged, single
from .._pictures import rgb

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


class Read(NamedTuple):
    """The lines, one under the other, and a box around each with its words as label; nothing where there are none."""

    text: str
    boxes: Boxes


class Rapid(Node):
    """The words on a picture, by RapidOCR (PP-OCRv6 small: Latin letters, Chinese, Japanese).

    Good on print, screens and signs; weak on handwriting and on pages turned by a quarter.
    """

    version = "1"
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
                "Det.model_path": str(folder / "find.onnx"),
                "Cls.model_path": str(folder / "turn.onnx"),
                "Rec.model_path": str(folder / "read.onnx"),
                "EngineConfig.onnxruntime.intra_op_num_threads": self.threads,
            }
        )

    def run(self, image: Image) -> Read:
        """Read it, from the top down."""
        pixels = np.asarray(rgb(image))[:, :, ::-1]  # the reader wants blue first, as OpenCV has it
        found = self.reader(pixels)
        if found.txts is None:
            return Read("", Boxes())
        lines = zip(found.boxes, found.txts, found.scores, strict=True)
        return Read("\n".join(found.txts), Boxes([_mark(*line) for line in lines]))


def _mark(corners: np.ndarray, words: str, score: float) -> dict[str, Any]:
    """A line of text as a box that holds its four corners."""
    low, high = np.min(corners, 0), np.max(corners, 0)
    edges = [round(float(edge), 1) for edge in (*low, *high)]
    return {"box": edges, "label": words, "score": round(float(score), 4)}
