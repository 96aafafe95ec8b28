"""Webhooks out: the use cases of those who look after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from app.domain.access import check_changed, check_seen, owner_filter, sees_all
from app.domain.clock import Clock
from app.domain.errors import Conflict, Forbidden
from app.domain.events import PLATFORM, TopicPattern
from app.domain.ids import new_id
from app.domain.paging import Page
from app.domain.scopes import READ_ALL
from app.domain.texts import t
from app.domain.webhooks import (
    TESTED,
    Attempt,
    CheckUrl,
    Webhook,
    WebhookDelivery,
    WebhookUnit,
    WebhookUnits,
    trial,
)
from app.services.audit_trail import Difference, entry
from app.services.signing_secrets import SigningSecrets
from ordinaut import Caller

READ = "events:read"
Told = tuple[WebhookDelivery, Sequence[Attempt]]
"""A delivery with its attempts."""


class WebhookService:
    """The use cases."""

    def __init__(self, *, units: WebhookUnits, clock: Clock, secrets: SigningSecrets, check_url: CheckUrl) -> None:
        self._units = units
        self._clock = clock
        self._secrets = secrets
        self._check_url = check_url

    def create(self, url: str, *, topics: str, description: str, caller: Caller) -> tuple[Webhook, str]:
        """A new webhook, which is told of every event from now on, and its secret, which is never shown again.

        Raises:
            InvalidInput; Forbidden to who may not hear what it asks for.
        """
        self._check_url(url)
        _check_hears(topics, caller)
        now = self._clock.now()
        webhook = Webhook(
            id=new_id(),
            url=url,
            topics=topics,
            description=description,
            enabled=True,
            since=0,
            created_by=caller.agent_id,
            created_at=now,
            updated_at=now,
        )
        with self._units() as unit:
            webhook = replace(webhook, since=unit.events.last())
            unit.webhooks.add(webhook)
            secret = self._secrets.give(unit, webhook.id, now) or ""
            unit.audit.add(entry(now, caller, "webhook.created", webhook.id, Difference(after=_facts(webhook))))
        return webhook, secret

    def get(self, webhook_id: str, *, caller: Caller) -> Webhook:
        """The webhook; NotFound for those who may not see it."""
        with self._units(read_only=True) as unit:
            return _seen(unit, webhook_id, caller)

    def page(self, *, limit: int, offset: int, caller: Caller) -> Page[Webhook]:
        """Newest first: those that the caller may see."""
        with self._units(read_only=True) as unit:
            return unit.webhooks.page(owner_filter(caller), limit=limit, offset=offset)

    def change(self, webhook_id: str, fields: Mapping[str, Any], *, caller: Caller) -> Webhook:
        """Give `url`, `topics`, `description` or `enabled` another value.

        Switched off, it is told of nothing, and what is pending is given up; switched on, it begins with what comes.

        Raises:
            NotFound, Forbidden, InvalidInput.
        """
        if "url" in fields:
            self._check_url(fields["url"])
        if "topics" in fields:
            _check_hears(fields["topics"], caller)
        now = self._clock.now()
        with self._units() as unit:
            before = _mine(unit, webhook_id, caller)
            after = replace(before, **fields)
            if after == before:
                return before
            after = replace(self._switched(unit, before, after, now), updated_at=now)
            unit.webhooks.save(after)
            unit.audit.add(entry(now, caller, "webhook.updated", webhook_id, _difference(before, after)))
        return after

    def _switched(self, unit: WebhookUnit, before: Webhook, after: Webhook, now: datetime) -> Webhook:
        if after.enabled and not before.enabled:
            return replace(after, since=unit.events.last(), failures=0, failing_since=None, trouble=None)
        if before.enabled and not after.enabled:
            unit.webhooks.give_up(after.id, now)
        return after

    def delete(self, webhook_id: str, *, caller: Caller) -> None:
        """Remove it with its secrets and deliveries; NotFound, Forbidden."""
        with self._units() as unit:
            webhook = _mine(unit, webhook_id, caller)
            unit.webhooks.delete(webhook_id)
            unit.signing_secrets.drop(webhook_id)
            told = Difference(_facts(webhook))
            unit.audit.add(entry(self._clock.now(), caller, "webhook.deleted", webhook_id, told))

    def rotate(self, webhook_id: str, *, overlap: timedelta, caller: Caller) -> tuple[Webhook, str]:
        """Another secret; messages are signed with the one before as well for `overlap` longer."""
        now = self._clock.now()
        with self._units() as unit:
            webhook = _mine(unit, webhook_id, caller)
            secret = self._secrets.replace(unit, webhook_id, now, overlap=overlap) or ""
            told = Difference(after={"overlap_seconds": int(overlap.total_seconds())})
            unit.audit.add(entry(now, caller, "webhook.secret_rotated", webhook_id, told))
        return webhook, secret

    def test(self, webhook_id: str, *, caller: Caller) -> WebhookDelivery:
        """Have a test sent at once; NotFound, Forbidden, and Conflict where it is off."""
        now = self._clock.now()
        with self._units() as unit:
            webhook = _on(_mine(unit, webhook_id, caller))
            delivery = WebhookDelivery(
                id=new_id(),
                webhook_id=webhook.id,
                event_id=None,
                topic=TESTED,
                body=trial(webhook.id, now),
                next_at=now,
                created_at=now,
            )
            unit.webhooks.add_deliveries([delivery])
            unit.audit.add(entry(now, caller, "webhook.tested", webhook_id))
        return delivery

    def deliveries(self, webhook_id: str, *, limit: int, offset: int, caller: Caller) -> Page[Told]:
        """Newest first, each with its attempts; NotFound."""
        with self._units(read_only=True) as unit:
            _seen(unit, webhook_id, caller)
            page = unit.webhooks.deliveries(webhook_id, limit=limit, offset=offset)
            attempts = unit.webhooks.attempts([one.id for one in page.items])
        told = tuple((one, attempts[one.id]) for one in page.items)
        return Page(told, page.total, limit, offset)

    def replay(self, webhook_id: str, delivery_id: str, *, caller: Caller) -> Told:
        """Send it once more, under the same id, whatever became of it.

        Raises:
            NotFound, Forbidden; Conflict where the webhook is off.
        """
        now = self._clock.now()
        with self._units() as unit:
            _on(_mine(unit, webhook_id, caller))
            unit.webhooks.delivery(webhook_id, delivery_id)
            unit.webhooks.again(delivery_id, now)
            attempts = unit.webhooks.attempts([delivery_id])[delivery_id]
            told = Difference(after={"delivery_id": delivery_id})
            unit.audit.add(entry(now, caller, "webhook.replayed", webhook_id, told))
            return unit.webhooks.delivery(webhook_id, delivery_id), attempts


def _seen(unit: WebhookUnit, webhook_id: str, caller: Caller) -> Webhook:
    webhook = unit.webhooks.get(webhook_id)
    check_seen(caller, webhook.created_by, t("Webhook not found"), webhook_id=webhook_id)
    return webhook


def _mine(unit: WebhookUnit, webhook_id: str, caller: Caller) -> Webhook:
    webhook = unit.webhooks.get(webhook_id, lock=True)
    check_changed(caller, webhook.created_by, t("Webhook not found"), webhook_id=webhook_id)
    return webhook


def _on(webhook: Webhook) -> Webhook:
    if not webhook.enabled:
        raise Conflict(t("This webhook is switched off"), webhook_id=webhook.id)
    return webhook


def _check_hears(topics: str, caller: Caller) -> None:
    """Whoever may not read events, or not hear of everybody's tasks, is not told of them either.

    Raises:
        InvalidInput, Forbidden.
    """
    pattern = TopicPattern.parse(topics, "/topics")
    needed = [READ, *([READ_ALL] if any(map(pattern.names, PLATFORM)) and not sees_all(caller) else [])]
    lacking = [scope for scope in needed if not caller.may(scope)]
    if lacking:
        raise Forbidden(required_scopes=lacking, granted_scopes=sorted(caller.scopes))


def _facts(webhook: Webhook) -> dict[str, Any]:
    """What the audit log may know: paths and queries of such addresses often are secrets."""
    return {
        "host": urlsplit(webhook.url).hostname,
        "topics": webhook.topics,
        "description": webhook.description,
        "enabled": webhook.enabled,
    }


def _difference(before: Webhook, after: Webhook) -> Difference:
    old, new = _facts(before), _facts(after)
    names = [name for name in old if old[name] != new[name]]
    return Difference({name: old[name] for name in names}, {name: new[name] for name in names})
