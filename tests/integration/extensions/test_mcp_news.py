"""News for assistants: what a client hears that listens, and what it may not hear."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.access.conftest import Guarded, guarded_settings
from tests.integration.api.conftest import Api, make_settings, serving
from tests.integration.extensions.test_mcp_protocol import message, result, send
from tests.servers import wait_for

UPDATED = "notifications/resources/updated"
LISTED = "notifications/resources/list_changed"
STEPS = {"pipeline": [{"id": "greet", "uses": "data.set", "with": {"value": "Salut"}}]}


@pytest.fixture
def api(sqlite_url: str, tmp_path: Path) -> Iterator[Api]:
    """One web process with four slots for long answers."""
    with serving(make_settings(sqlite_url, tmp_path, ORDINAUT_WEB_THREADS="4")) as api:
        yield api


@contextmanager
def listening(api: Api, *uris: str, headers: dict[str, str] | None = None, **kinds: bool) -> Iterator[Iterator[Any]]:
    """The messages of a subscription, the acknowledgement first."""
    body = message("subscriptions/listen", notifications={"resourceSubscriptions": list(uris), **kinds})
    with send(api, body, **(headers or {})) as answer:
        assert answer.status_code == 200, answer.get_data(as_text=True)
        yield _messages(answer.iter_encoded())
    wait_for(no_reader_is_left, seconds=30, what="the end of the reader")


def _messages(chunks: Iterator[bytes]) -> Iterator[Any]:
    for chunk in chunks:
        for line in chunk.decode().splitlines():
            if line.startswith("data: {"):
                yield json.loads(line.removeprefix("data: "))


def heard(messages: Iterator[Any], method: str, uri: str | None = None) -> Any:
    """The next message of this kind."""
    return next(one for one in messages if one["method"] == method and one["params"].get("uri") == uri)


def no_reader_is_left() -> bool:
    return not any(thread.name == "mcp-news" for thread in threading.enumerate())


def test_what_is_promised_is_said_first(api: Api) -> None:
    task, here = f"ordinaut://tasks/{api.task()['id']}", "ordinaut://docs/pipelines"
    with listening(api, task, here, "ordinaut://runs/none", resourcesListChanged=True) as messages:
        first = next(messages)
    assert first["method"] == "notifications/subscriptions/acknowledged"
    assert first["params"]["notifications"] == {"resourcesListChanged": True, "resourceSubscriptions": [task, here]}


def test_a_run_is_told_of_as_it_goes_on(api: Api) -> None:
    run_id = api.run(api.task(payload=STEPS))
    run, logs = f"ordinaut://runs/{run_id}", f"ordinaut://runs/{run_id}/logs"
    with listening(api, run, logs) as messages:
        assert heard(messages, UPDATED, logs), "once everybody knows of the listener, it is to look again"
        api.post(f"/runs/{run_id}/cancel", expect=202)
        assert heard(messages, UPDATED, run)["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == 1
    assert json.loads(result(api, "resources/read", uri=run)["contents"][0]["text"])["status"] == "canceled"


def test_a_task_that_is_made_or_changed_is_told_of(api: Api) -> None:
    task = api.task()
    about = f"ordinaut://tasks/{task['id']}"
    with listening(api, about, resourcesListChanged=True) as messages:
        assert heard(messages, UPDATED, about)
        api.task(title="Another")
        assert heard(messages, LISTED)
        api.post(f"/tasks/{task['id']}/pause")
        assert heard(messages, UPDATED, about)


def test_nobody_reads_for_clients_that_have_left(api: Api) -> None:
    with listening(api, resourcesListChanged=True) as messages:
        next(messages)
        assert not no_reader_is_left()
    assert no_reader_is_left()


def test_streams_beyond_the_cap_are_refused_and_leave_nothing_behind(api: Api) -> None:
    body = message("subscriptions/listen", notifications={"resourcesListChanged": True})
    held = [send(api, body) for _ in range(3)]
    refused = send(api, body)
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (503, 50300)
    for one in held:
        one.close()
    wait_for(no_reader_is_left, seconds=30, what="the end of the reader")
    with listening(api, resourcesListChanged=True) as messages:
        assert next(messages)


def test_a_subscription_has_a_limit(api: Api) -> None:
    uris = [f"ordinaut://tasks/{number}" for number in range(51)]
    answer = send(api, message("subscriptions/listen", notifications={"resourceSubscriptions": uris}))
    assert answer.get_json()["error"]["code"] == -32602


def test_nobody_hears_of_what_is_another_agents(sqlite_url: str, tmp_path: Path) -> None:
    with serving(guarded_settings(sqlite_url, tmp_path)) as api:
        guarded = Guarded(api)
        ana, bob = (guarded.new(name, *("tasks:create", "tasks:read", "tasks:update")) for name in ("ana", "bob"))
        hers, his = (posted(api, "/tasks", who)["id"] for who in (ana, bob))
        uris = [f"ordinaut://tasks/{one}" for one in (hers, his)]
        with listening(api, *uris, headers=bob, resourcesListChanged=True) as messages:
            assert next(messages)["params"]["notifications"]["resourceSubscriptions"] == uris[1:]
            assert heard(messages, UPDATED, uris[1]), "from here on nothing is lost"
            posted(api, "/tasks", ana)
            posted(api, f"/tasks/{hers}/pause", ana)
            posted(api, f"/tasks/{his}/pause", bob)
            assert next(messages)["params"]["uri"] == uris[1], "the first that he hears is of his own"
            posted(api, "/tasks", bob)
            assert next(messages)["method"] == LISTED


def posted(api: Api, path: str, headers: dict[str, str]) -> Any:
    """What is answered; asked from a thread of its own, as this one is in the middle of a request."""
    body = {"title": "x", "schedule_kind": "manual", "payload": STEPS} if path == "/tasks" else {}
    with ThreadPoolExecutor(1) as other:
        return other.submit(api.post, path, body, headers=headers, expect=None).result()
