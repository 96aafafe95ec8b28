"""Senders as threads: one that hangs or breaks takes nothing from the others."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from app.domain.errors import NotFound, Unavailable
from app.domain.webhooks import Webhook, WebhookDelivery
from app.services.webhook_sending import Seen, WebhookSending
from tests.servers import wait_for
from workers.webhook_senders import OF_ONE, WebhookSenders

NOW = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)


class Scripted:
    """A sending whose deliveries fare as their webhook is called: `hang`, `gone`, `away`, `crash` or any other."""

    def __init__(self, *webhooks: str) -> None:
        self.waiting = deque(delivery(name) for name in webhooks)
        self.sent: list[str] = []
        self.hanging: list[str] = []
        self.release = threading.Event()
        self.looks = 0

    def look(self) -> Seen:
        self.looks += 1
        return Seen((), due=bool(self.waiting))

    def plan(self, webhooks: Sequence[Webhook]) -> bool:
        return False

    def claim(self, beside: Sequence[str]) -> WebhookDelivery | None:
        found = next((one for one in self.waiting if one.webhook_id not in beside), None)
        if found is not None:
            self.waiting.remove(found)
        return found

    def send(self, claimed: WebhookDelivery) -> None:
        name = claimed.webhook_id
        if name == "hang":
            self.hanging.append(name)
            self.release.wait(10)
        if name in FAILURES:
            raise FAILURES[name]
        self.sent.append(name)


FAILURES = {"gone": NotFound(), "away": Unavailable(), "crash": RuntimeError("a defect")}


def delivery(webhook_id: str) -> WebhookDelivery:
    return WebhookDelivery(
        id="d", webhook_id=webhook_id, event_id=None, topic="t", body="{}", next_at=NOW, created_at=NOW
    )


@pytest.fixture
def started() -> Iterator[Any]:
    """Starts senders for a script, and ends them."""
    made: list[tuple[Scripted, WebhookSenders]] = []

    def start(*webhooks: str, senders: int = 4) -> Scripted:
        script = Scripted(*webhooks)
        made.append((script, WebhookSenders(cast(WebhookSending, script), poll=0.01, senders=senders)))
        made[-1][1].start()
        return script

    yield start
    for script, senders in made:
        script.release.set()
        senders.stop()


def test_one_that_hangs_leaves_threads_to_the_others(started: Any) -> None:
    script = started(*["hang"] * 6, "a", "b", "c")
    wait_for(lambda: sorted(script.sent) == ["a", "b", "c"], what="the others")
    assert len(script.hanging) == OF_ONE


@pytest.mark.parametrize("trouble", ["gone", "away", "crash"])
def test_no_trouble_ends_a_sender(started: Any, trouble: str) -> None:
    script = started(trouble, trouble, "a", "b", senders=1)
    wait_for(lambda: script.sent == ["a", "b"], what="the others")


def test_what_comes_later_is_seen(started: Any) -> None:
    script = started()
    wait_for(lambda: script.looks > 2, what="looks")
    script.waiting.append(delivery("a"))
    wait_for(lambda: script.sent == ["a"], what="the delivery")


def test_after_a_stop_nothing_is_begun() -> None:
    script = Scripted()
    senders = WebhookSenders(cast(WebhookSending, script), poll=0.01)
    senders.start()
    senders.stop()
    script.waiting.append(delivery("a"))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("webhook")]
    assert script.sent == []
