"""How well texts go with a picture, by a CLIP of transformers.

Radford et al. 2021 (CLIP), https://arxiv.org/abs/2103.00020, https://huggingface.co/openai/clip-vit-base-patch32.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from studio import Field, Image, Node, Resources

from .._hub import identify
from .._transformers import pretrained

REMEMBERED = 20_000  # texts; 512 floats each are 40 MB


class Clip(Node):
    """Similarity of a picture with each of some texts, by CLIP: cosines from -1 to 1, in the order of the texts.

    Good matches of the usual CLIPs lie near 0.3: compare texts with each other, not with 1. A text is cut after
    what the model takes (77 tokens).
    """

    version = "1"
    extra = "transformers"
    licence = "of the model chosen; OpenAI's CLIP is MIT"
    resources = Resources(gpus=0.25)

    class Config(Node.Config):
        """Which CLIP."""

        model: str = Field("openai/clip-vit-base-patch32", description="a hub id or a folder, for CLIPModel")
        revision: str = Field("main", description="branch, tag or commit, for a hub id")
        batch: int = Field(256, ge=1, description="texts embedded together")

    config: Config

    @classmethod
    def identity(cls, config: Config, fingerprint: Callable[[Path], str]) -> object:
        """The hub's commit or the folder's content."""
        return identify(config.model, fingerprint, config.revision)

    def setup(self) -> None:
        """Load the model and its processor."""
        instead = "use retrieve.conse, which has the same ports and packaged weights"
        self.processor, self.model = pretrained(self, "CLIPModel", "AutoProcessor", instead=instead)
        self.remembered: OrderedDict[str, np.ndarray] = OrderedDict()

    def run(self, image: Image, texts: list[str]) -> list[float]:
        """Compare them."""
        return self.run_batch([{"image": image, "texts": texts}])[0]

    def run_batch(self, calls: Sequence[Mapping[str, Any]]) -> list[list[float]]:
        """Compare several pictures with their texts; each text is embedded once."""
        words = self._texts(list(dict.fromkeys(text for call in calls for text in call["texts"])))
        asked = [number for number, call in enumerate(calls) if call["texts"]]
        looks = dict(zip(asked, self._images([calls[number]["image"] for number in asked]), strict=True))
        return [
            [float(looks[number] @ words[text]) for text in call["texts"]] if number in looks else []
            for number, call in enumerate(calls)
        ]

    def _images(self, images: list[Image]) -> np.ndarray:
        """A row of unit length for each picture."""
        if not images:
            return np.zeros((0, 0), np.float32)
        pixels = self.processor.image_processor([image.rgb() for image in images], return_tensors="pt")
        return self._embedded("get_image_features", pixels.to(self.device, self.model.dtype))

    def _texts(self, texts: list[str]) -> dict[str, np.ndarray]:
        """A row of unit length for each text, from memory where it was seen before."""
        new = [text for text in texts if text not in self.remembered]
        for start in range(0, len(new), self.config.batch):
            some = new[start : start + self.config.batch]
            tokens = self.processor.tokenizer(some, return_tensors="pt", padding=True, truncation=True)
            taken = {name: tokens[name].to(self.device) for name in ("input_ids", "attention_mask")}
            self.remembered.update(zip(some, self._embedded("get_text_features", taken), strict=True))
        for text in texts:
            self.remembered.move_to_end(text)
        found = {text: self.remembered[text] for text in texts}
        while len(self.remembered) > REMEMBERED:
            self.remembered.popitem(last=False)
        return found

    def _embedded(self, tower: str, given: Mapping[str, Any]) -> np.ndarray:
        import torch

        with torch.inference_mode():
            rows = getattr(self.model, tower)(**given).pooler_output.float()
            return np.asarray(torch.nn.functional.normalize(rows, dim=-1).cpu())
