"""Detection by any object detector of transformers: DETR, YOLOS, RT-DETR, Deformable DETR.

Carion et al. 2020 (DETR), https://arxiv.org/abs/2005.12872, https://huggingface.co/facebook/detr-resnet-50.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio import Boxes, Field, Image, Node, Resources

from .._hub import identify
from .._transformers import pretrained


class Transformers(Node):
    """The things on a picture with a box around each, by a detector of transformers (DETR, YOLOS, RT-DETR …)."""

    version = "1"
    extra = "transformers"
    licence = "of the model chosen; DETR, the default, is Apache-2.0"
    resources = Resources(gpus=0.25)

    class Config(Node.Config):
        """Which model, and how sure it must be."""

        model: str = Field(
            "facebook/detr-resnet-50", description="a hub id or a folder, for AutoModelForObjectDetection"
        )
        revision: str = Field("main", description="branch, tag or commit, for a hub id")
        threshold: float = Field(0.7, ge=0, le=1, description="boxes with a lower score are left out")

    config: Config

    @classmethod
    def identity(cls, config: Config, fingerprint: Callable[[Path], str]) -> object:
        """The hub's commit or the folder's content."""
        return identify(config.model, fingerprint, config.revision)

    def setup(self) -> None:
        """Load the model and what prepares pictures for it."""
        self.processor, self.model = pretrained(self, "AutoModelForObjectDetection", "AutoImageProcessor")

    def run(self, image: Image) -> Boxes:
        """Find what is there, the surest first; boxes are in pixels of the picture given."""
        return self.run_batch([{"image": image}])[0]

    def run_batch(self, tasks: list[dict[str, Any]]) -> list[Any]:
        """Several pictures at once."""
        import torch

        pictures = [task["image"].rgb() for task in tasks]
        with torch.inference_mode():
            found = self.model(**self.processor(images=pictures, return_tensors="pt").to(self.device))
        sizes = [(picture.height, picture.width) for picture in pictures]
        sorted_out = self.processor.post_process_object_detection(found, self.config.threshold, sizes)
        return [Boxes(self._marks(one, size)) for one, size in zip(sorted_out, sizes, strict=True)]

    def _marks(self, found: dict[str, Any], size: tuple[int, int]) -> list[dict[str, Any]]:
        names, (height, width) = self.model.config.id2label, size
        marks = [
            {"box": _inside(box, width, height), "label": names[kind], "score": round(score, 4)}
            for box, kind, score in zip(
                found["boxes"].tolist(), found["labels"].tolist(), found["scores"].tolist(), strict=True
            )
        ]
        return sorted(marks, key=lambda mark: -mark["score"])


def _inside(box: list[float], width: int, height: int) -> list[float]:
    """Left, top, right, bottom, cut off at the picture's edges."""
    edges = zip(box, (width, height, width, height), strict=True)
    return [round(min(max(edge, 0.0), float(limit)), 1) for edge, limit in edges]
