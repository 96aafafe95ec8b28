"""The text of a recurrence rule (RFC 5545), checked before anything is computed.

Lines: one RRULE (its name may be left out), at most one DTSTART, EXDATE and RDATE within bounds. SECONDLY and
what the RFC forbids (a numbered BYDAY in a weekly rule, say) are refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.domain.schedules.refusals import bad_expr, shown
from app.domain.schedules.rrule_rule import Rule
from app.domain.schedules.rrule_values import (
    Stamp,
    read_number,
    read_numbers,
    read_stamp,
    read_weekday,
    read_weekdays,
)
from app.domain.texts import t

_MAX_DATES = 100
_MAX_COUNT = 100_000
# Hourly and finer rules with BY parts are counted one by one, across changes of the clocks.
_MAX_COUNT_FINE = 10_000
_MAX_TIMES = 1440
_START_YEARS = range(1900, 2200)
_DATE_YEARS = range(1900, 2300)
_UNTIL_YEARS = range(1900, 9999 + 1)
# The longest step of each frequency is about a hundred years.
_MAX_INTERVAL: Mapping[str, int] = MappingProxyType(
    {
        "YEARLY": 100,
        "MONTHLY": 1200,
        "WEEKLY": 5200,
        "DAILY": 36_500,
        "HOURLY": 876_000,
        "MINUTELY": 52_560_000,
    }
)
# Name: (field of Rule, lowest, highest, may count from the end).
_LISTS: Mapping[str, tuple[str, int, int, bool]] = MappingProxyType(
    {
        "BYMONTH": ("months", 1, 12, False),
        "BYWEEKNO": ("weeks", 1, 53, True),
        "BYYEARDAY": ("yeardays", 1, 366, True),
        "BYMONTHDAY": ("monthdays", 1, 31, True),
        "BYHOUR": ("hours", 0, 23, False),
        "BYMINUTE": ("minutes", 0, 59, False),
        "BYSECOND": ("seconds", 0, 59, False),
        "BYSETPOS": ("positions", 1, 366, True),
    }
)
_PARTS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", *_LISTS)


@dataclass(frozen=True, slots=True)
class Dated:
    """One date of a DTSTART, EXDATE or RDATE line, with the zone the line names, if any."""

    stamp: Stamp
    tzid: str | None


@dataclass(frozen=True, slots=True)
class Recurrence:
    """All that the text says."""

    rule: Rule
    count: int | None
    until: Stamp | None
    start: Dated | None
    excluded: tuple[Dated, ...]
    added: tuple[Dated, ...]


def read_recurrence(text: str) -> Recurrence:
    """Reads all lines; raises `ScheduleInvalid` at the first fault."""
    lines: dict[str, list[tuple[str | None, str]]] = {"RRULE": [], "DTSTART": [], "EXDATE": [], "RDATE": []}
    for line in filter(None, (raw.strip() for raw in text.split("\n"))):
        name, tzid, value = _line(line)
        lines[name].append((tzid, value))
    if len(lines["RRULE"]) != 1:
        raise bad_expr(
            t("there must be exactly one RRULE, got {given}", given=len(lines["RRULE"])),
            t("for example FREQ=DAILY;BYHOUR=9"),
        )
    if len(lines["DTSTART"]) > 1:
        raise bad_expr(t("there may be only one DTSTART"))
    parts = _split_parts(lines["RRULE"][0][1])
    rule = _rule(parts)
    starts = [Dated(read_stamp("DTSTART", value, _START_YEARS), tzid) for tzid, value in lines["DTSTART"]]
    return Recurrence(
        rule=rule,
        count=read_number("COUNT", parts["COUNT"], 1, _most(rule)) if "COUNT" in parts else None,
        until=read_stamp("UNTIL", parts["UNTIL"], _UNTIL_YEARS) if "UNTIL" in parts else None,
        start=starts[0] if starts else None,
        excluded=_dates("EXDATE", lines["EXDATE"]),
        added=_dates("RDATE", lines["RDATE"]),
    )


def _most(rule: Rule) -> int:
    return _MAX_COUNT_FINE if rule.freq in ("HOURLY", "MINUTELY") and not rule.plain else _MAX_COUNT


def _line(line: str) -> tuple[str, str | None, str]:
    """Name, TZID and value of a line; a line that starts with a rule part is a bare RRULE."""
    head, colon, value = line.partition(":")
    if not colon:
        return "RRULE", None, line.upper()
    name, *parameters = head.split(";")
    name = name.upper()
    if name not in ("RRULE", "DTSTART", "EXDATE", "RDATE"):
        hint = (
            t("several rules do not fit in one task: create one task for each")
            if name == "EXRULE"
            else t("write one per line")
        )
        raise bad_expr(
            t("{name} is not a line of a schedule; known are RRULE, DTSTART, EXDATE, RDATE", name=shown(name)), hint
        )
    tzid = None
    for parameter in parameters:
        key, _, setting = parameter.partition("=")
        if name == "RRULE" or key.upper() not in ("TZID", "VALUE"):
            raise bad_expr(t("{name} does not take the parameter {parameter}", name=name, parameter=shown(parameter)))
        if key.upper() == "VALUE" and setting.upper() not in ("DATE", "DATE-TIME"):
            raise bad_expr(t("{name} must hold dates with a time, not {setting}", name=name, setting=shown(setting)))
        tzid = setting if key.upper() == "TZID" else tzid
    return name, tzid, value.strip().upper()


def _split_parts(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in text.removesuffix(";").split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise bad_expr(
                t("the rule part {part} must have the form NAME=value", part=shown(part)),
                t("for example FREQ=DAILY;BYHOUR=9"),
            )
        if name not in _PARTS:
            raise bad_expr(
                t("{name} is not a part of a recurrence rule", name=shown(name)),
                t("known are {names}", names=", ".join(_PARTS)),
            )
        if name in parts:
            raise bad_expr(t("{name} is given twice", name=name))
        parts[name] = value
    if "COUNT" in parts and "UNTIL" in parts:
        raise bad_expr(t("COUNT and UNTIL exclude each other: keep one"))
    return parts


def _rule(parts: Mapping[str, str]) -> Rule:
    freq = _freq(parts)
    lists = {
        field: read_numbers(name, parts[name], low, high, signed=signed)
        for name, (field, low, high, signed) in _LISTS.items()
        if name in parts
    }
    rule = Rule(
        freq=freq,
        interval=read_number("INTERVAL", parts.get("INTERVAL", "1"), 1, _MAX_INTERVAL[freq]),
        wkst=read_weekday("WKST", parts.get("WKST", "MO")),
        days=read_weekdays(parts["BYDAY"]) if "BYDAY" in parts else (),
        **lists,
    )
    _check_together(rule, parts)
    return rule


def _freq(parts: Mapping[str, str]) -> str:
    freq = parts.get("FREQ", "")
    if freq == "SECONDLY":
        raise bad_expr(
            t("FREQ=SECONDLY is not supported; the smallest is MINUTELY"),
            t("for seconds use a cron expression of 6 fields, such as */10 * * * * *"),
        )
    if freq not in _MAX_INTERVAL:
        got = t("got {freq}", freq=shown(freq)) if freq else t("it is missing")
        raise bad_expr(t("FREQ must be one of {names}; {got}", names=", ".join(_MAX_INTERVAL), got=got))
    return freq


def _check_together(rule: Rule, parts: Mapping[str, str]) -> None:
    """The combinations RFC 5545 section 3.3.10 rules out, and the bound on times in a day."""
    numbered = any(nth for nth, _ in rule.days)
    wrong = (
        (
            numbered and rule.freq not in ("MONTHLY", "YEARLY"),
            t("a numbered BYDAY needs FREQ=MONTHLY or YEARLY"),
        ),
        (numbered and bool(rule.weeks), t("a numbered BYDAY and BYWEEKNO exclude each other")),
        (bool(rule.weeks) and rule.freq != "YEARLY", t("BYWEEKNO needs FREQ=YEARLY")),
        (bool(rule.monthdays) and rule.freq == "WEEKLY", t("BYMONTHDAY cannot be used with FREQ=WEEKLY")),
        (
            bool(rule.yeardays) and rule.freq in ("DAILY", "WEEKLY", "MONTHLY"),
            t("BYYEARDAY cannot be used with FREQ={freq}", freq=rule.freq),
        ),
        (
            bool(rule.positions) and not any(name.startswith("BY") and name != "BYSETPOS" for name in parts),
            t("BYSETPOS needs another BY part to choose from"),
        ),
        (
            max(len(rule.hours), 1) * max(len(rule.minutes), 1) * max(len(rule.seconds), 1) > _MAX_TIMES,
            t("BYHOUR, BYMINUTE and BYSECOND together may give at most {limit} times a day", limit=_MAX_TIMES),
        ),
    )
    for fault, message in wrong:
        if fault:
            raise bad_expr(message)


def _dates(name: str, lines: list[tuple[str | None, str]]) -> tuple[Dated, ...]:
    texts = [(tzid, item.strip()) for tzid, value in lines for item in value.split(",")]
    if len(texts) > _MAX_DATES:
        raise bad_expr(
            t(
                "there may be at most {limit} dates in {name}, got {given}",
                limit=_MAX_DATES,
                name=name,
                given=len(texts),
            )
        )
    found = tuple(Dated(read_stamp(name, item, _DATE_YEARS), tzid) for tzid, item in texts)
    if any(dated.stamp.whole_day for dated in found):
        raise bad_expr(
            t("{name} needs dates with a time", name=name), t("write it as {name}:20300517T090000", name=name)
        )
    return found
