"""Values of recurrence rules: date-times, numbers and lists, each with its bounds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from app.domain.schedules import zones
from app.domain.schedules.refusals import bad_expr, shown
from app.domain.texts import t

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_MAX_VALUES = 100
_NUMBER = re.compile(r"[+-]?[0-9]{1,12}\Z")
_WEEKDAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)\Z")
_STAMP = re.compile(r"([0-9]{8})(?:T([0-9]{6})(Z)?)?\Z")
_MAX_NTH = 53


@dataclass(frozen=True, slots=True)
class Stamp:
    """A DATE or DATE-TIME as written: `utc` when it ended in Z, `whole_day` when it had no time."""

    moment: datetime
    utc: bool = False
    whole_day: bool = False

    def instant(self, zone: ZoneInfo) -> datetime:
        """The instant meant, readings without Z being those of `zone`."""
        return self.moment.replace(tzinfo=UTC) if self.utc else zones.localise(zone, self.moment)

    def wall(self, zone: ZoneInfo) -> datetime:
        """What the clocks of `zone` show then."""
        return zones.wall_at(zone, self.moment.replace(tzinfo=UTC)) if self.utc else self.moment


def read_stamp(name: str, text: str, years: range) -> Stamp:
    """`20300517`, `20300517T090000` or `20300517T090000Z`; raises `ScheduleInvalid` naming `name`."""
    form = _STAMP.match(text)
    sign = "=" if name == "UNTIL" else ":"
    hint = t("write it as {name}{sign}20300517T090000, or with a final Z for UTC", name=name, sign=sign)
    if not form:
        raise bad_expr(t("{name} cannot read the date {text}", name=name, text=shown(text)), hint)
    try:
        # A reading of clocks: its zone is decided elsewhere.
        moment = datetime.strptime(form[1] + (form[2] or "000000"), "%Y%m%d%H%M%S")  # noqa: DTZ007
    except ValueError as error:
        raise bad_expr(
            t("{name} {text} is not a date and time that exists", name=name, text=shown(text)), hint
        ) from error
    if moment.year not in years:
        raise bad_expr(
            t(
                "the year of {name} must be {low}-{high}, got {year}",
                name=name,
                low=years[0],
                high=years[-1],
                year=moment.year,
            )
        )
    return Stamp(moment, utc=bool(form[3]), whole_day=form[2] is None)


def read_number(name: str, text: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    if not _NUMBER.match(text):
        raise bad_expr(t("{name} must be a whole number, got {text}", name=name, text=shown(text)))
    if not low <= int(text) <= high:
        raise bad_expr(t("{name} must be {low}-{high}, got {number}", name=name, low=low, high=high, number=int(text)))
    return int(text)


def read_numbers(name: str, text: str, low: int, high: int, *, signed: bool) -> tuple[int, ...]:
    """A list of numbers; with `signed`, also those that count from the end. Ascending, each once."""
    found: set[int] = set()
    for item in _items(name, text):
        if not _NUMBER.match(item):
            raise bad_expr(t("{name} must list whole numbers, got {item}", name=name, item=shown(item)))
        number = int(item)
        if not low <= (abs(number) if signed else number) <= high:
            allowed = t("{low}-{high} or -{high} to -{low}", low=low, high=high) if signed else f"{low}-{high}"
            raise bad_expr(t("{name} must be {allowed}, got {number}", name=name, allowed=allowed, number=number))
        found.add(number)
    return tuple(sorted(found))


def read_weekday(name: str, text: str) -> int:
    """`MO` to `SU`, Monday = 0."""
    if text not in WEEKDAYS:
        raise bad_expr(
            t("{name} must be one of {names}, got {text}", name=name, names=", ".join(WEEKDAYS), text=shown(text))
        )
    return WEEKDAYS.index(text)


def read_weekdays(text: str) -> tuple[tuple[int, int], ...]:
    """BYDAY: pairs (n, weekday), n = 0 where none is written."""
    found: set[tuple[int, int]] = set()
    for item in _items("BYDAY", text):
        form = _WEEKDAY.match(item)
        if not form:
            hint = t("write days as MO, 2FR (second Friday) or -1SU (last Sunday)")
            raise bad_expr(t("BYDAY cannot read {item}", item=shown(item)), hint)
        nth = int(form[1] or 0)
        if form[1] and not 1 <= abs(nth) <= _MAX_NTH:
            raise bad_expr(
                t("BYDAY counts from 1 to {limit} or back from -1, got {item}", limit=_MAX_NTH, item=shown(item))
            )
        found.add((nth, WEEKDAYS.index(form[2])))
    return tuple(sorted(found, key=lambda pair: (pair[1], pair[0])))


def _items(name: str, text: str) -> list[str]:
    items = text.split(",")
    if len(items) > _MAX_VALUES:
        raise bad_expr(
            t("{name} may list at most {limit} values, got {given}", name=name, limit=_MAX_VALUES, given=len(items))
        )
    return items
