"""What must be true after a chaos run, checked against the database, the target and what clients were told."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.workload import TOPIC, Heard, Tasks
from tests.faults.stack import Stack
from tests.faults.target import Target

_PARTS = "SELECT id, part FROM runs WHERE part IS NOT NULL"
EXPLAINED_SECONDS = 8.0
"""How long after a database came back a 503 may still be due to its absence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything there is to judge; `away` are spans of unix time in which the database did not answer."""

    stack: Stack
    target: Target
    tasks: Tasks
    heard: Heard
    away: Sequence[tuple[float, float]]


def broken(evidence: Evidence) -> Iterator[str]:
    """A sentence for each promise that was not kept."""
    yield from _slots(evidence)
    yield from _runs(evidence)
    yield from _steps(evidence)
    yield from _kin(evidence)
    yield from _writes(evidence)
    yield from _streams(evidence)
    yield from _errors(evidence)


def latencies(stack: Stack) -> list[float]:
    """Seconds from each occurrence's nominal time to the start of its run, sorted."""
    rows = stack.query(
        "SELECT started_at - nominal_at FROM runs WHERE started_at IS NOT NULL AND nominal_at IS NOT NULL"
    )
    return sorted(float(micros) / 1e6 for (micros,) in rows)


def _slots(evidence: Evidence) -> Iterator[str]:
    found: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for task_id, nominal in evidence.stack.query("SELECT task_id, nominal_at FROM occurrences"):
        found[task_id][nominal] += 1
    for task in evidence.tasks.ticking:
        expected, rows = set(task.slots()), found[task.id]
        if missing := sorted(expected - set(rows)):
            yield f"task {task.id}: {len(missing)} of {len(expected)} slots have no row, the first {missing[0]}"
        if extra := sorted(set(rows) - expected):
            yield f"task {task.id}: {len(extra)} rows are of no slot, the first {extra[0]}"
        if twice := [nominal for nominal, count in rows.items() if count > 1]:
            yield f"task {task.id}: slots with two rows: {twice[:3]}"


def _runs(evidence: Evidence) -> Iterator[str]:
    query = evidence.stack.query
    orphans = query(
        "SELECT o.task_id, o.nominal_at, count(r.id) FROM occurrences o LEFT JOIN runs r ON r.task_id = o.task_id"
        " AND r.nominal_at = o.nominal_at WHERE o.outcome = 'fired' GROUP BY o.task_id, o.nominal_at"
        " HAVING count(r.id) <> 1"
    )
    yield from (f"fired slot {row[0]} {row[1]} has {row[2]} runs" for row in orphans)
    open_runs = query("SELECT id, status, attempt FROM runs WHERE finished_at IS NULL")
    yield from (f"run {row[0]} has not ended: {row[1]}, attempt {row[2]}" for row in open_runs)
    refused = evidence.tasks.ticking[1].id
    strange = query("SELECT id, status, error FROM runs WHERE status <> 'succeeded' AND task_id <> ?", refused)
    strange += query("SELECT id, status, error FROM runs WHERE status <> 'failed' AND task_id = ?", refused)
    yield from (f"run {row[0]} ended {row[1]}: {row[2]}" for row in strange)


def _kin(evidence: Evidence) -> Iterator[str]:
    """Each event starts its task once, each waiting run has its child, and nothing waits any more."""
    query, tasks = evidence.stack.query, evidence.tasks
    told = Counter(json.loads(data)["run"] for (data,) in query("SELECT data FROM events WHERE topic = ?", TOPIC))
    tellers = {run_id for (run_id,) in query("SELECT id FROM runs WHERE task_id = ?", tasks.teller)}
    if set(told) != tellers or max(told.values(), default=1) > 1:
        yield f"{len(tellers)} runs have published {told.total()} events of {len(told)} runs"
    [(heard,)] = query("SELECT count(*) FROM runs WHERE task_id = ?", tasks.listener)
    if heard != told.total():
        yield f"{told.total()} events have started {heard} runs"
    parents = Counter(parent for (parent,) in query("SELECT parent_run_id FROM runs WHERE task_id = ?", tasks.child))
    callers = {run_id for (run_id,) in query("SELECT id FROM runs WHERE task_id = ?", tasks.caller)}
    if set(parents) != callers:
        yield f"{len(callers)} runs waited for a child, {len(set(parents))} have one"
    [(left,)] = query("SELECT count(*) FROM waits")
    if left:
        yield f"{left} waits are left"


def _steps(evidence: Evidence) -> Iterator[str]:
    calls = Counter(call.key for call in evidence.target.calls())
    journals: defaultdict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    # What the parts of a run did is its own.
    root = {run_id: json.loads(part)["root"] for run_id, part in evidence.stack.query(_PARTS)}
    for run_id, records in evidence.stack.query("SELECT run_id, records FROM run_journal ORDER BY run_id, first"):
        journals[root.get(run_id, run_id)].extend((kind, body) for _, kind, body in json.loads(records))
    steps_of = {**{task.id: task.steps for task in evidence.tasks.ticking}, **evidence.tasks.others}
    for run_id, task_id, status in evidence.stack.query("SELECT id, task_id, status FROM runs WHERE part IS NULL"):
        names = steps_of.get(task_id, ("wait", "done"))
        for name in names:
            yield from _step(run_id, name, calls[f"{run_id}:{name}"], journals[run_id])
            if status == "succeeded" and calls[f"{run_id}:{name}"] == 0:
                yield f"run {run_id} succeeded, and the effect of {name} never happened"


def _step(run_id: str, name: str, calls: int, journal: list[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    """A call needs an attempt in the journal, a further attempt a cut, and nothing comes after success."""
    begun = cuts = 0
    done = False
    for kind, body in journal:
        if kind == "state" and body["status"] == "queued":
            cuts += 1
        elif kind == "step" and _name(body) == name and body["status"] == "running":
            begun += 1
            if done:
                yield f"run {run_id}: {name} ran again after it had succeeded"
        elif kind == "step" and _name(body) == name and body["status"] == "succeeded":
            done = True
    if calls > begun:
        yield f"run {run_id}: {name} was called {calls} times in {begun} attempts"
    if begun > 1 + cuts:
        yield f"run {run_id}: {name} began {begun} times with {cuts} cuts"


def _name(body: dict[str, Any]) -> str:
    return f"{body['id']}[{body['item']}]" if "item" in body else str(body["id"])


def _writes(evidence: Evidence) -> Iterator[str]:
    heard, query = evidence.heard, evidence.stack.query
    yield from heard.contradictions
    titles = Counter(title for (title,) in query("SELECT title FROM tasks"))
    ids = {task_id for (task_id,) in query("SELECT id FROM tasks")}
    for title, task_id in heard.tasks.items():
        if task_id not in ids:
            yield f"task {title} was acknowledged and is not there"
        if titles[title] > 1 + heard.unclear[title]:
            yield f"task {title} is there {titles[title]} times"
    runs: defaultdict[str, list[str]] = defaultdict(list)
    for run_id, task_id in query("SELECT id, task_id FROM runs WHERE nominal_at IS NULL"):
        runs[task_id].append(run_id)
    for (task_id, key), run_id in heard.runs.items():
        if runs[task_id] != [run_id]:
            yield f"{key} was acknowledged as run {run_id}, and there are {runs[task_id]}"


def _streams(evidence: Evidence) -> Iterator[str]:
    lengths = dict(evidence.stack.query("SELECT id, journal_length FROM runs"))
    for run_id, numbers in evidence.heard.streams.items():
        if numbers != list(range(lengths[run_id] + 1)):
            yield f"the stream of run {run_id} brought {numbers} of 0 to {lengths[run_id]}"
    if len(evidence.heard.streams) != len(evidence.heard.runs):
        yield f"{len(evidence.heard.streams)} of {len(evidence.heard.runs)} streams came to their end"


def _errors(evidence: Evidence) -> Iterator[str]:
    for at, status, asked, body in evidence.heard.errors:
        away = any(start <= at <= end + EXPLAINED_SECONDS for start, end in evidence.away)
        if status != 503 or not away:
            yield f"{status} without cause: {asked}: {body}"
