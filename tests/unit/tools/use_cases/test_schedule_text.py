"""A schedule in one line, and what kind it is taken for."""

from __future__ import annotations

import pytest

from app.domain.errors import InvalidInput
from app.tools.use_cases.schedule_text import ScheduleLine, read_schedule


@pytest.mark.parametrize(
    ("text", "kind", "expr"),
    [
        ("0 18 * * *", "cron", "0 18 * * *"),
        # blanks around it are nobody's meaning
        ("  0 18 * * *\n", "cron", "0 18 * * *"),
        ("30 0 9 * * MON-FRI", "cron", "30 0 9 * * MON-FRI"),
        ("0 9 L * *", "cron", "0 9 L * *"),
        ("0 9 * * FRI#2", "cron", "0 9 * * FRI#2"),
        ("@hourly", "cron", "@hourly"),
        # a wrong number is still a cron expression, to be refused as one
        ("99 99 * * *", "cron", "99 99 * * *"),
        ("RRULE:FREQ=DAILY", "rrule", "RRULE:FREQ=DAILY"),
        ("freq=daily;byhour=9", "rrule", "freq=daily;byhour=9"),
        ("BYHOUR=9;FREQ=DAILY", "rrule", "BYHOUR=9;FREQ=DAILY"),
        (
            "DTSTART;TZID=Europe/Chisinau:20261124T090000\nRRULE:FREQ=DAILY",
            "rrule",
            "DTSTART;TZID=Europe/Chisinau:20261124T090000\nRRULE:FREQ=DAILY",
        ),
        ("2030-05-17T09:00:00+03:00", "once", "2030-05-17T09:00:00+03:00"),
        ("event:shop.order.*", "event", "shop.order.*"),
        ("EVENT: shop.order.paid", "event", "shop.order.paid"),
        ("manual", "manual", None),
    ],
)
def test_the_text_tells_the_kind(text: str, kind: str, expr: str | None) -> None:
    assert read_schedule(text, None) == ScheduleLine(kind, expr)


@pytest.mark.parametrize(
    ("text", "kind", "expr"),
    [
        # what looks like another kind stays what it was called
        ("2030-05-17T09:00:00Z", "cron", "2030-05-17T09:00:00Z"),
        ("shop.order.paid", "event", "shop.order.paid"),
        ("event:shop.order.paid", "event", "shop.order.paid"),
        ("topic == 'shop'", "condition", "topic == 'shop'"),
        ("", "manual", None),
    ],
)
def test_a_kind_that_is_given_wins(text: str, kind: str, expr: str | None) -> None:
    assert read_schedule(text, kind) == ScheduleLine(kind, expr)


@pytest.mark.parametrize(
    "text",
    [
        "every day at 9 am",  # five words are not five fields
        "daily",
        "",
        "0 9 * *",  # a field is missing
    ],
)
def test_what_cannot_be_told_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_schedule(text, None)
    assert refused.value.problems[0].field == "schedule"
    assert "preview_schedule" in refused.value.problems[0].hint
