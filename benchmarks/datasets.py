"""A graph over a data set beside hand-written code: rows of text, photographs, speech, and what the driver holds.

    python benchmarks/datasets.py [SECTION …] [--items N] [--rounds 3] [--pixeltable PYTHON] [--json]

Sections: memory, rows, cached, photos, bottleneck, models; all without any. What is compared takes turns in one
process, so that a noisy machine is noisy for both; a figure is the median over rounds, a ratio that of
the rounds' ratios. Both sides read the same files and write the same rows, which is checked.
Weights are loaded and workers up before anything is timed. With --items every section is that small at most.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import PIL.ImageStat
import psutil

import studio
from studio import Audio, Image, Node
from studio.executors import close_all

_ROWS, _PHOTOS, _CLIPS, _SEEN, _NAPS, _MANY = 10_000, 1_000, 200, 300, 2_000, 50_000
_BATCH, _IN_FLIGHT = 32, 8  # of the hand-written Ray: rows a call, and calls on their way
_NAP, _TOGETHER = 0.02, 16  # the slow stage: seconds a batch, and items in one


class Figure(NamedTuple):
    """What was measured, and what it should be."""

    name: str
    value: float
    least: float | None = None
    most: float | None = None

    @property
    def missed(self) -> bool:
        """Whether it is not what it should be."""
        too_little = self.least is not None and self.value < self.least
        return too_little or (self.most is not None and self.value > self.most)

    def __str__(self) -> str:
        bars = (("at least", self.least), ("at most", self.most))
        told = "".join(f"  {way} {bar:g}{' MISSED' * self.missed}" for way, bar in bars if bar is not None)
        return f"  {self.name:<62} {self.value:10,.2f}{told}"


# Nodes -----------------------------------------------------------------------


class Mark(Node):
    """Its text with a mark: a step that is all overhead."""

    class Config(Node.Config):
        """What makes two steps differ, so that each has a worker of its own."""

        mark: str = ""

    def run(self, text: str) -> str:
        return text + self.config.mark


class Napped(NamedTuple):
    """A text, and how many were computed with it."""

    text: str
    together: int


class Nap(Node):
    """Takes as long for a batch as for one."""

    def run(self, text: str) -> Napped:
        return self.run_batch([{"text": text}])[0]

    def run_batch(self, tasks: list[dict[str, Any]]) -> list[Napped]:
        time.sleep(_NAP)
        return [Napped(task["text"], len(tasks)) for task in tasks]


class Rotate(Node):
    """A picture turned left."""

    def run(self, image: Image) -> Image:
        return Image(_turned(image.pil))


class Thumbnail(Node):
    """A picture that fits a square of 160."""

    def run(self, image: Image) -> Image:
        return Image(_small(image.pil))


class Look(Node):
    """The size of a picture, and its mean colour."""

    def run(self, image: Image) -> dict[str, Any]:
        return _look(image.pil)


def _turned(picture: PIL.Image.Image) -> PIL.Image.Image:
    return picture.rotate(90, expand=True)


def _small(picture: PIL.Image.Image) -> PIL.Image.Image:
    small = picture.copy()
    small.thumbnail((160, 160))
    return small


def _look(picture: PIL.Image.Image) -> dict[str, Any]:
    return {"size": list(picture.size), "mean": PIL.ImageStat.Stat(picture).mean}


def marked() -> studio.Graph:
    """Two weightless steps, on a worker each."""
    nodes = {
        "first": {"use": "Mark", "with": {"mark": "·"}, "in": {"text": "text"}},
        "second": {"use": "Mark", "with": {"mark": "!"}, "in": {"text": "first"}},
    }
    return graph("marked", {"text": "text"}, nodes, {"text": "second"}, Mark)


def graph(name: str, inputs: Any, nodes: Any, outputs: Any, *classes: type[Node]) -> studio.Graph:
    return studio.load({"graph": name, "inputs": inputs, "nodes": nodes, "outputs": outputs}, nodes=classes)


# Measuring -------------------------------------------------------------------


@contextlib.contextmanager
def folder(place: Path) -> Iterator[Path]:
    """A folder for what one call leaves behind. Its blobs are emptied at once, and deleted when all is over.

    Where many inodes have just been freed, ext4 looks at each of them whenever it makes a file: for up to five
    minutes, each round would pay for the files of the one before it.
    """
    made = Path(tempfile.mkdtemp(dir=place))
    yield made
    for blob in made.rglob("blobs/*/*"):
        blob.chmod(0o600)
        os.truncate(blob, 0)


def mapped(over: studio.Graph, data: Path, out: Path, **options: Any) -> Any:
    """Runs a graph over a data set, to the end; the run, if nothing failed."""
    results = over.map(data, resume=out, options=options)
    for result in results:
        if result.status != "done":
            raise SystemExit(f"{over.name}: item {result.id} failed: {result.error}")
    return results.run


def timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def in_turns(rounds: int, **calls: Callable[[], float]) -> dict[str, list[float]]:
    """What each call says it took, in seconds, round by round; who goes first changes."""
    took: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds):
        for name in list(calls) if number % 2 else reversed(calls):
            took[name].append(calls[name]())
    return took


def rates(took: dict[str, list[float]], count: int) -> dict[str, float]:
    return {name: count / statistics.median(times) for name, times in took.items()}


def ratio(ours: list[float], hand: list[float]) -> float:
    """How many times as many items a second we do as the other."""
    return statistics.median(theirs / mine for mine, theirs in zip(ours, hand, strict=True))


def results(out: Path) -> dict[str, Any]:
    lines = (json.loads(line) for line in (out / "results.jsonl").read_text().splitlines())
    return {line["id"]: line["outputs"] for line in lines}


def must_agree(ours: Path, hand: Path) -> None:
    if results(ours) != results(hand):
        raise SystemExit(f"the results in {ours.name} and {hand.name} differ")


def must_be_one(seen: list[list[Any]]) -> None:
    """All rounds, ours and by hand, gave the same; items are called otherwise by hand."""
    if len({json.dumps(sorted(map(json.dumps, outputs))) for outputs in seen}) > 1:
        raise SystemExit("ours and the loop by hand gave different results")


def written(rows: Iterable[tuple[str, Any]], out: Path) -> None:
    """The same file by hand."""
    out.mkdir()
    with (out / "results.jsonl").open("w") as file:
        for id, outputs in rows:
            row = {"id": id, "status": "done", "outputs": outputs, "seconds": 0.0, "error": None}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


# Rows ------------------------------------------------------------------------


def rows_in(place: Path, count: int) -> Path:
    place.mkdir(exist_ok=True)
    path = place / "rows.jsonl"
    with path.open("w") as file:
        for number in range(count):
            row = {"id": f"row-{number}", "text": f"This is what row {number} says, and no more."}
            file.write(json.dumps(row) + "\n")
    return path


def by_hand() -> Callable[[Path, Path], None]:
    """The same in plain Ray: two actors, batches that go from one to the other by reference, a bounded number."""
    import ray

    @ray.remote
    class Raw:
        def __init__(self, mark: str) -> None:
            self.mark = mark

        def run(self, texts: list[str]) -> list[str]:
            return [text + self.mark for text in texts]

    first, second = Raw.options(num_cpus=0).remote("·"), Raw.options(num_cpus=0).remote("!")

    def made(data: Path) -> Iterator[tuple[str, Any]]:
        flying: deque[tuple[list[str], Any]] = deque()
        with data.open() as lines:
            while True:
                batch = [json.loads(line) for line in islice(lines, _BATCH)]
                if batch:
                    reference = second.run.remote(first.run.remote([row["text"] for row in batch]))
                    flying.append(([row["id"] for row in batch], reference))
                if flying and (not batch or len(flying) > _IN_FLIGHT):
                    ids, reference = flying.popleft()
                    yield from zip(ids, ({"text": text} for text in ray.get(reference)), strict=True)
                elif not batch:
                    return

    return lambda data, out: written(made(data), out)


def rows(given: argparse.Namespace) -> Iterator[Figure]:
    """Two weightless steps on Ray workers, without a cache, beside raw Ray."""
    count, steps = min(_ROWS, given.items), marked()
    with folder(given.place) as place:
        data, few = rows_in(place, count), rows_in(place / "few", 300)
        mapped(steps, few, place / "warm", cache=False, executor="ray")
        raw = by_hand()
        raw(few, place / "warm-raw")
        must_agree(place / "warm", place / "warm-raw")

        def ours() -> float:
            with folder(given.place) as out:
                return timed(lambda: mapped(steps, data, out / "run", cache=False, executor="ray"))

        def hand() -> float:
            with folder(given.place) as out:
                return timed(lambda: raw(data, out / "run"))

        took = in_turns(given.rounds, ours=ours, hand=hand)
    by = rates(took, 2 * count)
    yield Figure("rows: ours (items x steps a second)", by["ours"])
    yield Figure(f"rows: raw Ray, batches of {_BATCH} (items x steps a second)", by["hand"])
    yield Figure("rows: ours / raw Ray", ratio(took["ours"], took["hand"]), least=0.6)


PEER = """
import json, os, sys, time
import pixeltable as pxt
import udfs

lines = [json.loads(line) for line in open(sys.argv[1])]
took = []
for turn in range(int(sys.argv[2])):
    table = pxt.create_table(f"rows{turn}", {"id": pxt.String, "text": pxt.String})
    table.add_computed_column(first=udfs.first(table.text))
    table.add_computed_column(second=udfs.second(table.first))
    start = time.perf_counter()
    table.insert(lines)
    took.append(time.perf_counter() - start)
    assert table.count() == len(lines)
    assert table.select(table.second).limit(1).collect()[0]["second"].endswith("·!")
print("TOOK " + json.dumps(took))
"""
UDFS = """
import pixeltable as pxt

@pxt.udf
def first(text: str) -> str:
    return text + "·"

@pxt.udf
def second(text: str) -> str:
    return text + "!"
"""


def cached(given: argparse.Namespace) -> Iterator[Figure]:
    """The same with the cache: computed and kept, then found; perhaps beside Pixeltable."""
    count, steps = min(_ROWS, given.items), marked()
    with folder(given.place) as place:
        data, few = rows_in(place, count), rows_in(place / "few", 300)
        mapped(steps, few, place / "warm", cache=place / "warm-cache", executor="ray")
        took: dict[str, list[float]] = {"kept": [], "found": []}
        for _ in range(given.rounds):
            with folder(given.place) as out:
                options = {"cache": out / "cache", "executor": "ray"}
                for turn, times in took.items():
                    times.append(timed(lambda to=out / turn: mapped(steps, data, to, **options)))
                must_agree(out / "kept", out / "found")
        by = rates(took, 2 * count)
        yield Figure("cached: computed and kept (items x steps a second)", by["kept"], least=5000)
        yield Figure("cached: found (items x steps a second)", by["found"], least=5000)
        if given.pixeltable:
            close_all()
            peer = 2 * count / statistics.median(pixeltable(given.pixeltable, data, given.rounds))
            yield Figure("cached: Pixeltable, insert (rows x columns a second)", peer)
            yield Figure("cached: ours, kept / Pixeltable", by["kept"] / peer)
            yield Figure("cached: ours, found / Pixeltable", by["found"] / peer)


def pixeltable(python: str, data: Path, rounds: int) -> list[float]:
    """Seconds of an insert with two computed columns, round by round, in an environment and a home of its own."""
    home = data.parent / "pixeltable"
    home.mkdir()
    (home / "udfs.py").write_text(UDFS)
    (home / "peer.py").write_text(PEER)
    command = [python, str(home / "peer.py"), str(data), str(rounds)]
    environment = os.environ | {"PIXELTABLE_HOME": str(home / "home"), "PYTHONPATH": str(home)}
    try:
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    finally:
        _end_server(home)
    told = [line for line in ran.stdout.splitlines() if line.startswith("TOOK ")]
    if not told:
        raise SystemExit(f"Pixeltable did not run:\n{ran.stdout[-1000:]}{ran.stderr[-3000:]}")
    return list(json.loads(told[0].removeprefix("TOOK ")))


def _end_server(home: Path) -> None:
    """Its database server outlives the script: the first number in its file is its process."""
    for note in home.rglob("postmaster.pid"):
        with contextlib.suppress(psutil.NoSuchProcess):
            server = psutil.Process(int(note.read_text().split()[0]))
            server.terminate()
            server.wait(30)


# Photographs -----------------------------------------------------------------


def photos_in(place: Path, count: int) -> Path:
    """Photographs of 640 x 480: cuts of those that scikit-image ships, drawn by a seed."""
    target = place / "photos"
    target.mkdir(parents=True)
    names = ("astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "motorcycle_left.png", "rocket.jpg")
    shipped = importlib.metadata.distribution("scikit-image").locate_file("skimage/data")
    whole = [PIL.Image.open(Path(str(shipped)) / name).convert("RGB") for name in names]
    random = np.random.default_rng(0)
    for number in range(count):
        picture = whole[number % len(whole)]
        share = random.uniform(0.5, 1)
        width = min(picture.width, picture.height * 4 / 3) * share
        height = width * 3 / 4
        left, top = random.uniform(0, picture.width - width), random.uniform(0, picture.height - height)
        cut = picture.resize((640, 480), PIL.Image.Resampling.BICUBIC, (left, top, left + width, top + height))
        cut.save(target / f"{number:05}.jpg", quality=88)
    return target


def photos(given: argparse.Namespace) -> Iterator[Figure]:
    """Three Pillow steps, each photograph and what is made of it kept, beside a loop that keeps nothing."""
    count = min(_PHOTOS, given.items)
    steps = graph(
        "photos",
        {"image": "image"},
        {
            "rotate": {"use": "Rotate", "in": {"image": "image"}},
            "thumbnail": {"use": "Thumbnail", "in": {"image": "rotate"}},
            "look": {"use": "Look", "in": {"image": "thumbnail"}},
        },
        {"look": "look"},
        *(Rotate, Thumbnail, Look),
    )
    with folder(given.place) as place:
        data, few = photos_in(place, count), photos_in(place / "few", 30)
        for executor in ("ray", "local"):
            mapped(steps, few, place / executor, cache=place / "cache", executor=executor)

        seen: list[list[Any]] = []

        def plain(path: Path) -> Any:
            with PIL.Image.open(path) as picture:
                return {"look": _look(_small(_turned(picture)))}

        def hand() -> float:
            return timed(lambda: seen.append([plain(path) for path in sorted(data.iterdir())]))

        def ours(executor: str) -> float:
            with folder(given.place) as out:
                took = timed(lambda: mapped(steps, data, out / "run", cache=out / "cache", executor=executor))
                seen.append(list(results(out / "run").values()))
                return took

        calls = {"ray": lambda: ours("ray"), "local": lambda: ours("local"), "hand": hand}
        took = in_turns(given.rounds, **calls)
    must_be_one(seen)
    by = rates(took, count)
    yield Figure("photos: plain Pillow loop that keeps nothing (items a second)", by["hand"])
    for executor in ("ray", "local"):
        yield Figure(f"photos: ours on {executor}, computed and kept (items a second)", by[executor])
        yield Figure(f"photos: ours on {executor} / plain loop", ratio(took[executor], took["hand"]), least=0.8)


# A bottleneck ----------------------------------------------------------------


def bottleneck(given: argparse.Namespace) -> Iterator[Figure]:
    """One slow stage that computes batches, between two weightless ones."""
    count = min(_NAPS, given.items)
    steps = graph(
        "bottleneck",
        {"text": "text"},
        {
            "before": {"use": "Mark", "with": {"mark": "·"}, "in": {"text": "text"}},
            "nap": {"use": "Nap", "batch": _TOGETHER, "in": {"text": "before"}},
            "after": {"use": "Mark", "with": {"mark": "!"}, "in": {"text": "nap.text"}},
        },
        {"text": "after", "together": "nap.together"},
        *(Mark, Nap),
    )
    with folder(given.place) as place:
        data, few = rows_in(place, count), rows_in(place / "few", 300)
        for executor in ("ray", "local"):
            mapped(steps, few, place / executor, cache=False, executor=executor)
        fills: dict[str, list[float]] = {"ray": [], "local": []}
        told: dict[str, list[float]] = {"ray": [], "local": []}

        def ours(executor: str) -> float:
            with folder(given.place) as out:
                start = time.perf_counter()
                run = mapped(steps, data, out / "run", cache=False, executor=executor)
                took = time.perf_counter() - start
                batches = sum(1 / outputs["together"] for outputs in results(out / "run").values())
                fills[executor].append(count / batches)
                told[executor].append(run.stats.of["nap"].fill)
                return took

        def solo() -> float:
            task, node = [{"text": "x"}] * _TOGETHER, Nap()
            return timed(lambda: [node.run_batch(task) for _ in range(-(-count // _TOGETHER))])

        took = in_turns(given.rounds, ray=lambda: ours("ray"), local=lambda: ours("local"), solo=solo)
    yield Figure("bottleneck: the slow stage alone (items a second)", rates(took, count)["solo"])
    for executor in ("ray", "local"):
        yield Figure(f"bottleneck: share of that on {executor}", ratio(took[executor], took["solo"]), least=0.9)
        fill, said = statistics.median(fills[executor]), statistics.median(told[executor])
        yield Figure(f"bottleneck: fill of its batches on {executor}", fill / _TOGETHER, least=0.8)
        yield Figure(f"bottleneck: the same on {executor}, as the run tells it", said / _TOGETHER, least=0.8)


# Models ----------------------------------------------------------------------


def clips_in(place: Path, count: int) -> Path:
    """Cuts of two to eight seconds from the speech that moonshine-voice ships, drawn by a seed."""
    target = place / "clips"
    target.mkdir(parents=True)
    shipped = {file.name: file.locate() for file in importlib.metadata.files("moonshine-voice") or []}
    whole = [Audio.open(str(shipped[name])) for name in ("two_cities.wav", "beckett.wav", "endgame_nagg_nell.wav")]
    lengths = np.array([audio.samples.shape[-1] / audio.rate for audio in whole])
    random = np.random.default_rng(0)
    for number in range(count):
        which = random.choice(len(whole), p=lengths / lengths.sum())
        seconds = random.uniform(2, 8)
        start = random.uniform(0, lengths[which] - seconds)
        audio = whole[which]
        first, last = (int(at * audio.rate) for at in (start, start + seconds))
        Audio(audio.samples[..., first:last], audio.rate).save(target / f"{number:05}.wav")
    return target


def hearing() -> tuple[studio.Graph, Callable[[], Callable[[Path], Any]]]:
    """Speech to text and text steps: as a graph, and by hand."""
    from nodes.asr.faster_whisper import FasterWhisper
    from nodes.text.join import Join
    from nodes.text.sentences import Sentences

    hear = {"use": "asr.faster_whisper", "with": {"model": "tiny.en"}, "in": {"audio": "speech"}}
    nodes = {
        "hear": hear | {"resources": {"gpus": 0}},
        "cut": {"use": "text.sentences", "in": {"text": "hear.text"}},
        "join": {"use": "text.join", "in": {"texts": "cut"}},
    }

    def make() -> Callable[[Path], Any]:
        hear, cut, join = ready(FasterWhisper, model="tiny.en"), ready(Sentences), ready(Join)
        return lambda path: {"text": join.run(cut.run(hear.run(Audio.open(path)).text))}

    return graph("hearing", {"speech": "audio"}, nodes, {"text": "join"}), make


def seeing() -> tuple[studio.Graph, Callable[[], Callable[[Path], Any]]]:
    """Things and tags of a photograph: as a graph, and by hand."""
    from nodes.detect.centernet import CenterNet
    from nodes.tag.efficientnet import EfficientNet
    from nodes.text.labels import Labels

    nodes = {
        "detect": {"use": "detect.centernet", "in": {"image": "photo"}, "resources": {"gpus": 0}},
        "things": {"use": "text.labels", "in": {"boxes": "detect"}},
        "tag": {"use": "tag.efficientnet", "in": {"image": "photo"}, "resources": {"gpus": 0}},
    }

    def make() -> Callable[[Path], Any]:
        detect, tag, labels = ready(CenterNet), ready(EfficientNet), ready(Labels)

        def see(path: Path) -> Any:
            image = Image.open(path)
            return {"things": labels.run(detect.run(image)), "tags": tag.run(image).labels}

        return see

    return graph("seeing", {"photo": "image"}, nodes, {"things": "things", "tags": "tag.labels"}), make


def ready(kind: type[Node], **config: Any) -> Any:
    node = kind()
    node.config, node.device, node.threads = kind.Config(**config), "cpu", os.cpu_count() or 1
    node.setup()
    return node


def models(given: argparse.Namespace) -> Iterator[Figure]:
    """Real models, one worker each, beside a loop over the same classes with the same threads."""
    for what, most, files_in, of in (("speech", _CLIPS, clips_in, hearing), ("photos", _SEEN, photos_in, seeing)):
        count = min(most, given.items)
        steps, make = of()
        with folder(given.place) as place:
            data, few = files_in(place, count), files_in(place / "few", 4)
            mapped(steps, few, place / "warm", cache=False, executor="ray")
            work, seen = make(), list[list[Any]]()

            def ours() -> float:
                with folder(given.place) as out:
                    took = timed(lambda: mapped(steps, data, out / "run", cache=out / "cache", executor="ray"))
                    seen.append(list(results(out / "run").values()))
                    return took

            def hand() -> float:
                with folder(given.place) as out:
                    done = ((path.name, work(path)) for path in sorted(data.iterdir()))
                    took = timed(lambda: written(done, out / "run"))
                    seen.append(list(results(out / "run").values()))
                    return took

            took = in_turns(given.rounds, hand=hand, ours=ours)
        close_all()
        must_be_one(seen)
        by = rates(took, count)
        yield Figure(f"models: {what}, ours on ray, kept (items a second)", by["ours"])
        yield Figure(f"models: {what}, by hand (items a second)", by["hand"])
        yield Figure(f"models: {what}, ours / by hand", ratio(took["ours"], took["hand"]), least=0.95)


# Memory ----------------------------------------------------------------------


def memory(given: argparse.Namespace) -> Iterator[Figure]:
    """What the driver holds after 1,000 rows, and at most from then on; whether Ray put anything on disk."""
    count, steps = min(_MANY, given.items), marked()
    every = max(1, min(1000, count // 5))
    for name, kept in (("computed and kept", True), ("no cache", False)):  # the larger first: what it leaves is reused
        with folder(given.place) as place:
            data, held = rows_in(place, count), list[float]()
            options = {"cache": place / "cache" if kept else False, "executor": "ray"}
            for number, result in enumerate(steps.map(data, resume=place / "run", options=options), 1):
                if result.status != "done":
                    raise SystemExit(f"item {result.id} failed: {result.error}")
                if number % every == 0:
                    held.append(psutil.Process().memory_info().rss / 2**20)
        yield Figure(f"memory: driver after {every:,} rows, {name} (MiB)", held[0])
        yield Figure(f"memory: driver grows until {count:,}, {name} (MiB)", max(held) - held[0], most=50)
    yield Figure("memory: times that Ray spilled", _spills(), most=0)


def _spills() -> int:
    """How often Ray's log tells of values put on disk; it always tells of the first."""
    from ray._private.worker import global_worker

    logs = Path(global_worker.node.get_session_dir_path()) / "logs"
    return sum((logs / f"raylet.{end}").read_text(errors="replace").count("Spilled ") for end in ("out", "err"))


SECTIONS = {each.__name__: each for each in (memory, rows, cached, photos, bottleneck, models)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--items", type=int, default=_MANY, help="items of each section, at most")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pixeltable", metavar="PYTHON", help="of an environment that has it")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if unknown := set(given.sections) - SECTIONS.keys():
        parser.error(f"there is no section {', '.join(sorted(unknown))}; there are: {', '.join(SECTIONS)}")
    with tempfile.TemporaryDirectory(prefix="datasets-", ignore_cleanup_errors=True) as place:
        given.place = Path(place)
        _measure(given)


def _measure(given: argparse.Namespace) -> None:
    load, figures = os.getloadavg()[0], []
    for name, section in SECTIONS.items():
        if name in (given.sections or SECTIONS):
            if not figures and not given.json:
                print(f"{os.cpu_count()} CPUs, load {load:.1f} before, median of {given.rounds}")
            for figure in section(given):
                figures.append(figure)
                if not given.json:
                    print(figure, flush=True)
            close_all()
    if given.json:
        missed = [each.name for each in figures if each.missed]
        values = {each.name: each.value for each in figures}
        print(json.dumps({"cpus": os.cpu_count(), "load": load, "figures": values, "missed": missed}))


if __name__ == "__main__":
    main()
