"""Whose hooks they are, and in whose name they publish."""

from __future__ import annotations

from app.domain.access import COMMAND_LINE
from app.services.auth import REMEMBER_SECONDS
from tests.fakes import senders
from tests.integration.access.conftest import Guarded
from tests.servers import wait_for

KEEPER = ("webhooks:read", "webhooks:manage", "events:publish")


def test_hooks_are_their_makers_and_the_admins(guarded: Guarded) -> None:
    api, ana, eve = guarded.api, guarded.new("ana", *KEEPER), guarded.new("eve", *KEEPER)
    api.send("POST", "/hooks", json={"slug": "mine", "topic": "shop.a"}, headers=ana, expect=201)
    assert api.get("/hooks", headers=eve)["items"] == []
    for method, path in (("GET", "/hooks/mine"), ("DELETE", "/hooks/mine"), ("POST", "/hooks/mine/rotate")):
        api.send(method, path, headers=eve, expect=404)
    root = guarded.new("root", "admin")
    assert api.get("/hooks", headers=root)["total"] == 1
    api.send("DELETE", "/hooks/mine", headers=root, expect=204)


def test_a_hook_takes_what_it_gives(guarded: Guarded) -> None:
    api, headers = guarded.api, guarded.new("narrow", "webhooks:manage")
    answer = api.send("POST", "/hooks", json={"topic": "shop.a"}, headers=headers, expect=403).get_json()
    assert answer["details"]["required_scopes"] == ["events:publish"]
    more = guarded.new("more", *KEEPER)
    named = {"topic": "shop.a", "secret_name": "K"}
    answer = api.send("POST", "/hooks", json=named, headers=more, expect=403).get_json()
    assert answer["details"]["required_scopes"] == ["secrets:use"]


def test_a_hook_is_shut_when_its_maker_may_not_publish_any_more(guarded: Guarded) -> None:
    api, headers = guarded.api, guarded.new("ana", *KEEPER)
    made = api.send("POST", "/hooks", json={"slug": "mine", "topic": "shop.a"}, headers=headers, expect=201)
    secret = made.get_json()["secret"]
    api.send("POST", "/hooks/mine", expect=202, **senders.standard(secret, {}, message_id="1"))
    ana = guarded.services.agents.named("ana").id
    guarded.services.agents.change(ana, {"status": "disabled"}, caller=COMMAND_LINE)
    sent = senders.standard(secret, {}, message_id="2")
    wait_for(
        lambda: api.send("POST", "/hooks/mine", **sent).status_code == 401,
        seconds=REMEMBER_SECONDS + 5,
        what="the hook to be shut",
    )


def test_events_of_a_hook_are_published_in_its_makers_name(guarded: Guarded) -> None:
    api, headers = guarded.api, guarded.new("ana", *KEEPER, "events:read")
    made = api.send("POST", "/hooks", json={"slug": "mine", "topic": "shop.a"}, headers=headers, expect=201)
    api.send("POST", "/hooks/mine", expect=202, **senders.standard(made.get_json()["secret"], {}))
    (event,) = api.get("/events/stream/recent", headers=headers)["items"]
    assert event["source_agent_id"] == guarded.services.agents.named("ana").id
