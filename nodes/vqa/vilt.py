"""Questions about pictures answered by a ViLT of transformers, which picks from the answers it was trained on.

Kim et al. 2021 (ViLT), https://arxiv.org/abs/2102.03334, https://huggingface.co/dandelin/vilt-b32-finetuned-vqa.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from studio import Field, Image, Node, Resources

from .._hub import identify
from .._transformers import pretrained
from ._answer import INSTEAD, Answer


class Vilt(Node):
    """Answers to questions about a picture, by ViLT: the likeliest of its fixed list (VQA v2: 3,129 answers).

    The score is the sigmoid of the answer's logit, as each answer was trained for itself. A question is cut after
    what the model takes (40 tokens).
    """

    version = "1"
    extra = "transformers"
    licence = "of the model chosen; dandelin's ViLT is Apache-2.0"
    resources = Resources(gpus=0.25)

    class Config(Node.Config):
        """Which ViLT."""

        model: str = Field(
            "dandelin/vilt-b32-finetuned-vqa", description="a hub id or a folder, for ViltForQuestionAnswering"
        )
        revision: str = Field("main", description="branch, tag or commit, for a hub id")

    config: Config

    @classmethod
    def identity(cls, config: Config, fingerprint: Callable[[Path], str]) -> object:
        """The hub's commit or the folder's content."""
        return identify(config.model, fingerprint, config.revision)

    @classmethod
    def draws(cls, config: Config) -> bool:
        """Always: it shuffles its patches."""
        return True

    def setup(self) -> None:
        """Load the model and its processor."""
        self.processor, self.model = pretrained(self, "ViltForQuestionAnswering", "AutoProcessor", instead=INSTEAD)

    def run(self, image: Image, question: str) -> Answer:
        """Answer it."""
        return self.run_batch([{"image": image, "question": question}])[0]

    def run_batch(self, calls: Sequence[Mapping[str, Any]]) -> list[Answer]:
        """Answer several at once; padding of pictures and of questions is masked."""
        import torch

        given = self.processor(
            images=[call["image"].rgb() for call in calls],
            text=[call["question"] for call in calls],
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=self.model.config.max_position_embeddings,
        ).to(self.device, self.model.dtype)
        with torch.inference_mode(), torch.random.fork_rng():
            torch.manual_seed(0)  # ViLT shuffles its patches: in one order, rounding is the same each time
            scores = self.model(**given).logits.float().sigmoid().max(-1)
        names = self.model.config.id2label
        return [
            Answer(names[best], sure)
            for best, sure in zip(scores.indices.tolist(), scores.values.tolist(), strict=True)
        ]
