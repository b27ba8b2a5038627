"""Layout: boxes in rows and wires that go round them, for a drawing. It knows no plan and no picture.

A small version of the usual layered method (Sugiyama, Tagawa, Toda 1981): wires that cross rows get a
place of their own in each, rows are ordered by where their neighbours stand, and boxes then move
towards these as far as there is room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

__all__ = ["Layout", "arrange"]

_LANE = 26.0  # width of the place that a passing wire takes
_SWEEPS = 6


@dataclass
class Layout:
    """Where things are: the left edge of each box, and for each wire the points it goes through."""

    width: float
    lefts: dict[str, float]
    rows: dict[str, int]
    bends: dict[tuple[str, str], list[tuple[float, int]]]  # x and row of each place that a wire passes


@dataclass
class _Grid:
    rows: list[list[str]]
    widths: dict[str, float]
    above: dict[str, list[str]] = field(default_factory=dict)
    below: dict[str, list[str]] = field(default_factory=dict)

    def join(self, upper: str, lower: str) -> None:
        self.below.setdefault(upper, []).append(lower)
        self.above.setdefault(lower, []).append(upper)


def arrange(rows: Mapping[str, int], wires: Sequence[tuple[str, str]], width: float, gap: float) -> Layout:
    """Places boxes of one width, given the row of each and the wires that go down between them."""
    grid = _Grid([[] for _ in range(1 + max(rows.values(), default=0))], dict.fromkeys(rows, width))
    for name, row in rows.items():
        grid.rows[row].append(name)
    lanes = {wire: _lanes(grid, wire, rows) for wire in dict.fromkeys(wires)}
    for sweep in range(_SWEEPS):
        _order(grid, down=sweep % 2 == 0)
    middles = _middles(grid, gap)
    left = min(middles[name] - grid.widths[name] / 2 for row in grid.rows for name in row)
    right = max(middles[name] + grid.widths[name] / 2 for row in grid.rows for name in row)
    bends = {
        wire: [(middles[lane] - left, rows[wire[0]] + 1 + step) for step, lane in enumerate(names)]
        for wire, names in lanes.items()
    }
    return Layout(right - left, {name: middles[name] - width / 2 - left for name in rows}, dict(rows), bends)


def _lanes(grid: _Grid, wire: tuple[str, str], rows: Mapping[str, int]) -> list[str]:
    """The places of a wire in the rows that it passes, joined from end to end."""
    upper, lower = wire
    names = [f"{upper} > {lower} @ {row}" for row in range(rows[upper] + 1, rows[lower])]
    for row, name in enumerate(names, rows[upper] + 1):
        grid.rows[row].append(name)
        grid.widths[name] = _LANE
    chain = [upper, *names, lower]
    for first, second in pairwise(chain):
        grid.join(first, second)
    return names


def _order(grid: _Grid, down: bool) -> None:
    """Orders each row by the mean place of the neighbours in the row before it."""
    order = grid.rows[1:] if down else grid.rows[-2::-1]
    near = grid.above if down else grid.below
    for row in order:
        places = {name: place / max(1, len(each) - 1) for each in grid.rows for place, name in enumerate(each)}
        wanted = {name: _mean([places[other] for other in near.get(name, [])], places[name]) for name in row}
        row.sort(key=wanted.__getitem__)


def _middles(grid: _Grid, gap: float) -> dict[str, float]:
    """The middle of each box and lane: near its neighbours, clear of the others in its row."""
    middles: dict[str, float] = {}
    for row in grid.rows:
        _spread(grid, row, dict.fromkeys(row, 0.0), middles, gap)
    for sweep in range(2 * _SWEEPS):
        down = sweep % 2 == 0
        near = grid.above if down else grid.below
        for row in grid.rows if down else grid.rows[::-1]:
            wanted = {name: _mean([middles[other] for other in near.get(name, [])], middles[name]) for name in row}
            _spread(grid, row, wanted, middles, gap)
    return middles


def _spread(grid: _Grid, row: list[str], wanted: Mapping[str, float], middles: dict[str, float], gap: float) -> None:
    """Puts a row where it is wanted, as a whole, pushing apart what would overlap."""
    edge, lefts = float("-inf"), []
    for name in row:
        left = max(edge, wanted[name] - grid.widths[name] / 2)
        lefts.append(left)
        edge = left + grid.widths[name] + gap
    drift = _mean([left + grid.widths[name] / 2 - wanted[name] for name, left in zip(row, lefts, strict=True)], 0.0)
    for name, left in zip(row, lefts, strict=True):
        middles[name] = left + grid.widths[name] / 2 - drift


def _mean(numbers: Sequence[float], otherwise: float) -> float:
    return sum(numbers) / len(numbers) if numbers else otherwise
