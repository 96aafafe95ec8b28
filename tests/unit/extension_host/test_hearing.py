"""What an extension hears in somebody's name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from app.domain.access import NOBODY, extension_caller
from app.domain.events import TopicPattern
from app.extension_host.contexts import GrantedEvents
from ordinaut import Caller, Capability, Event


class Door:
    """Remembers what was asked for."""

    def __init__(self) -> None:
        self.asked: list[TopicPattern] = []

    def listen(
        self, pattern: str | TopicPattern, last_id: str | None, *, idle_seconds: float
    ) -> Iterator[Event | None]:
        self.asked.append(pattern if isinstance(pattern, TopicPattern) else TopicPattern.parse(pattern))
        return iter(())

    def recent(self, pattern: str | TopicPattern, count: int) -> Sequence[Event]:
        self.listen(pattern, None, idle_seconds=0)
        return ()

    def publish(self, topic: str, payload: Any, *, source: str) -> Any:
        raise AssertionError


@pytest.mark.parametrize(
    ("caller", "hears"),
    [
        (Caller("root", frozenset({"admin"})), True),
        (Caller("ana", frozenset({"events:read", "tasks:read:all"})), True),
        (Caller("bob", frozenset({"events:read", "ext:shop:routes"})), False),
        (NOBODY, False),
        # at work for itself, by its grant
        (extension_caller("shop"), True),
        (extension_caller("other"), False),
    ],
)
def test_news_of_everybodys_tasks_are_for_who_may_see_these(caller: Caller, hears: bool) -> None:
    door = Door()
    events = GrantedEvents("shop", frozenset({Capability.EVENTS_SUB}), door, None, lambda: caller)
    events.listen("task.*, shop.**")
    events.recent("task.created, shop.**")
    assert [pattern.matches("task.created") for pattern in door.asked] == [hears, hears]
    assert all(pattern.matches("shop.sold") for pattern in door.asked)
