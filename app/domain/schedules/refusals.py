"""How this package says no: always a `ScheduleInvalid` that points at the field to mend."""

from __future__ import annotations

from app.domain.errors import Problem, ScheduleInvalid
from app.domain.texts import t

MAX_EXPR = 2000
_EXAMPLES = t("docs/schedules.md has examples of every kind")


def bad_expr(message: str, hint: str = _EXAMPLES) -> ScheduleInvalid:
    """The expression is wrong: `/schedule_expr`."""
    return ScheduleInvalid([Problem("/schedule_expr", message, hint)])


def bad_cron(message: str, hint: str = _EXAMPLES) -> ScheduleInvalid:
    """The same, of a cron expression: the founding document has one sentence for all that can be wrong with it."""
    return ScheduleInvalid([Problem("/schedule_expr", message, hint, t("Invalid cron expression"))])


def bad_timezone(message: str, hint: str = "") -> ScheduleInvalid:
    """The time zone is wrong: `/timezone`."""
    return ScheduleInvalid([Problem("/timezone", message, hint)])


def bad_kind(message: str, hint: str = "") -> ScheduleInvalid:
    """The kind is wrong: `/schedule_kind`."""
    return ScheduleInvalid([Problem("/schedule_kind", message, hint)])


def shown(text: str, limit: int = 40) -> str:
    """The user's text as a message may repeat it: quoted, printable and short."""
    return ascii(text if len(text) <= limit else text[: limit - 3] + "...")


def required_text(expr: str | None, example: str) -> str:
    """The expression without outer blanks; raises `ScheduleInvalid` when it is missing or over long."""
    if expr is None or not expr.strip():
        raise bad_expr(
            t("schedule_expr is required for this kind of schedule"), t("for example {example}", example=example)
        )
    if len(expr) > MAX_EXPR:
        raise bad_expr(
            t("schedule_expr must have at most {limit} characters, got {given}", limit=MAX_EXPR, given=len(expr))
        )
    return expr.strip()
