"""Beat killed, and beats in number: every second of a task that fires each second has exactly one row."""

from __future__ import annotations

import signal
import time

from tests.faults.stack import PATIENCE, Stack
from tests.servers import wait_for

SECOND = 1_000_000
EACH_SECOND = {"schedule_kind": "cron", "schedule_expr": "* * * * * *", "overlap": "allow"}
NOTHING = [{"id": "line", "uses": "log.write", "with": {"message": "here"}}]


def ticking(stack: Stack) -> str:
    """A task that fires each second and has begun to."""
    task_id = stack.task(NOTHING, **EACH_SECOND)
    wait_for(lambda: len(moments(stack, task_id)) > 1, seconds=PATIENCE, what="the task to fire")
    return task_id


def moments(stack: Stack, task_id: str) -> list[int]:
    """Nominal times of its occurrences in order, in microseconds."""
    rows = stack.query("SELECT nominal_at FROM occurrences WHERE task_id = ? ORDER BY nominal_at", task_id)
    return [nominal for (nominal,) in rows]


def fires_twice_more(stack: Stack, task_id: str) -> None:
    """Wait for two further occurrences."""
    last = moments(stack, task_id)[-1]
    wait_for(lambda: moments(stack, task_id)[-1] > last + SECOND, seconds=PATIENCE, what="two more occurrences")


def complete(stack: Stack, task_id: str) -> None:
    """Stop the task, and see that no second is missing and each has its one run."""
    assert stack.request("POST", f"/tasks/{task_id}/pause").status_code == 200
    found = moments(stack, task_id)
    assert found == list(range(found[0], found[-1] + 1, SECOND))
    joined = stack.query(
        "SELECT o.outcome, r.id FROM occurrences o LEFT JOIN runs r ON r.task_id = o.task_id"
        " AND r.nominal_at = o.nominal_at AND r.id = o.run_id WHERE o.task_id = ?",
        task_id,
    )
    assert {outcome for outcome, _ in joined} == {"fired"}
    assert len({run_id for _, run_id in joined if run_id}) == len(found)
    assert stack.query("SELECT count(*) FROM runs WHERE task_id = ?", task_id) == [(len(found),)]
    left = "SELECT 1 FROM runs WHERE task_id = ? AND status <> 'succeeded'"
    wait_for(lambda: not stack.query(left, task_id), seconds=PATIENCE, what="its runs to end")


def test_what_came_due_while_beat_was_dead_fires_when_it_is_back(stack: Stack) -> None:
    task_id = ticking(stack)
    stack.kill("beat")
    last = moments(stack, task_id)[-1]
    wait_for(lambda: time.time() * SECOND > last + 4 * SECOND, what="four seconds without beat")
    assert moments(stack, task_id)[-1] == last
    stack.start("beat")
    wait_for(lambda: moments(stack, task_id)[-1] > last + 4 * SECOND, seconds=PATIENCE, what="beat to catch up")
    complete(stack, task_id)


def test_three_beats_fire_each_occurrence_once_and_may_be_killed_in_turn(stack: Stack) -> None:
    stack.start("beat-2", "beat-3")
    tasks = [ticking(stack) for _ in range(4)]
    for name in ("beat", "beat-2", "beat-3"):
        fires_twice_more(stack, tasks[0])
        stack.kill(name, signal.SIGKILL)
        stack.start(name)
    for task_id in tasks:
        complete(stack, task_id)
