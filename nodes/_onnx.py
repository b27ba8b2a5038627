"""ONNX Runtime as the nodes use it, and a network written down layer by layer as an ONNX file.

Format: https://onnx.ai/onnx/intro/concepts.html. Weights that packages ship in another form are written so once.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from studio import MissingExtra, Node

_OPSET, _IR = 17, 8  # old enough for every ONNX Runtime that is still in use

Shape: TypeAlias = Sequence[int | str]  # a word stands for any number


def session(node: Node, path: Path) -> Any:
    """The model at `path`, ready to run on the node's device and threads."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra("onnxruntime", node.extra) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = node.threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting must not cost others a core
    wanted = (["CUDAExecutionProvider"] if node.device != "cpu" else []) + ["CPUExecutionProvider"]
    here = onnxruntime.get_available_providers()
    if node.device != "cpu" and wanted[0] not in here:
        print(f"not on {node.device} but on the CPU: this build of ONNX Runtime knows no GPU")
    return onnxruntime.InferenceSession(
        str(path), options, providers=[provider for provider in wanted if provider in here]
    )


class Network:
    """A network being written down: each layer added gives the name of its output."""

    def __init__(self, extra: str) -> None:
        try:
            import onnx
        except ImportError as error:
            raise MissingExtra("onnx", extra) from error
        self._onnx = onnx
        self._layers: list[Any] = []
        self._weights: list[Any] = []

    def weight(self, values: Any) -> str:
        """A constant: trained numbers, or what a layer is told."""
        name = f"w{len(self._weights)}"
        self._weights.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def layer(self, kind: str, *inputs: str, **settings: Any) -> str:
        """A layer of ONNX's own kinds over what others gave."""
        name = f"x{len(self._layers)}"
        self._layers.append(self._onnx.helper.make_node(kind, list(inputs), [name], **settings))
        return name

    def save(self, path: Path, inputs: Mapping[str, Shape], outputs: Mapping[str, tuple[str, Shape]]) -> None:
        """Write the network: inputs by name and shape, outputs by name, layer and shape."""
        helper = self._onnx.helper
        for name, (layer, _) in outputs.items():
            self._layers.append(helper.make_node("Identity", [layer], [name]))
        graph = helper.make_graph(
            self._layers,
            "network",
            [self._told(name, shape) for name, shape in inputs.items()],
            [self._told(name, shape) for name, (_, shape) in outputs.items()],
            self._weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
        self._onnx.checker.check_model(model)
        self._onnx.save(model, str(path))

    def _told(self, name: str, shape: Shape) -> Any:
        return self._onnx.helper.make_tensor_value_info(name, self._onnx.TensorProto.FLOAT, list(shape))
