"""Schedules in Russian."""

from __future__ import annotations

from collections.abc import Iterable

from app.domain.schedules.shape import WHOLE_WEEK, WORKING_WEEK, Moment, Reading, Shape, Until, span_of

# Monday first: nominative, genitive, dative plural, accusative, the gender, and genitive plural.
_DAYS = (
    ("понедельник", "понедельника", "понедельникам", "понедельник", "m", "понедельников"),
    ("вторник", "вторника", "вторникам", "вторник", "m", "вторников"),
    ("среда", "среды", "средам", "среду", "f", "сред"),
    ("четверг", "четверга", "четвергам", "четверг", "m", "четвергов"),
    ("пятница", "пятницы", "пятницам", "пятницу", "f", "пятниц"),
    ("суббота", "субботы", "субботам", "субботу", "f", "суббот"),
    ("воскресенье", "воскресенья", "воскресеньям", "воскресенье", "n", "воскресений"),
)
WEEKDAYS = tuple(day[0] for day in _DAYS)
MONTHS = (
    "январь", "февраль", "март", "апрель", "май", "июнь",
    "июль", "август", "сентябрь", "октябрь", "ноябрь", "декабрь",
)  # fmt: skip
MONTHS_GENITIVE = (
    "января", "февраля", "марта", "апреля", "мая", "июня",
    "июля", "августа", "сентября", "октября", "ноября", "декабря",
)  # fmt: skip
_MONTHS_IN = (
    "январе", "феврале", "марте", "апреле", "мае", "июне",
    "июле", "августе", "сентябре", "октябре", "ноябре", "декабре",
)  # fmt: skip
# "Each one", then the unit after 1, 2-4 and 5 of it.
_UNITS = {
    "second": ("Каждую", "секунду", "секунды", "секунд"),
    "minute": ("Каждую", "минуту", "минуты", "минут"),
    "hour": ("Каждый", "час", "часа", "часов"),
    "day": ("Каждый", "день", "дня", "дней"),
    "week": ("Каждую", "неделю", "недели", "недель"),
    "month": ("Каждый", "месяц", "месяца", "месяцев"),
    "year": ("Каждый", "год", "года", "лет"),
}
# Accusative: masculine, feminine, neuter.
_ORDINALS = {
    1: ("первый", "первую", "первое"),
    2: ("второй", "вторую", "второе"),
    3: ("третий", "третью", "третье"),
    4: ("четвёртый", "четвёртую", "четвёртое"),
    5: ("пятый", "пятую", "пятое"),
    -1: ("последний", "последнюю", "последнее"),
    -2: ("предпоследний", "предпоследнюю", "предпоследнее"),
}
_GENDERS = {"m": 0, "f": 1, "n": 2}
_SUFFIXES = {"m": "й", "f": "ю", "n": "е"}


def in_russian(shape: Shape | Moment) -> str:
    """One sentence without a full stop, such as "С понедельника по пятницу в 08:30"."""
    if isinstance(shape, Moment):
        return f"Один раз, {_on(shape.wall.weekday())}, {_date(shape)}, в {_clock(_reading(shape))}"
    if not shape.short:
        return " ".join([_days(shape), *_times(shape)]) + _end(shape)
    sentence = " ".join([_every(shape.every, shape.unit), *_narrowed(shape)])
    if shape.limits_days:
        days = _days(shape)
        sentence += f", {days[:1].lower()}{days[1:]}"
    return sentence + _end(shape)


def form(count: int) -> int:
    """Which of three forms a noun takes after a number: 0 for 1 and 21, 1 for 2-4 and 22, 2 for 5 and 11."""
    if count % 10 == 1 and count % 100 != 11:
        return 0
    return 1 if count % 10 in (2, 3, 4) and count % 100 not in (12, 13, 14) else 2


def _every(count: int, unit: str) -> str:
    each, *forms = _UNITS[unit]
    if count == 1:
        return f"{each} {forms[0]}"
    return f"{each if form(count) == 0 else 'Каждые'} {count} {forms[form(count)]}"


def _days(shape: Shape) -> str:
    if not shape.named_by_weekdays:
        return " ".join([_every(shape.day_every, shape.day_unit), *_which(shape), *_inside(shape)])
    days = shape.plain_weekdays
    if len(days) == WHOLE_WEEK:
        words = "Каждый день"
    elif span := span_of(days):
        words = f"{_from(span[0]).capitalize()} по {_DAYS[span[1]][3]}"
    else:
        words = f"По {_list(_DAYS[day][2] for day in days)}"
    return " ".join([words, *_inside(shape)])


def _which(shape: Shape) -> list[str]:
    if shape.dated:
        return [_dates(shape)]
    found: list[str] = []
    if shape.positions:
        found.append(_list(_position(place, shape) for place in shape.positions))
    elif shape.weekdays:
        found.append(_weekday_list(shape))
    if shape.last_workday:
        found.append("в последний рабочий день")
    if shape.monthdays:
        found.append(_month_days(shape.monthdays))
    if shape.yeardays:
        found.append(f"{_list(_nth(day, 'день', 'm') for day in shape.yeardays)} года")
    if shape.weeks:
        found.append(_weeks(shape.weeks))
    if shape.within_month:
        found[-1] += f" {MONTHS_GENITIVE[shape.months[0] - 1]}"
    return found


def _inside(shape: Shape) -> list[str]:
    if not shape.months or shape.within_month:
        return []
    if span := span_of(shape.months):
        return [f"с {MONTHS_GENITIVE[span[0] - 1]} по {MONTHS[span[1] - 1]}"]
    return [f"в {_list(_MONTHS_IN[month - 1] for month in shape.months)}"]


def _dates(shape: Shape) -> str:
    """ "25 декабря", "1 и 15 января", "в последний день февраля"."""
    month = MONTHS_GENITIVE[shape.months[0] - 1]
    forward = [str(day) for day in shape.monthdays if day > 0]
    back = [f"{_nth(day, 'день', 'm')} {month}" for day in shape.monthdays if day < 0]
    return _list(([f"{_list(forward)} {month}"] if forward else []) + back)


def _month_days(days: tuple[int, ...]) -> str:
    forward = [f"{day}-го" for day in days if day > 0]
    back = [_nth(day, "день", "m") for day in days if day < 0]
    return _list(([f"{_list(forward)} числа"] if forward else []) + back)


def _weeks(weeks: tuple[int, ...]) -> str:
    forward = [f"{week}-й" for week in weeks if week > 0]
    back = ["последней" if week == -1 else f"{-week}-й с конца" for week in weeks if week < 0]
    return f"на {_list(forward + back)} {'неделе' if len(weeks) == 1 else 'неделях'}"


def _weekday_list(shape: Shape) -> str:
    plain = shape.plain_weekdays
    numbered = [_nth(nth, _DAYS[day][3], _DAYS[day][4]) for nth, day in shape.numbered_weekdays]
    return _list(([f"по {_list(_DAYS[day][2] for day in plain)}"] if plain else []) + numbered)


def _position(place: int, shape: Shape) -> str:
    """What the positions pick from."""
    days = shape.plain_weekdays
    if shape.monthdays or shape.yeardays or shape.weeks or shape.numbered_weekdays or not days:
        return _nth(place, "подходящий день", "m")
    if days == WORKING_WEEK:
        return _nth(place, "рабочий день", "m")
    if len(days) == WHOLE_WEEK:
        return _nth(place, "день", "m")
    if len(days) == 1:
        return _nth(place, _DAYS[days[0]][3], _DAYS[days[0]][4])
    return f"{_nth(place, 'день', 'm')} из {_list(_DAYS[day][5] for day in days)}"


def _nth(number: int, noun: str, gender: str) -> str:
    """ "во вторую пятницу", "в последний день", "в 12-й день", "в 5-й день с конца"."""
    if number in _ORDINALS:
        return f"{'во' if number == 2 else 'в'} {_ORDINALS[number][_GENDERS[gender]]} {noun}"
    ordinal = f"в {abs(number)}-{_SUFFIXES[gender]} {noun}"
    return ordinal if number > 0 else f"{ordinal} с конца"


def _on(day: int) -> str:
    return f"{'во' if day == 1 else 'в'} {_DAYS[day][3]}"


def _from(day: int) -> str:
    return f"{'со' if day in (1, 2) else 'с'} {_DAYS[day][1]}"


def _times(shape: Shape) -> list[str]:
    if shape.times:
        return [f"в {_list(_clock(reading) for reading in shape.times)}"]
    return [_many_times(shape.times_a_day)] if shape.times_a_day else []


def _many_times(count: int) -> str:
    return f"{count} {'раза' if form(count) == 1 else 'раз'}"


def _narrowed(shape: Shape) -> list[str]:
    found = []
    if shape.window:
        found.append(f"с {_clock(shape.window[0])} до {_clock(shape.window[1])}")
    if shape.minutes:
        noun = "минуте" if len(shape.minutes) == 1 else "минутах"
        found.append(f"на {_list(f'{minute}-й' for minute in shape.minutes)} {noun}")
    if shape.hours:
        hours = _list(_clock((hour, 0, 0)) for hour in shape.hours)
        found.append(f"в {'час' if len(shape.hours) == 1 else 'часы'} {hours}")
    if shape.seconds:
        noun = "секунде" if len(shape.seconds) == 1 else "секундах"
        found.append(f"на {_list(f'{second}-й' for second in shape.seconds)} {noun}")
    return found


def _end(shape: Shape) -> str:
    found = ""
    if shape.count:
        found += ", один раз" if shape.count == 1 else f", {_many_times(shape.count)}"
    if shape.until:
        found += f", {_until(shape.until)}"
    if shape.excluded:
        found += f", кроме {shape.excluded} {'даты' if form(shape.excluded) == 0 else 'дат'}"
    if shape.added:
        found += f", и ещё {shape.added} {('дата', 'даты', 'дат')[form(shape.added)]}"
    return found


def _until(until: Until) -> str:
    day = _date(until)
    return f"по {day}" if until.whole_day else f"до {day}, {_clock(_reading(until))}"


def _date(moment: Moment | Until) -> str:
    wall = moment.wall
    return f"{wall.day} {MONTHS_GENITIVE[wall.month - 1]} {wall.year} г."


def _reading(moment: Moment | Until) -> Reading:
    return moment.wall.hour, moment.wall.minute, moment.wall.second


def _clock(reading: Reading) -> str:
    hour, minute, second = reading
    return f"{hour:02d}:{minute:02d}:{second:02d}" if second else f"{hour:02d}:{minute:02d}"


def _list(words: Iterable[str]) -> str:
    items = list(words)
    return "".join(items) if len(items) < 2 else f"{', '.join(items[:-1])} и {items[-1]}"
