"""What becomes of deliveries and of those who do not take them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.webhooks import MOST_TRIES, Attempt, Verdict, Webhook, judged, message, verdict
from ordinaut import Event

NOW = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
PATIENCE = timedelta(days=5)


def attempt(status: int | None, *, after: int | None = None, at: datetime = NOW) -> Attempt:
    return Attempt(at=at, ms=1, status_code=status, error=None if status else "no answer", retry_after=after)


def webhook(**fields: Any) -> Webhook:
    base: dict[str, Any] = {"id": "w", "url": "https://a.example/", "topics": "shop.**", "description": ""}
    base |= {"enabled": True, "since": 0, "created_by": "ana", "created_at": NOW, "updated_at": NOW}
    return Webhook(**{**base, **fields})


def later(seconds: float) -> Verdict:
    return Verdict("pending", NOW + timedelta(seconds=seconds))


VERDICTS = [
    (1, attempt(200), Verdict("delivered")),
    (9, attempt(204), Verdict("delivered")),
    (1, attempt(500), later(5)),
    (1, attempt(None), later(5)),
    # Redirects are not followed.
    (2, attempt(302), later(300)),
    (9, attempt(400), later(86_400)),
    (10, attempt(500), Verdict("failed")),
    # A sender that died over the last attempt does not take it away.
    (11, attempt(500), Verdict("failed")),
    (11, attempt(200), Verdict("delivered")),
    (1, attempt(410), Verdict("failed")),
    # Whoever asks for patience gets it, a day at most, and never less than we would wait anyway.
    (1, attempt(429, after=60), later(60)),
    (2, attempt(503, after=1), later(300)),
    (1, attempt(503, after=10**6), later(86_400)),
]


@pytest.mark.parametrize(("tries", "how", "expected"), VERDICTS)
def test_what_follows_an_attempt(tries: int, how: Attempt, expected: Verdict) -> None:
    assert verdict(tries, how, NOW, 0) == expected


@given(tries=st.integers(1, MOST_TRIES - 1), jitter=st.floats(0, 1))
def test_a_pause_grows_by_a_fifth_at_most(tries: int, jitter: float) -> None:
    plain, spread = (verdict(tries, attempt(500), NOW, one).next_at for one in (0, jitter))
    assert plain is not None and spread is not None
    assert NOW < plain <= spread <= NOW + (plain - NOW) * 1.2 + timedelta(microseconds=1)


LONG_AGO = NOW - PATIENCE
JUDGED = [
    # Before, the attempt, and what is left: enabled, failures, trouble.
    (webhook(), attempt(200), (True, 0, None)),
    (webhook(), attempt(500), (True, 1, None)),
    (webhook(failures=3, failing_since=LONG_AGO), attempt(200), (True, 0, None)),
    (webhook(), attempt(410), (False, 1, "gone")),
    # For long enough and often enough, both.
    (webhook(failures=9, failing_since=LONG_AGO), attempt(500), (False, 10, "failing")),
    (webhook(failures=8, failing_since=LONG_AGO), attempt(500), (True, 9, None)),
    (webhook(failures=99, failing_since=LONG_AGO + timedelta(seconds=1)), attempt(None), (True, 100, None)),
]


@pytest.mark.parametrize(("before", "how", "expected"), JUDGED)
def test_who_fails_for_too_long_is_switched_off(
    before: Webhook, how: Attempt, expected: tuple[bool, int, str | None]
) -> None:
    after = judged(before, how, PATIENCE)
    assert (after.enabled, after.failures, after.trouble) == expected
    assert after.failing_since == (None if how.taken else before.failing_since or NOW)


WANTED = [
    ("shop.**", "shop.order.paid", False, True),
    ("shop.*", "stock.low", False, False),
    # What the platform tells goes to those who name it and may hear it.
    ("run.failed", "run.failed", True, True),
    ("run.failed", "run.failed", False, False),
    ("**", "run.failed", True, False),
    ("**, !shop.**", "shop.paid", True, False),
]


@pytest.mark.parametrize(("topics", "topic", "sees_all", "wanted"), WANTED)
def test_a_webhook_is_told_of_what_it_names_and_may_hear(topics: str, topic: str, sees_all: bool, wanted: bool) -> None:
    assert webhook(topics=topics).wants(topic, sees_all=sees_all) is wanted


def test_a_message_has_the_shape_that_the_standard_recommends() -> None:
    event = Event(id="7-0", topic="shop.paid", data={"order": 7}, published_at=NOW, source="ana", depth=0)
    assert json.loads(message(event)) == {
        "type": "shop.paid",
        "timestamp": "2026-11-24T08:30:00Z",
        "data": {"order": 7},
        "id": "7-0",
        "source_agent_id": "ana",
    }
