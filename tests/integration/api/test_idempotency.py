"""`Idempotency-Key` over HTTP: one effect, and the same answer again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.api.conftest import PIPELINE, Api

TASK = {"title": "Once", "schedule_kind": "manual", "payload": PIPELINE}
KEY = {"Idempotency-Key": "k"}
REPLAYED = "Idempotency-Replayed"


def total(api: Api, path: str = "/tasks") -> int:
    return int(api.get(path)["total"])


@pytest.mark.parametrize("again", ["k", '"k"'])
def test_the_same_request_gets_the_same_answer(api: Api, again: str) -> None:
    first = api.send("POST", "/tasks", expect=201, json=TASK, headers=KEY)
    second = api.send("POST", "/tasks", expect=201, json=TASK, headers={"Idempotency-Key": again})
    assert second.data == first.data and second.headers[REPLAYED] == "true" and REPLAYED not in first.headers
    for name in ("Location", "ETag", "Content-Type", "Content-Language"):
        assert second.headers[name] == first.headers[name]
    assert total(api) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [("/tasks", {**TASK, "title": "Other"}), ("/tasks?preview=true", TASK), ("/events", {"topic": "a"})],
)
def test_another_request_under_the_key_is_refused(api: Api, path: str, body: Any) -> None:
    api.post("/tasks", TASK, expect=201, headers=KEY)
    refused = api.post(path, body, expect=422, headers=KEY)
    assert (refused["error"], refused["details"]["field"]) == ("unprocessable", "Idempotency-Key")
    assert total(api) == 1


@pytest.mark.parametrize("key", ["", '"', "x" * 256, "\u00e9"])
def test_a_key_that_cannot_be_read_is_refused(api: Api, key: str) -> None:
    refused = api.post("/tasks", TASK, expect=400, headers={"Idempotency-Key": key})
    assert refused["details"]["field"] == "Idempotency-Key" and total(api) == 0


def test_a_refusal_leaves_the_key_free(api: Api) -> None:
    api.post("/tasks", {**TASK, "title": ""}, expect=400, headers=KEY)
    api.post("/tasks", TASK, expect=201, headers=KEY)


def test_each_action_happens_once(api: Api) -> None:
    task = api.task()
    paths = [f"/tasks/{task['id']}/{verb}" for verb in ("run_now", "pause", "resume", "cancel")]
    for path in paths:
        answers = [api.send("POST", path, headers={"Idempotency-Key": path}) for _ in range(2)]
        assert answers[0].data == answers[1].data and answers[1].headers[REPLAYED] == "true", path
    assert total(api, "/runs") == 1 and api.get(f"/tasks/{task['id']}")["version"] == 4


def test_a_tool_is_called_once(api: Api) -> None:
    body = {"arguments": {"title": "Once", "schedule": "2126-01-01T00:00", "payload": PIPELINE}}
    answers = [api.post("/tools/create_task/invoke", body, headers=KEY) for _ in range(2)]
    assert answers[0] == answers[1] and total(api) == 1


def test_a_tool_that_failed_is_not_called_again_under_its_key(api: Api) -> None:
    body = {"arguments": {"expression": "sum(@)", "data": "x"}}
    first = api.send("POST", "/tools/data.transform/invoke", json=body, headers=KEY, expect=422)
    second = api.send("POST", "/tools/data.transform/invoke", json=body, headers=KEY, expect=422)
    assert second.data == first.data and second.headers[REPLAYED] == "true"
    # What never reached the tool leaves the key free.
    other = {"Idempotency-Key": "other"}
    api.post("/tools/data.set/invoke", {"arguments": {}}, headers=other, expect=400)
    assert api.post("/tools/data.set/invoke", {"arguments": {"value": 1}}, headers=other)["output"] == 1


def test_what_is_shown_once_is_not_kept(api: Api) -> None:
    body = {"name": "ana", "scopes": ["tasks:read"]}
    made = api.post("/agents", body, expect=201, headers=KEY)
    refused = api.post("/agents", body, expect=409, headers=KEY)
    assert refused["details"]["location"] == f"/agents/{made['agent_id']}"
    assert made["agent_secret"] not in str(refused) and total(api, "/agents") == 1


def test_every_post_of_somebody_known_takes_a_key(api: Api) -> None:
    paths = api.get("/openapi.json")["paths"]
    without = {
        path
        for path, methods in paths.items()
        if "post" in methods and not any(one["name"] == "Idempotency-Key" for one in methods["post"]["parameters"])
    }
    assert without == {
        *("/agents/auth/token", "/agents/auth/refresh", "/agents/auth/session"),  # nobody is known yet
        *("/agents/auth/revoke", "/stream-ticket"),  # what they answer counts for a moment
        *("/approvals/link", "/approvals/link/form"),  # a link decides once by itself
        *("/authorize", "/authorize/sign-in", "/register", "/revoke", "/token"),  # as OAuth has them
        "/hooks/{slug}",  # deliveries carry ids of their own
    }
