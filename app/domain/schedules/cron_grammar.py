"""The cron expressions we accept, checked field by field so that a refusal names what is wrong.

Five fields, or six with seconds first. The result is upper case, has numbers for weekday names, and is what
cronsim reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from app.domain.errors import ScheduleInvalid
from app.domain.schedules.refusals import bad_cron, shown
from app.domain.texts import Text, t

MACROS: Mapping[str, str] = MappingProxyType(
    {
        "@hourly": "0 * * * *",
        "@daily": "0 0 * * *",
        "@midnight": "0 0 * * *",
        "@weekly": "0 0 * * 0",
        "@monthly": "0 0 1 * *",
        "@yearly": "0 0 1 1 *",
        "@annually": "0 0 1 1 *",
    }
)
_MAX_TERMS = 60
_STEP = re.compile(r"[0-9]{1,2}\Z")
_NUMBER = re.compile(r"[0-9]{1,4}\Z")
_OPEN_STEP = re.compile(r"(?:\*|[0-9]{1,2}/[0-9]{1,2}\Z)")


def _names(text: str, first: int) -> Mapping[str, int]:
    return MappingProxyType({name: number for number, name in enumerate(text.split(), first)})


@dataclass(frozen=True, slots=True)
class _Field:
    """One field: how it is called in messages, its range, the names it knows."""

    title: Text
    low: int
    high: int
    names: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


_SECOND = _Field(t("second"), 0, 59)
_MINUTE = _Field(t("minute"), 0, 59)
_HOUR = _Field(t("hour"), 0, 23)
_DAY = _Field(t("day of month"), 1, 31)
_MONTH = _Field(t("month"), 1, 12, _names("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC", 1))
_WEEKDAY = _Field(t("day of week"), 0, 7, _names("SUN MON TUE WED THU FRI SAT", 0))
_FIELDS = (_SECOND, _MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)


@dataclass(frozen=True, slots=True)
class CronFields:
    """The six normalised fields; `second` is "0" where the expression had five."""

    second: str
    minute: str
    hour: str
    day: str
    month: str
    weekday: str

    @property
    def text(self) -> str:
        """The fields as one expression of six, seconds first."""
        return f"{self.second} {self.minute} {self.hour} {self.day} {self.month} {self.weekday}"

    @property
    def elapsed(self) -> bool:
        """Whether the hour field is `*` or an open step, so that every real hour counts."""
        return any(_OPEN_STEP.match(term) for term in self.hour.split(","))


def read_cron(text: str) -> CronFields:
    """The fields of an expression or macro; raises `ScheduleInvalid` naming the field and the fault."""
    if text.startswith("@"):
        text = _expand_macro(text)
    parts = text.upper().split()
    if len(parts) not in (5, 6):
        raise bad_cron(
            t("a cron expression has 5 fields, or 6 with seconds first, got {given}", given=len(parts)),
            t("the order is: minute hour day-of-month month day-of-week"),
        )
    if len(parts) == 5:
        parts.insert(0, "0")
    return CronFields(*(_normal_field(spec, part) for spec, part in zip(_FIELDS, parts, strict=True)))


def _expand_macro(text: str) -> str:
    name = text.lower()
    if name == "@reboot":
        raise bad_cron(t("@reboot is not a time"), t("use schedule_kind event to act on a start"))
    if name not in MACROS:
        raise bad_cron(
            t("{text} is not a known macro", text=shown(text)), t("known are {names}", names=", ".join(MACROS))
        )
    return MACROS[name]


def _normal_field(spec: _Field, part: str) -> str:
    terms = part.split(",")
    if len(terms) > _MAX_TERMS:
        raise bad_cron(
            t(
                "{field} may list at most {limit} values, got {given}",
                field=spec.title,
                limit=_MAX_TERMS,
                given=len(terms),
            )
        )
    return ",".join(_normal_term(spec, term) for term in terms)


def _normal_term(spec: _Field, term: str) -> str:
    if spec is _DAY and term in ("L", "LW"):
        return term
    if spec is _WEEKDAY and "#" in term:
        return _nth_weekday(term)
    if spec is _WEEKDAY and term.endswith("L") and len(term) > 1:
        return f"{_value(spec, term[:-1])}L"
    body, slash, step = term.partition("/")
    if slash and not (_STEP.match(step) and int(step) > 0):
        raise bad_cron(
            t("{field} has the step {step}; a step is a whole number from 1 to 99", field=spec.title, step=shown(step))
        )
    return f"{_span(spec, body)}{slash}{int(step) if slash else ''}"


def _nth_weekday(term: str) -> str:
    day, _, nth = term.partition("#")
    if nth not in ("1", "2", "3", "4", "5"):
        raise bad_cron(
            t("day of week: after # comes 1-5, got {nth}", nth=shown(nth)),
            t("FRI#2 is the second Friday, FRIL the last"),
        )
    return f"{_value(_WEEKDAY, day)}#{nth}"


def _span(spec: _Field, body: str) -> str:
    if body == "*":
        return body
    first, dash, last = body.partition("-")
    start = _value(spec, first)
    if not dash:
        return str(start)
    end = _value(spec, last)
    if spec is _WEEKDAY and end == 0 and start > 0:
        end = 7
    if end < start:
        raise bad_cron(
            t("{field} range {body} runs backwards", field=spec.title, body=shown(body)),
            t(
                "write it as two ranges: {first}-{high},{low}-{last}",
                first=first,
                high=spec.high,
                low=spec.low,
                last=last,
            ),
        )
    return f"{start}-{end}"


def _value(spec: _Field, text: str) -> int:
    if text in spec.names:
        return spec.names[text]
    if not _NUMBER.match(text):
        raise _not_a_value(spec, text)
    number = int(text)
    if not spec.low <= number <= spec.high:
        raise bad_cron(
            t(
                "{field} must be {low}-{high}, got {number}",
                field=spec.title,
                low=spec.low,
                high=spec.high,
                number=number,
            ),
            t("use {low}-{high}, *, ranges, lists and steps", low=spec.low, high=spec.high),
        )
    return number


def _not_a_value(spec: _Field, text: str) -> ScheduleInvalid:
    span = {"low": spec.low, "high": spec.high}
    hint = t("use {low}-{high}, *, ranges, lists and steps", **span)
    if text == "R":
        hint = t("random times are not supported; jitter_seconds spreads the load")
    elif text == "?":
        hint = t("use * in place of ?")
    elif spec is _WEEKDAY and text == "L":
        hint = t("5L or FRIL is the last Friday of the month")
    elif spec.names:
        hint = t(
            "use {low}-{high}, *, ranges, lists and steps, or names such as {name}", name=next(iter(spec.names)), **span
        )
    if not text:
        return bad_cron(t("{field} has an empty value", field=spec.title), hint)
    return bad_cron(t("{field} cannot read {text}", field=spec.title, text=shown(text)), hint)
