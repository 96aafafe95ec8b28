"""Webhooks out on both databases: each event becomes one delivery, which is one sender's at a time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.access import LOCAL
from app.domain.errors import NotFound
from app.domain.events import Draft
from app.domain.metrics import WEBHOOK_DELIVERIES, WEBHOOK_DURATION
from app.domain.webhooks import Attempt, Webhook, WebhookDelivery
from app.services.lifecycle import Herald
from app.services.publishing import Publisher, Triggers
from app.services.signing_secrets import SigningSecrets
from app.services.vault import Vault
from app.services.webhook_sending import BATCH, WebhookSending
from app.services.webhook_upkeep import WebhookUpkeep
from app.services.webhooks import WebhookService
from app.storage.unit_of_work import SqlUnitsOfWork
from ordinaut import Caller
from tests.fakes.metrics import MemoryMetrics, metrics_of

NOW = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)


@dataclass
class Turned:
    """A clock that tests turn."""

    moment: datetime = NOW

    def now(self) -> datetime:
        return self.moment

    def turn(self, **delta: float) -> None:
        self.moment += timedelta(**delta)


@dataclass
class World:
    """Everything about webhooks over one database, and a receiver that answers as it is told."""

    units: SqlUnitsOfWork
    clock: Turned = field(default_factory=Turned)
    status: int | None = 200
    posted: list[dict[str, Any]] = field(default_factory=list)
    owners: dict[str, Caller] = field(default_factory=dict)

    def __post_init__(self) -> None:
        secrets = SigningSecrets(Vault(["k" * 32]))
        self.service = WebhookService(units=self.units, clock=self.clock, secrets=secrets, check_url=lambda url: None)
        self.sending = WebhookSending(
            units=self.units,
            clock=self.clock,
            herald=Herald.silent(self.clock),
            secrets=secrets,
            post=self.post,
            caller=lambda one: self.owners.get(one, Caller(one, LOCAL.scopes)),
            patience=timedelta(days=5),
            lease=30,
        )

    def post(self, url: str, headers: Mapping[str, str], body: bytes, *, seconds: float) -> Attempt:
        self.posted.append({"url": url, "headers": dict(headers), "body": body})
        error = None if self.status else "no answer"
        return Attempt(at=self.clock.now(), ms=3, status_code=self.status, error=error, excerpt="said")

    def webhook(self, topics: str = "shop.**", owner: str = "ana") -> Webhook:
        made, _ = self.service.create(
            "https://a.example/x", topics=topics, description="", caller=Caller(owner, LOCAL.scopes)
        )
        return made

    def publish(self, *topics: str) -> None:
        drafts = [Draft(topic=topic, data={"a": 1}) for topic in topics]
        with self.units() as unit:
            Publisher(Triggers()).store(unit.events, drafts)

    def plan(self) -> None:
        while self.sending.plan(self.sending.look().webhooks):
            pass

    def send(self) -> int:
        count = 0
        while (claimed := self.sending.claim(())) is not None:
            self.sending.send(claimed)
            count += 1
        return count

    def deliveries(self, webhook: Webhook) -> list[WebhookDelivery]:
        found = self.service.deliveries(webhook.id, limit=200, offset=0, caller=LOCAL)
        return [delivery for delivery, _ in found.items]

    def state(self, webhook: Webhook) -> Webhook:
        return self.service.get(webhook.id, caller=LOCAL)


@pytest.fixture
def world(units: SqlUnitsOfWork) -> World:
    return World(units)


def test_each_event_becomes_one_delivery_for_each_webhook_that_wants_it(world: World) -> None:
    world.publish("shop.before")
    shop, everything = world.webhook(), world.webhook("**")
    world.publish("shop.paid", "stock.low")
    world.plan()
    world.plan()
    assert [one.topic for one in world.deliveries(shop)] == ["shop.paid"]
    assert sorted(one.topic for one in world.deliveries(everything)) == ["shop.paid", "stock.low"]
    assert not world.sending.look().webhooks


def test_a_long_history_is_worked_off_in_batches(world: World) -> None:
    shop = world.webhook()
    world.publish(*["shop.paid"] * (BATCH + 1))
    world.plan()
    with world.units(read_only=True) as unit:
        assert unit.webhooks.deliveries(shop.id, limit=1, offset=0).total == BATCH + 1


def test_planners_at_once_make_one_delivery(world: World) -> None:
    shop = world.webhook()
    world.publish("shop.paid")
    seen = world.sending.look().webhooks
    threads = [threading.Thread(target=world.sending.plan, args=(seen,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(world.deliveries(shop)) == 1


def test_a_delivery_is_one_senders_until_its_lease_is_over(world: World) -> None:
    world.webhook()
    world.publish("shop.paid")
    world.plan()
    first = world.sending.claim(())
    assert first is not None and world.sending.claim(()) is None
    world.clock.turn(seconds=31)
    second = world.sending.claim(())
    assert second is not None and (second.id, second.tries) == (first.id, 2)
    # The late one has no say any more.
    world.sending.send(first)
    assert world.sending.claim(()) is None
    world.sending.send(second)
    assert [one["headers"]["webhook-id"] for one in world.posted] == [first.message_id] * 2


def test_of_senders_at_once_one_gets_it(world: World) -> None:
    world.webhook()
    world.publish("shop.paid")
    world.plan()
    claimed: list[WebhookDelivery | None] = []
    threads = [threading.Thread(target=lambda: claimed.append(world.sending.claim(()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one is not None for one in claimed) == 1


def test_a_webhook_may_be_passed_over(world: World) -> None:
    world.webhook()
    other = world.webhook("stock.**")
    world.publish("shop.paid", "stock.low")
    world.plan()
    claimed = world.sending.claim((other.id,))
    assert claimed is not None and claimed.topic == "shop.paid"
    assert world.sending.claim((other.id, claimed.webhook_id)) is None


def test_it_is_tried_again_until_it_is_taken_always_the_same(world: World) -> None:
    shop = world.webhook()
    world.publish("shop.paid")
    world.plan()
    world.status = 500
    assert world.send() == 1
    world.clock.turn(seconds=7)
    world.status = None
    assert world.send() == 1
    assert world.state(shop).failures == 2
    world.clock.turn(minutes=7)
    world.status = 200
    assert world.send() == 1
    (delivery,) = world.deliveries(shop)
    assert (delivery.status, delivery.tries, delivery.next_at) == ("delivered", 3, None)
    assert (world.state(shop).failures, world.state(shop).failing_since) == (0, None)
    assert len({(one["headers"]["webhook-id"], one["body"]) for one in world.posted}) == 1
    ((_, attempts),) = world.service.deliveries(shop.id, limit=1, offset=0, caller=LOCAL).items
    assert [(one.status_code, one.error) for one in attempts] == [(500, None), (None, "no answer"), (200, None)]


def test_after_ten_attempts_it_is_given_up_and_may_be_replayed(world: World) -> None:
    shop = world.webhook()
    world.publish("shop.paid")
    world.plan()
    world.status = 500
    attempts = 0
    while (count := world.send()) or attempts < 10:
        attempts += count
        world.clock.turn(days=1.2)
        if attempts == 9:
            # Patience is another matter.
            with world.units() as unit:
                unit.webhooks.save(replace(unit.webhooks.get(shop.id), failures=0, failing_since=None))
    (delivery,) = world.deliveries(shop)
    assert (attempts, delivery.status) == (10, "failed")
    world.status = 200
    world.service.replay(shop.id, delivery.id, caller=LOCAL)
    assert world.send() == 1
    assert [one.status for one in world.deliveries(shop)] == ["delivered"]


def test_whoever_is_gone_is_switched_off_and_somebody_is_told(world: World) -> None:
    shop, keeper = world.webhook(), world.webhook("webhook.disabled")
    world.publish("shop.paid", "shop.paid")
    world.plan()
    world.status = 410
    assert world.send() == 1
    after = world.state(shop)
    assert (after.enabled, after.trouble) == (False, "gone")
    assert {one.status for one in world.deliveries(shop)} == {"failed"}
    world.plan()
    assert [one.topic for one in world.deliveries(keeper)] == ["webhook.disabled"]


def test_what_comes_while_it_is_off_is_not_told_later(world: World) -> None:
    shop = world.webhook()
    world.service.change(shop.id, {"enabled": False}, caller=LOCAL)
    world.publish("shop.paid")
    world.service.change(shop.id, {"enabled": True}, caller=LOCAL)
    world.publish("shop.sent")
    world.plan()
    assert [one.topic for one in world.deliveries(shop)] == ["shop.sent"]


def test_its_maker_has_to_have_the_right_to_hear(world: World) -> None:
    shop = world.webhook()
    world.owners["ana"] = Caller("ana", frozenset())
    world.publish("shop.paid")
    world.plan()
    assert world.deliveries(shop) == []


def test_while_a_secret_is_rotated_messages_carry_both_signatures(world: World) -> None:
    shop = world.webhook()
    world.service.rotate(shop.id, overlap=timedelta(hours=1), caller=LOCAL)
    for _ in range(2):
        world.service.test(shop.id, caller=LOCAL)
        world.send()
        world.clock.turn(hours=2)
    assert [len(one["headers"]["webhook-signature"].split()) for one in world.posted] == [2, 1]


def test_old_deliveries_are_deleted_once_they_have_ended(world: World) -> None:
    shop = world.webhook()
    for _ in range(2):
        world.service.test(shop.id, caller=LOCAL)
    claimed = world.sending.claim(())
    assert claimed is not None
    world.sending.send(claimed)
    world.clock.turn(days=31)
    WebhookUpkeep(units=world.units, clock=world.clock, retention_days=30).look()
    assert [one.status for one in world.deliveries(shop)] == ["pending"]


def test_with_a_webhook_everything_of_it_goes(world: World) -> None:
    shop = world.webhook()
    world.service.test(shop.id, caller=LOCAL)
    claimed = world.sending.claim(())
    assert claimed is not None
    world.service.delete(shop.id, caller=LOCAL)
    with pytest.raises(NotFound):
        world.sending.send(claimed)
    with world.units(read_only=True) as unit:
        assert not unit.signing_secrets.of(shop.id, NOW)
        assert unit.webhooks.attempts([claimed.id]) == {claimed.id: []}


def test_what_waits_and_what_was_switched_off_is_counted(world: World) -> None:
    def counted() -> tuple[int, int]:
        with world.units(read_only=True) as unit:
            measured = unit.metrics.read()
        return measured.webhooks_waiting, measured.webhooks_disabled

    shop, stock, own = world.webhook(), world.webhook("stock.**"), world.webhook()
    world.service.change(own.id, {"enabled": False}, caller=LOCAL)
    world.publish("shop.paid", "shop.paid", "stock.low")
    world.plan()
    assert counted() == (3, 0)
    world.status = 410
    world.send()
    assert counted() == (0, 2)
    world.service.change(stock.id, {"enabled": True}, caller=LOCAL)
    world.service.delete(shop.id, caller=LOCAL)
    assert counted() == (0, 0)


@pytest.mark.parametrize(
    ("status", "outcomes", "sums"),
    [
        (200, {"delivered": 3}, 0.009),
        (500, {"retried": 3}, 0.009),
        # The first is told that the receiver is gone; with its webhook the other two are given up.
        (410, {"failed": 3}, 0.003),
    ],
)
def test_attempts_are_counted_by_what_came_of_them(
    world: World, status: int, outcomes: dict[str, int], sums: float
) -> None:
    store = MemoryMetrics()
    metrics = metrics_of(store, "beat")
    metrics.listen()
    world.webhook()
    world.publish(*["shop.paid"] * 3)
    world.plan()
    world.status = status
    world.send()
    metrics.hush()
    metrics.flush()
    name = WEBHOOK_DELIVERIES.name
    assert {labels[0][1]: value for (sample, labels), value in store.sums.items() if sample == name} == outcomes
    assert store.sums[f"{WEBHOOK_DURATION.name}_sum", ()] == pytest.approx(sums)


def test_nothing_is_sent_to_one_that_was_switched_off(world: World) -> None:
    one = world.webhook()
    world.publish("shop.first")
    world.plan()
    claimed = world.sending.claim(())
    assert claimed is not None
    with world.units() as unit:
        unit.webhooks.save(replace(unit.webhooks.get(one.id), enabled=False))
    world.sending.send(claimed)
    assert world.posted == [] and [delivery.status for delivery in world.deliveries(one)] == ["failed"]


def test_nothing_is_sent_unsigned_and_nobody_is_blamed(world: World) -> None:
    one = world.webhook()
    world.publish("shop.first")
    world.plan()
    world.sending._secrets = SigningSecrets(Vault(["another" * 8]))
    assert world.send() == 1
    assert world.posted == [] and world.state(one).failures == 0
    found = world.service.deliveries(one.id, limit=9, offset=0, caller=LOCAL)
    [(delivery, [attempt])] = found.items
    assert delivery.status == "pending" and attempt.error is not None and "ORDINAUT_SECRET_KEYS" in attempt.error
