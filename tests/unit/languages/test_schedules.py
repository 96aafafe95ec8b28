"""Schedules in Romanian and Russian, as people say them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from babel.dates import get_day_names, get_month_names

from app.domain.schedules import parse
from app.languages import romanian, russian
from app.languages.catalogue import Catalogue, platform_catalogue

ANCHOR = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return platform_catalogue()


CRON = [
    ("* * * * *", "În fiecare minut", "Каждую минуту"),
    ("*/5 * * * *", "La fiecare 5 minute", "Каждые 5 минут"),
    # "de" from 20 on
    ("*/20 * * * *", "La fiecare 20 de minute", "Каждые 20 минут"),
    ("*/2 * * * *", "La fiecare 2 minute", "Каждые 2 минуты"),
    ("*/10 * * * * *", "La fiecare 10 secunde", "Каждые 10 секунд"),
    ("0 * * * *", "În fiecare oră", "Каждый час"),
    ("5 */2 * * *", "La fiecare 2 ore, la minutul 5", "Каждые 2 часа на 5-й минуте"),
    ("0 9 * * *", "În fiecare zi la 09:00", "Каждый день в 09:00"),
    ("0 9,17 * * *", "În fiecare zi la 09:00 și 17:00", "Каждый день в 09:00 и 17:00"),
    ("30 8 * * 1-5", "De luni până vineri la 08:30", "С понедельника по пятницу в 08:30"),
    # "со" before two consonants
    ("0 9 * * 2-4", "De marți până joi la 09:00", "Со вторника по четверг в 09:00"),
    ("30 8 * * MON,WED", "În fiecare luni și miercuri la 08:30", "По понедельникам и средам в 08:30"),
    ("0 9 1 * *", "În fiecare lună, pe 1, la 09:00", "Каждый месяц 1-го числа в 09:00"),
    ("0 9 1,15 * *", "În fiecare lună, pe 1 și 15, la 09:00", "Каждый месяц 1-го и 15-го числа в 09:00"),
    ("0 9 L * *", "În fiecare lună, în ultima zi, la 09:00", "Каждый месяц в последний день в 09:00"),
    (
        "0 9 LW * *",
        "În fiecare lună, în ultima zi lucrătoare, la 09:00",
        "Каждый месяц в последний рабочий день в 09:00",
    ),
    # gender: пятница, понедельник, воскресенье; "во второй"
    ("0 18 * * 5L", "În fiecare lună, în ultima vineri, la 18:00", "Каждый месяц в последнюю пятницу в 18:00"),
    ("0 18 * * MON#1", "În fiecare lună, în prima luni, la 18:00", "Каждый месяц в первый понедельник в 18:00"),
    ("0 18 * * TUE#2", "În fiecare lună, în a doua marți, la 18:00", "Каждый месяц во второй вторник в 18:00"),
    (
        "0 2 * MAR SUNL",
        "În fiecare an, în ultima duminică din martie, la 02:00",
        "Каждый год в последнее воскресенье марта в 02:00",
    ),
    ("@yearly", "În fiecare an, pe 1 ianuarie, la 00:00", "Каждый год 1 января в 00:00"),
    ("0 9 * 6-8 *", "În fiecare zi, din iunie până în august, la 09:00", "Каждый день с июня по август в 09:00"),
    ("0 9 * 1,7 *", "În fiecare zi, în ianuarie și iulie, la 09:00", "Каждый день в январе и июле в 09:00"),
    (
        "*/15 9-17 * * 1-5",
        "La fiecare 15 minute, între 09:00 și 17:59, de luni până vineri",
        "Каждые 15 минут с 09:00 до 17:59, с понедельника по пятницу",
    ),
    # shapes nobody has words for show the expression
    ("0 0 1 */3 *", "După expresia cron 0 0 1 */3 *", "По выражению cron 0 0 1 */3 *"),
]

RRULE = [
    ("FREQ=DAILY;INTERVAL=3;BYHOUR=9", "La fiecare 3 zile, la 09:00", "Каждые 3 дня в 09:00"),
    ("FREQ=DAILY;INTERVAL=21", "La fiecare 21 de zile, la 10:00", "Каждый 21 день в 10:00"),
    ("FREQ=DAILY;BYHOUR=1,2,3,4,5,6,7", "În fiecare zi, de 7 ori", "Каждый день 7 раз"),
    (
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH",
        "La fiecare 2 săptămâni, luni și joi, la 10:00",
        "Каждые 2 недели по понедельникам и четвергам в 10:00",
    ),
    (
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1",
        "În fiecare lună, în prima zi lucrătoare, la 10:00",
        "Каждый месяц в первый рабочий день в 10:00",
    ),
    (
        "FREQ=MONTHLY;BYDAY=SA,SU;BYSETPOS=-2",
        "În fiecare lună, în penultima zi dintre cele de sâmbătă și duminică, la 10:00",
        "Каждый месяц в предпоследний день из суббот и воскресений в 10:00",
    ),
    (
        "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=25",
        "În fiecare an, pe 25 decembrie, la 10:00",
        "Каждый год 25 декабря в 10:00",
    ),
    (
        "FREQ=YEARLY;BYYEARDAY=100",
        "În fiecare an, în ziua 100 a anului, la 10:00",
        "Каждый год в 100-й день года в 10:00",
    ),
    (
        "FREQ=YEARLY;INTERVAL=5;BYMONTH=5;BYMONTHDAY=1",
        "La fiecare 5 ani, pe 1 mai, la 10:00",
        "Каждые 5 лет 1 мая в 10:00",
    ),
    ("FREQ=DAILY;COUNT=10", "În fiecare zi la 10:00, de 10 ori", "Каждый день в 10:00, 10 раз"),
    ("FREQ=DAILY;COUNT=22", "În fiecare zi la 10:00, de 22 de ori", "Каждый день в 10:00, 22 раза"),
    ("FREQ=DAILY;COUNT=1", "În fiecare zi la 10:00, o singură dată", "Каждый день в 10:00, один раз"),
    (
        "FREQ=DAILY;UNTIL=20301231",
        "În fiecare zi la 10:00, până la 31 decembrie 2030",
        "Каждый день в 10:00, по 31 декабря 2030 г.",
    ),
    (
        "RRULE:FREQ=DAILY\nEXDATE:20261225T100000,20261226T100000\nRDATE:20270101T120000",
        "În fiecare zi la 10:00, cu excepția a 2 date, și în plus la o dată",
        "Каждый день в 10:00, кроме 2 дат, и ещё 1 дата",
    ),
]

SINGLE = [
    (
        "once",
        "2030-05-17T06:00:00Z",
        "O singură dată, vineri, 17 mai 2030, la 06:00",
        "Один раз, в пятницу, 17 мая 2030 г., в 06:00",
    ),
    (
        "once",
        "2030-05-14T06:00:00Z",
        "O singură dată, marți, 14 mai 2030, la 06:00",
        "Один раз, во вторник, 14 мая 2030 г., в 06:00",
    ),
    ("manual", None, "Numai la pornire manuală", "Только при запуске вручную"),
]

ALL = [*(("cron", *row) for row in CRON), *(("rrule", *row) for row in RRULE), *SINGLE]


@pytest.mark.parametrize(("kind", "expr", "ro", "ru"), ALL)
def test_a_schedule_is_told(catalogue: Catalogue, kind: str, expr: str | None, ro: str, ru: str) -> None:
    words = parse(kind, expr, "UTC", anchor=ANCHOR).describe()
    assert (catalogue.say(words, "ro"), catalogue.say(words, "ru")) == (ro, ru)


def in_order(names: Mapping[int, str]) -> list[str]:
    return [names[key] for key in sorted(names)]


def test_the_names_are_those_of_the_unicode_locale_data() -> None:
    assert list(romanian.WEEKDAYS) == in_order(get_day_names("wide", locale="ro"))
    assert list(romanian.MONTHS) == in_order(get_month_names("wide", locale="ro"))
    assert list(russian.WEEKDAYS) == in_order(get_day_names("wide", locale="ru"))
    assert list(russian.MONTHS) == in_order(get_month_names("wide", "stand-alone", locale="ru"))
    assert list(russian.MONTHS_GENITIVE) == in_order(get_month_names("wide", "format", locale="ru"))
