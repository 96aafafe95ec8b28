"""Beats that die between sending a webhook and writing it down: the receiver hears it again under the same id."""

from __future__ import annotations

from collections.abc import Collection

from tests.faults.stack import PATIENCE, Stack
from tests.faults.target import Target
from tests.servers import wait_for


def sent(target: Target, old: Collection[str] = ()) -> list[str]:
    """The ids of the messages that have come, but for the old ones: others have used the target before."""
    return [call.key for call in target.calls("msg_") if call.key not in old]


def test_a_killed_sender_loses_no_delivery(stack: Stack, target: Target) -> None:
    old = set(sent(target))
    asked = {"url": target.url("/hold"), "topics": "killed.**"}
    made = stack.request("POST", "/webhooks", json=asked).json()
    for number in range(2):
        stack.request("POST", "/events", json={"topic": "killed.paid", "payload": {"number": number}})
    wait_for(lambda: len(set(sent(target, old))) == 2, seconds=PATIENCE, what="the first attempts")
    stack.kill("beat")
    ids = set(sent(target, old))
    for identity in ids:
        target.door(identity).set()
    before = len(sent(target, old))
    stack.restart("beat")
    path = f"/webhooks/{made['id']}/deliveries"

    def ended() -> bool:
        return [one["status"] for one in stack.get(path)["items"]] == ["delivered"] * 2

    wait_for(ended, seconds=PATIENCE, what="the deliveries")
    calls = sent(target, old)
    assert len(calls) >= before + 2
    assert set(calls) == ids == {one["message_id"] for one in stack.get(path)["items"]}
