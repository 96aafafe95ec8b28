"""Webhooks in: what comes to `/hooks/{slug}`, on both databases."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from app.domain.hooks import Hook
from app.services.hooks import HookService
from tests.fakes import senders
from tests.integration.api.conftest import Api

SECRET = "a secret that somebody typed at the other side"


def new_hook(api: Api, **fields: Any) -> Any:
    return api.post("/hooks", {"slug": "shop", "topic": "shop.order", **fields}, expect=201)


def events(api: Api) -> list[Any]:
    found: list[Any] = api.get("/events/stream/recent?topic=shop.**")["items"]
    return found


def test_a_signed_delivery_becomes_an_event_and_starts_what_waits_for_it(api: Api) -> None:
    hook = new_hook(api)
    task = api.task(schedule_kind="event", schedule_expr="shop.*")
    sent = senders.standard(hook["secret"], {"order": 7})
    answer = api.send("POST", "/hooks/shop", expect=202, **sent).get_json()
    (event,) = events(api)
    assert (event["id"], event["topic"], event["payload"]["body"]) == (answer["event_id"], "shop.order", {"order": 7})
    assert event["payload"]["headers"]["webhook-id"] == "msg_1"
    assert api.get(f"/runs?task_id={task['id']}")["total"] == 1


def test_the_same_delivery_again_has_no_effect(api: Api) -> None:
    secret = new_hook(api)["secret"]
    first = api.send("POST", "/hooks/shop", expect=202, **senders.standard(secret, {})).get_json()
    again = api.send("POST", "/hooks/shop", expect=200, **senders.standard(secret, {"another": "body"})).get_json()
    assert again == {**first, "repeated": True}
    assert len(events(api)) == 1


def test_of_the_same_delivery_at_once_one_counts(api: Api) -> None:
    sent = senders.standard(new_hook(api)["secret"], {})
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(api.send("POST", "/hooks/shop", **sent).status_code))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 5 + [202]
    assert len(events(api)) == 1


def test_it_is_remembered_when_the_event_has_been_deleted(api: Api) -> None:
    sent = senders.standard(new_hook(api)["secret"], {})
    api.send("POST", "/hooks/shop", expect=202, **sent)
    api.send("DELETE", "/events/stream/cleanup?max_age_hours=0", expect=200)
    api.send("POST", "/hooks/shop", expect=200, **sent)
    assert events(api) == []


def test_a_delivery_to_a_hook_that_is_deleted_meanwhile_is_refused_as_any(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = senders.standard(new_hook(api)["secret"], {})
    still_open = HookService._open

    def deleted_now(service: HookService, hook: Hook) -> bool:
        api.send("DELETE", "/hooks/shop", expect=204)
        return still_open(service, hook)

    monkeypatch.setattr(HookService, "_open", deleted_now)
    assert api.send("POST", "/hooks/shop", expect=401, **sent).get_json()["message"] == "The signature is not good"
    assert events(api) == []


PRESETS = [
    ("github", lambda: senders.github(SECRET, {"ref": "main"}, delivery="72d3162e")),
    ("stripe", lambda: senders.stripe(SECRET, {"id": "evt_1"})),
    ("slack", lambda: senders.slack(SECRET, {"event_id": "Ev1"})),
    ("hmac", lambda: senders.plain(SECRET, {"a": 1})),
]


@pytest.mark.parametrize(("preset", "sent"), PRESETS)
def test_what_services_send_is_taken_once(api: Api, preset: str, sent: Any) -> None:
    api.send("PUT", "/secrets/SHOP", json={"value": SECRET}, expect=200)
    hook = new_hook(api, preset=preset, secret_name="SHOP")
    assert hook["secret"] is None
    assert [api.send("POST", "/hooks/shop", **sent()).status_code for _ in range(2)] == [202, 200]


def test_slack_hears_its_challenge(api: Api) -> None:
    api.send("PUT", "/secrets/SHOP", json={"value": SECRET}, expect=200)
    new_hook(api, preset="slack", secret_name="SHOP")
    asked = {"type": "url_verification", "challenge": "3eZbrw"}
    assert api.send("POST", "/hooks/shop", expect=200, **senders.slack(SECRET, asked)).get_json() == {
        "challenge": "3eZbrw"
    }
    api.send("POST", "/hooks/shop", expect=401, **senders.slack("another", asked))
    assert events(api) == []


def test_every_refusal_says_the_same(api: Api) -> None:
    secret = new_hook(api)["secret"]
    new_hook(api, slug="off", topic="shop.off")
    api.send("PATCH", "/hooks/off", json={"enabled": False}, expect=200)
    refused = [
        ("/hooks/shop", senders.standard("whsec_aW52ZW50ZWQ=", {})),
        ("/hooks/shop", senders.standard(secret, {}, sent=time.time() - 301)),
        ("/hooks/shop", {"data": b"unsigned"}),
        ("/hooks/shop", {}),
        ("/hooks/nobody", senders.standard(secret, {})),
        ("/hooks/off", senders.standard(secret, {})),
    ]
    answers = [api.send("POST", path, expect=401, **sent).get_json() for path, sent in refused]
    told = {(body["error"], body["message"], str(body["details"])) for body in answers}
    assert told == {("unauthorized", "The signature is not good", "{'required_scopes': []}")}
    assert events(api) == []


def test_while_a_secret_is_rotated_two_count_and_then_one(api: Api) -> None:
    first = new_hook(api)["secret"]
    second = api.post("/hooks/shop/rotate")["secret"]
    api.send("POST", "/hooks/shop", expect=202, **senders.standard(first, {}, message_id="a"))
    api.send("POST", "/hooks/shop", expect=202, **senders.standard(second, {}, message_id="b"))
    third = api.post("/hooks/shop/rotate", {"overlap_seconds": 0})["secret"]
    for old in (first, second):
        api.send("POST", "/hooks/shop", expect=401, **senders.standard(old, {}, message_id="c"))
    api.send("POST", "/hooks/shop", expect=202, **senders.standard(third, {}, message_id="d"))


def test_a_secret_is_shown_once_and_lies_encrypted(api: Api) -> None:
    answer = api.send("POST", "/hooks", json={"slug": "shop", "topic": "shop.order"}, expect=201)
    secret = answer.get_json()["secret"]
    assert secret.startswith("whsec_") and answer.headers["Cache-Control"] == "no-store"
    shown = [api.send("GET", path).get_data(as_text=True) for path in ("/hooks", "/hooks/shop", "/audit", "/secrets")]
    assert not any(secret in text or secret[6:] in text for text in shown)


def test_a_hook_is_changed_listed_and_deleted(api: Api) -> None:
    hook = new_hook(api)
    assert api.get("/hooks")["items"] == [api.get("/hooks/shop")]
    changed = api.send("PATCH", "/hooks/shop", json={"topic": "shop.paid", "tolerance_seconds": 60}).get_json()
    assert (changed["topic"], changed["tolerance_seconds"], changed["path"]) == ("shop.paid", 60, "/hooks/shop")
    api.send("DELETE", "/hooks/shop", expect=204)
    api.send("GET", "/hooks/shop", expect=404)
    api.send("POST", "/hooks/shop", expect=401, **senders.standard(hook["secret"], {}))
    done = [row["action"] for row in api.get("/audit?kind=hook")["items"]]
    assert done == ["hook.deleted", "hook.updated", "hook.created"]


REFUSED = [
    ({"topic": "run.failed"}, 400, "topic"),
    ({"topic": "no topic"}, 400, "topic"),
    ({"preset": "github", "secret_name": "MISSING"}, 400, "secret_name"),
    ({"preset": "github", "signature_header": "X-A"}, 400, "body"),
    ({"slug": "Not A Slug"}, 400, "slug"),
    ({"preset": "md5"}, 400, "preset"),
    ({"tolerance_seconds": 5}, 400, "tolerance_seconds"),
]


@pytest.mark.parametrize(("fields", "status", "field"), REFUSED)
def test_what_is_no_hook_is_refused_with_its_field(api: Api, fields: dict[str, Any], status: int, field: str) -> None:
    answer = api.post("/hooks", {"topic": "shop.order", **fields}, expect=status)
    assert answer["details"]["field"] == field


def test_a_slug_is_taken_once(api: Api) -> None:
    new_hook(api)
    assert api.post("/hooks", {"slug": "shop", "topic": "a"}, expect=409)["details"] == {"slug": "shop"}
    assert api.get("/hooks")["total"] == 1


def test_what_does_not_fit_into_an_event_is_refused_once_it_is_known_who_sent_it(api: Api) -> None:
    secret = new_hook(api)["secret"]
    large = senders.standard(secret, "x" * 300_000)
    assert api.send("POST", "/hooks/shop", expect=400, **large).get_json()["error"] == "bad_request"
    assert api.send("POST", "/hooks/shop", data=b"x" * 1_100_000).status_code == 413
    assert events(api) == []
