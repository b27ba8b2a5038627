"""Captions of pictures by a BLIP of transformers.

Li et al. 2022 (BLIP), https://arxiv.org/abs/2201.12086, https://huggingface.co/Salesforce/blip-image-captioning-base.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from studio import Field, Image, Node, Resources

from .._hub import identify
from .._transformers import pretrained


class Blip(Node):
    """What a picture shows, by BLIP: a short English caption, or the continuation of a prompt ('a photo of')."""

    version = "1"
    extra = "transformers"
    licence = "of the model chosen; Salesforce's BLIP is BSD-3-Clause"
    resources = Resources(gpus=0.25)

    class Config(Node.Config):
        """Which BLIP, and how it writes."""

        model: str = Field(
            "Salesforce/blip-image-captioning-base",
            description="a hub id or a folder, for BlipForConditionalGeneration",
        )
        revision: str = Field("main", description="branch, tag or commit, for a hub id")
        beam_size: int = Field(3, ge=1, le=20, description="hypotheses kept while decoding; 1 is fastest")
        max_tokens: int = Field(30, ge=1, description="longest caption, in tokens beyond the prompt")

    config: Config

    @classmethod
    def identity(cls, config: Config, fingerprint: Callable[[Path], str]) -> object:
        """The hub's commit or the folder's content."""
        return identify(config.model, fingerprint, config.revision)

    def setup(self) -> None:
        """Load the model and its processor."""
        instead = "name what is seen by detect.* or tag.* nodes, whose weights are packaged"
        self.processor, self.model = pretrained(self, "BlipForConditionalGeneration", "AutoProcessor", instead=instead)

    def run(self, image: Image, prompt: str | None = None) -> str:
        """Describe it; with a prompt, the caption begins with that."""
        return self.run_batch([{"image": image, "prompt": prompt}])[0]

    def run_batch(self, calls: Sequence[Mapping[str, Any]]) -> list[str]:
        """Describe several; those of one prompt together, as BLIP's decoder knows no padding before it."""
        prompts = [(call.get("prompt") or "").strip() for call in calls]
        written: dict[int, str] = {}
        for prompt in dict.fromkeys(prompts):
            members = [number for number, other in enumerate(prompts) if other == prompt]
            captions = self._captions([calls[number]["image"].rgb() for number in members], prompt)
            written.update(zip(members, captions, strict=True))
        return [written[number] for number in range(len(calls))]

    def _captions(self, pictures: list[Any], prompt: str) -> Iterator[str]:
        import torch

        text = [prompt] * len(pictures) if prompt else None
        given = self.processor(images=pictures, text=text, return_tensors="pt").to(self.device, self.model.dtype)
        with torch.inference_mode():
            tokens = self.model.generate(
                **given, num_beams=self.config.beam_size, do_sample=False, max_new_tokens=self.config.max_tokens
            )
        return (caption.strip() for caption in self.processor.batch_decode(tokens, skip_special_tokens=True))
