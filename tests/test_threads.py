"""Daemon threads: as many as are needed and no more; a call that raises or hangs harms nobody but itself."""

import gc
import subprocess
import sys
import threading
import time
import weakref

import pytest

from studio.threads import DaemonThreads

WAIT = 20  # seconds, for what comes at once on a quiet machine


def alive(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


@pytest.mark.parametrize(
    "error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()], ids=lambda e: type(e).__name__
)
def test_a_call_that_raises_fails_its_own_future_and_the_thread_stays(error):
    name = f"test-raising-{type(error).__name__}"
    threads = DaemonThreads(name, 1)

    def fail():
        raise error

    first = threads.submit(threading.get_ident).result(WAIT)
    for _ in range(3):
        assert threads.submit(fail).exception(WAIT) is error
    assert threads.submit(threading.get_ident).result(WAIT) == first
    assert alive(name) == 1


def test_a_thread_comes_only_when_none_is_idle():
    threads, go = DaemonThreads("test-count", 3), threading.Event()
    for n in range(50):
        assert threads.submit(lambda n=n: n).result(WAIT) == n
    assert alive("test-count") == 1
    waiting = [threads.submit(lambda: go.wait(WAIT)) for _ in range(7)]
    assert alive("test-count") == 3
    go.set()
    assert all(future.result(WAIT) for future in waiting)
    assert alive("test-count") == 3


def test_a_callback_that_submits_gets_the_thread_that_has_just_ended_a_call():
    threads, ended = DaemonThreads("test-chain", 10), threading.Event()
    left = iter(range(100))

    def submit_next(_):
        if next(left, None) is None:
            ended.set()
        else:
            threads.submit(int).add_done_callback(submit_next)

    submit_next(None)
    assert ended.wait(WAIT)
    assert alive("test-chain") <= 2  # the callback may also be called by the thread that submits


def test_a_call_that_was_cancelled_is_not_made():
    threads, go, made = DaemonThreads("test-cancel", 1), threading.Event(), []
    first = threads.submit(lambda: go.wait(WAIT))
    second, third = (threads.submit(lambda n=n: made.append(n)) for n in (2, 3))
    assert second.cancel()
    go.set()
    assert first.result(WAIT)
    third.result(WAIT)
    assert made == [3]


def test_an_idle_thread_keeps_nothing_of_its_last_call_alive():
    class Large:
        def call(self):
            return self

    threads, large = DaemonThreads("test-alive", 1), Large()
    gone = weakref.ref(large)
    threads.submit(large.call).result(WAIT)
    del large
    end = time.monotonic() + WAIT
    while gone() is not None and time.monotonic() < end:
        gc.collect()
        time.sleep(0.01)
    assert gone() is None


def test_a_call_that_never_ends_does_not_hold_up_the_end_of_the_process():
    code = (
        "import threading; from studio.threads import DaemonThreads; threads = DaemonThreads('hangs', 2)\n"
        "began = threading.Event()\n"
        "threads.submit(lambda: (began.set(), threading.Event().wait()))\n"
        "began.wait()"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
