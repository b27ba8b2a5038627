"""Trains the tiny checkpoints beside it on drawings of its own: `python -m tests.checkpoints.train clip vilt blip blip_vqa`.

The classes are those that nodes load, and pictures go through the processors that are saved with the weights.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch.nn.functional import cross_entropy

from tests.checkpoints.shapes import ANSWERS, CAPTIONS, SIDE, drawings

HERE = Path(__file__).parent
SEED = 1
TRAINED_ON, TESTED_ON = 16_000, 1_000  # drawings
BATCH = 64
PAD, UNKNOWN, BEGIN, END = range(4)
VISION = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": SIDE,
    "patch_size": 16,
}
TEXT = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 16,
    "bos_token_id": BEGIN,
    "eos_token_id": END,
    "pad_token_id": PAD,
}
Batches = Iterator[torch.Tensor]


def tokenizer() -> Any:
    """Whole words, those of the captions and the questions."""
    chance = random.Random(0)
    said = [*CAPTIONS, *(question for drawing in drawings(500, seed=0) for question, _ in drawing.questions(chance))]
    words = sorted({word for text in said for word in text.replace("?", " ?").split()})
    names = ["<pad>", "<unk>", "<s>", "</s>"]
    made = Tokenizer(models.WordLevel({word: n for n, word in enumerate([*names, *words])}, unk_token="<unk>"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", BEGIN), ("</s>", END)])
    special = dict(zip(("pad_token", "unk_token", "bos_token", "eos_token"), names, strict=True))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, cls_token="<s>", sep_token="</s>", model_max_length=16, **special
    )


def clip(words: Any) -> None:
    """Pictures and captions into one space; tested by picking one of all captions."""
    config = transformers.CLIPConfig(
        text_config={**TEXT, "vocab_size": len(words)}, vision_config=VISION, projection_dim=64
    )
    model = transformers.CLIPModel(config)
    look = transformers.CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    texts = words(CAPTIONS, return_tensors="pt", padding=True)
    texts = {"input_ids": texts["input_ids"], "attention_mask": texts["attention_mask"]}
    pixels, shown = _pixels(look, TRAINED_ON, SEED), _captions(TRAINED_ON, SEED)

    def loss(rows: torch.Tensor) -> torch.Tensor:
        scores = model(pixel_values=pixels[rows], **texts).logits_per_image
        return cross_entropy(scores, shown[rows])

    def accuracy() -> float:
        unseen, true = _pixels(look, TESTED_ON, SEED + 1), _captions(TESTED_ON, SEED + 1)
        return float((model(pixel_values=unseen, **texts).logits_per_image.argmax(1) == true).float().mean())

    _train("clip", model, loss, accuracy, steps=2_000, rate=6e-4)
    _save("clip", model, transformers.CLIPProcessor(look, words))


def vilt(words: Any) -> None:
    """Answers to questions about pictures, one of a fixed list."""
    labels = dict(enumerate(ANSWERS))
    config = transformers.ViltConfig(
        vocab_size=len(words),
        **{**VISION, "hidden_size": 96, "num_hidden_layers": 4, "intermediate_size": 192},
        max_position_embeddings=16,
        modality_type_vocab_size=2,
        max_image_length=-1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        id2label=labels,
        label2id={answer: n for n, answer in labels.items()},
    )
    model = transformers.ViltForQuestionAnswering(config)
    look = transformers.ViltImageProcessor(size={"shortest_edge": SIDE}, size_divisor=16)
    pixels, (asked, answers) = _pixels(look, TRAINED_ON, SEED), _questions(words, TRAINED_ON, SEED)

    def forward(pixels: torch.Tensor, asked: torch.Tensor, labels: torch.Tensor | None = None) -> Any:
        return model(
            input_ids=asked,
            attention_mask=(asked != PAD).long(),
            pixel_values=pixels,
            pixel_mask=torch.ones(len(pixels), SIDE, SIDE, dtype=torch.long),
            labels=labels,
        )

    def loss(rows: torch.Tensor) -> torch.Tensor:
        sort = torch.randint(asked.shape[1], (len(rows),))
        hot = torch.nn.functional.one_hot(answers[rows, sort], len(ANSWERS)).float()
        return forward(pixels[rows], asked[rows, sort], hot).loss

    def accuracy() -> float:
        unseen, (new, true) = _pixels(look, TESTED_ON, SEED + 1), _questions(words, TESTED_ON, SEED + 1)
        right = [(forward(unseen, new[:, sort]).logits.argmax(1) == true[:, sort]) for sort in range(new.shape[1])]
        return float(torch.stack(right).float().mean())

    _train("vilt", model, loss, accuracy, steps=6_000, rate=1e-3)
    _save("vilt", model, transformers.ViltProcessor(look, words))


def blip(words: Any) -> None:
    """Captions written word by word; one is right if it is so to the letter."""
    text = {
        **TEXT,
        "vocab_size": len(words),
        "encoder_hidden_size": VISION["hidden_size"],
        "sep_token_id": END,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    config = transformers.BlipConfig(
        text_config=text, vision_config=VISION, projection_dim=32, image_text_hidden_size=32
    )
    model = transformers.BlipForConditionalGeneration(config)
    look = transformers.BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    pixels, shown = _pixels(look, TRAINED_ON, SEED), _captions(TRAINED_ON, SEED)
    texts = words(CAPTIONS, return_tensors="pt")["input_ids"]

    def loss(rows: torch.Tensor) -> torch.Tensor:
        said = texts[shown[rows]]
        return model(pixel_values=pixels[rows], input_ids=said, labels=said).loss

    def accuracy() -> float:
        unseen, true = _pixels(look, TESTED_ON, SEED + 1), _captions(TESTED_ON, SEED + 1)
        written = words.batch_decode(model.generate(pixel_values=unseen, max_new_tokens=8), skip_special_tokens=True)
        return sum(one == CAPTIONS[number] for one, number in zip(written, true, strict=True)) / len(written)

    _train("blip", model, loss, accuracy, steps=4_000, rate=1e-3)
    _save("blip", model, transformers.BlipProcessor(look, words))


def blip_vqa(words: Any) -> None:
    """Answers to questions about pictures, written out. It sees as the captioner that was trained before does.

    Its text towers are as wide as the one for pictures, as its decoder looks at the questions through the same sizes.
    """
    text = {
        **TEXT,
        "hidden_size": VISION["hidden_size"],
        "vocab_size": len(words),
        "encoder_hidden_size": VISION["hidden_size"],
        "sep_token_id": END,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    config = transformers.BlipConfig(
        text_config=text, vision_config=VISION, projection_dim=32, image_text_hidden_size=32
    )
    model = transformers.BlipForQuestionAnswering(config)
    seeing = transformers.BlipForConditionalGeneration.from_pretrained(HERE / "blip", dtype=torch.float32).vision_model
    model.vision_model.load_state_dict(seeing.state_dict())
    model.vision_model.requires_grad_(False)
    look = transformers.BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    pixels, (asked, answers) = _pixels(look, TRAINED_ON, SEED), _questions(words, TRAINED_ON, SEED)
    written = words(ANSWERS, return_tensors="pt")["input_ids"]

    def loss(rows: torch.Tensor) -> torch.Tensor:
        sort = torch.randint(asked.shape[1], (len(rows),))
        said, question = written[answers[rows, sort]], asked[rows, sort]
        mask = (question != PAD).long()
        return model(
            pixel_values=pixels[rows], input_ids=question, attention_mask=mask, decoder_input_ids=said, labels=said
        ).loss

    def accuracy() -> float:
        unseen, (new, true) = _pixels(look, TESTED_ON, SEED + 1), _questions(words, TESTED_ON, SEED + 1)
        right = []
        for sort in range(new.shape[1]):
            question = new[:, sort, : int((new[0, sort] != PAD).sum())]  # those of one sort have one length
            said = model.generate(input_ids=question, pixel_values=unseen, max_new_tokens=4)[:, 1]
            right.append(said == written[true[:, sort], 1])
        return float(torch.stack(right).float().mean())

    _train("blip_vqa", model, loss, accuracy, steps=1_500, rate=1e-3)
    _save("blip_vqa", model, transformers.BlipProcessor(look, words))


def _train(
    name: str, model: Any, loss: Callable[[torch.Tensor], torch.Tensor], accuracy: Callable[[], float], **plan: float
) -> None:
    """One cycle of AdamW, with the accuracy on drawings not trained on told as it goes."""
    steps, began = int(plan["steps"]), time.monotonic()
    optimizer = torch.optim.AdamW(model.parameters(), plan["rate"], weight_decay=0.01)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, plan["rate"], total_steps=steps)
    for step, rows in zip(range(1, steps + 1), _batches(), strict=False):
        model.train()
        lost = loss(rows)
        optimizer.zero_grad()
        lost.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rates.step()
        if step % 500 == 0:
            model.eval()
            with torch.inference_mode():
                found = accuracy()
            told = f"loss {lost.item():.3f}, accuracy {found:.4f}, {time.monotonic() - began:.0f} s"
            print(f"{name}: step {step} of {steps}, {told}", flush=True)


def _batches() -> Batches:
    while True:
        yield from torch.randperm(TRAINED_ON).split(BATCH)


def _pixels(look: Any, count: int, seed: int) -> torch.Tensor:
    return look([drawing.picture for drawing in drawings(count, seed)], return_tensors="pt")["pixel_values"]


def _captions(count: int, seed: int) -> torch.Tensor:
    return torch.tensor([CAPTIONS.index(drawing.caption) for drawing in drawings(count, seed)])


def _questions(words: Any, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """For each drawing the questions of each sort, as tokens, and the numbers of their answers."""
    chance = random.Random(seed)
    pairs = [drawing.questions(chance) for drawing in drawings(count, seed)]
    asked = words([question for row in pairs for question, _ in row], return_tensors="pt", padding=True)["input_ids"]
    answers = torch.tensor([[ANSWERS.index(answer) for _, answer in row] for row in pairs])
    return asked.view(count, len(pairs[0]), -1), answers


def _save(name: str, model: Any, processor: Any) -> None:
    """In half precision: a file half the size, and as right."""
    model.half().save_pretrained(HERE / name)
    processor.save_pretrained(HERE / name)


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    makers = {"clip": clip, "vilt": vilt, "blip": blip, "blip_vqa": blip_vqa}
    for chosen in sys.argv[1:] or makers:
        torch.manual_seed(SEED)
        makers[chosen](tokenizer())
