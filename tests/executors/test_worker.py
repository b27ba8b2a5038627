"""A Worker by itself: what it does when memory runs out, and what it tells of batches."""

from __future__ import annotations

import pytest

import studio
from studio.cache.packing import pack, unpack
from studio.executors.out_of_memory import is_shortage
from studio.executors.task import Done, Recipe, Work
from studio.executors.worker import Worker


class Room(studio.Node):
    """Bears texts up to so many characters in all; keeps what it was asked for."""

    class Config(studio.Node.Config):
        most: int = 4
        says: str = "CUDA out of memory. Tried to allocate 2.00 GiB."

    def setup(self) -> None:
        self.asked: list[list[str]] = []

    def run(self, text: str) -> str:
        return self.run_batch([{"text": text}])[0]

    def run_batch(self, inputs: list[dict]) -> list:
        texts = [given["text"] for given in inputs]
        self.asked.append(texts)
        if len("".join(texts)) > self.config.most:
            raise RuntimeError(self.config.says)
        return [text.upper() for text in texts]


class Alone(studio.Node):
    """Has no room at all."""

    def run(self, text: str) -> str:
        raise MemoryError("std::bad_alloc")


def worker(**config) -> Worker:
    recipe = Recipe("k", "k", Room, Room.Config(**config), studio.Resources(), batch=8)
    return Worker(recipe, "cpu", 1)


def run(worker: Worker, texts: str, batch: int = 8):
    works = [Work({"text": pack("text", text)[0]}) for text in texts.split()]
    outcomes = [outcome for outcome, _ in worker.run_many(works, lambda handle: handle, batch)]
    return [
        (unpack(done.outputs["text"], lambda handle: handle, None), done.measures.batch)
        if isinstance(done, Done)
        else done.message
        for done in outcomes
    ]


def test_a_batch_is_sliced_and_told():
    room = worker(most=99)
    assert run(room, "a b c d e", batch=2) == [("A", 2), ("B", 2), ("C", 2), ("D", 2), ("E", 1)]


def test_a_batch_that_does_not_fit_is_halved_and_the_size_remembered():
    room = worker()
    assert run(room, "a b c d e f g h i j k l m n o p", batch=16) == [(letter, 4) for letter in "ABCDEFGHIJKLMNOP"]
    assert [len(asked) for asked in room._node.asked] == [16, 8, 4, 4, 4, 4]  # never all of them one by one
    room._node.asked.clear()
    run(room, "a b c d e f", batch=16)
    assert [len(asked) for asked in room._node.asked] == [4, 2]  # for the rest of its life


def test_a_task_that_does_not_fit_alone_fails_alone():
    room = worker()
    found = run(room, "a b large c", batch=4)
    assert found.pop(2).startswith("out of memory with a batch of one: RuntimeError: CUDA out of memory. Tried to")
    assert [text for text, _ in found] == ["A", "B", "C"]
    room._node.asked.clear()
    run(room, "a b c d", batch=4)
    assert [len(asked) for asked in room._node.asked] == [4]  # its size was its own, and no reason for small batches


def test_where_nothing_is_computed_together_there_is_no_word_of_batches():
    alone = Worker(Recipe("k", "k", Alone, Alone.Config(), studio.Resources()), "cpu", 1)
    ((failed, _),) = alone.run_many([Work({"text": pack("text", "a")[0]})], lambda handle: handle, 1)
    assert failed.message.startswith("out of memory: MemoryError: std::bad_alloc")


def test_another_failure_of_a_batch_leaves_its_size():
    room = worker(says="not in a batch")
    assert [each[1] for each in run(room, "a b c d e", batch=5)] == [1] * 5
    assert [len(asked) for asked in room._node.asked] == [5, 1, 1, 1, 1, 1]
    run(room, "a b c d", batch=5)
    assert len(room._node.asked[-1]) == 4


SAID = [
    "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 23.64 GiB",
    "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 8",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "CUDA failed with error out of memory",
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer of size 4096",
    "error: (-4:Insufficient memory) Failed to allocate 8294400 bytes in function 'OutOfMemoryError'",
]


@pytest.mark.parametrize("said", SAID)
def test_what_libraries_say_of_memory(said):
    assert is_shortage(RuntimeError(said))


def test_what_is_no_shortage():
    class OutOfMemoryError(RuntimeError):
        """As torch's is called."""

    assert is_shortage(OutOfMemoryError("x"))
    assert is_shortage(MemoryError())
    assert not is_shortage(RuntimeError("failed to allocate a port"))
    assert not is_shortage(studio.ResourcesMissing("it would be out of memory"))
    assert not is_shortage(ValueError("the memory of it"))


class OneOfABatch(studio.Node):
    """Runs one as a batch of one, in which a failure is a result."""

    def run(self, text: str) -> str:
        return self.run_batch([{"text": text}])[0]

    def run_batch(self, inputs: list[dict]) -> list:
        return [ValueError("bad") if given["text"] == "bad" else given["text"].upper() for given in inputs]


@pytest.mark.parametrize("texts", ["bad", "a bad b", "bad a"])
def test_a_failure_in_place_of_a_result_is_one_alone_and_together(texts):
    recipe = Recipe("k", "k", OneOfABatch, OneOfABatch.Config(), studio.Resources(), batch=8)
    wanted = ["ValueError: bad" if text == "bad" else text.upper() for text in texts.split()]
    for batch in (1, 8):
        found = run(Worker(recipe, "cpu", 1), texts, batch)
        assert [each if isinstance(each, str) else each[0] for each in found] == wanted
