"""Items that want the same: what one of them does not live to see, the others still get."""

import time

import numpy as np
import PIL.Image

import studio
from tests.support.fakes import Brightness


class Slow(studio.Node):
    """Text, after a while."""

    def run(self, text: str) -> str:
        time.sleep(0.3)
        return text


def test_an_item_that_breaks_leaves_what_it_began_to_others(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    PIL.Image.fromarray(np.zeros((4, 4, 3), "u1")).save(tmp_path / "good.png")
    graph = studio.load(
        {
            "inputs": {"text": "text", "image": "image"},
            "nodes": {
                "slow": {"use": "Slow", "in": {"text": "text"}},
                "look": {"use": "Brightness", "in": {"image": "image"}},
            },
            "outputs": {"text": "slow", "level": "look"},
        },
        nodes=[Slow, Brightness],
    )
    rows = [{"text": "x", "image": tmp_path / name} for name in ("broken.png", "good.png", "good.png")]
    options = {"executor": "local", "cache": tmp_path / "cache", "ordered": False}
    ends = sorted(each.status for each in graph.map(rows, options=options))
    assert ends == ["done", "done", "failed"]
