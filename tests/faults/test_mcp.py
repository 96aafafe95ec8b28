"""A task of another server while everything of ours dies: it is begun once, asked about once, and its end is ours."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.fakes.mcp_remote import Remote
from tests.fakes.mcp_task_server import FORM
from tests.faults.stack import PATIENCE, Stack
from tests.faults.test_waits import waiting
from tests.servers import free_port, wait_for


@pytest.fixture
def remote(stack: Stack) -> Iterator[Remote]:
    """Named in the file that the stack watches."""
    server = Remote(free_port())
    server.start()
    file = stack.folder / "mcp.json"
    file.write_text(json.dumps({"far": {"url": server.url}}), encoding="utf-8")
    assert stack.request("POST", "/mcp/servers/far/test").json()["error"] is None
    yield server
    file.unlink()
    server.stop()


def test_nothing_of_a_remote_task_is_lost(stack: Stack, remote: Remote) -> None:
    call = {"id": "far", "uses": "far.work", "with": {"asks": {"account": FORM}, "seconds": 3}}
    run_id = stack.start_run([call, {"id": "last", "uses": "data.set", "with": {"value": "${steps.far}"}}])
    waiting(stack, run_id)
    for name in ("web", "worker", "beat"):
        stack.kill(name)
    stack.start("web", "worker", "beat").ready()
    (asked,) = stack.get(f"/approvals?run_id={run_id}&status=pending")["items"]
    stack.kill("worker")
    decision = {"decision": "approve", "form": {"account": "main"}}
    assert stack.request("POST", f"/approvals/{asked['id']}/decide", json=decision).status_code == 200
    stack.restart("worker")
    wait_for(lambda: remote.works()[0]["updates"] > 0, seconds=PATIENCE, what="the answer to arrive")
    stack.kill("worker")
    stack.restart("worker")
    run = stack.ended(run_id)
    assert (run["status"], run["steps"][0]["attempt"]) == ("succeeded", 1)
    assert run["output"] == {"answers": {"account": ["accept", {"account": "main"}]}}
    (work,) = remote.works()
    assert not work["canceled"]
