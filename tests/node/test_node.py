"""Node and Port: ports are read from the signature of `run`."""

from typing import NamedTuple

import pytest

from studio import Audio, Boxes, File, Image, Node, Segments, Vector, Video
from studio.node.node import NodeDefinitionError, ports_of


class Heard(NamedTuple):
    text: str
    times: Segments
    language: str | None


def test_every_kind_of_port():
    class All(Node):
        def run(
            self, a: str, b: int, c: float, d: bool, e: dict, f: list, g: Audio, h: Image, i: Video, j: Boxes, k: Segments, v: Vector, m: File,
            n: list[str], o: Image | None, p: list[Audio] | None, q: str = "x", r: dict[str, int] = {},
        ) -> Heard: ...  # fmt: skip

    ports = ports_of(All)
    shown = {name: str(port.type) for name, port in ports.inputs.items()}
    assert list(shown.values()) == [
        "text", "number", "number", "bool", "data", "data", "audio", "image", "video", "boxes", "segments", "vector", "file",
        "list[text]", "image?", "list[audio]?", "text", "data",
    ]  # fmt: skip
    assert [name for name, port in ports.inputs.items() if not port.required] == ["o", "p", "q", "r"]
    assert {name: str(port.type) for name, port in ports.outputs.items()} == {
        "text": "text",
        "times": "segments",
        "language": "text?",
    }


@pytest.mark.parametrize(
    ("result", "name"), [(str, "text"), (Audio, "audio"), (list[Image], "image"), (dict, "data"), (float, "number")]
)
def test_one_output_is_named_after_its_kind(result, name):
    class One(Node):
        def run(self) -> result: ...

    assert list(ports_of(One).outputs) == [name]


def test_wires_of_any_name():
    class Free(Node):
        def run(self, fixed: int, **wires: str) -> str: ...

    ports = ports_of(Free)
    assert str(ports.input("anything")) == "anything (text)"
    assert str(ports.input("fixed")) == "fixed (number)"


def test_annotations_may_be_text():
    class Late(Node):
        def run(self, text: "str") -> "list[str]": ...

    assert str(ports_of(Late).outputs["text"].type) == "list[text]"


def bad(**annotations):
    def run(self, x): ...

    run.__annotations__ = annotations
    return type("Bad", (Node,), {"run": run})


@pytest.mark.parametrize(
    ("node", "says"),
    [
        (type("Bad", (Node,), {}), "has no method 'run'"),
        (bad(x=str), "annotate it"),
        (bad(**{"return": str}), "'x' has no annotation"),
        (bad(x=object, **{"return": str}), "a port is one of"),
        (bad(x="Nowhere", **{"return": str}), "cannot be read"),
        (bad(x=str | int, **{"return": str}), "a port is one of"),
        (bad(x=tuple[str, str], **{"return": str}), "a port is one of"),
        (bad(x=str, **{"return": None}), "a port is one of"),
        (bad(x=str, **{"return": tuple[str, str]}), "a port is one of"),
    ],
)
def test_what_is_no_port(node, says):
    with pytest.raises(NodeDefinitionError, match=says):
        ports_of(node)
