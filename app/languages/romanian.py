"""Schedules in Romanian."""

from __future__ import annotations

from collections.abc import Iterable

from app.domain.schedules.shape import WHOLE_WEEK, WORKING_WEEK, Moment, Reading, Shape, Until, span_of

WEEKDAYS = ("luni", "marți", "miercuri", "joi", "vineri", "sâmbătă", "duminică")
MONTHS = (
    "ianuarie", "februarie", "martie", "aprilie", "mai", "iunie",
    "iulie", "august", "septembrie", "octombrie", "noiembrie", "decembrie",
)  # fmt: skip
_UNITS = {
    "second": ("În fiecare secundă", "secunde"),
    "minute": ("În fiecare minut", "minute"),
    "hour": ("În fiecare oră", "ore"),
    "day": ("În fiecare zi", "zile"),
    "week": ("În fiecare săptămână", "săptămâni"),
    "month": ("În fiecare lună", "luni"),
    "year": ("În fiecare an", "ani"),
}
_ORDINALS = {
    1: "prima", 2: "a doua", 3: "a treia", 4: "a patra", 5: "a cincea",
    -1: "ultima", -2: "penultima", -3: "antepenultima",
}  # fmt: skip


def in_romanian(shape: Shape | Moment) -> str:
    """One sentence without a full stop, such as "De luni până vineri la 08:30"."""
    if isinstance(shape, Moment):
        wall = shape.wall
        told = _clock((wall.hour, wall.minute, wall.second))
        return f"O singură dată, {WEEKDAYS[wall.weekday()]}, {_date(wall.day, wall.month)} {wall.year}, la {told}"
    if shape.short:
        parts = [_every(shape.every, shape.unit), *_narrowed(shape)]
        if shape.limits_days:
            days = _days(shape)
            parts.append(days[:1].lower() + days[1:])
        return ", ".join(parts) + _end(shape)
    days = _days(shape)
    # A sentence with several parts keeps its times apart; a short one reads on.
    separator = ", " if "," in days or shape.every > 1 or shape.times_a_day else " "
    return separator.join([days, *_times(shape)]) + _end(shape)


def counted(count: int, one: str, many: str) -> str:
    """ "o dată", "2 date", "20 de date"."""
    if count == 1:
        return one
    return f"{count} de {many}" if count % 100 == 0 or count % 100 > 19 else f"{count} {many}"


def _every(count: int, unit: str) -> str:
    one, many = _UNITS[unit]
    return one if count == 1 else f"La fiecare {counted(count, '', many)}"


def _days(shape: Shape) -> str:
    if not shape.named_by_weekdays:
        return ", ".join([_every(shape.day_every, shape.day_unit), *_which(shape), *_inside(shape)])
    days = shape.plain_weekdays
    if len(days) == WHOLE_WEEK:
        words = "În fiecare zi"
    elif span := span_of(days):
        words = f"De {WEEKDAYS[span[0]]} până {WEEKDAYS[span[1]]}"
    else:
        words = f"În fiecare {_list(WEEKDAYS[day] for day in days)}"
    return ", ".join([words, *_inside(shape)])


def _which(shape: Shape) -> list[str]:
    if shape.dated:
        return [_dates(shape)]
    found: list[str] = []
    if shape.positions:
        found.append(f"în {_list(_nth(place, _chosen(shape)) for place in shape.positions)}")
    elif shape.weekdays:
        found.append(_weekday_list(shape))
    if shape.last_workday:
        found.append("în ultima zi lucrătoare")
    if shape.monthdays:
        found.append(_month_days(shape.monthdays))
    if shape.yeardays:
        found.append(f"{_numbered(shape.yeardays, 'ziua', 'zilele', 'zi')} a anului")
    if shape.weeks:
        found.append(_numbered(shape.weeks, "săptămâna", "săptămânile", "săptămână"))
    if shape.within_month:
        found[-1] += f" din {MONTHS[shape.months[0] - 1]}"
    return found


def _inside(shape: Shape) -> list[str]:
    if not shape.months or shape.within_month:
        return []
    if span := span_of(shape.months):
        return [f"din {MONTHS[span[0] - 1]} până în {MONTHS[span[1] - 1]}"]
    return [f"în {_list(MONTHS[month - 1] for month in shape.months)}"]


def _dates(shape: Shape) -> str:
    """ "pe 25 decembrie", "pe 1 și 15 ianuarie", "în ultima zi din februarie"."""
    month = MONTHS[shape.months[0] - 1]
    separator = " " if shape.monthdays[-1] > 0 else " din "
    return f"{_month_days(shape.monthdays)}{separator}{month}"


def _month_days(days: tuple[int, ...]) -> str:
    forward = [str(day) for day in days if day > 0]
    back = [f"în {_nth(day, 'zi')}" for day in days if day < 0]
    return _list(([f"pe {_list(forward)}"] if forward else []) + back)


def _numbered(numbers: tuple[int, ...], one: str, several: str, noun: str) -> str:
    forward = [str(number) for number in numbers if number > 0]
    back = [f"în {_nth(number, noun)}" for number in numbers if number < 0]
    named = [f"în {one if len(forward) == 1 else several} {_list(forward)}"] if forward else []
    return _list(named + back)


def _weekday_list(shape: Shape) -> str:
    plain = [WEEKDAYS[day] for day in shape.plain_weekdays]
    numbered = [f"în {_nth(nth, WEEKDAYS[day])}" for nth, day in shape.numbered_weekdays]
    return _list(plain + numbered)


def _chosen(shape: Shape) -> str:
    """What the positions pick from; every such noun is feminine."""
    days = shape.plain_weekdays
    if shape.monthdays or shape.yeardays or shape.weeks or not shape.weekdays:
        return "potrivire"
    if not shape.numbered_weekdays:
        if days == WORKING_WEEK:
            return "zi lucrătoare"
        if len(days) == WHOLE_WEEK:
            return "zi"
        if len(days) == 1:
            return WEEKDAYS[days[0]]
    return f"zi dintre cele de {_weekday_list(shape)}"


def _nth(number: int, noun: str) -> str:
    """ "a doua vineri", "ultima zi", "a 12-a zi", "a 5-a zi de la sfârșit"."""
    if number in _ORDINALS:
        return f"{_ORDINALS[number]} {noun}"
    return f"a {number}-a {noun}" if number > 0 else f"a {-number}-a {noun} de la sfârșit"


def _times(shape: Shape) -> list[str]:
    if shape.times:
        return [f"la {_list(_clock(reading) for reading in shape.times)}"]
    return [f"de {counted(shape.times_a_day, '', 'ori')}"] if shape.times_a_day else []


def _narrowed(shape: Shape) -> list[str]:
    found = []
    if shape.window:
        found.append(f"între {_clock(shape.window[0])} și {_clock(shape.window[1])}")
    if shape.minutes:
        found.append(f"la {'minutul' if len(shape.minutes) == 1 else 'minutele'} {_list(map(str, shape.minutes))}")
    if shape.hours:
        hours = _list(_clock((hour, 0, 0)) for hour in shape.hours)
        found.append(f"în {'ora' if len(shape.hours) == 1 else 'orele'} {hours}")
    if shape.seconds:
        found.append(f"la {'secunda' if len(shape.seconds) == 1 else 'secundele'} {_list(map(str, shape.seconds))}")
    return found


def _end(shape: Shape) -> str:
    found = ""
    if shape.count:
        found += f", {'o singură dată' if shape.count == 1 else 'de ' + counted(shape.count, '', 'ori')}"
    if shape.until:
        found += f", până la {_until(shape.until)}"
    if shape.excluded:
        dates = "unei date" if shape.excluded == 1 else f"a {counted(shape.excluded, '', 'date')}"
        found += f", cu excepția {dates}"
    if shape.added:
        found += f", și în plus la {counted(shape.added, 'o dată', 'date')}"
    return found


def _until(until: Until) -> str:
    wall = until.wall
    day = f"{_date(wall.day, wall.month)} {wall.year}"
    return day if until.whole_day else f"{day}, {_clock((wall.hour, wall.minute, wall.second))}"


def _date(day: int, month: int) -> str:
    return f"{day} {MONTHS[month - 1]}"


def _clock(reading: Reading) -> str:
    hour, minute, second = reading
    return f"{hour:02d}:{minute:02d}:{second:02d}" if second else f"{hour:02d}:{minute:02d}"


def _list(words: Iterable[str]) -> str:
    items = list(words)
    return "".join(items) if len(items) < 2 else f"{', '.join(items[:-1])} și {items[-1]}"
