"""What happens, told as events: `emit` names one with its facts, subscribers turn them into logs and metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Subscriber = Callable[[str, dict[str, Any]], None]

_subscribers: list[Subscriber] = []


def attach(subscriber: Subscriber) -> None:
    """Call `subscriber(event, facts)` for every event of this process from now on."""
    if subscriber not in _subscribers:
        _subscribers.append(subscriber)


def detach(subscriber: Subscriber) -> None:
    """Call it no more; one that is not attached is fine."""
    if subscriber in _subscribers:
        _subscribers.remove(subscriber)


def emit(event: str, **facts: Any) -> None:
    """Tell that something happened; `event` is dotted and in the past tense, an exception goes under `error`."""
    for subscriber in _subscribers:
        subscriber(event, facts)
