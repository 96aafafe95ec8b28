"""How this package says no: always a `ScheduleInvalid` that points at the field to mend."""

from __future__ import annotations

from app.domain.errors import Problem, ScheduleInvalid

MAX_EXPR = 2000
_EXAMPLES = "docs/schedules.md has examples of every kind"


def bad_expr(message: str, hint: str = _EXAMPLES) -> ScheduleInvalid:
    """The expression is wrong: `/schedule_expr`."""
    return ScheduleInvalid([Problem("/schedule_expr", message, hint)])


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
        raise bad_expr("schedule_expr is required for this kind of schedule", f"for example {example}")
    if len(expr) > MAX_EXPR:
        raise bad_expr(f"schedule_expr must have at most {MAX_EXPR} characters, got {len(expr)}")
    return expr.strip()
