"""A worker that was given a GPU which its library cannot use does its work on the CPU, and says so."""

import pytest

from nodes._gpu import for_ctranslate2, for_torch

pytestmark = pytest.mark.model


def test_the_cpu_stays_the_cpu():
    assert for_torch("cpu") == for_ctranslate2("cpu") == "cpu"


def test_torch_without_a_gpu(capsys):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert for_torch("cuda") == "cpu"
    assert "knows no GPU" in capsys.readouterr().out


def test_ctranslate2_without_a_gpu(capsys):
    ctranslate2 = pytest.importorskip("ctranslate2")
    if ctranslate2.get_cuda_device_count():
        pytest.skip("there is a GPU here")
    assert for_ctranslate2("cuda:0") == "cpu"
    assert "sees no GPU" in capsys.readouterr().out
