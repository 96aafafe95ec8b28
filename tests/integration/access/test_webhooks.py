"""Whose webhooks they are, and what they may hear."""

from __future__ import annotations

from tests.integration.access.conftest import Guarded

KEEPER = ("webhooks:read", "webhooks:manage", "events:read")
BODY = {"url": "https://a.example/", "topics": "shop.**"}


def test_webhooks_are_their_makers_and_the_admins(guarded: Guarded) -> None:
    api, ana, eve = guarded.api, guarded.new("ana", *KEEPER), guarded.new("eve", *KEEPER)
    made = api.send("POST", "/webhooks", json=BODY, headers=ana, expect=201).get_json()
    path = f"/webhooks/{made['id']}"
    assert api.get("/webhooks", headers=eve)["items"] == []
    for method, rest in (("GET", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/test"), ("GET", "/deliveries")):
        api.send(method, path + rest, headers=eve, expect=404)
    root = guarded.new("root", "admin")
    assert api.get("/webhooks", headers=root)["total"] == 1
    api.send("POST", f"{path}/test", headers=root, expect=202)


def test_a_webhook_takes_the_right_to_hear(guarded: Guarded) -> None:
    api, headers = guarded.api, guarded.new("narrow", "webhooks:manage")
    answer = api.send("POST", "/webhooks", json=BODY, headers=headers, expect=403).get_json()
    assert answer["details"]["required_scopes"] == ["events:read"]
    more = guarded.new("more", *KEEPER)
    body = {**BODY, "topics": "run.failed, shop.*"}
    answer = api.send("POST", "/webhooks", json=body, headers=more, expect=403).get_json()
    assert answer["details"]["required_scopes"] == ["tasks:read:all"]
    wide = guarded.new("wide", *KEEPER, "tasks:read:all")
    api.send("POST", "/webhooks", json=body, headers=wide, expect=201)
