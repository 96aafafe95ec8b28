"""Webhooks out over HTTP, to a real receiver."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.bootstrap.work import WorkerParts
from app.queueing.broker import make_celery
from app.services.webhook_sending import WebhookSending
from tests.fakes.http_target import HttpTarget, http_target
from tests.integration.api.conftest import DEAD_REDIS, Api, make_settings, serving


@pytest.fixture(scope="module")
def receivers() -> Iterator[HttpTarget]:
    with http_target() as server:
        yield server


@pytest.fixture
def receiver(receivers: HttpTarget) -> HttpTarget:
    receivers.received.clear()
    return receivers


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    """An application whose webhooks may be on this machine."""
    with serving(make_settings(database_url, tmp_path, ORDINAUT_HTTP_ALLOWED_HOSTS="127.0.0.1")) as api:
        yield api


@pytest.fixture
def sending(api: Api) -> WebhookSending:
    """What beat's senders do."""
    return WorkerParts(api.settings, make_celery(DEAD_REDIS)).webhook_sending()


def send_all(sending: WebhookSending) -> None:
    sending.plan(sending.look().webhooks)
    while (claimed := sending.claim(())) is not None:
        sending.send(claimed)


def new_webhook(api: Api, receiver: HttpTarget, path: str = "/echo", topics: str = "shop.**") -> Any:
    return api.post("/webhooks", {"url": receiver.url(path), "topics": topics}, expect=201)


def deliveries(api: Api, webhook: Any) -> list[Any]:
    found: list[Any] = api.get(f"/webhooks/{webhook['id']}/deliveries")["items"]
    return found


def verified(secret: str, request: dict[str, Any]) -> bool:
    """By the text of the standard: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec."""
    headers = request["headers"]
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{request['body']}"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, content.encode(), hashlib.sha256).digest()).decode()
    fresh = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    return fresh and f"v1,{expected}" in headers["webhook-signature"].split(" ")


def test_an_event_reaches_the_receiver_signed(api: Api, receiver: HttpTarget, sending: WebhookSending) -> None:
    webhook = new_webhook(api, receiver)
    api.post("/events", {"topic": "shop.paid", "payload": {"name": "Șoșoacă"}}, expect=202)
    send_all(sending)
    (request,) = receiver.received
    assert verified(webhook["secret"], request)
    body = json.loads(request["body"])
    assert (body["type"], body["data"], request["method"]) == ("shop.paid", {"name": "Șoșoacă"}, "POST")
    (told,) = deliveries(api, webhook)
    assert (told["status"], told["message_id"], told["event_id"]) == (
        "delivered",
        request["headers"]["webhook-id"],
        body["id"],
    )
    assert [one["status_code"] for one in told["attempts"]] == [200]


OUTCOMES = [
    ("/status/500", 500, None),
    ("/status/429?retry_after=3600", 429, None),
    ("/redirect?to=/echo", 302, None),
    ("/dies", None, "closed the connection too early"),
    ("/noise", None, "does not speak HTTP"),
]


@pytest.mark.parametrize(("path", "status", "error"), OUTCOMES)
def test_what_does_not_take_it_is_tried_again(
    api: Api, receiver: HttpTarget, sending: WebhookSending, path: str, status: int | None, error: str | None
) -> None:
    webhook = new_webhook(api, receiver, path)
    api.post(f"/webhooks/{webhook['id']}/test", expect=202)
    send_all(sending)
    (told,) = deliveries(api, webhook)
    (attempt,) = told["attempts"]
    assert (told["status"], attempt["status_code"]) == ("pending", status)
    assert error is None or error in attempt["error"]
    assert api.get(f"/webhooks/{webhook['id']}")["failures"] == 1
    assert len(receiver.received) == 1


def test_a_receiver_that_asks_for_an_hour_gets_it(api: Api, receiver: HttpTarget, sending: WebhookSending) -> None:
    webhook = new_webhook(api, receiver, "/status/429?retry_after=3600")
    api.post(f"/webhooks/{webhook['id']}/test", expect=202)
    send_all(sending)
    (told,) = deliveries(api, webhook)
    assert told["next_attempt_at"][:13] > told["created_at"][:13]


def test_one_that_hangs_is_given_up_in_time(api: Api, receiver: HttpTarget) -> None:
    parts = WorkerParts(
        make_settings(
            api.settings.database_url,
            api.settings.home,
            ORDINAUT_HTTP_ALLOWED_HOSTS="127.0.0.1",
            ORDINAUT_LEASE_SECONDS="0.5",
        ),
        make_celery(DEAD_REDIS),
    )
    webhook = new_webhook(api, receiver, "/hang")
    api.post(f"/webhooks/{webhook['id']}/test", expect=202)
    send_all(parts.webhook_sending())
    (told,) = deliveries(api, webhook)
    assert told["attempts"][0]["error"] == "The request took longer than it may"


def test_gone_switches_it_off(api: Api, receiver: HttpTarget, sending: WebhookSending) -> None:
    webhook = new_webhook(api, receiver, "/status/410")
    api.post(f"/webhooks/{webhook['id']}/test", expect=202)
    send_all(sending)
    after = api.get(f"/webhooks/{webhook['id']}")
    assert (after["enabled"], after["trouble"]) == (False, "gone")
    api.post(f"/webhooks/{webhook['id']}/test", expect=409)
    on = api.send("PATCH", f"/webhooks/{webhook['id']}", json={"enabled": True}, expect=200).get_json()
    assert (on["enabled"], on["trouble"], on["failures"]) == (True, None, 0)


def test_private_addresses_take_the_operators_leave(database_url: str, tmp_path: Path, receiver: HttpTarget) -> None:
    with serving(make_settings(database_url, tmp_path)) as api:
        webhook = new_webhook(api, receiver)
        api.post(f"/webhooks/{webhook['id']}/test", expect=202)
        send_all(WorkerParts(api.settings, make_celery(DEAD_REDIS)).webhook_sending())
        (told,) = deliveries(api, webhook)
    assert "private or reserved address" in told["attempts"][0]["error"]
    assert receiver.received == []


def test_a_delivery_is_replayed_under_the_same_id(api: Api, receiver: HttpTarget, sending: WebhookSending) -> None:
    webhook = new_webhook(api, receiver)
    api.post(f"/webhooks/{webhook['id']}/test", expect=202)
    send_all(sending)
    (told,) = deliveries(api, webhook)
    again = api.post(f"/webhooks/{webhook['id']}/deliveries/{told['id']}/replay", expect=202)
    assert again["status"] == "pending"
    send_all(sending)
    first, second = receiver.received
    assert first["headers"]["webhook-id"] == second["headers"]["webhook-id"] == told["message_id"]
    assert len(deliveries(api, webhook)[0]["attempts"]) == 2
    other = new_webhook(api, receiver)
    api.post(f"/webhooks/{other['id']}/deliveries/{told['id']}/replay", expect=404)


def test_what_the_platform_tells_is_stored_for_who_names_it(
    api: Api, receiver: HttpTarget, sending: WebhookSending
) -> None:
    webhook = new_webhook(api, receiver, topics="run.succeeded")
    run_id = api.run(api.task())
    api.work()
    send_all(sending)
    assert [one["topic"] for one in deliveries(api, webhook)] == ["run.succeeded"]
    assert json.loads(receiver.received[0]["body"])["data"]["run_id"] == run_id


def test_nothing_secret_is_shown_again(api: Api, receiver: HttpTarget) -> None:
    answer = api.send(
        "POST", "/webhooks", json={"url": receiver.url("/echo?token=canary"), "topics": "a.b"}, expect=201
    )
    made = answer.get_json()
    assert made["secret"].startswith("whsec_") and answer.headers["Cache-Control"] == "no-store"
    paths = ("/webhooks", f"/webhooks/{made['id']}", "/audit")
    shown = [api.send("GET", path, expect=200).get_data(as_text=True) for path in paths]
    assert not any(made["secret"][6:] in text for text in shown)
    assert "canary" not in shown[-1]


def test_a_webhook_is_changed_rotated_and_deleted(api: Api, receiver: HttpTarget) -> None:
    webhook = new_webhook(api, receiver)
    path = f"/webhooks/{webhook['id']}"
    changed = api.send("PATCH", path, json={"topics": "stock.*", "description": "stock"}, expect=200).get_json()
    assert (changed["topics"], changed["description"]) == ("stock.*", "stock")
    assert api.post(f"{path}/rotate")["secret"] != webhook["secret"]
    api.send("DELETE", path, expect=204)
    api.send("GET", path, expect=404)
    done = [row["action"] for row in api.get("/audit?kind=webhook")["items"]]
    assert done == ["webhook.deleted", "webhook.secret_rotated", "webhook.updated", "webhook.created"]


REFUSED = [
    ({"url": "ftp://a.example/"}, "url"),
    ({"url": "https://user:password@a.example/"}, "url"),
    ({"url": "not an address"}, "url"),
    ({"topics": "!shop.*"}, "topics"),
    ({"topics": "a b@c"}, "topics"),
]


@pytest.mark.parametrize(("fields", "field"), REFUSED)
def test_what_is_no_webhook_is_refused_with_its_field(api: Api, fields: dict[str, Any], field: str) -> None:
    answer = api.post("/webhooks", {"url": "https://a.example/", "topics": "shop.*", **fields}, expect=400)
    assert answer["details"]["field"] == field
