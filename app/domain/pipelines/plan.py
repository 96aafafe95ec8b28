"""A definition made ready to run: compiled once, used by every run that keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.domain.clock import from_micros, rfc3339
from app.domain.execution import Claimed
from app.domain.pipelines.model import Step, every_step, parse_pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run of one definition does and how hard it tries.

    Attributes:
        timeout_seconds: For the whole run, time in the queue not counted.
        scopes: What its runs may hold at most, since its author held no more; None for all that the agent holds.
        pause_after_failures: The task is paused when so many of its runs have failed in a row.
    """

    title: str
    caller: str
    steps: tuple[Step, ...]
    params: Mapping[str, Any]
    timeout_seconds: int
    backoff_strategy: str
    backoff_seconds: float
    pause_after_failures: int | None
    scopes: tuple[str, ...] | None = None
    every: Mapping[str, Step] = field(default_factory=dict)
    """All steps by id, those in branches too."""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Plan:
        """Compile a stored definition; see `app.domain.tasks.Definition`."""
        payload, scopes = document["payload"], document.get("scopes")
        steps = parse_pipeline(payload.get("pipeline", [])).steps
        return cls(
            title=document["title"],
            caller=document["created_by"],
            steps=steps,
            every={step.id: step for step in every_step(steps)},
            params=payload.get("params", {}),
            timeout_seconds=document["timeout_seconds"],
            backoff_strategy=document["backoff_strategy"],
            backoff_seconds=document["backoff_seconds"],
            pause_after_failures=document["pause_after_failures"],
            scopes=None if scopes is None else tuple(scopes),
        )


def run_scope(run: Claimed) -> dict[str, Any]:
    """What templates see of a run."""
    return {
        "id": run.id,
        "attempt": run.attempt,
        "trigger": run.trigger,
        "nominal_at": None if run.nominal_at is None else rfc3339(from_micros(run.nominal_at)),
        "scheduled_for": rfc3339(from_micros(run.scheduled_for)),
    }


def scope_of(run: Claimed, plan: Plan, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """What templates see in a run; a part sees the run that it is of. `outputs` grows as steps end."""
    return {
        "params": {**plan.params, **run.params} if run.params else plan.params,
        "steps": outputs,
        "now": None,
        "task": {"id": run.task_id, "title": plan.title},
        "run": run_scope(run) if run.part is None else run.part["run"],
        "event": run.event,
    }
