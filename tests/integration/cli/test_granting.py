"""`ordinaut grant` and `ordinaut budget`, against a real server on which the tasks of agents need grants."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.integration.cli.conftest import Client, Served

PUBLISH = {"uses": "events.publish", "with": {"topic": "shop.open", "payload": {}}}


def asked(served: Served, title: str, step: Any = PUBLISH) -> Any:
    """A task of an agent that is not admin, and waits to be allowed something."""
    admin = {"Authorization": f"Bearer {served.token}"}
    scopes = ["tasks:create", "tasks:read", "events:publish"]
    made = requests.post(f"{served.url}/agents", json={"name": title, "scopes": scopes}, headers=admin, timeout=20)
    address = f"{served.url}/agents/{made.json()['agent_id']}/keys"
    key = requests.post(address, json={"name": "k"}, headers=admin, timeout=20).json()["key"]
    fields = {"title": title, "schedule_kind": "manual", "payload": {"pipeline": [step]}}
    headers = {"Authorization": f"Bearer {key}"}
    return requests.post(f"{served.url}/tasks", json=fields, headers=headers, timeout=20).json()


def test_a_grant_is_found_accepted_and_taken_back(client: Client, served: Served) -> None:
    task = asked(served, "granted-task")
    table = client.says("grant", "list", "--task", task["id"])
    assert "Publish events on the topic shop.open" in table
    grant_id = client.says("grant", "list", "-q", "--task", task["id"]).strip()
    assert "granted-task" in client.says("grant", "get", grant_id)
    client.says("task", "run", task["id"], code=5)
    words = ("--until", "2090-01-01T00:00:00Z", "--calls", "7", "--outside", "ask", "--comment", "Fine")
    told = client.says("grant", "accept", grant_id, *words)
    assert told == "granted-task: accepted until 2090-01-01T00:00:00Z\n"
    kept = client.json("grant", "get", grant_id)
    assert (kept["calls_per_day"], kept["outside"], kept["comment"]) == (7, "ask", "Fine")
    client.says("grant", "accept", grant_id, code=5)
    assert client.says("grant", "refuse", grant_id, "--comment", "No more") == "granted-task: refused\n"
    assert client.json("task", "get", task["id"])["grant_status"] == "refused"
    assert client.json("grant", "accept", grant_id, "--until", "never")["until"] is None
    assert client.says("grant", "list", "-q", "--status", "accepted", "--task", task["id"]).strip() == grant_id


def test_what_the_words_leave_out_is_shown_whole(client: Client, served: Served) -> None:
    wide = "echo hello" + " " * 200 + "; rm x"
    task = asked(
        served,
        "long-task",
        {"uses": "create_task", "with": {"title": "x", "schedule": "0 9 * * *", "description": wide}},
    )
    grant_id = client.says("grant", "list", "-q", "--task", task["id"]).strip()
    for words in (("list", "--task", task["id"]), ("get", grant_id)):
        table = client.says("grant", *words)
        assert "(cut: 216 characters in all)" in table and wide in table


def test_a_budget_is_set_read_and_deleted(client: Client) -> None:
    words = ("--soft", "80000", "--hard", "100000", "--unit", "tokens", "--tool", "llm.complete")
    assert client.says("budget", "set", "models", *words) == "models: 0 of 100000 tokens used this day\n"
    assert "models" in client.says("budget", "list") and "llm.complete" in client.says("budget", "list")
    assert client.json("budget", "get", "models")["soft"] == 80_000
    told = client.says("budget", "set", "models", "--soft", "0.5", "--unit", "money", "--window", "month")
    assert told == "models: 0 of 0.5 money used this month\n"
    client.says("budget", "set", "models", code=6)
    client.says("budget", "delete", "models")
    client.says("budget", "get", "models", code=3)


def test_readers_are_turned_away(client: Client, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDINAUT_TOKEN", served.reader_token)
    client.says("grant", "list", code=4)
    client.says("budget", "list", code=4)
