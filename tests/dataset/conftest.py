"""What the tests of data sets share: the command, in a folder with a graph."""

import pytest

from tests.support.dataset import UPPER, Command


@pytest.fixture
def folder(tmp_path):
    """A folder with a graph, which the command runs in."""
    (tmp_path / "g.yaml").write_text(UPPER)
    return tmp_path


@pytest.fixture
def studio_map(folder):
    return Command(folder)
