"""Questions about pictures answered by a BLIP of transformers, which writes its answers.

Li et al. 2022 (BLIP), https://arxiv.org/abs/2201.12086, https://huggingface.co/Salesforce/blip-vqa-base.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from studio import Field, Image, InputError, Node, Resources

from .._hub import identify
from .._transformers import pretrained
from ._answer import INSTEAD, Answer


class Blip(Node):
    """Answers to questions about a picture, by BLIP: a few English words, and their probability.

    The score is the product of the probabilities of all tokens of the answer, so longer answers score lower.
    """

    version = "1"
    extra = "transformers"
    licence = "of the model chosen; Salesforce's BLIP is BSD-3-Clause"
    resources = Resources(gpus=0.25)

    class Config(Node.Config):
        """Which BLIP, and how it writes."""

        model: str = Field("Salesforce/blip-vqa-base", description="a hub id or a folder, for BlipForQuestionAnswering")
        revision: str = Field("main", description="branch, tag or commit, for a hub id")
        max_tokens: int = Field(10, ge=1, description="longest answer, in tokens")

    config: Config

    @classmethod
    def identity(cls, config: Config, fingerprint: Callable[[Path], str]) -> object:
        """The hub's commit or the folder's content."""
        return identify(config.model, fingerprint, config.revision)

    def setup(self) -> None:
        """Load the model and its processor."""
        self.processor, self.model = pretrained(self, "BlipForQuestionAnswering", "AutoProcessor", instead=INSTEAD)
        self.longest = self.model.config.text_config.max_position_embeddings

    def run(self, image: Image, question: str) -> Answer:
        """Answer it."""
        answer = self.run_batch([{"image": image, "question": question}])[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def run_batch(self, calls: Sequence[Mapping[str, Any]]) -> list[Answer | Exception]:
        """Answer several; questions of one length together, as BLIP's decoder would look at padding too."""
        asked = [self.processor.tokenizer(call["question"])["input_ids"] for call in calls]
        answers: dict[int, Answer | Exception] = {}
        for length in dict.fromkeys(map(len, asked)):
            members = [number for number, tokens in enumerate(asked) if len(tokens) == length]
            answers.update(zip(members, self._answers([calls[number] for number in members], length), strict=True))
        return [answers[number] for number in range(len(calls))]

    def _answers(self, calls: list[Mapping[str, Any]], length: int) -> Sequence[Answer | Exception]:
        """The answers to questions of one length."""
        import torch

        if length > self.longest:
            told = f"the question has {length} tokens, and '{self.config.model}' takes {self.longest}"
            return [InputError(f"{told}: ask a shorter one")] * len(calls)
        pictures, questions = [call["image"].rgb() for call in calls], [call["question"] for call in calls]
        given = self.processor(images=pictures, text=questions, return_tensors="pt").to(self.device, self.model.dtype)
        with torch.inference_mode():
            written = self.model.generate(
                **given,
                num_beams=1,
                do_sample=False,
                max_new_tokens=self.config.max_tokens,
                return_dict_in_generate=True,
                output_scores=True,
            )
        texts = self.processor.batch_decode(written.sequences, skip_special_tokens=True)
        return [Answer(text.strip(), sure) for text, sure in zip(texts, self._sure(written), strict=True)]

    def _sure(self, written: Any) -> list[float]:
        """The probability of each answer, up to its end."""
        scores = self.model.text_decoder.compute_transition_scores(
            written.sequences, written.scores, normalize_logits=True
        )
        tokens = written.sequences[:, -scores.shape[1] :]
        after = (tokens == self.model.config.text_config.pad_token_id).cumsum(-1) > 0
        return [float(total) for total in scores.float().masked_fill(after, 0).sum(-1).exp().cpu()]
