"""What people mean by a schedule they write in one line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.domain.errors import InvalidInput
from app.domain.texts import t

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d")
_RULE = re.compile(r"(?:RRULE:|DTSTART[:;]|(?:[A-Z-]+=[^;]*;)*FREQ=)", re.IGNORECASE)
_FIELD = re.compile(r"[0-9A-Z*?,/#-]+", re.IGNORECASE)
EVENT = "event:"
_HINT = t(
    "Write a cron expression ('0 18 * * *'), an RRULE ('RRULE:FREQ=WEEKLY;BYDAY=MO'), an ISO instant "
    "('2030-05-17T09:00:00Z'), 'event:<topic>', or 'manual'; preview_schedule shows what it means"
)


@dataclass(frozen=True, slots=True)
class ScheduleLine:
    """A schedule as the services take it."""

    kind: str
    expr: str | None


def read_schedule(text: str, kind: str | None) -> ScheduleLine:
    """Tell the kind of a schedule by its text; `kind`, when it is given, wins.

    Raises:
        InvalidInput: at `/schedule`, when no kind is given and the text is of none that we know.
    """
    line = text.strip()
    if kind is not None:
        return _told(line, kind)
    if line.lower() == "manual":
        return ScheduleLine("manual", None)
    if line.lower().startswith(EVENT):
        return _told(line, "event")
    if _RULE.match(line):
        return ScheduleLine("rrule", line)
    if _MOMENT.match(line):
        return ScheduleLine("once", line)
    if line.startswith("@") or _looks_like_cron(line):
        return ScheduleLine("cron", line)
    text = t("{field} is of no kind that can be told from its text", field="'schedule'")
    raise InvalidInput.at("/schedule", text, _HINT)


def _told(line: str, kind: str) -> ScheduleLine:
    if kind == "manual" and line.lower() in ("", "manual"):
        return ScheduleLine(kind, None)
    if kind == "event" and line.lower().startswith(EVENT):
        return ScheduleLine(kind, line[len(EVENT) :].strip())
    return ScheduleLine(kind, line)


def _looks_like_cron(line: str) -> bool:
    """Five or six fields of cron's alphabet, one of them with a digit or a star."""
    fields = line.split()
    shaped = len(fields) in (5, 6) and all(_FIELD.fullmatch(field) for field in fields)
    return shaped and any(char.isdigit() or char == "*" for char in fields[0])
