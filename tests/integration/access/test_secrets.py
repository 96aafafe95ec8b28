"""Secrets: lent to the step that names them, and in nothing that is written down."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from app.tools.builtin import builtin_tools
from ordinaut import Tool, ToolCall, ToolFailed
from tests.integration.access.conftest import KEY, OLD_KEY, Guarded, guarded_settings
from tests.integration.api.conftest import serving

CANARY = 'Canary "4711"/\\ü+=&'
AUTHOR = ("tasks:create", "tasks:read", "tasks:run", "runs:read", "secrets:use")
LOOKS = (
    CANARY,
    json.dumps(CANARY)[1:-1],
    json.dumps(CANARY, ensure_ascii=False)[1:-1],
    quote(CANARY),
    quote(CANARY, safe=""),
    base64.b64encode(CANARY.encode()).decode().rstrip("="),
)


def _leak(call: ToolCall) -> Any:
    value = call.arguments["value"]
    assert CANARY in str(value), "the tool itself gets the value"
    call.log("info", f"value {value}")
    logging.getLogger("some.library").warning("sending %s as %s to /?k=%s", value, json.dumps(value), quote(value))
    how = call.arguments.get("how", "return")
    if how == "fail":
        raise ToolFailed(f"The server said {value}", details={"sent": value, "url": f"https://h/?k={quote(value)}"})
    if how == "crash":
        raise RuntimeError(f"no idea what {value} is")
    return {"echo": value, value: [quote(value, safe=""), base64.b64encode(value.encode()).decode()]}


LEAK = Tool(name="test.leak", description="Tells all it knows.", schema={"type": "object"}, run=_leak)


@pytest.fixture
def leaking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every registry has the tool."""
    monkeypatch.setattr("app.bootstrap.parts.builtin_tools", lambda **given: [*builtin_tools(**given), LEAK])


def run_of(guarded: Guarded, headers: dict[str, str], steps: list[dict[str, Any]]) -> dict[str, Any]:
    """A run that has been worked off."""
    body = {"title": "t", "schedule_kind": "manual", "max_retries": 0, "payload": {"pipeline": steps}}
    task = guarded.api.post("/tasks", body, headers=headers, expect=201)
    run = guarded.api.post(f"/tasks/{task['id']}/run_now", {}, headers=headers, expect=202)["run_id"]
    guarded.api.work()
    found: dict[str, Any] = guarded.api.get(f"/runs/{run}", headers=headers)
    return found


def everything(guarded: Guarded, run_id: str, headers: dict[str, str]) -> str:
    """All that the API tells of a run and of the changes around it."""
    root = guarded.new("root", "admin")
    pages = [
        guarded.api.send("GET", path, headers=headers, expect=200).get_data(as_text=True)
        for path in (f"/runs/{run_id}", f"/runs/{run_id}/steps", f"/runs/{run_id}/logs", f"/runs/{run_id}/stream")
    ]
    kept = [guarded.api.send("GET", path, headers=root).get_data(as_text=True) for path in ("/audit", "/secrets")]
    return "\n".join([*pages, *kept])


def seen(text: str) -> list[str]:
    return [look for look in LOOKS if look in text]


@pytest.mark.usefixtures("leaking")
@pytest.mark.parametrize("how", ["return", "fail", "crash"])
def test_a_canary_is_nowhere(sqlite_url: str, tmp_path: Path, lines: io.StringIO, how: str) -> None:
    with serving(guarded_settings(sqlite_url, tmp_path)) as api:
        guarded = Guarded(api)
        root = guarded.new("keeper", "admin")
        api.send("PUT", "/secrets/CANARY", json={"value": CANARY}, headers=root, expect=200)
        headers = guarded.new("ana", *AUTHOR)
        leak = {"id": "leak", "uses": "test.leak", "with": {"value": "${secrets.CANARY}", "how": how}}
        after = {"id": "after", "uses": "data.set", "with": {"value": "${steps.leak}"}}
        run = run_of(guarded, headers, [leak, after])
        assert run["status"] == ("succeeded" if how == "return" else "failed")
        assert "***" in json.dumps(run["steps"][0])
        assert not seen(everything(guarded, run["id"], headers))
    assert not seen(lines.getvalue()) and "sending ***" in lines.getvalue()
    for file in tmp_path.iterdir():
        if file.name.startswith("ordinaut.db"):
            assert not [look for look in LOOKS if look.encode() in file.read_bytes()], file


@pytest.mark.usefixtures("leaking")
def test_a_template_around_it_keeps_it_hidden(guarded: Guarded) -> None:
    guarded.api.send("PUT", "/secrets/K", json={"value": CANARY}, headers=guarded.new("k", "admin"), expect=200)
    headers = guarded.new("ana", *AUTHOR)
    step = {"uses": "test.leak", "with": {"value": "Bearer ${secrets.K}", "nested": [{"a": "${secrets.K}"}]}}
    run = run_of(guarded, headers, [step])
    assert run["status"] == "succeeded"
    given = run["steps"][0]["input"]
    assert given == {"value": "Bearer ***", "nested": [{"a": "***"}]}
    assert not seen(json.dumps(run))


@pytest.mark.parametrize(
    ("pipeline", "words"),
    [
        ([{"uses": "data.set", "with": {"value": "x"}, "if": "secrets.K == 'x'"}], "uses a secret outside of `with`"),
        ([{"uses": "data.set", "with": {"value": "${secrets}"}}], "names no secret"),
        ([{"uses": "data.set", "with": {"value": "${secrets.*}"}}], "names no secret"),
        ([{"uses": "data.set", "with": {"value": "${secrets | keys(@)}"}}], "names no secret"),
        # what was reversed, cut or compared could not be masked
        ([{"uses": "data.set", "with": {"value": "${reverse(secrets.K)}"}}], "more with a secret than lend it"),
        ([{"uses": "data.set", "with": {"value": "${secrets.K[0:3]}"}}], "names no secret"),
        (
            [{"uses": "data.set", "with": {"value": "${starts_with(secrets.K, 'a')}"}}],
            "more with a secret than lend it",
        ),
    ],
)
def test_secrets_are_used_one_by_one_and_only_in_arguments(lasting: Guarded, pipeline: Any, words: str) -> None:
    if "validator" not in lasting.secrets:
        lasting.agent("validator")
    report = lasting.api.post("/pipelines/validate", {"pipeline": pipeline}, headers=lasting.headers("validator"))
    assert words in json.dumps(report["errors"])


def test_who_may_not_use_secrets_or_names_none_that_exists_fails(guarded: Guarded) -> None:
    guarded.api.send("PUT", "/secrets/K", json={"value": "v"}, headers=guarded.new("k", "admin"), expect=200)
    step = {"uses": "data.set", "with": {"value": "${secrets.K}"}}
    refused = run_of(guarded, guarded.new("poor", *AUTHOR[:-1]), [step])
    assert refused["error"]["type"] == "forbidden"
    assert refused["error"]["details"] == {"required_scopes": ["secrets:use"]}
    missing = run_of(guarded, guarded.new("rich", *AUTHOR), [{"uses": "data.set", "with": {"value": "${secrets.L}"}}])
    assert missing["error"]["type"] == "secret_unavailable"


@pytest.mark.parametrize(
    "step",
    [
        {"uses": "publish_event", "with": {"topic": "a.b", "payload": {"k": "${secrets.K}"}}},
        {"uses": "events.publish", "with": {"topic": "a.b", "payload": {"k": "${secrets.K}"}}},
        {"uses": "create_task", "with": {"title": "${secrets.K}", "schedule": "manual"}},
    ],
)
def test_the_platform_s_own_tools_get_no_secrets(guarded: Guarded, step: dict[str, Any]) -> None:
    root = guarded.new("k", "admin")
    guarded.api.send("PUT", "/secrets/K", json={"value": CANARY}, headers=root, expect=200)
    run = run_of(guarded, root, [step])
    assert (run["status"], run["error"]["type"]) == ("failed", "forbidden")
    kept = [guarded.api.get(path, headers=root) for path in ("/events/stream/recent", "/tasks", "/audit")]
    assert not seen(json.dumps(kept, ensure_ascii=False))


def test_a_run_may_only_what_its_agent_may(guarded: Guarded) -> None:
    pause = {"uses": "pause_task", "with": {"task_id": "019ab7d2-3c4e-7f10-8a2b-5d6e7f809a1b"}}
    author = AUTHOR[:-1]
    assert run_of(guarded, guarded.new("may", *author, "tasks:update"), [pause])["error"]["type"] == "not_found"
    refused = run_of(guarded, guarded.new("may not", *author), [pause])["error"]
    assert (refused["type"], refused["details"]) == ("forbidden", {"required_scopes": ["tasks:update"]})


def test_values_go_in_and_never_come_out(guarded: Guarded) -> None:
    headers = guarded.new("keeper", "secrets:manage")
    stored = guarded.api.send("PUT", "/secrets/API_KEY", json={"value": CANARY}, headers=headers, expect=200)
    assert stored.get_json() == {"success": True, "name": "API_KEY", "created": True}
    again = guarded.api.send("PUT", "/secrets/API_KEY", json={"value": "other"}, headers=headers, expect=200)
    assert again.get_json()["created"] is False
    page = guarded.api.get("/secrets", headers=headers)
    assert [sorted(one) for one in page["items"]] == [["created_at", "name", "updated_at", "updated_by"]]
    guarded.api.send("GET", "/secrets/API_KEY", headers=headers, expect=405)
    guarded.api.send("DELETE", "/secrets/API_KEY", headers=headers, expect=204)
    guarded.api.send("DELETE", "/secrets/API_KEY", headers=headers, expect=404)
    for name in ("1a", "a-b", "a.b", "ă", "a" * 101):
        guarded.api.send("PUT", f"/secrets/{name}", json={"value": "x"}, headers=headers, expect=400)


def test_keys_of_secrets_rotate(database_url: str, tmp_path: Path) -> None:
    def with_keys(keys: str, act: Callable[[Guarded], Any]) -> Any:
        with serving(guarded_settings(database_url, tmp_path, ORDINAUT_SECRET_KEYS=keys)) as api:
            return act(Guarded(api))

    def put(guarded: Guarded) -> None:
        headers = guarded.new("k", "secrets:manage")
        guarded.api.send("PUT", "/secrets/K", json={"value": CANARY}, headers=headers, expect=200)

    def value(guarded: Guarded) -> Any:
        return guarded.services.secrets.values(["K"])["K"]

    with_keys(OLD_KEY, put)
    assert with_keys(f"{KEY},{OLD_KEY}", value) == CANARY
    assert with_keys(f"{KEY},{OLD_KEY}", lambda guarded: guarded.services.secrets.rotate()) == 1
    assert with_keys(KEY, value) == CANARY


def test_production_without_a_key_keeps_no_secrets(database_url: str, tmp_path: Path) -> None:
    more = {"ORDINAUT_ENV": "production", "ORDINAUT_SECRET_KEYS": ""}
    with serving(guarded_settings(database_url, tmp_path, **more)) as api:
        guarded = Guarded(api)
        answer = api.send("PUT", "/secrets/K", json={"value": "v"}, headers=guarded.new("k", "admin"), expect=503)
        assert "ORDINAUT_SECRET_KEYS" in answer.get_json()["message"]
