"""Every kind of bad graph, with the exact words that it is answered with: golden/NAME.yaml and golden/NAME.txt.

After a change of words: UPDATE_GOLDEN=1 pytest tests/language/test_golden.py, and read what git diff shows.
"""

import os
import re
from pathlib import Path

import pytest

import studio
from tests.support.door import load

HERE = Path(__file__).parents[1] / "golden"
CASES = sorted(path.stem for path in HERE.glob("*.yaml"))


def told(name: str) -> str:
    try:
        problems = load(Path(f"{name}.yaml")).check()
    except studio.GraphError as error:
        return f"{error}\n"
    except studio.StudioError as error:
        return f"{type(error).__name__} {error}\n"
    return "".join(f"warning: {problem}\n" for problem in problems) or "fine\n"


@pytest.mark.parametrize("name", CASES)
def test_words(name, monkeypatch):
    monkeypatch.chdir(HERE)
    golden = HERE / f"{name}.txt"
    found = told(name).replace(str(HERE), "GOLDEN")
    found = re.sub("Nodes: asr.*? A node", "Nodes: …. A node", found)  # which ones there are is not the matter
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(found)
    assert found == golden.read_text()
    assert "Traceback" not in found


@pytest.mark.parametrize("name", CASES)
def test_every_line_that_is_no_hint_has_its_place(name):
    text = (HERE / f"{name}.txt").read_text()
    places = re.compile(rf"    |warning: |… and|({name}|parts/\w+)\.yaml:")
    assert all(places.match(line) for line in text.splitlines())
