"""The clock: alarms ring in their order, cancelled ones do not, and one that raises stops no other."""

import os
import threading
import time

from studio.clock import Clock


def test_alarms_ring_in_order_and_a_cancelled_one_does_not():
    clock, heard, done = Clock(), [], threading.Event()
    clock.after(0.05, lambda: heard.append("b"))
    clock.after(0.01, lambda: heard.append("a"))
    clock.after(0.03, lambda: heard.append("never")).cancel()
    clock.after(0.1, done.set)
    assert done.wait(10)
    assert heard == ["a", "b"]


def test_one_that_raises_stops_no_other(caplog):
    clock, done = Clock(), threading.Event()
    clock.after(0.0, lambda: 1 / 0)
    clock.after(0.01, done.set)
    assert done.wait(10)
    assert "ZeroDivisionError" in caplog.text


def test_many_cost_one_thread():
    clock, done = Clock(), threading.Semaphore(0)
    before = threading.active_count()
    for n in range(1000):
        clock.after(0.001 * (n % 10), done.release)
    assert threading.active_count() <= before + 1
    for _ in range(1000):
        assert done.acquire(timeout=10)


def test_a_forked_child_has_a_clock_that_goes():
    rung = threading.Event()
    Clock.of_process().after(0.0, rung.set)
    assert rung.wait(10)
    child = os.fork()
    if child == 0:
        again = threading.Event()
        Clock.of_process().after(0.0, again.set)
        os._exit(0 if again.wait(10) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_an_alarm_set_meanwhile_is_not_missed():
    clock, done = Clock(), threading.Event()
    clock.after(60, lambda: None)
    time.sleep(0.01)
    clock.after(0.0, done.set)
    assert done.wait(10)
