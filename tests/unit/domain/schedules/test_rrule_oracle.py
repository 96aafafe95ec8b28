"""Recurrence rules against python-dateutil: on clocks without changes both must agree, term by term."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

from dateutil.rrule import rrulestr
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from app.domain.errors import ScheduleInvalid
from app.domain.schedules import Schedule, parse

LEAP_START = datetime(2024, 2, 29, 23, 59, 30, tzinfo=UTC)
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
DAYS_AHEAD = {"YEARLY": 4000, "MONTHLY": 900, "WEEKLY": 300, "DAILY": 120, "HOURLY": 20, "MINUTELY": 2}


def _numbers(low: int, high: int, *, signed: bool = False) -> st.SearchStrategy[str]:
    values = st.integers(low, high)
    if signed:
        values = values | st.integers(-high, -low)
    return st.lists(values, min_size=1, max_size=3, unique=True).map(lambda found: ",".join(map(str, found)))


def _weekdays(freq: str, *, numbered: bool) -> st.SearchStrategy[str]:
    plain = st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=4, unique=True).map(",".join)
    if not numbered:
        return plain
    # Not mixed: dateutil wants both kinds to match at once, RFC 5545 wants either.
    most = 5 if freq == "MONTHLY" else 53
    nth = st.integers(1, most) | st.integers(-most, -1)
    one = st.builds(lambda place, day: f"{place}{day}", nth, st.sampled_from(WEEKDAYS))
    return plain | st.lists(one, min_size=1, max_size=3, unique=True).map(",".join)


@st.composite
def rules(draw: st.DrawFn) -> str:
    """A rule of any frequency with a few BY parts, within what RFC 5545 allows."""
    freq = draw(st.sampled_from(sorted(DAYS_AHEAD)))
    parts = {"FREQ": freq, "INTERVAL": str(draw(st.sampled_from([1, 1, 2, 3, 5, 12, 13])))}
    by_week = freq == "YEARLY" and draw(st.booleans()) and draw(st.booleans())
    choices = {
        "BYMONTH": _numbers(1, 12),
        "BYDAY": _weekdays(freq, numbered=freq in ("MONTHLY", "YEARLY") and not by_week),
        "BYHOUR": _numbers(0, 23),
        "BYMINUTE": _numbers(0, 59),
        "BYSECOND": _numbers(0, 59),
        "WKST": st.sampled_from(WEEKDAYS),
    }
    if freq != "WEEKLY":
        choices["BYMONTHDAY"] = _numbers(1, 31, signed=True)
    if freq not in ("DAILY", "WEEKLY", "MONTHLY"):
        choices["BYYEARDAY"] = _numbers(1, 366, signed=True)
    for name in draw(st.lists(st.sampled_from(sorted(choices)), max_size=3, unique=True)):
        parts[name] = draw(choices[name])
    if by_week:
        # Without BYDAY the two differ on purpose: RFC 5545 takes the weekday of DTSTART, dateutil all seven.
        parts["BYWEEKNO"] = draw(_numbers(1, 51))
        parts.setdefault("BYDAY", draw(choices["BYDAY"]))
    if any(name.startswith("BY") for name in parts) and draw(st.booleans()):
        parts["BYSETPOS"] = draw(_numbers(1, 4, signed=True))
    return ";".join(f"{name}={value}" for name, value in parts.items())


starts = st.just(LEAP_START) | st.datetimes(
    datetime.fromisoformat("2019-01-01"), datetime.fromisoformat("2026-01-01")
).map(lambda moment: moment.replace(microsecond=0, tzinfo=UTC))


def _by_dateutil(text: str, start: datetime, after: datetime, end: datetime) -> list[datetime]:
    try:
        rule = rrulestr(f"{text};UNTIL={end:%Y%m%dT%H%M%S}Z", dtstart=start)
    except ValueError:
        # dateutil refuses some hopeless rules outright.
        return []
    try:
        return list(islice(rule.xafter(after), 12))
    except IndexError:
        # dateutil stumbles over the 53rd Monday of a year limited to December.
        reject()


def _parsed(expr: str) -> Schedule | None:
    """None for a rule that never fires."""
    try:
        return parse("rrule", expr, "UTC", anchor=LEAP_START)
    except ScheduleInvalid as error:
        if "never fire" in error.problems[0].message:
            return None
        raise


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=rules(), start=starts, share=st.floats(0, 1))
def test_every_rule_agrees_with_dateutil_from_any_moment(text: str, start: datetime, share: float) -> None:
    freq = text.split(";")[0].removeprefix("FREQ=")
    ahead = timedelta(days=DAYS_AHEAD[freq])
    after = (start + ahead * share).replace(microsecond=0) - timedelta(seconds=1)
    end = start + ahead * 1.5
    if freq == "WEEKLY" and "BYSETPOS" in text:
        # dateutil begins the first week at DTSTART; by RFC 5545 a set starts where its interval does.
        after = max(after, start + timedelta(days=7))
    schedule = _parsed(f"DTSTART:{start:%Y%m%dT%H%M%S}\n{text}")
    if schedule is None:
        # Steps a day or shorter would make dateutil look through eight thousand years.
        assume(freq in ("YEARLY", "MONTHLY"))
        assert _by_dateutil(text, start, after, end) == []
        return
    # A match beyond the end makes dateutil stop there and not walk on.
    assume(schedule.next_after(end) is not None)
    ours = [firing.at for firing in islice(schedule.upcoming(after), 12) if firing.at <= end]
    assert ours == _by_dateutil(text, start, after, end)


# Rules as users write them: (text, DTSTART, a moment far from it).
FAR = [
    ("FREQ=DAILY", "19900101T090000", "2026-11-24T10:00Z"),
    # The 31st skips short months.
    ("FREQ=MONTHLY", "20200131T090000", "2026-11-24T10:00Z"),
    # The last working day of the month.
    ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "20000131T090000", "2026-11-24T10:00Z"),
    # Two-week steps depend on where weeks begin.
    ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=MO", "19970805T090000", "2026-11-24T10:00Z"),
    ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU", "19970805T090000", "2026-11-24T10:00Z"),
    # Monday of week 20, across years with 53 weeks.
    ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "19970512T090000", "2026-11-24T10:00Z"),
    ("FREQ=YEARLY;BYWEEKNO=1,53;BYDAY=MO,SU", "19970512T090000", "2026-11-24T10:00Z"),
    # Leap days only.
    ("FREQ=YEARLY", "19960229T090000", "2026-11-24T10:00Z"),
    ("FREQ=HOURLY;INTERVAL=7", "20200101T090000", "2026-11-24T10:00Z"),
    ("FREQ=HOURLY;BYHOUR=9,17;BYMINUTE=0,30", "20240101T090000", "2026-11-24T10:00Z"),
    ("FREQ=MINUTELY;INTERVAL=7", "20260901T090000", "2026-11-24T10:00Z"),
    ("FREQ=DAILY;COUNT=5000", "20200101T090000", "2026-11-24T10:00Z"),
    # COUNT ends a rule with several times a day in the middle of one.
    ("FREQ=DAILY;BYHOUR=9,12,15;COUNT=7559", "20200101T090000", "2026-11-24T10:00Z"),
    ("FREQ=WEEKLY;BYDAY=MO,WE;COUNT=720", "20200101T090000", "2026-11-01T10:00Z"),
    ("FREQ=HOURLY;BYDAY=MO,WE;COUNT=5000", "20260101T090000", "2026-11-01T10:00Z"),
    ("FREQ=HOURLY;COUNT=7870", "20260101T090000", "2026-11-24T02:00Z"),
]


def test_rules_far_from_their_start_agree_with_dateutil() -> None:
    for text, start, moment in FAR:
        after = datetime.fromisoformat(moment)
        rule = rrulestr(text, dtstart=datetime.fromisoformat(f"{start}Z"))
        schedule = parse("rrule", f"DTSTART:{start}\nRRULE:{text}", "UTC", anchor=after)
        ours = [firing.at for firing in islice(schedule.upcoming(after), 12)]
        assert ours == list(islice(rule.xafter(after), 12)), text
