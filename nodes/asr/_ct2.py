"""Whisper weights in CTranslate2's form, read without CTranslate2 and renamed for openai-whisper.

The form: https://github.com/OpenNMT/CTranslate2 (python/ctranslate2/specs/model_spec.py writes it); the other names:
https://github.com/openai/whisper (whisper/model.py). What comes out is safetensors and JSON, never a pickle.
"""

import json
import re
import struct
from collections.abc import Iterator
from functools import reduce
from pathlib import Path

import numpy as np

FORM = 1  # raise when `convert` writes something else
_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_HEAD = 64  # size of a Whisper attention head, of every size of model
_NAMES = [
    (r"/", "."),
    (r"layer_(\d+)", r"blocks.\1"),
    (r"\.gamma$", ".weight"),
    (r"\.beta$", ".bias"),
    (r"position_encodings\.encodings", "positional_embedding"),
    (r"decoder\.embeddings", "decoder.token_embedding"),
    (r"encoder\.layer_norm", "encoder.ln_post"),
    (r"decoder\.layer_norm", "decoder.ln"),
    (r"self_attention\.layer_norm", "attn_ln"),
    (r"\.attention\.layer_norm", ".cross_attn_ln"),
    (r"ffn\.layer_norm", "mlp_ln"),
    (r"ffn\.linear_0", "mlp.0"),
    (r"ffn\.linear_1", "mlp.2"),
    (r"self_attention\.linear_0", "attn.query+key+value"),  # one matrix on their side, three on the other
    (r"self_attention\.linear_1", "attn.out"),
    (r"\.attention\.linear_0", ".cross_attn.query"),
    (r"\.attention\.linear_1", ".cross_attn.key+value"),
    (r"\.attention\.linear_2", ".cross_attn.out"),
]


def convert(source: Path, target: Path) -> None:
    """Write the model of the CTranslate2 folder `source` as `model.safetensors` and `dims.json` into `target`."""
    from safetensors.numpy import save_file

    tensors = dict(_renamed(read(source / "model.bin")))
    save_file(tensors, target / "model.safetensors")
    (target / "dims.json").write_text(json.dumps(_dims(tensors), indent=1))


def read(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The named tensors of a CTranslate2 `model.bin`."""
    with path.open("rb") as file:

        def number(form: str) -> int:
            return int(struct.unpack(f"<{form}", file.read(struct.calcsize(form)))[0])

        def text() -> str:
            return file.read(number("H")).rstrip(b"\0").decode()

        number("I"), text(), number("I")  # version of the form, name and revision of the model
        for _ in range(number("I")):
            name, rank = text(), number("B")
            shape = [number("I") for _ in range(rank)]
            kind, size = number("B"), number("I")
            yield name, np.frombuffer(file.read(size), _TYPES[kind]).reshape(shape)


def _renamed(tensors: Iterator[tuple[str, np.ndarray]]) -> Iterator[tuple[str, np.ndarray]]:
    for name, tensor in tensors:
        if tensor.ndim == 0:  # a setting, such as the number of heads
            continue
        yield from _split(reduce(_changed, _NAMES, name), tensor)


def _changed(name: str, change: tuple[str, str]) -> str:
    return re.sub(change[0], change[1], name)


def _split(name: str, tensor: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """A fused projection as its parts; the other side has no bias on keys (it is zero)."""
    fused = next((part for part in name.split(".") if "+" in part), "")
    roles = fused.split("+")
    for role, part in zip(roles, np.split(tensor, len(roles)), strict=True):
        if not (role == "key" and name.endswith(".bias")):
            yield name.replace(fused, role) if fused else name, np.ascontiguousarray(part)


def _dims(tensors: dict[str, np.ndarray]) -> dict[str, int]:
    """The sizes of the model, as openai-whisper asks for them."""
    words, state = tensors["decoder.token_embedding.weight"].shape
    audio = tensors["encoder.positional_embedding"].shape[0]
    text = tensors["decoder.positional_embedding"].shape[0]
    depth = {
        side: len({name.split(".")[2] for name in tensors if name.startswith(f"{side}.blocks.")})
        for side in ("encoder", "decoder")
    }
    return {
        "n_mels": tensors["encoder.conv1.weight"].shape[1],
        "n_vocab": words,
        "n_audio_ctx": audio,
        "n_audio_state": state,
        "n_audio_head": state // _HEAD,
        "n_audio_layer": depth["encoder"],
        "n_text_ctx": text,
        "n_text_state": state,
        "n_text_head": state // _HEAD,
        "n_text_layer": depth["decoder"],
    }
