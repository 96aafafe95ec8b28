"""The one rule for changes of the clocks, against a simulator that looks at every minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.schedules import Schedule, parse, preview

ANCHOR = datetime(2010, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ZONES = sorted(available_timezones() - {"Factory", "localtime"})
# Half-hour and two-hour shifts, Ramadan, skipped and repeated days, changes at midnight, negative DST.
ODD_ZONES = [
    "Australia/Lord_Howe", "Antarctica/Troll", "Africa/Casablanca", "Pacific/Apia", "Pacific/Fakaofo",
    "America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo", "Asia/Gaza", "Europe/Dublin", "America/Havana",
    "Asia/Pyongyang", "America/Caracas", "Antarctica/Casey", "Asia/Kathmandu", "Europe/Bucharest",
    "America/New_York", "Europe/Volgograd", "Asia/Tehran", "Pacific/Norfolk",
]  # fmt: skip


def _plan(kind: str, expr: str, zone: str) -> Schedule:
    return parse(kind, expr, zone, anchor=ANCHOR)


def _local(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@lru_cache
def _shifts(zone: str) -> tuple[datetime, ...]:
    """The minutes in which the zone's offset changes, 2011 to 2026."""
    info = ZoneInfo(zone)
    found = []
    step = timedelta(days=3)
    low = datetime(2011, 1, 1, tzinfo=UTC)
    while low.year < 2027:
        if low.astimezone(info).utcoffset() != (low + step).astimezone(info).utcoffset():
            early, late = low, low + step
            while late - early > MINUTE:
                middle = early + ((late - early) // 2 // MINUTE) * MINUTE
                same = middle.astimezone(info).utcoffset() == low.astimezone(info).utcoffset()
                early, late = (middle, late) if same else (early, middle)
            found.append(late)
        low += step
    return tuple(found)


@st.composite
def moments_of_change(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone and a change of its clocks."""
    zone = draw(st.sampled_from(ODD_ZONES) | st.sampled_from(ZONES))
    shifts = _shifts(zone)
    return zone, draw(st.sampled_from(shifts)) if shifts else datetime(2024, 3, 31, 1, tzinfo=UTC)


def _walls(zone: str, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Every minute with the readings that fall on it: skipped ones fall on the end of their gap."""
    info = ZoneInfo(zone)
    latest = (start - MINUTE).astimezone(info).replace(tzinfo=None)
    at = start
    while at < end:
        now = at.astimezone(info).replace(tzinfo=None)
        while latest < now:
            latest += MINUTE
            yield at, latest
        at += MINUTE


def _fixed(zone: str, start: datetime, end: datetime, hours: set[int], minutes: set[int]) -> list[datetime]:
    """A reading counts when the clocks reach or pass it for the first time."""
    found = [at for at, wall in _walls(zone, start, end) if wall.hour in hours and wall.minute in minutes]
    return sorted(set(found))


def _elapsed(zone: str, start: datetime, end: datetime, hours: set[int], minutes: set[int]) -> list[datetime]:
    """Every real minute whose reading matches."""
    info = ZoneInfo(zone)
    every = (start + MINUTE * number for number in range((end - start) // MINUTE))
    return [at for at in every if at.astimezone(info).hour in hours and at.astimezone(info).minute in minutes]


@settings(max_examples=60, deadline=None)
@given(
    change=moments_of_change(),
    hours=st.sets(st.integers(0, 23), min_size=1, max_size=4) | st.just({0, 1, 2, 3}),
    minutes=st.sets(st.integers(0, 59), min_size=1, max_size=4),
    lead=st.integers(200, 400),
)
def test_fixed_hours_fire_where_the_clocks_first_reach_them(
    change: tuple[str, datetime], hours: set[int], minutes: set[int], lead: int
) -> None:
    zone, shift = change
    # The window begins before the readings of the change repeat.
    start, end = shift - MINUTE * lead, shift + timedelta(hours=27)
    listed = f"{','.join(map(str, minutes))} {','.join(map(str, hours))}"
    by_day = f"FREQ=DAILY;BYHOUR={listed.split()[1]};BYMINUTE={listed.split()[0]};BYSECOND=0"
    expected = _fixed(zone, start, end, hours, minutes)
    for plan in (_plan("cron", f"{listed} * * *", zone), _plan("rrule", by_day, zone)):
        found = [firing.at for firing in islice(plan.upcoming(start - MINUTE), len(expected) + 3) if firing.at < end]
        assert found == expected


@settings(max_examples=60, deadline=None)
@given(
    change=moments_of_change(),
    step=st.sampled_from([1, 2, 3, 6]),
    minutes=st.sets(st.integers(0, 59), min_size=1, max_size=3),
)
def test_open_hours_follow_elapsed_time(change: tuple[str, datetime], step: int, minutes: set[int]) -> None:
    zone, shift = change
    start, end = shift - timedelta(hours=4), shift + timedelta(hours=9)
    plan = _plan("cron", f"{','.join(map(str, minutes))} */{step} * * *", zone)
    expected = _elapsed(zone, start, end, set(range(0, 24, step)), minutes)
    found = [firing.at for firing in islice(plan.upcoming(start - MINUTE), len(expected) + 3) if firing.at < end]
    assert found == expected


@settings(max_examples=40, deadline=None)
@given(change=moments_of_change(), freq=st.sampled_from(["HOURLY", "MINUTELY"]), interval=st.integers(1, 9))
def test_hourly_and_finer_rules_keep_their_distance(change: tuple[str, datetime], freq: str, interval: int) -> None:
    zone, shift = change
    plan = _plan("rrule", f"FREQ={freq};INTERVAL={interval}", zone)
    found = [firing.at for firing in islice(plan.upcoming(shift - timedelta(hours=3)), 30)]
    step = timedelta(hours=interval) if freq == "HOURLY" else MINUTE * interval
    assert {later - earlier for earlier, later in pairwise(found)} == {step}


PLANS = [
    ("cron", "30 2 * * *"),
    ("cron", "0,30 0-3 * * *"),
    ("cron", "15 */2 * * *"),
    ("cron", "10 30 1,2 * * *"),
    ("cron", "0 0 * * *"),
    ("rrule", "FREQ=DAILY;BYHOUR=0,2;BYMINUTE=0,30;BYSECOND=0"),
    ("rrule", "FREQ=HOURLY;INTERVAL=5"),
    ("rrule", "FREQ=HOURLY;BYHOUR=1,2,3;BYMINUTE=30"),
    ("rrule", "FREQ=MONTHLY;BYDAY=-1SU,SU;BYHOUR=2;BYMINUTE=30"),
]


def test_occurrences_strictly_increase_for_two_years_in_hundreds_of_zones() -> None:
    start, end = datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    for number, zone in enumerate(ZONES[::2]):
        # Around midnight to three o'clock, where clocks change.
        hour, minute = number % 4, number % 2 * 30
        kind = "cron" if number % 8 == 0 else "rrule"
        expr = f"{minute} {hour} * * *" if kind == "cron" else f"FREQ=DAILY;BYHOUR={hour};BYMINUTE={minute}"
        last, count = start, 0
        for firing in takewhile(lambda one: one.at < end, _plan(kind, expr, zone).upcoming(start)):
            assert firing.at > last, (zone, expr)
            last, count = firing.at, count + 1
        # Two years have 730 days, and no zone skipped one lately.
        assert 729 <= count <= 731, (zone, expr)


@settings(max_examples=80, deadline=None)
@given(change=moments_of_change(), plan=st.sampled_from(PLANS), lead=st.integers(0, 5 * 3600))
def test_repeated_calls_find_what_the_preview_shows(
    change: tuple[str, datetime], plan: tuple[str, str], lead: int
) -> None:
    zone, shift = change
    schedule = _plan(*plan, zone)
    start = shift - timedelta(seconds=lead)
    shown = [occurrence.nominal for occurrence in preview(schedule, after=start, count=12)]
    found: list[datetime] = []
    moment = start
    while len(found) < len(shown):
        following = schedule.next_after(moment)
        assert following is not None
        assert following > moment
        found.append(following)
        # From anywhere in between, the answer is the same.
        assert schedule.next_after(following - timedelta(microseconds=1)) == following
        moment = following
    assert found == shown


# (zone, plan, from, first local time fired, note or None)
CASES = [
    # Clocks jump from 03:00 to 04:00.
    ("Europe/Bucharest", "30 3 * * *", "2026-03-28T12:00", "2026-03-29T04:00",
     "03:30 does not exist on that day (clocks go forward); fires at 04:00"),
    # The end of the gap itself is an ordinary time.
    ("Europe/Bucharest", "0 4 * * *", "2026-03-28T12:00", "2026-03-29T04:00", None),
    # 03:30 comes twice; the first counts.
    ("Europe/Bucharest", "30 3 * * *", "2026-10-24T12:00", "2026-10-25T03:30",
     "03:30 occurs twice that day; fires at the first pass"),
    # Half an hour is skipped.
    ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T12:00", "2026-10-04T02:30",
     "02:15 does not exist on that day (clocks go forward); fires at 02:30"),
    # Two hours are skipped.
    ("Antarctica/Troll", "15 1 * * *", "2026-03-28T12:00", "2026-03-29T03:00",
     "01:15 does not exist on that day (clocks go forward); fires at 03:00"),
    # A whole day is skipped: its 09:00 and nothing else falls on the midnight after it.
    ("Pacific/Apia", "0 9 * * *", "2011-12-29T12:00", "2011-12-31T00:00",
     "09:00 does not exist on that day (clocks go forward); fires at 2011-12-31 00:00"),
    # Midnight does not exist.
    ("America/Havana", "0 0 * * *", "2026-03-07T12:00", "2026-03-08T01:00",
     "00:00 does not exist on that day (clocks go forward); fires at 01:00"),
    # Six fields go by the same rule.
    ("Europe/Bucharest", "10 30 3 * * *", "2026-03-28T12:00", "2026-03-29T04:00",
     "03:30:10 does not exist on that day (clocks go forward); fires at 04:00"),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "expr", "after", "local", "note"), CASES)
def test_a_change_of_the_clocks_is_told_in_words(
    zone: str, expr: str, after: str, local: str, note: str | None
) -> None:
    (found,) = preview(_plan("cron", expr, zone), after=_local(after, zone), count=1)
    assert found.local.replace(tzinfo=None).isoformat(timespec="minutes") == local
    assert found.note == note
    # Compared in UTC: Python calls no two zones equal inside a repeated hour (PEP 495).
    assert found.nominal == found.local.astimezone(UTC)
    assert found.nominal.tzinfo is UTC


def test_every_minute_of_a_skipped_hour_fires_once() -> None:
    found = preview(
        _plan("cron", "* 3 * * *", "Europe/Bucharest"),
        after=_local("2026-03-28T12:00", "Europe/Bucharest"),
        count=2,
    )
    assert [f"{one.local:%m-%d %H:%M}" for one in found] == ["03-29 04:00", "03-30 03:00"]


def test_an_hourly_schedule_fires_in_both_passes_and_says_so() -> None:
    after = _local("2026-10-25T02:30", "Europe/Bucharest")
    for kind, expr in (("cron", "0 * * * *"), ("rrule", "FREQ=HOURLY")):
        found = preview(_plan(kind, expr, "Europe/Bucharest"), after=after, count=3)
        assert [f"{one.local:%H:%M%z}" for one in found] == ["03:00+0300", "03:00+0200", "04:00+0200"]
        assert found[1].note == "03:00 occurs twice that day (clocks go back); this is the second pass"
