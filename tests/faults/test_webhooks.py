"""Beats that die between sending a webhook and writing it down: the receiver hears it again under the same id."""

from __future__ import annotations

from tests.faults.stack import PATIENCE, Stack
from tests.faults.target import Target
from tests.servers import wait_for


def test_a_killed_sender_loses_no_delivery(stack: Stack, target: Target) -> None:
    asked = {"url": target.url("/hold"), "topics": "killed.**"}
    made = stack.request("POST", "/webhooks", json=asked).json()
    for number in range(2):
        stack.request("POST", "/events", json={"topic": "killed.paid", "payload": {"number": number}})
    wait_for(lambda: len(target.calls("msg_")) >= 2, seconds=PATIENCE, what="the first attempts")
    stack.kill("beat")
    ids = {call.key for call in target.calls("msg_")}
    for identity in ids:
        target.door(identity).set()
    before = len(target.calls("msg_"))
    stack.restart("beat")
    path = f"/webhooks/{made['id']}/deliveries"

    def ended() -> bool:
        return [one["status"] for one in stack.get(path)["items"]] == ["delivered"] * 2

    wait_for(ended, seconds=PATIENCE, what="the deliveries")
    calls = target.calls("msg_")
    assert len(calls) >= before + 2
    assert {call.key for call in calls} == ids == {one["message_id"] for one in stack.get(path)["items"]}
