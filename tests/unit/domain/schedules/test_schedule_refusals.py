"""What is refused, where the refusal points, and that it comes quickly."""

from __future__ import annotations

from datetime import UTC, datetime
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import ScheduleInvalid
from app.domain.schedules import Schedule, parse

ANCHOR = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
EXPR = "/schedule_expr"
# Twice the promise of 100 ms: the machine of a test may be slow.
SECONDS = 0.2

CRON = [
    ("0 25 * * *", "hour must be 0-23, got 25"),
    ("60 0 * * *", "minute must be 0-59, got 60"),
    ("0 0 0 * *", "day of month must be 1-31, got 0"),
    ("0 0 * 13 *", "month must be 1-12, got 13"),
    ("0 0 * * 8", "day of week must be 0-7, got 8"),
    ("0 0 * * XYZ", "day of week cannot read 'XYZ'"),
    ("x 0 * * *", "minute cannot read 'X'"),
    ("0,,5 0 * * *", "minute has an empty value"),
    ("*/0 * * * *", "minute has the step '0'"),
    ("5/ * * * *", "minute has the step ''"),
    ("0 22-6 * * *", "hour range '22-6' runs backwards"),
    ("0 0 * * FRI#6", "after # comes 1-5"),
    ("0 0 * * L", "day of week cannot read 'L'"),
    ("0 0 ? * 1", "day of month cannot read '?'"),
    # Random slots would differ each time they are computed.
    ("R 1 * * *", "minute cannot read 'R'"),
    ("H 1 * * *", "minute cannot read 'H'"),
    ("1 2 3 4", "5 fields, or 6 with seconds first, got 4"),
    ("0 0 1 1 * 2027 *", "5 fields, or 6 with seconds first, got 7"),
    ("0 0 30 2 *", "would never fire"),
    ("0 0 31 4,6 *", "would never fire"),
    # The first of a month is never its fifth Monday.
    ("0 0 */31 * MON#5", "would never fire"),
    ("@reboot", "@reboot is not a time"),
    ("@fortnightly", "not a known macro"),
    (",".join(["1"] * 61) + " * * * *", "at most 60 values"),
    ("0 " * 1200, "at most 2000 characters"),
    ("\u0665 * * * *", "minute cannot read"),
    ("", "required"),
    (None, "required"),
]

RRULE = [
    ("FREQ=SECONDLY", "SECONDLY is not supported"),
    ("FREQ=FORTNIGHTLY", "FREQ must be one of"),
    ("INTERVAL=2", "FREQ must be one of"),
    ("FREQ=DAILY;INTERVAL=0", "INTERVAL must be 1-36500, got 0"),
    ("FREQ=YEARLY;INTERVAL=1000", "INTERVAL must be 1-100, got 1000"),
    ("FREQ=DAILY;COUNT=0", "COUNT must be 1-100000, got 0"),
    ("FREQ=DAILY;COUNT=1000000000", "COUNT must be 1-100000"),
    ("FREQ=MINUTELY;BYDAY=MO;COUNT=99999", "COUNT must be 1-10000"),
    ("FREQ=DAILY;COUNT=2;UNTIL=20300101", "COUNT and UNTIL exclude each other"),
    ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL cannot read the date"),
    ("FREQ=DAILY;UNTIL=20300231", "not a date and time that exists"),
    ("FREQ=DAILY;UNTIL=20200101", "UNTIL lies before the start of the rule"),
    ("DTSTART:20300101T000000\nRRULE:FREQ=DAILY;UNTIL=20290101", "UNTIL lies before DTSTART"),
    ("FREQ=DAILY;BYHOUR=24", "BYHOUR must be 0-23, got 24"),
    ("FREQ=DAILY;BYHOUR=-1", "BYHOUR must be 0-23, got -1"),
    ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY must be 1-31 or -31 to -1, got 0"),
    ("FREQ=MONTHLY;BYMONTHDAY=x", "BYMONTHDAY must list whole numbers, got 'X'"),
    ("FREQ=WEEKLY;BYDAY=XX", "BYDAY cannot read 'XX'"),
    ("FREQ=WEEKLY;BYDAY=2MO", "a numbered BYDAY needs FREQ=MONTHLY or YEARLY"),
    ("FREQ=MONTHLY;BYDAY=0MO", "BYDAY counts from 1"),
    ("FREQ=MONTHLY;BYWEEKNO=1", "BYWEEKNO needs FREQ=YEARLY"),
    ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY cannot be used with FREQ=WEEKLY"),
    ("FREQ=DAILY;BYYEARDAY=1", "BYYEARDAY cannot be used with FREQ=DAILY"),
    ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO", "a numbered BYDAY and BYWEEKNO exclude each other"),
    ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS needs another BY part"),
    ("FREQ=DAILY;WKST=XX", "WKST must be one of"),
    ("FREQ=DAILY;BYEASTER=0", "'BYEASTER' is not a part"),
    ("FREQ=DAILY;FREQ=DAILY", "FREQ is given twice"),
    ("FREQ=DAILY;BYHOUR", "must have the form NAME=value"),
    ("FREQ=MONTHLY;BYMONTHDAY=" + ",".join(["1"] * 101), "at most 100 values"),
    (
        "FREQ=DAILY;BYMINUTE=" + ",".join(map(str, range(60))) + ";BYSECOND=" + ",".join(map(str, range(60))),
        "at most 1440 times a day",
    ),
    ("RRULE:FREQ=DAILY\nRRULE:FREQ=DAILY", "exactly one RRULE, got 2"),
    ("DTSTART:20300101T000000", "exactly one RRULE, got 0"),
    ("DTSTART:20300101T000000\nDTSTART:20300101T000000\nRRULE:FREQ=DAILY", "only one DTSTART"),
    ("DTSTART:30000101T000000\nRRULE:FREQ=DAILY", "the year of DTSTART must be 1900-2199"),
    ("DTSTART;TZID=../etc/passwd:20300101T000000\nRRULE:FREQ=DAILY", "is not an IANA time zone"),
    ("DTSTART;X=1:20300101T000000\nRRULE:FREQ=DAILY", "does not take the parameter 'X=1'"),
    ("RRULE:FREQ=DAILY\nEXRULE:FREQ=WEEKLY", "'EXRULE' is not a line"),
    ("RRULE:FREQ=DAILY\nEXDATE:20301225", "EXDATE needs dates with a time"),
    ("RRULE:FREQ=DAILY\nRDATE;VALUE=PERIOD:20300101T000000Z/PT1H", "must hold dates with a time"),
    ("RRULE:FREQ=DAILY\nEXDATE:" + ",".join(["20300101T000000"] * 101), "at most 100 dates in EXDATE"),
    # A literal backslash-n is no new line.
    (r"DTSTART:20300101T000000\nRRULE:FREQ=DAILY", "exactly one RRULE, got 0"),
]

NEVER = [
    # No year has this day.
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=YEARLY;BYMONTH=1;BYYEARDAY=200",
    "FREQ=MONTHLY;BYDAY=6MO",
    # Steps that always miss what is asked for.
    "DTSTART:20260106T090000\nRRULE:FREQ=DAILY;INTERVAL=7;BYDAY=MO",
    "DTSTART:20260106T090000\nRRULE:FREQ=MINUTELY;INTERVAL=10080;BYDAY=MO",
    "DTSTART:20260106T090000\nRRULE:FREQ=HOURLY;INTERVAL=24;BYHOUR=5",
    "DTSTART:20260106T090000\nRRULE:FREQ=MINUTELY;INTERVAL=60;BYMINUTE=5",
    "DTSTART:20260106T090000\nRRULE:FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29",
    "DTSTART:20260106T090000\nRRULE:FREQ=MONTHLY;INTERVAL=12;BYMONTH=5",
    # Positions beyond the size of the set.
    "FREQ=DAILY;BYHOUR=1,2;BYSETPOS=3",
    "FREQ=MINUTELY;BYSECOND=1;BYSETPOS=2",
    "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=-2",
    "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6",
    # The only occurrence is taken out again.
    "DTSTART:20260106T090000\nRRULE:FREQ=DAILY;COUNT=1\nEXDATE:20260106T090000",
]

ONCE = [
    ("tomorrow", "not an ISO 8601 date with a time"),
    ("2030-05-17", "not an ISO 8601 date with a time"),
    ("2030-02-30T09:00", "not a date and time that exists"),
    ("2030-05-17T25:00", "not a date and time that exists"),
    ("2030-W20-1T09:00", "not an ISO 8601 date with a time"),
    ("9999-12-31T23:59:59Z", "the year must be 1900-2999"),
    ("0001-01-01T00:00:00+14:00", "the year must be 1900-2999"),
    (None, "required"),
]


def _refusal(kind: str, expr: str | None, zone: str = "UTC") -> tuple[str, str]:
    with pytest.raises(ScheduleInvalid) as caught:
        parse(kind, expr, zone, anchor=ANCHOR)
    (problem,) = caught.value.problems
    assert problem.hint or problem.pointer != EXPR
    return problem.pointer, problem.message


@pytest.mark.parametrize(
    ("kind", "expr", "message"),
    [(kind, *row) for kind, rows in (("cron", CRON), ("rrule", RRULE), ("once", ONCE)) for row in rows],
)
def test_a_bad_expression_is_refused_with_its_fault_named(kind: str, expr: str | None, message: str) -> None:
    pointer, said = _refusal(kind, expr)
    assert pointer == EXPR
    assert message in said


@pytest.mark.parametrize("expr", NEVER)
def test_a_rule_that_never_fires_is_refused_quickly(expr: str) -> None:
    begun = process_time()
    pointer, said = _refusal("rrule", expr)
    assert process_time() - begun < SECONDS
    assert pointer == EXPR
    assert "never fire" in said


@pytest.mark.parametrize(
    "zone",
    ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "posix/Europe/Paris", "right/UTC", "localtime",
     "Europe/", "Europe", "UTC\n", "UTC\0", "Ünited/Zone", "A" * 5000, "Factory", "tzdata.zi", "+02:00"],
)  # fmt: skip
def test_only_iana_names_are_time_zones(zone: str) -> None:
    for kind, expr in (
        ("cron", "0 9 * * *"),
        ("rrule", "FREQ=DAILY"),
        ("once", "2030-01-01T00:00"),
        ("manual", None),
    ):
        assert _refusal(kind, expr, zone)[0] == "/timezone"


def test_a_zone_with_a_slip_is_answered_with_the_right_name() -> None:
    with pytest.raises(ScheduleInvalid) as caught:
        parse("cron", "0 9 * * *", "Europe/Buchares", anchor=ANCHOR)
    assert caught.value.problems[0].hint == "did you mean Europe/Bucharest?"


@pytest.mark.parametrize("kind", ["events", "", "CRON"])
def test_unknown_kinds_are_refused(kind: str) -> None:
    assert _refusal(kind, "0 9 * * *")[0] == "/schedule_kind"


def _parsed(kind: str, text: str) -> Schedule | ScheduleInvalid:
    try:
        return parse(kind, text, "Europe/Bucharest", anchor=ANCHOR)
    except ScheduleInvalid as error:
        return error


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["cron", "rrule", "once"]),
    text=st.text(alphabet="0123456789*/-,LW#RMONFREQ=DAILYBHUT;: \n", max_size=40) | st.text(max_size=20),
)
def test_any_text_is_either_a_schedule_or_a_refusal(kind: str, text: str) -> None:
    found = _parsed(kind, text)
    if isinstance(found, ScheduleInvalid):
        assert all(problem.pointer == EXPR and problem.message for problem in found.problems)
    else:
        assert found.describe()
        found.next_after(ANCHOR)


def test_naive_moments_are_a_mistake_of_the_caller() -> None:
    naive = ANCHOR.replace(tzinfo=None)
    with pytest.raises(ValueError, match="aware"):
        parse("cron", "0 9 * * *", "UTC", anchor=naive)
    with pytest.raises(ValueError, match="aware"):
        parse("cron", "0 9 * * *", "UTC", anchor=ANCHOR).next_after(naive)
