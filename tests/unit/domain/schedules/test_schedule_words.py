"""Schedules in English."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.domain.schedules import parse

ANCHOR = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)

CRON = [
    ("* * * * *", "Every minute"),
    ("*/5 * * * *", "Every 5 minutes"),
    ("* * * * * *", "Every second"),
    ("*/10 * * * * *", "Every 10 seconds"),
    ("0 * * * *", "Every hour"),
    ("@hourly", "Every hour"),
    ("5 * * * *", "Every hour at minute 5"),
    ("0 */2 * * *", "Every 2 hours"),
    ("0 9 * * *", "Every day at 09:00"),
    ("0 9,17 * * *", "Every day at 09:00 and 17:00"),
    ("15 30 8 * * *", "Every day at 08:30:15"),
    ("30 8 * * 1-5", "Monday to Friday at 08:30"),
    ("30 8 * * MON,WED,FRI", "Every Monday, Wednesday and Friday at 08:30"),
    ("0 10 * * SAT-SUN", "Every Saturday and Sunday at 10:00"),
    ("0 10 * * 0-7", "Every day at 10:00"),
    ("0 9 1 * *", "Every month on day 1 at 09:00"),
    ("0 9 1,15 * *", "Every month on days 1 and 15 at 09:00"),
    ("0 9 L * *", "Every month on the last day at 09:00"),
    ("0 9 LW * *", "Every month on the last weekday at 09:00"),
    ("0 18 * * 5L", "Every month on the last Friday at 18:00"),
    ("0 18 * * FRI#2", "Every month on the second Friday at 18:00"),
    ("0 2 * MAR SUNL", "Every year on the last Sunday of March at 02:00"),
    ("@yearly", "Every year on 1 January at 00:00"),
    # Rare shapes are left to cronsim.
    ("0 0 1 */3 *", "At 00:00 on the first day of every third month"),
    ("0 9 * 6-8 *", "Every day in June to August at 09:00"),
    ("*/15 9-17 * * 1-5", "Every 15 minutes from 09:00 to 17:59, Monday to Friday"),
    ("0 9-17 * * 1-5", "Every hour from 09:00 to 17:00, Monday to Friday"),
    ("*/5 * 1 * *", "Every 5 minutes, every month on day 1"),
]

RRULE = [
    ("FREQ=DAILY;BYHOUR=9", "Every day at 09:00"),
    ("FREQ=DAILY;INTERVAL=3;BYHOUR=9,17", "Every 3 days at 09:00 and 17:00"),
    ("FREQ=DAILY;BYHOUR=1,2,3,4,5,6,7", "Every day at 7 times of the day"),
    ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=8;BYMINUTE=30", "Monday to Friday at 08:30"),
    ("FREQ=DAILY;BYDAY=MO,TH", "Every Monday and Thursday at 10:00"),
    ("FREQ=WEEKLY", "Every Tuesday at 10:00"),
    ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH", "Every 2 weeks on Monday and Thursday at 10:00"),
    ("FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18", "Every month on the last Friday at 18:00"),
    ("FREQ=MONTHLY;BYDAY=FR;BYSETPOS=-1", "Every month on the last Friday at 10:00"),
    ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1", "Every month on the first weekday at 10:00"),
    (
        "FREQ=MONTHLY;BYDAY=SA,SU;BYSETPOS=-2",
        "Every month on the second to last of Saturday and Sunday at 10:00",
    ),
    ("FREQ=MONTHLY;BYMONTHDAY=1,15", "Every month on days 1 and 15 at 10:00"),
    ("FREQ=MONTHLY;BYMONTHDAY=-1", "Every month on the last day at 10:00"),
    ("FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=25", "Every year on 25 December at 10:00"),
    ("FREQ=YEARLY;BYMONTH=3;BYDAY=2SU", "Every year on the second Sunday of March at 10:00"),
    ("FREQ=YEARLY;BYYEARDAY=100", "Every year on day 100 of the year at 10:00"),
    ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "Every year on Monday in week 20 at 10:00"),
    ("FREQ=HOURLY;INTERVAL=4", "Every 4 hours"),
    ("FREQ=MINUTELY;INTERVAL=10;BYHOUR=9,10", "Every 10 minutes in the hours of 09:00 and 10:00"),
    ("FREQ=DAILY;COUNT=10", "Every day at 10:00, 10 times"),
    ("FREQ=DAILY;UNTIL=20301231", "Every day at 10:00, until 2030-12-31"),
    ("FREQ=DAILY;UNTIL=20301231T235959Z", "Every day at 10:00, until 2030-12-31 23:59:59"),
    (
        "RRULE:FREQ=DAILY\nEXDATE:20261225T100000,20261226T100000\nRDATE:20270101T120000",
        "Every day at 10:00, except 2 dates, and on 1 date more",
    ),
]


@pytest.mark.parametrize(("expr", "words"), CRON)
def test_cron_is_put_in_words(expr: str, words: str) -> None:
    assert parse("cron", expr, "UTC", anchor=ANCHOR).describe() == words


@pytest.mark.parametrize(("expr", "words"), RRULE)
def test_rules_are_put_in_words(expr: str, words: str) -> None:
    assert parse("rrule", expr, "UTC", anchor=ANCHOR).describe() == words


def test_single_moments_and_manual_tasks_have_words_too() -> None:
    once = parse("once", "2030-05-17T06:00:00Z", "Europe/Bucharest", anchor=ANCHOR)
    assert once.describe() == "Once, on Friday 17 May 2030 at 09:00"
    assert parse("manual", None, "UTC", anchor=ANCHOR).describe() == "Only when started by hand"
