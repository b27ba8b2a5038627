"""What every test shares: a cache folder of its own, and one Ray cluster for all that ask for it."""

import gc
import itertools
import os
import shutil
import signal
from pathlib import Path

import hypothesis
import psutil
import pytest

import studio
from tests.support import processes

hypothesis.settings.register_profile(
    "plain",
    deadline=None,
    max_examples=40,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.register_profile(
    "deep", parent=hypothesis.settings.get_profile("plain"), max_examples=2000, derandomize=False
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "plain"))


MEMORY = Path("/dev/shm")
if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 4 << 30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))  # folders of tests, where a disk need not be waited for


def pytest_terminal_summary(terminalreporter, config):
    if terminalreporter.stats.get("failed") and config.pluginmanager.has_plugin("randomly"):
        terminalreporter.write_line(f"in the order of --randomly-seed={config.getoption('randomly_seed')}")


def pytest_collection_finish():
    """What was imported so far stays: no search for garbage need look through it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def caches(tmp_path_factory) -> Path:
    """Where the caches of all tests lie."""
    return tmp_path_factory.mktemp("caches")


_numbers = itertools.count()


@pytest.fixture(autouse=True)
def cache_folder(caches, monkeypatch) -> Path:
    """The cache folder of this test alone, which whoever needs it makes."""
    folder = caches / str(next(_numbers))
    monkeypatch.setenv("STUDIO_CACHE", str(folder))
    yield folder
    if folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory) -> Path:
    """The state folder of all tests: what is up outside of them is none of theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STUDIO_STATE", str(tmp_path_factory.mktemp("state")))
        yield Path(os.environ["STUDIO_STATE"])


@pytest.fixture
def tally(tmp_path) -> Path:
    """The file in which a Counter counts."""
    return tmp_path / "tally"


@pytest.fixture
def ray_executor(cluster):
    """The one cluster, on which no worker of a test before lingers: each of them, though idle, takes some of a CPU."""
    yield cluster
    cluster.let_go(2.0)


@pytest.fixture(scope="session")
def cluster():
    """One cluster for all tests: two CPUs, two declared GPUs, and none of the accelerator's own software."""
    from studio.executors.ray.executor import RayExecutor

    executor = RayExecutor(studio.Machine(cpus=2, gpus=2, memory=8 << 30))
    yield executor
    executor.close()


@pytest.fixture(scope="session")
def warm_executor(state_folder):
    """A Studio that is up, for all tests that ask for it, on a machine like that of `ray_executor`."""
    from studio.executors.service import control as standby
    from studio.executors.service.client import WarmExecutor

    assert standby.up(idle_minutes=0.5, machine=studio.Machine(cpus=2, gpus=2, memory=8 << 30))
    executor = WarmExecutor()
    yield executor
    executor.close()
    standby.down()


@pytest.fixture
def no_orphans():
    """Ends the processes that a test started and left, and fails it for them."""
    processes.server()  # that is none
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    yield
    left = [
        p
        for p in psutil.Process().children(recursive=True)
        if p.pid not in before and p.status() != psutil.STATUS_ZOMBIE
    ]
    for process in left:
        process.send_signal(signal.SIGKILL)
    assert not left, left
