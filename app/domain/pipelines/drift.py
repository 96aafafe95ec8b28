"""Steps that no longer fit the tools of a server: a pipeline is checked when it is saved, and tools change later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from app.domain.clock import rfc3339
from app.domain.pipelines.places import places
from app.domain.pipelines.validate import ToolSchemas, call_problems
from app.domain.tasks import Task

MOST = 20
"""Problems that are kept of one task."""

Misfit = Mapping[str, str]
"""`{step, tool, issue, since}`."""


def reviewed(task: Task, server: str, tools: ToolSchemas, now: datetime) -> tuple[Misfit, ...]:
    """What of the task does not fit, once its calls of one server are held against the tools that it has now.

    What is known of other servers stays, and so does the moment at which a problem was first seen. A task that never
    runs again fits everything.
    """
    if task.status == "canceled":
        return ()
    known = {(one["step"], one["tool"], one["issue"]): one["since"] for one in task.drift}
    others = [one for one in task.drift if not is_of(one["tool"], server)]
    mine = [
        {"step": step, "tool": tool, "issue": issue, "since": known.get((step, tool, issue), rfc3339(now))}
        for step, tool, issue in dict.fromkeys(_misfits(task.payload, server, tools))
    ]
    return tuple([*others, *mine][:MOST])


def _misfits(payload: Mapping[str, Any], server: str, tools: ToolSchemas) -> Iterator[tuple[str, str, str]]:
    """Step, tool and what is wrong, in the order of the steps."""
    for step, place in places(payload["pipeline"], "", payload["params"]):
        uses = step.get("uses") if isinstance(step, dict) else None
        if isinstance(uses, str) and is_of(uses, server):
            for problem in call_problems(step, tools, place):
                yield place.named["id"], uses, str(problem.message)


def is_of(tool: str, server: str) -> bool:
    """Whether the server has, or had, the tool of this address."""
    return tool.partition(".")[0] == server
