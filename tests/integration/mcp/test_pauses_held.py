"""A call that goes on over its waits is one call: it is held against grants, budgets and limits of tools once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.bootstrap.parts import open_database
from app.tools import mcp_conversation
from tests.fakes.mcp_remote import Remote
from tests.fakes.mcp_task_server import FORM
from tests.integration.api.conftest import Api, make_settings, serving
from tests.integration.mcp.test_pauses import ACCEPT, decided
from tests.servers import wait_for

ASKS = {"asks": {"account": FORM}}


@pytest.fixture
def api(database_url: str, tmp_path: Path, remote: Remote, hurried: None) -> Iterator[Api]:
    """Everybody's tasks need grants, and a tool may be called once in an hour."""
    servers, limits = json.dumps({"far": {"url": remote.url}}), json.dumps({"far.work": {"rate": "1/hour"}})
    settings = {"ORDINAUT_MCP_SERVERS": servers, "ORDINAUT_TOOL_LIMITS": limits, "ORDINAUT_GRANTS": "all"}
    with serving(make_settings(database_url, tmp_path, **settings)) as api:
        assert api.post("/mcp/servers/far/test")["error"] is None
        yield api


def granted(api: Api, tool: str, **arguments: Any) -> tuple[str, str]:
    """A run of one call that was accepted, as far as it comes; the path of the grant, and the run's id."""
    task = api.task(payload={"pipeline": [{"id": "far", "uses": f"far.{tool}", "with": arguments}]}, max_retries=0)
    grant = api.get(f"/tasks/{task['id']}/grant")
    path = f"/grants/{grant['id']}"
    api.post(f"{path}/accept")
    run_id = api.run(task)
    api.work()
    return path, run_id


@pytest.mark.parametrize("again", [None, {"permissions": [], "outside": "ask"}])
def test_what_has_begun_goes_on_when_its_grant_is_taken_back(api: Api, remote: Remote, again: Any) -> None:
    before = len(remote.works())
    path, run_id = granted(api, "work", **ASKS)
    api.post(f"{path}/refuse")
    if again is not None:
        api.post(f"{path}/accept", again)
    run = decided(api, run_id, ACCEPT)
    assert (run["status"], len(remote.works()) - before) == ("succeeded", 1)


def test_a_call_that_is_answered_counts_once(api: Api) -> None:
    api.send("PUT", "/budgets/far", json={"tool": "far.*", "hard": 1}, expect=200)
    run = decided(api, granted(api, "ask")[1], ACCEPT)
    assert (run["status"], api.get("/budgets/far")["used"]) == ("succeeded", 1)


def test_looking_after_a_task_is_no_call_and_is_written_down_once(
    api: Api, tick: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_conversation, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(mcp_conversation, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(mcp_conversation, "LONGEST_PAUSE", 0.1)
    _, run_id = granted(api, "work", seconds=1.0)

    def over() -> bool:
        tick()
        api.work()
        return bool(api.get(f"/runs/{run_id}")["finished_at"])

    wait_for(over, seconds=30, what="the task to end")
    run = api.get(f"/runs/{run_id}")
    assert (run["status"], run["steps"][0]["input"]) == ("succeeded", {"seconds": 1.0})
    with closing(open_database(api.settings)) as database:
        told = [record.body for record in database.ledger.journal(run_id) if record.kind == "step"]
    assert sum(body["status"] == "waiting" for body in told) > 1
    # As it begins, and as it first waits: a worker that takes it up reads it there.
    assert [body["status"] for body in told if "input" in body] == ["running", "waiting"]
