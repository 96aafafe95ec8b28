"""Schedules without times: tasks that events start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from app.domain.errors import InvalidInput, ScheduleInvalid
from app.domain.events import TopicPattern
from app.domain.schedules import zones
from app.domain.schedules.model import Firing
from app.domain.schedules.refusals import required_text
from app.domain.texts import any_of, t
from app.domain.triggers import event_condition


@dataclass(frozen=True, slots=True)
class OnEvent:
    """Started by events whose topic a pattern means, or for which a condition holds."""

    kind: str
    expr: str
    timezone: str
    words: str

    def upcoming(self, after: datetime) -> Iterator[Firing]:
        """Nothing."""
        return iter(())

    def next_after(self, moment: datetime) -> datetime | None:
        """None."""
        return None

    def describe(self) -> str:
        """Such as "On every event of shop.order.*"."""
        return self.words


def parse_event(expr: str | None, timezone: str) -> OnEvent:
    """Reads a topic pattern, see `TopicPattern`."""
    zones.find_zone(timezone)
    text = required_text(expr, "shop.order.*")
    try:
        pattern = TopicPattern.parse(text, "/schedule_expr")
    except InvalidInput as error:
        raise ScheduleInvalid(error.problems) from None
    return OnEvent("event", text, timezone, _words(pattern))


def parse_condition(expr: str | None, timezone: str) -> OnEvent:
    """Reads a JMESPath expression over `{topic, payload}`."""
    zones.find_zone(timezone)
    text = required_text(expr, "topic == 'shop.order' && payload.total > 100")
    try:
        event_condition(text)
    except InvalidInput as error:
        raise ScheduleInvalid(error.problems) from None
    words = t("On every event for which {condition} holds", condition=" ".join(text.split()))
    return OnEvent("condition", text, timezone, words)


def _words(pattern: TopicPattern) -> str:
    included, excluded = ([".".join(part) for part in parts] for parts in (pattern.included, pattern.excluded))
    if not excluded:
        return t("On every event of {topics}", topics=any_of(included))
    return t("On every event of {topics}, but not {others}", topics=any_of(included), others=any_of(excluded))
