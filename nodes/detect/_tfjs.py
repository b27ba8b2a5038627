"""A convolutional network of TensorFlow.js written as ONNX: the few kinds of layers that CenterNet has.

Form: https://github.com/tensorflow/tfjs/tree/master/tfjs-converter (a JSON graph, a file of numbers). TensorFlow keeps
the channels last, ONNX second: everything between is turned once, here.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .._onnx import Network

_PLAIN = {"Add": "Add", "AddV2": "Add", "Mul": "Mul", "Sub": "Sub", "Relu": "Relu", "Sigmoid": "Sigmoid"}
_CONVOLUTIONS = ("Conv2D", "_FusedConv2D", "DepthwiseConv2dNative", "FusedDepthwiseConv2dNative")


def convert(model: Path, target: Path, source: tuple[str, int], outputs: Mapping[str, str], extra: str) -> None:
    """Write what leads to `outputs` (layer: name), for square pictures that come in at `source` (layer, side)."""
    name, side = source
    writer = _Writer(Network(extra), model, name)
    found = {output: (writer.written(layer), (1, "channels", "rows", "columns")) for layer, output in outputs.items()}
    writer.network.save(target, {"image": (1, 3, side, side)}, found)


class _Writer:
    """Writes each layer after those that it needs."""

    def __init__(self, network: Network, model: Path, source: str) -> None:
        graph = json.loads(model.read_text())
        self.network = network
        self.layers = {layer["name"]: layer for layer in graph["modelTopology"]["node"]}
        self.numbers = _numbers(graph["weightsManifest"], model.parent)
        self.done = {source: "image"}

    def written(self, wanted: str) -> str:
        """The name that layer `wanted` has in the ONNX file, once it and all before it are written."""
        pending = [wanted]
        while pending:
            name = pending[-1]
            missing = [one for one in self._layers_before(name) if one not in self.done]
            if missing and name not in self.done:
                pending += missing
                continue
            pending.pop()
            if name not in self.done:
                self.done[name] = self._layer(self.layers[name])
        return self.done[wanted]

    def _layers_before(self, name: str) -> list[str]:
        return [one for one in self.layers[name].get("input", []) if one not in self.numbers]

    def _layer(self, layer: dict[str, Any]) -> str:
        kind, inputs = layer["op"], layer["input"]
        if kind in _CONVOLUTIONS:
            return self._convolution(layer)
        if kind in _PLAIN:
            return self.network.layer(_PLAIN[kind], *(self._beside(name) for name in inputs))
        if kind == "Identity":
            return self.done[inputs[0]]
        if kind == "Relu6":
            edges = (self.network.weight(np.float32(edge)) for edge in (0, 6))
            return self.network.layer("Clip", self.done[inputs[0]], *edges)
        if kind == "ConcatV2":
            return self.network.layer("Concat", *(self.done[name] for name in inputs[:-1]), axis=1)
        if kind == "Mean":
            return self.network.layer("ReduceMean", self.done[inputs[0]], axes=[2, 3], keepdims=1)
        if kind == "ResizeBilinear":
            return self._resized(self.done[inputs[0]], self.numbers[inputs[1]])
        raise NotImplementedError(f"layer '{layer['name']}' of kind {kind}")

    def _beside(self, name: str) -> str:
        """A layer, or a constant beside a picture whose channels are second now."""
        if name in self.done:
            return self.done[name]
        number = self.numbers[name]
        return self.network.weight(number.reshape(-1, 1, 1) if number.ndim == 1 else number)

    def _convolution(self, layer: dict[str, Any]) -> str:
        picture, kernel, *bias = layer["input"]
        apart = "Depthwise" in layer["op"]
        weight = self.numbers[kernel].transpose((2, 3, 0, 1) if apart else (3, 2, 0, 1))
        channels = weight.shape[0] if apart else 1
        weight = weight.reshape(-1, 1, *weight.shape[2:]) if apart else weight
        at = self.network.layer(
            "Conv",
            self.done[picture],
            self.network.weight(weight),
            *(self.network.weight(self.numbers[name]) for name in bias),
            auto_pad="SAME_UPPER" if _text(layer, "padding") == "SAME" else "VALID",
            strides=[int(step) for step in layer["attr"]["strides"]["list"]["i"]][1:3],
            group=channels,
        )
        fused = [base64.b64decode(word).decode() for word in _list(layer, "fused_ops")]
        return self.network.layer("Relu", at) if "Relu" in fused else at

    def _resized(self, before: str, size: np.ndarray) -> str:
        """To a size of rows and columns; each pixel takes after those up and left of it, as the old TensorFlow did."""
        shape = self.network.layer("Shape", before)
        kept = self.network.layer("Slice", shape, *(self.network.weight(np.array([edge], np.int64)) for edge in (0, 2)))
        wanted = self.network.layer("Concat", kept, self.network.weight(size.astype(np.int64)), axis=0)
        return self.network.layer(
            "Resize", before, "", "", wanted, mode="linear", coordinate_transformation_mode="asymmetric"
        )


def _numbers(manifest: list[dict[str, Any]], folder: Path) -> dict[str, np.ndarray]:
    """The constants by name; those kept as halves become float32."""
    found = {}
    for group in manifest:
        data, at = b"".join((folder / path).read_bytes() for path in group["paths"]), 0
        for entry in group["weights"]:
            kept = np.dtype(entry.get("quantization", entry)["dtype"])
            count = int(np.prod(entry["shape"], dtype=int))
            numbers = np.frombuffer(data, kept, count, at).reshape(entry["shape"])
            found[entry["name"]] = numbers.astype(entry["dtype"])
            at += count * kept.itemsize
    return found


def _text(layer: dict[str, Any], name: str) -> str:
    return base64.b64decode(layer["attr"][name]["s"]).decode()


def _list(layer: dict[str, Any], name: str) -> list[str]:
    found: list[str] = layer["attr"].get(name, {}).get("list", {}).get("s", [])
    return found
