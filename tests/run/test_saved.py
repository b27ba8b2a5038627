"""What is saved of a result: lists of media as numbered files, however deep, in `run` and in `map`."""

import json

import numpy as np
import pytest

import studio
from tests.support.door import load, run_log

PAGES = """
inputs: {{sets: 'list[list[{kind}?]]'}}
nodes: {{none: {{use: text.template, with: {{template: ''}}}}}}
outputs: {{none: none, sets: sets}}
"""
BOX = {"box": [0.0, 0.0, 1.0, 1.0], "label": "cat", "score": 1.0}


@pytest.fixture
def sets():
    picture = studio.Image(np.zeros((2, 2), np.uint8))
    return [[picture, None], [], [picture]]


def test_lists_of_lists_are_numbered_twice(tmp_path, sets):
    log = run_log(load(PAGES.format(kind="image")), sets=sets)
    saved = log.result.save(tmp_path, media_only=True)
    names = [[path.name for path in part] for part in saved["sets"]]
    assert names == [["sets-000-000.png", "sets-000-001.json"], [], ["sets-002-000.png"]]
    (first, hole), none, (last,) = log.result.as_json(saved)["outputs"]["sets"]
    assert (first["path"], hole, none) == (str(tmp_path / "sets-000-000.png"), None, [])
    assert first["digest"] == last["digest"]
    assert f"{tmp_path / 'sets-000-001.json'}, {tmp_path / 'sets-002-000.png'}" in log.result.summary(saved)


def test_lists_of_lists_of_boxes_are_data(tmp_path):
    log = run_log(load(PAGES.format(kind="boxes")), sets=[[[BOX], None], []])
    assert log.result.as_json(log.result.save(tmp_path))["outputs"]["sets"] == [[[BOX], None], []]


def test_a_row_names_them_by_its_id(tmp_path, sets):
    rows = [{"id": "a", "sets": sets}]
    options = {"executor": "local", "cache": False}
    assert [row.status for row in load(PAGES.format(kind="image")).map(rows, resume=tmp_path, options=options)]
    (line,) = (tmp_path / "results.jsonl").read_text().splitlines()
    (first, hole), none, (last,) = json.loads(line)["outputs"]["sets"]
    assert (first["path"], hole, none, last["path"]) == ("sets/a-000-000.png", None, [], "sets/a-002-000.png")
    assert (tmp_path / last["path"]).is_file()
