"""What a `model:` value means."""

import pytest

from nodes._hub import Model, commit, identify, loading, resolve
from studio import ModelUnavailable

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A hub cache with one model at one commit."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    repo = tmp_path / "hub" / "models--org--name"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    (repo / "snapshots" / COMMIT).mkdir(parents=True)
    return tmp_path / "hub"


def test_a_hub_id_is_its_commit():
    assert identify("org/name", lambda path: "") == {"hub": "org/name", "commit": COMMIT}
    assert resolve("org/name") == Model("org/name", COMMIT)


def test_a_commit_is_itself():
    assert commit("org/other", COMMIT) == COMMIT


def test_a_ref_without_its_snapshot_is_not_here(cache):
    (cache / "models--org--name" / "snapshots" / COMMIT).rmdir()
    assert commit("org/name") is None


def test_what_is_not_here_has_no_identity_yet(cache):
    with pytest.raises(ModelUnavailable, match=f"'org/other' is not in the hub cache {cache}"):
        identify("org/other", lambda path: "")
    assert resolve("org/other") == Model("org/other", None)


def test_a_folder_is_its_content(tmp_path):
    assert identify(str(tmp_path), lambda path: path.name) == {"content": tmp_path.name}


def test_a_path_that_is_not_there_is_an_error():
    with pytest.raises(ModelUnavailable, match=r"'\./nowhere': no such file or folder"):
        resolve("./nowhere")


def test_what_could_not_be_loaded_is_told_with_the_ways_out(cache):
    told = rf"'org/other' could not be loaded; looked in {cache}: no such thing\. The way out: .*local folder; or walk$"
    with pytest.raises(ModelUnavailable, match=told), loading("org/other", "llm", instead="walk"):
        raise OSError("no such thing\nat all")
