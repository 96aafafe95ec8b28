"""The Gantt of a run: a row a step, an attempt a bar, a wait a thin line, on an axis of percents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from .words import moment_of

NICE_SECONDS = (
    0.01,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    1800,
    3600,
    7200,
    21600,
    43200,
    86400,
)
MOST_TICKS = 7
LEAST_WIDTH = 0.4
"""Percent; what is shorter is drawn as wide as this, so that it can be seen."""
SHORTEST = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A stretch of time: `x` and `width` in percent of the axis, `begin` and `end` in seconds since the run began.

    Attributes:
        kind: A status of a step, or `retry` for the wait between two attempts.
        attempt: Which try it is; 0 for a wait.
        end: None while it goes on.
    """

    kind: str
    attempt: int
    x: float
    width: float
    begin: float
    end: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A step: where it stands in the pipeline, and its bars.

    Attributes:
        depth: In how many steps with branches it is.
        step: As the API gives it; None while it has not begun.
        seconds: From its first attempt's begin to its last one's end; None while it has not begun or takes no time.
        going: Since when it is at work; None when it is not.
    """

    id: str
    uses: str
    depth: int
    status: str
    step: Mapping[str, Any] | None
    bars: Sequence[Bar] = ()
    seconds: float | None = None
    going: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gantt:
    """All rows; `ticks` are `(percent, seconds)`.

    Attributes:
        begin: When the axis begins; None for a run that has not begun.
        span: Its length in seconds.
        going: Whether it grows.
    """

    rows: Sequence[Row]
    ticks: Sequence[tuple[float, float]]
    begin: datetime | None
    span: float
    going: bool


@dataclass(frozen=True, slots=True)
class _Axis:
    begin: datetime
    length: timedelta

    def percent(self, moment: datetime) -> float:
        return round(100 * (moment - self.begin) / self.length, 3)

    def seconds(self, moment: datetime) -> float:
        return round((moment - self.begin).total_seconds(), 3)


@dataclass(frozen=True, slots=True)
class _Place:
    id: str
    uses: str
    depth: int


def draw(run: Mapping[str, Any], pipeline: Sequence[Mapping[str, Any]], now: datetime) -> Gantt:
    """The Gantt of a run as `GET /runs/{id}` gives it, with the pipeline of its definition."""
    steps = {step["id"]: step for step in run["steps"]}
    starts = [moment_of(one["started_at"]) for one in (run, *_attempts(run)) if one["started_at"]]
    if not starts:
        rows = [_row(place, steps.get(place.id), None, now) for place in places(pipeline)]
        return Gantt(rows=rows, ticks=(), begin=None, span=0, going=False)
    going = run["finished_at"] is None
    last = now if going else moment_of(run["finished_at"])
    begin = min(starts)
    axis = _Axis(begin, max(last - begin, SHORTEST))
    rows = [_row(place, steps.get(place.id), axis, now) for place in places(pipeline)]
    span = axis.length.total_seconds()
    return Gantt(rows=rows, ticks=ticks(span), begin=begin, span=span, going=going)


def places(pipeline: Sequence[Mapping[str, Any]], within: str = "", depth: int = 0) -> Iterator[_Place]:
    """Every step of a pipeline in order, those of branches after the step that has them.

    A step without an id is called by its position, counted from 1: `step_1`, in a branch `<id>_<branch>_step_1`.
    """
    for position, step in enumerate(pipeline, start=1):
        step_id = step.get("id", f"{within}step_{position}")
        yield _Place(step_id, step.get("uses", "parallel"), depth)
        for branch, inside in enumerate(step.get("parallel", ()), start=1):
            yield from places(inside, f"{step_id}_{branch}_", depth + 1)


def ticks(span: float) -> list[tuple[float, float]]:
    """Where the axis is marked: round lengths of time, at most eight."""
    nice = next((one for one in NICE_SECONDS if span / one <= MOST_TICKS), None)
    if nice is None:
        days = span / 86_400 / MOST_TICKS
        nice = 86_400.0 * max(1, round(days + 0.5))
    return [(round(100 * count * nice / span, 3), round(count * nice, 3)) for count in range(int(span / nice) + 1)]


def _attempts(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [attempt for step in run["steps"] for attempt in step["attempts"] if not step["reused"]]


def _row(place: _Place, step: Mapping[str, Any] | None, axis: _Axis | None, now: datetime) -> Row:
    status = "pending" if step is None else "reused" if step["reused"] else str(step["status"])
    row = Row(id=place.id, uses=place.uses, depth=place.depth, status=status, step=step)
    if step is None or axis is None or step["reused"]:
        return row
    bars = list(_bars(step, axis, now))
    if not bars:
        return row
    first, last = bars[0], bars[-1]
    end = axis.seconds(now) if last.end is None else last.end
    going = step["attempts"][0]["started_at"] if last.end is None else None
    return replace(row, bars=bars, seconds=round(end - first.begin, 3), going=going)


def _bars(step: Mapping[str, Any], axis: _Axis, now: datetime) -> Iterator[Bar]:
    tries = [one for one in step["attempts"] if one["started_at"]]
    before: datetime | None = None
    for attempt, following in zip(tries, [*tries[1:], None], strict=True):
        begin = moment_of(attempt["started_at"])
        if before is not None and begin > before:
            yield _bar("retry", 0, (before, begin), axis, now)
        before = _end(attempt, following)
        yield _bar(attempt["status"], attempt["attempt"], (begin, before), axis, now)


def _end(attempt: Mapping[str, Any], following: Mapping[str, Any] | None) -> datetime | None:
    """An attempt that its worker left has no end of its own: it had ended when the next one began."""
    ended = attempt["finished_at"] or (following and following["started_at"])
    return moment_of(ended) if ended else None


def _bar(kind: str, attempt: int, stretch: tuple[datetime, datetime | None], axis: _Axis, now: datetime) -> Bar:
    begin, end = stretch
    x = axis.percent(begin)
    width = max(LEAST_WIDTH, axis.percent(end or now) - x)
    return Bar(
        kind=kind,
        attempt=attempt,
        x=min(x, 100 - LEAST_WIDTH),
        width=round(min(width, max(LEAST_WIDTH, 100 - x)), 3),
        begin=axis.seconds(begin),
        end=None if end is None else axis.seconds(end),
    )
