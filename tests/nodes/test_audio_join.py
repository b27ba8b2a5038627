"""audio.join."""

import numpy as np
import pytest

from nodes.audio.join import Join
from studio import Audio


def tone(seconds, rate, channels=1):
    wave = np.sin(np.arange(int(seconds * rate)) * 2 * np.pi * 440 / rate).astype(np.float32) / 2
    return Audio(np.stack([wave] * channels, 1) if channels > 1 else wave, rate)


def test_one_after_the_other_with_silence_between(work):
    joined = work(Join, gap=0.5).run([tone(1, 8000), tone(2, 8000)])
    assert (joined.rate, joined.seconds, joined.channels) == (8000, 3.5, 1)
    assert not joined.samples[8000:12000].any()
    assert np.array_equal(joined.samples[:8000], tone(1, 8000).samples)
    assert np.array_equal(joined.samples[12000:], tone(2, 8000).samples)


def test_all_at_the_rate_of_the_first(work):
    joined = work(Join).run([tone(1, 16_000), tone(1, 8000, channels=2)])
    assert (joined.rate, round(joined.seconds, 2), joined.channels) == (16_000, 2.0, 1)
    assert abs(joined.samples[18_000:30_000]).max() == pytest.approx(0.5, abs=0.02)


def test_at_the_rate_asked_for(work):
    assert work(Join, rate=24_000).run([tone(1, 8000)]).rate == 24_000


def test_nothing_to_join(work):
    joined = work(Join, rate=8000).run([])
    assert (joined.seconds, joined.rate) == (0.5, 8000)
    assert not joined.samples.any()
