"""Webhooks out in SQL: addresses, deliveries and their attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.engine import Connection

from app.domain.errors import NotFound
from app.domain.paging import Page
from app.domain.texts import t
from app.domain.webhooks import Attempt, Verdict, Webhook, WebhookDelivery
from app.storage.tables_events import event_marks
from app.storage.tables_webhooks import PENDING, webhook_attempts, webhook_deliveries, webhooks

MARK = "webhooks"
_own = webhooks.c
_to = webhook_deliveries.c
_tried = webhook_attempts.c
_NOT_SHOWN = {"retry_after"}


class SqlWebhookStore:
    """See `app.domain.webhooks.WebhookStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # Webhooks.

    def add(self, webhook: Webhook) -> None:
        """Store a new one."""
        self._connection.execute(insert(webhooks), asdict(webhook))

    def get(self, webhook_id: str, *, lock: bool = False) -> Webhook:
        """The webhook, or NotFound."""
        query = select(webhooks).where(_own.id == webhook_id)
        row = self._connection.execute(query.with_for_update() if lock else query).mappings().first()
        if row is None:
            raise NotFound(t("Webhook not found"), webhook_id=webhook_id)
        return _webhook(row)

    def save(self, webhook: Webhook) -> None:
        """Store a changed one."""
        self._connection.execute(update(webhooks).where(_own.id == webhook.id).values(asdict(webhook)))

    def delete(self, webhook_id: str) -> None:
        """Remove it; its deliveries go with it."""
        self._connection.execute(delete(webhooks).where(_own.id == webhook_id))

    def page(self, owner: str | None, *, limit: int, offset: int) -> Page[Webhook]:
        """Newest first: everybody's, or one agent's."""
        mine = [] if owner is None else [_own.created_by == owner]
        total = self._connection.execute(select(func.count()).select_from(webhooks).where(*mine)).scalar_one()
        query = select(webhooks).where(*mine).order_by(_own.id.desc()).limit(limit).offset(offset)
        return Page(tuple(_webhook(row) for row in self._connection.execute(query).mappings()), total, limit, offset)

    def enabled(self) -> Sequence[Webhook]:
        """All that are on, oldest first."""
        query = select(webhooks).where(_own.enabled).order_by(_own.id)
        return [_webhook(row) for row in self._connection.execute(query).mappings()]

    # Events become deliveries.

    def reached(self, *, lock: bool = False) -> int | None:
        """Position of the last event that was looked at; with `lock`, None while another process looks."""
        query = select(event_marks.c.position).where(event_marks.c.name == MARK)
        found: int | None = self._connection.execute(
            query.with_for_update(skip_locked=True) if lock else query
        ).scalar()
        return found

    def reach(self, position: int) -> None:
        """Every event up to there has been looked at."""
        self._connection.execute(update(event_marks).where(event_marks.c.name == MARK).values(position=position))

    def add_deliveries(self, new: Sequence[WebhookDelivery]) -> None:
        """Store them."""
        if new:
            self._connection.execute(insert(webhook_deliveries), [asdict(one) for one in new])

    # Deliveries.

    def delivery(self, webhook_id: str, delivery_id: str) -> WebhookDelivery:
        """The delivery, or NotFound."""
        query = select(webhook_deliveries).where(_to.id == delivery_id, _to.webhook_id == webhook_id)
        row = self._connection.execute(query).mappings().first()
        if row is None:
            raise NotFound(t("Delivery not found"), delivery_id=delivery_id)
        return WebhookDelivery(**row)

    def deliveries(self, webhook_id: str, *, limit: int, offset: int) -> Page[WebhookDelivery]:
        """Newest first."""
        mine = _to.webhook_id == webhook_id
        total = self._connection.execute(select(func.count()).select_from(webhook_deliveries).where(mine)).scalar_one()
        query = select(webhook_deliveries).where(mine).order_by(_to.id.desc()).limit(limit).offset(offset)
        rows = self._connection.execute(query).mappings()
        return Page(tuple(WebhookDelivery(**row) for row in rows), total, limit, offset)

    def attempts(self, delivery_ids: Sequence[str]) -> Mapping[str, Sequence[Attempt]]:
        """Of each of these, in order."""
        found: dict[str, list[Attempt]] = {one: [] for one in delivery_ids}
        query = select(webhook_attempts).where(_tried.delivery_id.in_(delivery_ids))
        for row in self._connection.execute(query.order_by(_tried.delivery_id, _tried.at)).mappings():
            values = dict(row)
            found[values.pop("delivery_id")].append(Attempt(**values))
        return found

    def is_due(self, now: datetime) -> bool:
        """Whether there is anything to claim."""
        query = select(_to.id).where(text(PENDING), _to.next_at <= now).limit(1)
        return self._connection.execute(query).first() is not None

    def claim(self, now: datetime, until: datetime, *, beside: Sequence[str]) -> WebhookDelivery | None:
        """The delivery that has been due for longest, now its caller's `until` then."""
        # As written, not bound: only so does SQLite see that the partial index answers it.
        due = text(PENDING), _to.next_at <= now
        query = select(webhook_deliveries).where(*due, _to.webhook_id.not_in(list(beside))).order_by(_to.next_at)
        row = self._connection.execute(query.limit(1).with_for_update(skip_locked=True)).mappings().first()
        if row is None:
            return None
        values = {**row, "tries": row["tries"] + 1, "next_at": until}
        changed = update(webhook_deliveries).where(_to.id == row["id"])
        self._connection.execute(changed.values(tries=values["tries"], next_at=until))
        return WebhookDelivery(**values)

    def settle(self, claimed: WebhookDelivery, verdict: Verdict, attempt: Attempt) -> bool:
        """Store how an attempt ended; False when the delivery is another sender's by now."""
        mine = _to.id == claimed.id, _to.tries == claimed.tries, _to.next_at == claimed.next_at, text(PENDING)
        finished = None if verdict.status == "pending" else attempt.at
        values = {"status": verdict.status, "next_at": verdict.next_at, "finished_at": finished}
        done = self._connection.execute(update(webhook_deliveries).where(*mine).values(values))
        if not done.rowcount:
            return False
        kept = {name: value for name, value in asdict(attempt).items() if name not in _NOT_SHOWN}
        self._connection.execute(insert(webhook_attempts), {"delivery_id": claimed.id, **kept})
        return True

    def again(self, delivery_id: str, now: datetime) -> None:
        """Begin a new series of attempts."""
        values = {"status": "pending", "tries": 0, "next_at": now, "finished_at": None}
        self._connection.execute(update(webhook_deliveries).where(_to.id == delivery_id).values(values))

    def give_up(self, webhook_id: str, now: datetime) -> int:
        """End what is still pending; how many that were."""
        values = {"status": "failed", "next_at": None, "finished_at": now}
        ended = update(webhook_deliveries).where(_to.webhook_id == webhook_id, text(PENDING)).values(values)
        return self._connection.execute(ended).rowcount

    def purge(self, before: datetime, limit: int) -> int:
        """Delete finished deliveries that were made before then, `limit` at most; how many."""
        old = select(_to.id).where(_to.created_at < before, _to.status != "pending").limit(limit)
        ids = self._connection.execute(old).scalars().all()
        if ids:
            self._connection.execute(delete(webhook_deliveries).where(_to.id.in_(ids)))
        return len(ids)


def _webhook(row: Mapping[Any, Any]) -> Webhook:
    return Webhook(**{**row, "enabled": bool(row["enabled"])})
