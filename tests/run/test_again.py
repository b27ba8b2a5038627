"""Results whose values are gone from the cache when somebody looks at them: they are made again, or it is said why not."""

import json
import shutil

import numpy as np
import pytest

import studio
from studio.cache import upkeep
from tests.support.dataset import lines, mapped
from tests.support.door import load, ran

GRAPH = """
inputs: {text: text}
nodes:
  seen: {use: Counter, in: {text: text}, with: {tally: TALLY}}
  noise: {use: Pixels}
  bright: {use: Brightness, in: {image: noise}}
outputs: {noise: noise, bright: bright, seen: seen}
"""


def result_of(graph, tally, **inputs) -> studio.Result:
    return load(graph.replace("TALLY", str(tally))).run(options={"executor": "local"}, **inputs)


def given_to(result) -> studio.Result:
    """The same, as it was given by a hit: nothing of it is in memory."""
    result.artifacts = {name: artifact.at_rest() for name, artifact in result.artifacts.items()}
    return result


@pytest.mark.parametrize("how", [upkeep.clear, lambda cache: shutil.rmtree(cache.folder)])
def test_an_output_that_is_gone_is_made_again(cache_folder, tally, tmp_path, how):
    result_of(GRAPH, tally, text="a")
    first = result_of(GRAPH, tally, text="a")
    there = first["noise"].array
    result = given_to(result_of(GRAPH, tally, text="a"))
    how(studio.Cache())
    assert (result["noise"].array == there).all()
    how(studio.Cache())
    assert result["bright"] == first["bright"]  # small: it was never gone
    assert given_to(first).save(tmp_path / "out")["noise"].is_file()
    assert first.as_data({})["noise"]["kind"] == "image"
    assert ran(tally) == 1  # what it does not need does not run


def test_an_output_that_cannot_be_made_again_is_told_by_name(cache_folder, tmp_path):
    sound = tmp_path / "a.wav"
    graph = (
        "inputs: {sound: audio}\nnodes: {loud: {use: Louder, in: {audio: sound}}}\noutputs: {loud: loud, same: sound}"
    )
    studio.Audio(np.ones(800, np.float32), 8000).save(sound)
    result = given_to(load(graph).run(sound=sound, options={"executor": "local"}))
    upkeep.clear(studio.Cache())
    assert result["loud"].rate == 8000
    upkeep.clear(studio.Cache())
    result = given_to(load(graph).run(sound=sound, options={"executor": "local"}))
    upkeep.clear(studio.Cache())
    studio.Audio(np.zeros(800, np.float32), 8000).save(sound)
    for name in ("loud", "same"):
        with pytest.raises(studio.StoreError, match=rf"'{name}' is gone.*'sound'.*changed"):
            _ = result[name]


def test_what_an_output_does_not_need_is_not_asked_for(cache_folder, tally, tmp_path):
    sound = tmp_path / "a.wav"
    studio.Audio(np.ones(800, np.float32), 8000).save(sound)
    graph = GRAPH.replace("{text: text}", "{text: text, sound: audio}", 1).replace(
        "outputs: {", "outputs: {same: sound, "
    )
    first = result_of(graph, tally, text="a", sound=sound)["noise"]
    result = given_to(result_of(graph, tally, text="a", sound=sound))
    upkeep.clear(studio.Cache())
    sound.unlink()
    assert (result["noise"].array == first.array).all()


def test_rows_looked_at_later_are_made_again(cache_folder):
    graph = "inputs: {seed: number}\nnodes: {noise: {use: Seeded, in: {seed: seed}}}\noutputs: {noise: noise}"
    rows = [{"seed": n} for n in range(9)]
    for again in range(2):
        found = [given_to(result) for result in mapped(load(graph, [Seeded]), rows)]
        upkeep.clear(studio.Cache())
        assert [result["noise"].array[0, 0, 0] for result in found] == list(range(9)), again


class Seeded(studio.Node):
    """A picture of one grey."""

    def run(self, seed: int) -> studio.Image:
        return studio.Image(np.full((40, 40, 3), seed, np.uint8))


class Count(studio.Node):
    """How many there are, and how bright."""

    def run(self, images: list[studio.Image]) -> str:
        return f"{len(images)} {sum(int(image.array[0, 0, 0]) for image in images)}"


class Clearing(studio.Node):
    """A number as it is; and the cache is empty."""

    def run(self, seed: int) -> int:
        upkeep.clear(studio.Cache())
        return seed


OVER_ALL = """
inputs: {seed: number}
nodes:
  noise: {use: Seeded, in: {seed: seed}}
  cleared: {use: Clearing, cache: never, in: {seed: seed}}
  count: {use: Count, scope: dataset, in: {images: noise}}
outputs: {noise: noise, cleared: cleared, count: count}
"""


def test_what_all_rows_gave_is_made_again_and_lines_are_whole(cache_folder, tmp_path):
    rows = [{"seed": n} for n in range(5)]
    for number in range(2):
        out = tmp_path / str(number)
        run = mapped(load(OVER_ALL, [Seeded, Count, Clearing]), rows, resume=out)
        assert not [result.error for result in run if result.error]
        assert json.loads((out / "dataset.json").read_text())["outputs"] == {"count": "5 10"}
        assert all((out / line["outputs"]["noise"]["path"]).is_file() for line in lines(out))
