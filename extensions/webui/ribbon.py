"""The ribbon: what ran, what is planned, and now between them, as rectangles on an axis of percents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .words import moment_of

SLOTS = 48
"""On each side of now."""
HEIGHT = 56.0
LEAST = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One slot of time: `x` in percent, `y` and `height` in pixels; how many runs are in it."""

    x: float
    kind: str
    y: float
    height: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ribbon:
    """Bars before and after now, which is in the middle; `marks` are `(percent, hours from now)`."""

    bars: Sequence[Bar]
    marks: Sequence[tuple[float, float]]
    width: float = 100 / (2 * SLOTS) * 0.72
    height: float = HEIGHT


def draw(
    runs: Sequence[Mapping[str, Any]], planned: Sequence[datetime], *, start: datetime, now: datetime, hours: int
) -> Ribbon:
    """The ribbon of the runs since `start`, and of what is planned for the same length of time to come."""
    length = max(now - start, timedelta(minutes=1))
    good, bad, other = [0] * SLOTS, [0] * SLOTS, [0] * SLOTS
    for run in runs:
        slot = _slot(moment_of(run["scheduled_for"]) - start, length)
        side = {"succeeded": good, "failed": bad}.get(run["status"], other)
        side[slot] += 1
    ahead = [0] * SLOTS
    for moment in planned:
        if now <= moment < now + length:
            ahead[_slot(moment - now, length)] += 1
    most = max([sum(counts) for counts in zip(good, bad, other, strict=True)] + ahead + [1])
    bars = [
        *_stacked((("succeeded", good), ("other", other), ("failed", bad)), most),
        *_row("planned", ahead, most, base=SLOTS),
    ]
    return Ribbon(bars=bars, marks=_marks(length.total_seconds() / 3600))


def _slot(since: timedelta, length: timedelta) -> int:
    return min(SLOTS - 1, max(0, int(since / length * SLOTS)))


def _stacked(kinds: Sequence[tuple[str, Sequence[int]]], most: int) -> list[Bar]:
    bars, floor = [], [HEIGHT] * SLOTS
    for kind, counts in kinds:
        for slot, count in enumerate(counts):
            if count:
                tall = _tall(count, most)
                floor[slot] -= tall
                bars.append(Bar(x=_x(slot), kind=kind, y=round(floor[slot], 1), height=tall, count=count))
    return bars


def _row(kind: str, counts: Sequence[int], most: int, *, base: int) -> list[Bar]:
    bars = []
    for slot, count in enumerate(counts):
        if count:
            tall = _tall(count, most)
            bars.append(Bar(x=_x(base + slot), kind=kind, y=round(HEIGHT - tall, 1), height=tall, count=count))
    return bars


def _tall(count: int, most: int) -> float:
    return round(max(LEAST, (HEIGHT - 8) * count / most), 1)


def _x(slot: int) -> float:
    return round(slot * 100 / (2 * SLOTS), 2)


def _marks(hours: float) -> list[tuple[float, float]]:
    """Quarters of each side; the middle is now."""
    return [(50 + 12.5 * quarter, round(hours * quarter / 4, 1)) for quarter in (-4, -3, -2, -1, 1, 2, 3)]
