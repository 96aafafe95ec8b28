"""Times, lengths of time and numbers in the reader's words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from babel.numbers import format_decimal

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
Translate = Callable[[str], str]
_UNITS = ((86_400, "{count} d"), (3_600, "{count} h"), (60, "{count} min"), (1, "{count} s"))


class Words:
    """What templates call; every moment they get is RFC 3339 text or None.

    Args:
        translate: A message in the reader's language.
        now: When the page is drawn.
        zone: By whose clocks the reader lives.
        language: By whose habits numbers are written.
    """

    def __init__(self, translate: Translate, now: datetime, zone: ZoneInfo, language: str) -> None:
        self._translate = translate
        self._language = language
        self.now = now
        self.zone = zone

    def clock(self, text: str) -> str:
        """`08:30` today, `25 Nov, 08:30` on other days of this year, with the year in others."""
        moment, now = moment_of(text).astimezone(self.zone), self.now.astimezone(self.zone)
        if moment.date() == now.date():
            return f"{moment:%H:%M}"
        month = self._translate(MONTHS[moment.month - 1])
        year = "" if moment.year == now.year else f" {moment.year}"
        return f"{moment.day} {month}{year}, {moment:%H:%M}"

    def stamp(self, text: str) -> str:
        """The same with the name of the time: `08:30 EET`."""
        return f"{self.clock(text)} {moment_of(text).astimezone(self.zone):%Z}"

    def second(self, text: str) -> str:
        """`08:30:15`."""
        return f"{moment_of(text).astimezone(self.zone):%H:%M:%S}"

    def day(self, text: str) -> str:
        """`Mon 30 Nov, 08:30`, by the clock that the text itself is of."""
        moment = datetime.fromisoformat(text)
        day, month = self._translate(DAYS[moment.weekday()]), self._translate(MONTHS[moment.month - 1])
        return f"{day} {moment.day} {month}, {moment:%H:%M}"

    def distance(self, text: str) -> str:
        """`in 2 h 5 min` or `3 min ago`, seen from now."""
        seconds = (moment_of(text) - self.now).total_seconds()
        if abs(seconds) < 1:
            return self._translate("now")
        pattern = "in {time}" if seconds > 0 else "{time} ago"
        return self._translate(pattern).format(time=self.length(abs(seconds)))

    def took(self, start: str | None, end: str | None) -> str:
        """How long something took; empty where it has not begun or not ended."""
        if start is None or end is None:
            return ""
        return self.length((moment_of(end) - moment_of(start)).total_seconds())

    def number(self, value: float) -> str:
        """With one decimal at most, in groups of three: `1,204.5`, `1.204,5`, `1 204,5`."""
        return str(format_decimal(value, format="#,##0.#", locale=self._language))

    def length(self, seconds: float) -> str:
        """A length of time in its two largest units: `8.6 s`, `3 min 20 s`, `2 d 4 h`."""
        if seconds < 1:
            return self._translate("{count} ms").format(count=max(0, round(seconds * 1000)))
        if seconds < 10:
            return self._translate("{count} s").format(count=self.number(seconds))
        whole = int(seconds)
        parts: list[str] = []
        for size, pattern in _UNITS:
            count, whole = divmod(whole, size)
            if count or parts:
                parts.append(self._translate(pattern).format(count=count) if count else "")
            if len(parts) == 2:
                break
        return " ".join(part for part in parts if part)


def moment_of(text: str) -> datetime:
    """The moment that RFC 3339 text says, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
