"""Webhooks out at work: events become deliveries, and deliveries are sent until they have been taken."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.domain.access import sees_all
from app.domain.clock import Clock
from app.domain.events import StoredEvent
from app.domain.ids import new_id
from app.domain.signatures import signed_headers
from app.domain.texts import t
from app.domain.webhooks import (
    DISABLED,
    SEND_SECONDS,
    Attempt,
    Post,
    Webhook,
    WebhookDelivery,
    WebhookUnits,
    judged,
    message,
    verdict,
)
from app.services.audit_trail import SYSTEM, Difference, entry
from app.services.lifecycle import Herald
from app.services.signing_secrets import SigningSecrets
from app.services.webhooks import READ
from app.telemetry import emit
from ordinaut import Caller

BATCH = 200
"""Events that become deliveries in one transaction."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to do.

    Attributes:
        webhooks: Those that are on, where there are events that have not been looked at.
        due: Whether a delivery is due.
    """

    webhooks: tuple[Webhook, ...] = ()
    due: bool = False


class WebhookSending:
    """What a sender does; any number of them may, in any number of processes.

    Args:
        caller: An agent with the scopes it holds now.
        patience: How long a receiver may fail until its webhook is switched off.
        lease: Seconds that a delivery is its sender's; sending may take half of them.
    """

    def __init__(
        self,
        *,
        units: WebhookUnits,
        clock: Clock,
        herald: Herald,
        secrets: SigningSecrets,
        post: Post,
        caller: Callable[[str], Caller],
        patience: timedelta,
        lease: float,
    ) -> None:
        self._units = units
        self._clock = clock
        self._herald = herald
        self._secrets = secrets
        self._post = post
        self._caller = caller
        self._patience = patience
        self._lease = timedelta(seconds=lease)
        self._seconds = min(SEND_SECONDS, lease / 2)

    def look(self) -> Seen:
        """What there is to do; one small question where nobody has a webhook."""
        with self._units(read_only=True) as unit:
            webhooks = unit.webhooks.enabled()
            if not webhooks:
                return Seen()
            news = unit.events.last() > (unit.webhooks.reached() or 0)
            return Seen(tuple(webhooks) if news else (), due=unit.webhooks.is_due(self._clock.now()))

    def plan(self, webhooks: Sequence[Webhook]) -> bool:
        """Make deliveries of the next events; whether there may be more of them.

        Each event becomes one delivery for each webhook that wants it: the place is moved in the same transaction.
        """
        callers = {one.created_by: self._caller(one.created_by) for one in webhooks}
        with self._units() as unit:
            place = unit.webhooks.reached(lock=True)
            if place is None:
                return False  # another process is at it
            webhooks = [one for one in unit.webhooks.enabled() if one.created_by in callers]
            # Nobody wants what came before the oldest of them was switched on.
            place = max(place, min((one.since for one in webhooks), default=place))
            # First: whatever is stored up to there, the next question sees; places that nobody used lie before it.
            last = unit.events.last()
            found = unit.events.after(place, None, BATCH)
            unit.webhooks.add_deliveries(
                [delivery for stored in found for delivery in self._deliveries(stored, webhooks, callers)]
            )
            full = len(found) == BATCH
            unit.webhooks.reach(found[-1].position if full else max(place, last))
        return full

    def _deliveries(
        self, stored: StoredEvent, webhooks: Sequence[Webhook], callers: Mapping[str, Caller]
    ) -> list[WebhookDelivery]:
        event, now = stored.event, self._clock.now()
        wanted = [
            one
            for one in webhooks
            if stored.position > one.since
            and callers[one.created_by].may(READ)
            and one.wants(event.topic, sees_all=sees_all(callers[one.created_by]))
        ]
        return [
            WebhookDelivery(
                id=new_id(),
                webhook_id=one.id,
                event_id=event.id,
                topic=event.topic,
                body=message(event),
                next_at=now,
                created_at=now,
            )
            for one in wanted
        ]

    def claim(self, beside: Sequence[str]) -> WebhookDelivery | None:
        """A delivery to `send`, of none of the webhooks `beside`; None when nothing is due."""
        now = self._clock.now()
        with self._units() as unit:
            return unit.webhooks.claim(now, now + self._lease, beside=beside)

    def send(self, claimed: WebhookDelivery) -> None:
        """Send it, and store how that ended; a sender that dies in between leaves it to be sent once more."""
        now = self._clock.now()
        with self._units(read_only=True) as unit:
            webhook = unit.webhooks.get(claimed.webhook_id)
            secrets = self._secrets.opened(unit.signing_secrets.of(webhook.id, now))
        if not webhook.enabled:
            # Planned while somebody switched it off: what was withdrawn is not told.
            with self._units() as unit:
                unit.webhooks.give_up(webhook.id, now)
            return
        if not secrets:
            # The receiver could not tell it from a stranger's, and has done nothing wrong.
            trouble = str(t("None of its secrets can be opened: see ORDINAUT_SECRET_KEYS"))
            attempt = Attempt(at=now, ms=0, error=trouble)
            self._settle(claimed, attempt, blame=False)
            return
        body = claimed.body.encode()
        signed = signed_headers(claimed.message_id, body, secrets, int(now.timestamp()))
        headers = {**signed, "Idempotency-Key": claimed.message_id}
        self._settle(claimed, self._post(webhook.url, headers, body, seconds=self._seconds))

    def _settle(self, claimed: WebhookDelivery, attempt: Attempt, *, blame: bool = True) -> None:
        now = self._clock.now()
        outcome = verdict(claimed.tries, attempt, now, random.random())
        with self._units() as unit:
            telling = self._herald.opened(unit, DISABLED)
            # Locked before its delivery, as whoever changes it does; else what they change would be undone here.
            before = unit.webhooks.get(claimed.webhook_id, lock=True)
            if not unit.webhooks.settle(claimed, outcome, attempt):
                return
            after = judged(before, attempt, self._patience) if blame else before
            if after != before:
                unit.webhooks.save(after)
            given_up = 0
            if before.enabled and not after.enabled:
                given_up = unit.webhooks.give_up(after.id, now)
                unit.audit.add(entry(now, SYSTEM, DISABLED, after.id, Difference(after={"why": after.trouble})))
                telling.tell(DISABLED, {"webhook_id": after.id, "why": after.trouble, "failures": after.failures})
        if before.enabled and not after.enabled:
            emit("webhook.disabled", webhook=after.id, why=after.trouble, given_up=given_up)
        emit(
            "webhook.sent",
            webhook=claimed.webhook_id,
            delivery=claimed.id,
            status=attempt.status_code,
            outcome="retried" if outcome.status == "pending" else outcome.status,
            seconds=attempt.ms / 1000,
        )
