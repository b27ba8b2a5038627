"""On a machine with a real GPU: it is seen, by those who asked for it alone."""

import pytest

import studio
from tests.support.door import run_log

pytestmark = [pytest.mark.gpu, pytest.mark.ray]


class Cuda(studio.Node):
    """What torch sees."""

    class Config(studio.Node.Config):
        name: str = ""

    def run(self, text: str) -> dict:
        import torch

        there = torch.cuda.is_available()
        total = float(torch.ones(8, device=self.device).sum()) if there or self.device == "cpu" else 0.0
        return {"count": torch.cuda.device_count(), "device": self.device, "total": total}


@pytest.mark.parametrize("executor", ["local", "ray"])
def test_a_real_one(executor):
    pytest.importorskip("torch")
    graph = "nodes: {g: {use: Cuda, with: {text: x, name: g}, resources: {gpus: 0.5}}, c: {use: Cuda, with: {text: x, name: c}}}\noutputs: {g: g, c: c}"
    found = run_log(graph, nodes=[Cuda], options={"executor": executor}).outputs
    assert found["g"]["device"].startswith("cuda")
    assert found["g"]["total"] == 8.0
    assert found["c"]["device"] == "cpu"
    if executor == "ray":
        assert found["g"]["count"] == 1
        assert found["c"]["count"] == 0
