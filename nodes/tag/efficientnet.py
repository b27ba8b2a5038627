"""Tags by EfficientNet-lite0 on ONNX Runtime. What it is and where its weights come from: `_lite0.py`."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from studio import Field, Image, Node

from .._hub import identify
from .._lite0 import PACKAGED, Classifier


class Tags(NamedTuple):
    """Labels, the likeliest first, and the probability of each (all 1,000 together make 1)."""

    labels: list[str]
    scores: list[float]


class EfficientNet(Node):
    """What a picture shows, among the 1,000 classes of ImageNet, by EfficientNet-lite0.

    It looks at the middle square of the picture and names one main thing; people are not among its classes,
    and what is in none of them gets the label of something that looks alike.
    """

    version = "1"
    extra = "vision"
    licence = "Apache-2.0 (EfficientNet-lite0 weights); MIT (the readable names of the classes)"

    class Config(Node.Config):
        """Which model, and how many tags."""

        model: str = Field("lite0", description="packaged: lite0; or a folder with model.onnx and labels.json")
        top: int = Field(5, ge=1, le=1000, description="most tags that are given")
        threshold: float = Field(0.0, ge=0, le=1, description="tags with a lower score are left out")

    config: Config

    @classmethod
    def identity(cls, config: Config, fingerprint: Callable[[Path], str]) -> object:
        """The packaged digest or the folder's content."""
        return identify(config.model, fingerprint, packaged=PACKAGED)

    def setup(self) -> None:
        """Load the model."""
        self.classifier = Classifier(self, self.config.model)

    def run(self, image: Image) -> Tags:
        """Name what is there."""
        likeliest = self.classifier.likeliest(self.classifier.probabilities([image])[0], self.config.top)
        found = [(label, score) for label, score in likeliest if score >= self.config.threshold]
        return Tags([label for label, _ in found], [round(score, 6) for _, score in found])
