"""Mixdown: many channels brought to one, so that nobody who speaks in one of them is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Mixdown"]

_OPPOSED = -0.8  # two channels that are more alike than this, with signs reversed, would cancel each other out
_HEARD = 1e-9  # energy of a sample at -90 dB, where sixteen bits end: what is below is not worth a turn
_RAMP = 256  # samples over which a channel is turned, so that it does not click


class Mixdown:
    """The sum of the channels, made as loud as the loudest of them. It is fed with half a second or so at a time.

    A mean would make a whisper of one voice in eight channels, and nothing of a stereo recording with one channel
    inverted (a cable wired the wrong way round). So the sum is scaled down only as far as its peak passes that of
    the loudest channel: two equal channels give their mean, one among silent ones stays as it is, voices that take
    turns keep their levels. And where channels cancel each other out, those that go against the louder ones are turned.
    """

    def __init__(self) -> None:
        self._mixed: list[NDArray[np.float32]] = []
        self._signs: NDArray[np.float32] = np.ones(0, np.float32)  # of the channels, where they were last added
        self._loudest = self._sum = 0.0  # peaks so far: of a channel, and of what they add up to

    def add(self, block: NDArray[np.float32]) -> None:
        """The next samples, of shape (n, channels). The number of channels may change."""
        if not len(block):
            return
        mixed = np.ascontiguousarray(block[:, 0]) if block.shape[1] == 1 else self._added_up(block)
        self._loudest = max(self._loudest, float(np.abs(block).max()))
        self._sum = max(self._sum, float(np.abs(mixed).max()))
        self._mixed.append(mixed)

    def mono(self) -> NDArray[np.float32]:
        """All that was added, in one channel: float32 of shape (n,)."""
        mixed = np.concatenate(self._mixed or [np.zeros(0, np.float32)])
        if self._sum > self._loudest:
            mixed = mixed * np.float32(self._loudest / self._sum)
        return mixed

    def _added_up(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        before = self._signs if len(self._signs) == block.shape[1] else np.ones(block.shape[1], np.float32)
        means = block.mean(axis=0)  # a constant offset is not heard, and would hide that the rest is inverted
        alike = block.T @ block - len(block) * np.outer(means, means)  # each channel with each; the diagonal: energies
        self._signs = _aligned(alike, before) if _opposed(alike, len(block)) else np.ones_like(before)
        if (before == 1).all() and (self._signs == 1).all():
            return _sum(block, np.ones((1, block.shape[1]), np.float32))
        steps = np.linspace(0, 1, _RAMP, dtype=np.float32)[: len(block), None]
        weights = np.broadcast_to(self._signs, block.shape).copy()
        weights[:_RAMP] = before + (self._signs - before) * steps
        return _sum(block, weights)


def _sum(block: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The channels added in their order: a sum along the short axis would be slow, and rounded as the machine likes."""
    total = block[:, 0] * weights[:, 0]
    for channel in range(1, block.shape[1]):
        total += block[:, channel] * weights[:, channel]
    return total


def _opposed(alike: NDArray[np.float32], length: int) -> bool:
    """Whether any two channels that can be heard go against each other."""
    energies = alike.diagonal()
    loud = energies > _HEARD * length
    limits = _OPPOSED * np.sqrt(np.outer(energies, energies))
    return bool(((alike < limits) & loud & loud[:, None]).any())


def _aligned(alike: NDArray[np.float32], before: NDArray[np.float32]) -> NDArray[np.float32]:
    """A sign for each channel, with which it adds to those louder than itself; turned as a whole to be as `before`."""
    signs = np.ones_like(before)
    louder = np.zeros_like(before)  # the signs of the channels that were added up so far
    for channel in np.argsort(-alike.diagonal(), kind="stable"):
        if float(louder @ alike[:, channel]) < 0:
            signs[channel] = -1
        louder[channel] = signs[channel]
    return -signs if float(signs @ before) < 0 else signs
