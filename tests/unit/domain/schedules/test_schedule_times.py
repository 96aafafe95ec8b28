"""What fires when, in plain cases; clock changes have a file of their own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import process_time

import pytest

from app.domain.schedules import Schedule, parse, preview

# A Tuesday.
ANCHOR = datetime(2026, 11, 24, 10, 20, 30, 654321, tzinfo=UTC)


def _plan(kind: str, expr: str | None, zone: str = "UTC") -> Schedule:
    return parse(kind, expr, zone, anchor=ANCHOR)


# (kind, expression, zone, the next local times after the anchor)
NEXT = [
    ("cron", "0 9 * * *", "Europe/Bucharest", ["11-25 09:00:00", "11-26 09:00:00"]),
    ("cron", "*/20 * * * * *", "UTC", ["11-24 10:20:40", "11-24 10:21:00"]),
    ("cron", "0 0 * * mon", "UTC", ["11-30 00:00:00", "12-07 00:00:00"]),
    # Saturday to Sunday: 0 at the end of a range is the day after Saturday.
    ("cron", "0 0 * * sat-sun", "UTC", ["11-28 00:00:00", "11-29 00:00:00"]),
    ("cron", "0 18 * * friL", "UTC", ["11-27 18:00:00", "12-25 18:00:00"]),
    ("cron", "@weekly", "UTC", ["11-29 00:00:00", "12-06 00:00:00"]),
    # Both day fields set: either matches.
    ("cron", "0 0 30 * fri", "UTC", ["11-27 00:00:00", "11-30 00:00:00"]),
    # What the rule leaves open comes from the start, to whole seconds.
    ("rrule", "FREQ=DAILY", "UTC", ["11-25 10:20:30", "11-26 10:20:30"]),
    # The start is read by the clocks of the zone.
    ("rrule", "FREQ=DAILY;BYMINUTE=0;BYSECOND=0", "Europe/Bucharest", ["11-25 12:00:00", "11-26 12:00:00"]),
    ("rrule", "RRULE:FREQ=WEEKLY;BYDAY=MO;BYHOUR=8", "UTC", ["11-30 08:20:30", "12-07 08:20:30"]),
    ("rrule", "freq=hourly;interval=2;bysecond=0", "UTC", ["11-24 12:20:00", "11-24 14:20:00"]),
    # The start is the first of three.
    ("rrule", "FREQ=DAILY;COUNT=3", "UTC", ["11-25 10:20:30", "11-26 10:20:30"]),
    ("rrule", "FREQ=DAILY;UNTIL=20261125", "UTC", ["11-25 10:20:30"]),
    ("rrule", "FREQ=DAILY;UNTIL=20261125T102030Z", "UTC", ["11-25 10:20:30"]),
    ("rrule", "FREQ=DAILY;UNTIL=99991231T235959Z", "Asia/Tokyo", ["11-25 19:20:30", "11-26 19:20:30"]),
    # The zone of DTSTART is the zone of the rule.
    ("rrule", "DTSTART;TZID=Asia/Tokyo:20260101T090000\nRRULE:FREQ=DAILY", "UTC",
     ["11-25 09:00:00", "11-26 09:00:00"]),
    # An instant as start: 07:00 UTC is 09:00 in Bucharest, in winter and summer.
    ("rrule", "DTSTART:20260101T070000Z\r\nRRULE:FREQ=MONTHLY;INTERVAL=6", "Europe/Bucharest",
     ["01-01 09:00:00", "07-01 09:00:00"]),
    ("rrule", "DTSTART:20260101\nRRULE:FREQ=YEARLY", "UTC", ["01-01 00:00:00", "01-01 00:00:00"]),
    ("rrule", "RRULE:FREQ=DAILY\nEXDATE:20261125T102030\nRDATE:20261126T120000Z", "UTC",
     ["11-26 10:20:30", "11-26 12:00:00"]),
    # An added date equal to an occurrence is one occurrence.
    ("rrule", "RRULE:FREQ=DAILY\nRDATE:20261125T102030", "UTC", ["11-25 10:20:30", "11-26 10:20:30"]),
    ("rrule", "RRULE:FREQ=DAILY\nEXDATE;TZID=Asia/Tokyo:20261125T192030", "UTC",
     ["11-26 10:20:30", "11-27 10:20:30"]),
    # The weekday of the start, in week 50.
    ("rrule", "FREQ=YEARLY;BYWEEKNO=50", "UTC", ["12-08 10:20:30", "12-14 10:20:30"]),
    # Plain and numbered days together: either matches.
    ("rrule", "FREQ=MONTHLY;BYDAY=FR,-1MO", "UTC", ["11-27 10:20:30", "11-30 10:20:30"]),
    ("once", "2026-11-25T09:00", "Europe/Bucharest", ["11-25 09:00:00"]),
    ("once", "2026-11-25t09:00:00.5+02:00", "Europe/Bucharest", ["11-25 09:00:00"]),
    ("once", "2020-01-01T00:00:00Z", "UTC", []),
    ("manual", None, "UTC", []),
    ("manual", "left over", "UTC", []),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "expr", "zone", "local"), NEXT)
def test_a_schedule_fires_at(kind: str, expr: str | None, zone: str, local: list[str]) -> None:
    plan = _plan(kind, expr, zone)
    found = preview(plan, after=ANCHOR, count=2)
    assert [f"{one.local:%m-%d %H:%M:%S}" for one in found] == local
    assert plan.next_after(ANCHOR) == (found[0].nominal if found else None)
    assert all(one.note is None and one.nominal.tzinfo is UTC for one in found)
    assert plan.kind == kind


def test_the_next_time_is_strictly_later() -> None:
    for kind, expr in (("cron", "0 9 * * *"), ("rrule", "FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=0")):
        nine = datetime(2026, 11, 25, 9, tzinfo=UTC)
        assert _plan(kind, expr).next_after(nine - timedelta(microseconds=1)) == nine
        assert _plan(kind, expr).next_after(nine) == nine + timedelta(days=1)


def test_nothing_fires_before_the_start_of_a_rule() -> None:
    plan = _plan("rrule", "DTSTART:20300101T090000\nRRULE:FREQ=HOURLY")
    assert plan.next_after(ANCHOR) == datetime(2030, 1, 1, 9, tzinfo=UTC)


def test_a_count_ends_the_rule() -> None:
    plan = _plan("rrule", "FREQ=DAILY;COUNT=3")
    assert plan.next_after(ANCHOR + timedelta(days=2)) is None


@pytest.mark.parametrize("moment", [datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_the_ends_of_the_calendar_are_survived(moment: datetime) -> None:
    for kind, expr in (
        ("cron", "0 9 * * *"),
        ("cron", "0 * * * *"),
        ("rrule", "FREQ=DAILY"),
        ("rrule", "FREQ=HOURLY"),
    ):
        for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
            found = _plan(kind, expr, zone).next_after(moment)
            assert (found is None) == (moment.year > 9000)


def test_equal_texts_share_one_schedule() -> None:
    assert _plan("cron", "0 9 * * *") is parse("cron", "0 9 * * *", "UTC", anchor=ANCHOR + timedelta(days=1))
    assert _plan("rrule", "FREQ=DAILY") is parse("rrule", "FREQ=DAILY", "UTC", anchor=ANCHOR.replace(microsecond=0))
    assert _plan("rrule", "FREQ=DAILY") is not parse("rrule", "FREQ=DAILY", "UTC", anchor=ANCHOR + timedelta(days=1))


def test_old_rules_cost_less_than_a_millisecond() -> None:
    for start, rule in (
        ("1990", "FREQ=DAILY"),
        ("2020", "FREQ=HOURLY"),
        ("2020", "FREQ=MINUTELY"),
        ("1990", "FREQ=DAILY;COUNT=99999"),
    ):
        plan = _plan("rrule", f"DTSTART:{start}0101T090000\nRRULE:{rule}", "Europe/Bucharest")
        begun = process_time()
        for number in range(100):
            plan.next_after(ANCHOR + timedelta(hours=number))
        assert (process_time() - begun) / 100 < 0.001, rule
