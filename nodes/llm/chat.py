"""Text from a prompt by a chat model of transformers: SmolLM2 by default, or any with a chat template.

The packaged model: `_smollm.py`; templates: https://huggingface.co/docs/transformers/chat_templating.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from studio import Field, InputError, Node, Resources

from .._hub import identify
from .._transformers import pretrained
from ._chat_tokens import ChatTokens
from ._smollm import INSTALL, PACKAGED, unpacked
from ._words import has_words


class Chat(Node):
    """Text from a prompt, by a chat model of transformers (SmolLM2-135M-Instruct, packaged, unless told otherwise).

    The packaged model is tiny: fluent, often wrong, good for trying a graph. A prompt that does not fit into the
    model with `max_tokens` left for the answer is an error, and so is an answer with no words. An answer cut off by
    `max_tokens` is given, and counts one `cut`, also from the cache; with `cut: fail` it is an error.
    What a prompt holds stays text: marks such as `<|im_end|>` in a mail say nothing to the model.
    """

    version = "1"
    extra = "llm"
    licence = "Apache-2.0 (SmolLM2 weights); of the model chosen"
    resources = Resources(gpus=0.5)

    class Config(Node.Config):
        """Which model, and how it writes."""

        model: str = Field(
            "smollm2-135m",
            description="packaged: smollm2-135m; or a hub id or folder, for AutoModelForCausalLM, with a chat template",
        )
        revision: str = Field("main", description="branch, tag or commit, for a hub id")
        system: str = Field("", description="what the model is told before the prompt")
        max_tokens: int = Field(256, ge=1, description="longest answer, in tokens")
        cut: Literal["fail", "keep"] = Field(
            "keep", description="what becomes of an answer cut off by max_tokens: the part there is, or an error"
        )
        temperature: float = Field(0.0, ge=0, le=2, description="0: always the likeliest word; more: samples")
        seed: int | None = Field(
            None, ge=0, lt=2**63, description="makes sampling repeatable; without one its answers are not cached"
        )

    config: Config

    @classmethod
    def identity(cls, config: Config, fingerprint: Callable[[Path], str]) -> object:
        """The packaged digest, the hub's commit or the folder's content."""
        return identify(config.model, fingerprint, config.revision, PACKAGED)

    @classmethod
    def repeatable(cls, config: Config) -> bool:
        """With temperature 0 or a seed."""
        return config.temperature == 0 or config.seed is not None

    @classmethod
    def draws(cls, config: Config) -> bool:
        """Not with temperature 0."""
        return config.temperature > 0

    def setup(self) -> None:
        """Load the model and its tokenizer; the packaged one is unpacked first, once a user."""
        folder = unpacked(self.config.model) if self.config.model in PACKAGED else None
        instead = f"use the packaged smollm2-135m ({INSTALL}), or a served model by llm.openai"
        self.tokenizer, self.model = pretrained(self, "AutoModelForCausalLM", folder=folder, instead=instead)
        if not self.tokenizer.chat_template:
            raise InputError(
                f"model '{self.config.model}' has no chat template: choose one made for chats (…-Instruct)"
            )
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.chat_tokens = ChatTokens(self.tokenizer)
        self.longest = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)

    def run(self, prompt: str) -> str:
        """Answer it."""
        answer = self.run_batch([{"prompt": prompt}])[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def run_batch(self, calls: Sequence[Mapping[str, Any]]) -> list[str | Exception]:
        """Answer several together, padded on the left; with a seed one by one, as each must draw the same numbers."""
        asked = [self._asked(call["prompt"]) for call in calls]
        written: dict[int, list[int] | Exception] = {
            number: error for number, tokens in enumerate(asked) if (error := self._too_long(tokens))
        }
        fitting = [number for number in range(len(calls)) if number not in written]
        alone = self.config.temperature > 0 and self.config.seed is not None
        for group in [[number] for number in fitting] if alone else [fitting] if fitting else []:
            written.update(zip(group, self._answers([asked[number] for number in group]), strict=True))
        told = [written[number] for number in range(len(calls))]
        answers = [self._text(answer) if isinstance(answer, list) else answer for answer in told]
        given = [isinstance(answer, str) for answer in answers]
        self.measure(
            tokens=[len(tokens) if whole else None for tokens, whole in zip(told, given, strict=True)],
            cut=[1 if whole and self._cut(tokens) else None for tokens, whole in zip(told, given, strict=True)],
        )
        return answers

    def _asked(self, prompt: str) -> list[int]:
        """The prompt as the model was taught to see it, in tokens."""
        system = [{"role": "system", "content": self.config.system}] if self.config.system else []
        return self.chat_tokens.of([*system, {"role": "user", "content": prompt}])

    def _too_long(self, tokens: list[int]) -> InputError | None:
        if self.longest is None or len(tokens) + self.config.max_tokens <= self.longest:
            return None
        return InputError(
            f"the prompt has {len(tokens)} tokens, and with max_tokens {self.config.max_tokens} more than the "
            f"{self.longest} that '{self.config.model}' takes: shorten it, or lower max_tokens"
        )

    def _answers(self, asked: list[list[int]]) -> list[list[int]]:
        import torch

        given = self.tokenizer.pad({"input_ids": asked}, padding=True, padding_side="left", return_tensors="pt")
        with torch.inference_mode(), torch.random.fork_rng(enabled=self.config.seed is not None):
            if self.config.seed is not None:
                torch.manual_seed(self.config.seed)
            written = self.model.generate(
                **given.to(self.device),
                **self._choosing(),
                max_new_tokens=self.config.max_tokens,
                pad_token_id=self.tokenizer.pad_token_id,
            )
        new = written[:, given["input_ids"].shape[1] :]
        return [self._until_end(tokens) for tokens in new.tolist()]

    def _choosing(self) -> dict[str, Any]:
        """How the next word is chosen; a model's own settings for sampling say nothing where it does not sample."""
        if self.config.temperature > 0:
            return {"do_sample": True, "temperature": self.config.temperature}
        return {"do_sample": False, "num_beams": 1, "temperature": None, "top_p": None, "top_k": None}

    @property
    def _ends(self) -> set[int]:
        """The tokens that end an answer."""
        ends = self.model.generation_config.eos_token_id
        return {*ends} if isinstance(ends, list) else {ends}

    def _until_end(self, tokens: list[int]) -> list[int]:
        """An answer with the token that ends it; what fills it up to the length of a longer one is no part of it."""
        end = next((place for place, token in enumerate(tokens, 1) if token in self._ends), len(tokens))
        return tokens[:end]

    def _cut(self, tokens: list[int]) -> bool:
        """Whether an answer ends because it may not be longer."""
        return len(tokens) == self.config.max_tokens and tokens[-1] not in self._ends

    def _text(self, tokens: list[int]) -> str | Exception:
        """The words of an answer, or why it is none."""
        text = str(self.tokenizer.decode(tokens, skip_special_tokens=True)).strip()
        if self._cut(tokens) and (self.config.cut == "fail" or not has_words(text)):
            return InputError(
                f"'{self.config.model}' gave no whole answer: it was cut off after {self.config.max_tokens} tokens "
                "(give it a higher max_tokens, or take what there is with cut: keep)"
            )
        if self._cut(tokens):
            print(f"the answer was cut off after {self.config.max_tokens} tokens (max_tokens)")
        return text if has_words(text) else InputError(f"'{self.config.model}' gave no answer: it has no words")
