"""Resources: what a worker asks for, and what a machine has."""

import pytest
from pydantic import ValidationError

from studio import Machine, Resources
from studio.executors.machine import this_machine
from studio.units import parse_bytes, show_bytes


@pytest.mark.parametrize(
    ("text", "size"),
    {"1": 1, "2K": 2048, "512 MiB": 512 << 20, "1.5GB": 3 << 29, " 2g ": 2 << 30, "1T": 1 << 40}.items(),
)
def test_sizes(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "lots", "-1G", "1.2.3M", "1X", "9" * 400 + "T", "1e3"])
def test_what_is_no_size(text):
    with pytest.raises(ValueError):
        parse_bytes(text)


def test_sizes_for_people():
    assert [show_bytes(size) for size in (0, 1023, 1024, 3 << 29, 5 << 40, 1 << 60)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 GiB",
        "5.0 TiB",
        "1048576.0 TiB",
    ]


@pytest.mark.parametrize(
    "asked",
    [{"gpus": 1.5}, {"gpus": -1}, {"cpus": float("nan")}, {"gpus": float("inf")}, {"memory": "much"}, {"gpu": 1}],
)
def test_what_cannot_be_asked_for(asked):
    with pytest.raises(ValidationError):
        Resources(**asked)


def test_what_fits():
    machine = Machine(cpus=2, gpus=1, memory=1 << 30)
    assert machine.fits(Resources(cpus=2, gpus=1, memory="1G"))
    assert not machine.fits(Resources(cpus=3))
    assert not machine.fits(Resources(gpus=2))
    assert not machine.fits(Resources(memory="2G"))
    assert str(Resources(cpus=1, gpus=0.5, memory="2G")) == "1 CPUs, 0.5 GPUs, 2.0 GiB"
    assert str(machine) == "2 CPUs, 1 GPUs, 1.0 GiB"


def test_this_machine(monkeypatch):
    monkeypatch.setenv("STUDIO_GPUS", "3")
    assert this_machine().gpus == 3
    monkeypatch.delenv("STUDIO_GPUS")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert this_machine().gpus == 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert this_machine().gpus == 0
    assert this_machine().cpus >= 1
    assert this_machine().memory > 1 << 20
