"""What the tests of the cache share: a folder that somebody else may look into."""

import pytest


@pytest.fixture
def let_in(tmp_path_factory):
    """Lets everybody into a folder and those above it, as far as they are of these tests."""
    top = tmp_path_factory.getbasetemp().parent

    def let_in(folder):
        for each in [folder, *folder.parents]:
            if each.is_relative_to(top):
                each.chmod(0o755)

    return let_in
