"""Kill tests: a process that dies at any moment leaves nothing torn, wrong or unreadable."""

import os
import random
import signal
import time
from collections import Counter

import pytest

import studio
from studio.cache import upkeep
from tests.support.door import ran, run_log
from tests.support.processes import begin

WRITER = """
import os, sys
import studio
from studio import Measures
from studio.cache.record import Record
from studio.values.digest import of_data
from studio.values import KINDS
from studio.cache.packing import pack
import numpy as np

cache = studio.Cache()
print("ready", flush=True)
parent = os.getppid()
for round_ in iter(sys.stdin.readline, ""):  # one child for each word: forking is far quicker than starting Python
    child = os.fork()
    if child == 0:
        seed = int(round_)
        for n in range(10_000):
            sound = studio.Audio(np.full(3000, (seed * 31 + n) % 97 / 97, "f4"), 8000)
            artifact = cache.store.put("audio", KINDS["audio"].encode(sound))
            small, _ = pack("number", (seed * 31 + n) % 97)
            parts = {"scheme": 1, "node": "n", "version": "", "source": "", "config": {"n": (seed * 31 + n) % 97}, "model": None, "inputs": {}}
            cache.save(Record(of_data(parts), parts, {"audio": artifact, "number": small}, Measures(1.0), 1.0), replace=bool(n % 2))
    print(child, flush=True)
    os.waitpid(child, 0)
"""


@pytest.mark.slow
def test_two_hundred_kills_of_a_writer(cache_folder, tmp_path):
    (tmp_path / "writer.py").write_text(WRITER)
    dice = random.Random(7)
    writers = [begin(tmp_path / "writer.py") for _ in range(2)]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for round_ in range(100):
        for number, writer in enumerate(writers):
            writer.stdin.write(f"{2 * round_ + number}\n")
            writer.stdin.flush()
        time.sleep(dice.uniform(0.001, 0.02))
        for writer in writers:
            os.kill(int(writer.stdout.readline()), signal.SIGKILL)
    for writer in writers:
        writer.communicate(timeout=20)
    cache = studio.Cache()
    found = upkeep.verify(cache)
    assert found.damaged == 0
    assert found.records > 20
    for record in cache.all_records():
        number = cache.store.read(record.outputs["number"])
        assert number == str(record.parts["config"]["n"]).encode()
        sound = studio.Audio.from_bytes(cache.store.read(record.outputs["audio"]))
        assert round(float(sound.samples[0]) * 97) == record.parts["config"]["n"]


RUN = """
import sys
from tests.support.door import run_log
log = run_log(f"nodes: {{s: {{use: Slow, with: {{text: x, seconds: 0.7, tally: '{sys.argv[1]}'}}}}, t: {{use: Tone}}}}\\noutputs: {{x: s, t: t}}")
print(log.outputs["x"], dict(log)["done"] if "done" in dict(log) else "")
print(sorted(log))
"""


@pytest.fixture
def start(tmp_path, tally):
    (tmp_path / "run.py").write_text(RUN)
    return lambda: begin(tmp_path / "run.py", tally)


@pytest.mark.slow
def test_eight_processes_that_ask_one_key_compute_it_once(start, tally):
    processes = [start() for _ in range(8)]
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 8
    assert ran(tally) == 1
    assert Counter("('done', 's')" in text for text in said) == {True: 1, False: 7}
    assert all("slow x" in text for text in said)


def test_the_owner_of_a_key_is_killed_and_another_takes_over(start, tally):
    owner = start()
    while not ran(tally):
        time.sleep(0.01)
    heir = start()
    time.sleep(0.3)
    owner.kill()
    owner.wait()
    said, _ = heir.communicate(timeout=60)
    assert "('done', 's')" in said
    assert ran(tally) == 2
    assert upkeep.verify(studio.Cache()).damaged == 0


def test_two_runs_of_one_process_share_a_computation(tally):
    from concurrent.futures import ThreadPoolExecutor

    graph = f"nodes: {{s: {{use: Slow, with: {{text: x, seconds: 0.3, tally: '{tally}'}}}}}}\noutputs: {{x: s}}"
    with ThreadPoolExecutor(4) as threads:
        logs = list(threads.map(lambda _: run_log(graph), range(4)))
    assert ran(tally) == 1
    assert sorted(log[0][0] for log in logs) == ["cached", "cached", "cached", "done"]


def test_a_failure_hands_the_key_on(tally):
    """Who waits for a key whose owner fails computes it himself."""
    from concurrent.futures import ThreadPoolExecutor

    graph = f"nodes: {{s: {{use: Flaky, with: {{text: x, tally: '{tally}', times: 2}}}}}}\noutputs: {{x: s}}"
    with ThreadPoolExecutor(2) as threads:
        logs = list(threads.map(lambda _: run_log(graph), range(2)))
    assert sorted(log[0][0] for log in logs) == ["done", "failed"]
