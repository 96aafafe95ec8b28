"""`context.api`: the platform's own API, called for the sender of a request and with no more than they may."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from app.http.inner_requests import InnerApi
from config import logging as log
from tests.integration.access.conftest import Guarded, guarded_settings
from tests.integration.api.conftest import Api, make_settings, serving
from tests.integration.extensions.conftest import LAB, Serve

TASK = {
    "title": "Daily",
    "schedule_kind": "manual",
    "payload": {"pipeline": [{"uses": "data.set", "with": {"value": 1}}]},
}


STRANGE = ["/ext/lab/who", "/ext/lab/healthy", "tasks", "http://elsewhere/tasks", "/tasks?limit=1", "/events/stream"]


def through(api: Api, method: str, path: str, expect: int = 200, **more: Any) -> Any:
    """What the extension gets; `expect` is the status of what it asks for."""
    sent = {name: more.pop(name) for name in ("query", "json", "headers") if name in more}
    answer = api.post("/ext/lab/api", {"method": method, "path": path, **sent}, **more)
    assert answer["status"] == expect, answer
    assert answer["ok"] == (expect < 400)
    return answer


@pytest.mark.parametrize("url", ["sqlite_url", "postgres_url"])
def test_it_writes_and_reads_as_over_the_network(url: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with serving(make_settings(request.getfixturevalue(url), tmp_path, ORDINAUT_EXT_PATHS=str(LAB))) as api:
        made = through(api, "POST", "/tasks", 201, json=TASK, headers={"Idempotency-Key": "k1"})
        again = through(api, "POST", "/tasks", 201, json=TASK, headers={"Idempotency-Key": "k1"})
        assert again["data"]["id"] == made["data"]["id"] and again["headers"]["idempotency-replayed"] == "true"
        task = f"/tasks/{made['data']['id']}"
        assert through(api, "GET", task)["data"] == api.get(task)
        listed = through(api, "GET", "/tasks", query={"status": ["active", "paused"], "limit": 1, "query": None})
        assert listed["data"]["total"] == 1
        changed = through(api, "PATCH", task, json={"title": "Nightly"}, headers={"If-Match": made["headers"]["etag"]})
        assert changed["data"]["title"] == "Nightly"
        through(api, "PATCH", task, 412, json={"title": "x"}, headers={"If-Match": made["headers"]["etag"]})
        assert through(api, "DELETE", task, 204)["data"] is None


def test_a_refusal_is_an_answer(serve: Serve) -> None:
    api = serve(LAB)
    refused = through(api, "POST", "/tasks", 400, json={**TASK, "schedule_kind": "cron", "schedule_expr": "0 25 * * *"})
    assert refused["data"]["error"] == "bad_request" and refused["data"]["details"]["field"] == "schedule_expr"
    assert through(api, "GET", "/tasks/none", 404)["data"]["error"] == "not_found"
    assert through(api, "DELETE", "/health", 405)["headers"]["allow"]
    assert "openapi" in through(api, "GET", "/openapi.json")["data"]
    assert through(api, "GET", "/docs")["data"].startswith("<!doctype")


@pytest.mark.parametrize("path", STRANGE)
def test_what_is_no_address_of_the_api(serve: Serve, path: str) -> None:
    serve(LAB).post("/ext/lab/api", {"method": "GET", "path": path}, expect=500)


def test_it_has_the_scopes_the_language_and_the_name_of_the_caller(sqlite_url: str, tmp_path: Path) -> None:
    with serving(guarded_settings(sqlite_url, tmp_path, ORDINAUT_EXT_PATHS=str(LAB))) as api:
        guarded = Guarded(api)
        ana = guarded.new("ana", "tasks:create", "tasks:read")
        made = through(api, "POST", "/tasks", 201, json=TASK, headers={"Authorization": "Bearer x"}, **sent(ana))
        agent = api.get("/agents/me", headers=ana)["agent_id"]
        assert made["data"]["created_by"] == agent
        refused = through(api, "GET", "/audit", 403, **sent({**ana, "Accept-Language": "ro"}))["data"]
        assert refused["details"]["required_scopes"] and refused["message"] == "Permisiuni insuficiente"
        bob = guarded.new("bob", "tasks:read")
        through(api, "POST", "/tasks", 403, json=TASK, **sent(bob))
        through(api, "GET", f"/tasks/{made['data']['id']}", 404, **sent(bob))
        root = guarded.new("root", "admin")
        (row,) = [one for one in api.get("/audit", headers=root)["items"] if one["action"] == "task.created"]
        assert row["actor"] == agent


def sent(headers: dict[str, str]) -> dict[str, Any]:
    """The headers of the outer request; those inside are the extension's own."""
    return {"environ_overrides": {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}}


def test_it_is_counted_logged_and_limited_once(serve: Serve, tmp_path: Path) -> None:
    api = serve(LAB, ORDINAUT_RATE_LIMIT="3/minute")
    out = io.StringIO()
    log.configure(api.settings, stream=out)
    for _ in range(3):
        answer = api.send(
            "POST", "/ext/lab/api", json={"method": "GET", "path": "/tasks"}, headers={"X-Request-ID": "mine"}
        )
        assert answer.get_json()["status"] == 200 and answer.get_json()["headers"]["x-request-id"] == "mine"
    api.send("POST", "/ext/lab/api", json={}, expect=429)
    assert out.getvalue().count("path=/tasks ") == 0 and out.getvalue().count("/ext/lab/api") == 4
    assert 'endpoint="/tasks"' not in api.send("GET", "/ext/observability/metrics").get_data(as_text=True)


def test_outside_of_a_request_there_is_nobody_to_call_for() -> None:
    with pytest.raises(RuntimeError, match="here is none"):
        InnerApi().get("/tasks")
