"""Webhooks out: addresses that are told of events, signed as Standard Webhooks says, until they have taken them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol

from app.domain.clock import rfc3339
from app.domain.events import PLATFORM, TopicPattern
from app.domain.hooks import HookUnit
from app.domain.json_text import to_json
from app.domain.paging import Page
from ordinaut import Event

PAUSES: Final = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds from one attempt to the next; after the tenth there is no more: about three days in all."""
MOST_TRIES: Final = len(PAUSES) + 1
JITTER: Final = 0.2
"""By how much of itself a pause may be longer: what failed together must not come back together."""
LONGEST_PAUSE: Final = 86_400
SEND_SECONDS: Final = 15.0
"""How long a receiver may take, where the lease of a delivery is at least twice as long."""
GONE: Final = 410
LEAST_FAILURES: Final = 10
"""Attempts in a row that have to fail, however long it takes, before a webhook is switched off."""
DISABLED: Final = "webhook.disabled"
TESTED: Final = "webhook.test"
EXCERPT: Final = 300

DeliveryStatus = Literal["pending", "delivered", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address with the events it is told of.

    Attributes:
        topics: A pattern.
        since: Position of the newest event when it was switched on: it is told of later ones only.
        failures: Attempts that have failed in a row, and since when.
        trouble: Why it was switched off, if the platform did it.
    """

    id: str
    url: str
    topics: str
    description: str
    enabled: bool
    since: int
    failures: int = 0
    failing_since: datetime | None = None
    trouble: str | None = None
    created_by: str
    created_at: datetime
    updated_at: datetime

    def wants(self, topic: str, *, sees_all: bool) -> bool:
        """Whether it is told of a topic; of the platform's own only where it names them and its maker may hear them."""
        pattern = TopicPattern.parse(self.topics, "/topics")
        family = topic.partition(".")[0]
        own = family in PLATFORM
        return pattern.matches(topic) and (not own or (sees_all and pattern.names(family)))


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    """One event on its way to one address.

    Attributes:
        id: Also its `webhook-id`, which stays the same over all attempts.
        event_id: None for a test.
        tries: Attempts of the present series, begun ones included; a replay begins a new series.
        next_at: When it is due; while it is being sent, when its sender is given up.
    """

    id: str
    webhook_id: str
    event_id: str | None
    topic: str
    body: str
    status: DeliveryStatus = "pending"
    tries: int = 0
    next_at: datetime | None
    created_at: datetime
    finished_at: datetime | None = None

    @property
    def message_id(self) -> str:
        """As receivers see it."""
        return f"msg_{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt, as it ended.

    Attributes:
        status_code: None where no answer came, `error` says why.
        retry_after: Seconds that the receiver asks for.
    """

    at: datetime
    ms: int
    status_code: int | None = None
    error: str | None = None
    excerpt: str = ""
    retry_after: int | None = None

    @property
    def taken(self) -> bool:
        """Whether the receiver has it."""
        return self.status_code is not None and 200 <= self.status_code < 300


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a delivery after an attempt."""

    status: DeliveryStatus
    next_at: datetime | None = None


def verdict(tries: int, attempt: Attempt, now: datetime, jitter: float) -> Verdict:
    """Delivered, to be tried again, or given up.

    Args:
        tries: Attempts so far, this one included.
        jitter: 0 to 1.
    """
    if attempt.taken:
        return Verdict("delivered")
    if attempt.status_code == GONE or tries >= MOST_TRIES:
        return Verdict("failed")
    pause = PAUSES[tries - 1] * (1 + JITTER * jitter)
    asked = min(attempt.retry_after or 0, LONGEST_PAUSE)
    return Verdict("pending", now + timedelta(seconds=max(pause, asked)))


def judged(webhook: Webhook, attempt: Attempt, patience: timedelta) -> Webhook:
    """The webhook after an attempt: switched off where the receiver is gone, or has failed for too long."""
    if attempt.taken:
        return replace(webhook, failures=0, failing_since=None)
    since, failures = webhook.failing_since or attempt.at, webhook.failures + 1
    trouble: str | None = None
    if attempt.status_code == GONE:
        trouble = "gone"
    elif failures >= LEAST_FAILURES and attempt.at - since >= patience:
        trouble = "failing"
    after = replace(webhook, failures=failures, failing_since=since)
    return replace(after, enabled=False, trouble=trouble) if trouble else after


def message(event: Event) -> str:
    """The body that tells of an event: `type`, `timestamp` and `data`, as Standard Webhooks recommends, and its id."""
    return _body(event.topic, event.published_at, event.data, id=event.id, source_agent_id=event.source)


def trial(webhook_id: str, now: datetime) -> str:
    """The body of a test."""
    return _body(TESTED, now, {"webhook_id": webhook_id})


def _body(topic: str, moment: datetime, data: Mapping[str, Any], **more: str) -> str:
    return to_json({"type": topic, "timestamp": rfc3339(moment), "data": data, **more}).decode()


class Post(Protocol):
    """Sends one signed message; `app.tools.webhooks`. Never raises for what the receiver does."""

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes, *, seconds: float) -> Attempt: ...


class CheckUrl(Protocol):
    """Refuses what is no address to send to; `app.tools.webhooks`."""

    def __call__(self, url: str) -> None:
        """Raises InvalidInput at `/url`."""


class WebhookStore(Protocol):
    """Webhooks and their deliveries, inside a unit of work."""

    def add(self, webhook: Webhook) -> None: ...

    def get(self, webhook_id: str, *, lock: bool = False) -> Webhook:
        """The webhook, or NotFound."""

    def save(self, webhook: Webhook) -> None: ...

    def delete(self, webhook_id: str) -> None:
        """Remove it with its deliveries."""

    def page(self, owner: str | None, *, limit: int, offset: int) -> Page[Webhook]:
        """Newest first: everybody's, or one agent's."""

    def enabled(self) -> Sequence[Webhook]:
        """All that are on, oldest first."""

    def reached(self, *, lock: bool = False) -> int | None:
        """Position of the last event that was looked at; with `lock`, None while another process looks."""

    def reach(self, position: int) -> None: ...

    def add_deliveries(self, new: Sequence[WebhookDelivery]) -> None: ...

    def delivery(self, webhook_id: str, delivery_id: str) -> WebhookDelivery:
        """The delivery, or NotFound."""

    def deliveries(self, webhook_id: str, *, limit: int, offset: int) -> Page[WebhookDelivery]:
        """Newest first."""

    def attempts(self, delivery_ids: Sequence[str]) -> Mapping[str, Sequence[Attempt]]:
        """Of each of these, in order."""

    def is_due(self, now: datetime) -> bool:
        """Whether there is anything to claim."""

    def claim(self, now: datetime, until: datetime, *, beside: Sequence[str]) -> WebhookDelivery | None:
        """The delivery that has been due for longest, now its caller's `until` then; none of the webhooks `beside`."""

    def settle(self, claimed: WebhookDelivery, verdict: Verdict, attempt: Attempt) -> bool:
        """Store how an attempt ended; False when the delivery is another sender's by now."""

    def again(self, delivery_id: str, now: datetime) -> None:
        """Begin a new series of attempts."""

    def give_up(self, webhook_id: str, now: datetime) -> int:
        """End what is still pending; how many that were."""

    def purge(self, before: datetime, limit: int) -> int:
        """Delete finished deliveries that were made before then; how many."""


class WebhookUnit(HookUnit, Protocol):
    """A unit of work with the store of webhooks."""

    @property
    def webhooks(self) -> WebhookStore: ...


class WebhookUnits(Protocol):
    """Opens such units, see `app.domain.ports.UnitsOfWork`."""

    def __call__(self, *, read_only: bool = False) -> AbstractContextManager[WebhookUnit]: ...
