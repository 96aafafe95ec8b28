"""Whatever a tool does, a run that is cancelled has ended within ten seconds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.stack import PATIENCE, Stack
from tests.servers import ValkeyServer, wait_for

SECONDS = 10


@pytest.fixture
def stack(database_url: str, broker: ValkeyServer, tmp_path: Path) -> Iterator[Stack]:
    """A stack with the deaf tool, on each database in turn."""
    extension = tmp_path / "extensions" / "deaf"
    extension.mkdir(parents=True)
    manifest = {"id": "deaf", "name": "Deaf", "version": "1", "grants": ["TOOLS"]}
    (extension / "extension.json").write_text(json.dumps(manifest))
    shutil.copyfile(Path(__file__).with_name("deaf.py"), extension / "extension.py")
    paths = str(extension.parent)
    stack = Stack(tmp_path / "stack", database_url=database_url, redis_url=broker.url, ORDINAUT_EXT_PATHS=paths)
    yield stack.start("web", "worker", "beat").ready()
    stack.stop()


def test_a_tool_that_listens_to_nobody_is_stopped_all_the_same(stack: Stack) -> None:
    run_id = stack.start_run([{"id": "wait", "uses": "ext.deaf.wait", "timeout_seconds": 600}])
    begun = "SELECT journal_length FROM runs WHERE id = ? AND journal_length > 1"
    wait_for(lambda: stack.query(begun, run_id), seconds=PATIENCE, what="the call to begin")
    name, pid = stack.holder(run_id)
    assert stack.request("POST", f"/runs/{run_id}/cancel").status_code == 202
    run = stack.ended(run_id, seconds=SECONDS)
    assert (run["status"], run["error"]) == ("canceled", None)
    # Its process has to end with it, a moment later; then the pool gets another one.
    worker = stack.programs[name]
    gone = lambda: pid not in [child.pid for child in worker.children()]  # noqa: E731
    wait_for(gone, seconds=PATIENCE, what="the process of the call to end")
    wait_for(worker.has_pool, seconds=PATIENCE, what="the pool to be whole again")
    assert stack.ended(stack.start_run([]))["status"] == "succeeded"


def test_a_run_that_waits_ends_at_once_and_its_children_with_it(stack: Stack) -> None:
    child = stack.task([{"id": "pause", "uses": "flow.sleep", "with": {"seconds": 3600}}])
    run_id = stack.start_run([{"id": "ask", "uses": "tasks.run", "with": {"task_id": child, "wait": True}}])
    ask = "SELECT id FROM runs WHERE task_id = ? AND status = 'waiting'"
    wait_for(lambda: stack.query(ask, child), seconds=PATIENCE, what="the child to wait")
    answer = stack.request("POST", f"/runs/{run_id}/cancel")
    assert answer.json()["details"]["status"] == "canceled"
    [(child_run,)] = stack.query("SELECT id FROM runs WHERE task_id = ?", child)
    assert stack.ended(child_run, seconds=SECONDS)["status"] == "canceled"
    assert stack.query("SELECT id FROM waits WHERE run_id IN (?, ?)", run_id, child_run) == []
