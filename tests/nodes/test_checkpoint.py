"""Checkpoints of torch's old form, read without torch, against torch itself."""

import numpy as np
import pytest

from nodes._checkpoint import tensors

pytestmark = pytest.mark.model


def test_the_same_as_torch_reads(tmp_path):
    torch = pytest.importorskip("torch")
    made = {
        "plain": torch.arange(6, dtype=torch.float32).reshape(2, 3),
        "turned": torch.randn(4, 3, 2).permute(2, 0, 1),
        "inside": torch.arange(10, dtype=torch.float32)[3:7],
        "number": torch.tensor(7),
        "many": torch.randn(300),
    }
    torch.save(made, tmp_path / "weights.pth", _use_new_zipfile_serialization=False)
    found = tensors(tmp_path / "weights.pth")
    assert found.keys() == made.keys()
    for name, tensor in made.items():
        assert np.array_equal(found[name], tensor.numpy()), name
        assert found[name].shape == tuple(tensor.shape)
