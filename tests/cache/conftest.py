"""What the tests of the cache share: a folder that somebody else may look into."""

import pytest


@pytest.fixture
def let_in():
    """Lets everybody into a folder: those above it, too, are no longer the owner's alone."""

    def let_in(folder):
        for each in [folder, *folder.parents]:
            if each.stat().st_mode & 0o005 != 0o005:
                each.chmod(0o755)

    return let_in
