"""What keeps a call from being made although its agent may make it: the task's grant, and budgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from app.domain.budgets import Spender
from app.domain.execution import Settlement
from app.domain.json_text import to_json
from app.domain.permissions import facts_of, touches_nothing
from app.domain.pipelines.model import Step
from app.domain.pipelines.progress import BUDGET, key_of
from app.domain.waits import ApprovalWait
from app.services.allowances import question
from app.services.steps import Pending, budget_exhausted, outside_grant
from ordinaut import Tool

if TYPE_CHECKING:
    from app.services.run_execution import RunExecution

LOOK_AGAIN_SECONDS = 3600.0
"""How long a run waits for a budget at most before it is held against it again: somebody may have raised it."""


def beyond_grant(
    execution: RunExecution, tool: Tool, step: Step, arguments: Mapping[str, Any]
) -> Settlement | Pending | None:
    """What becomes of a step whose call its task's grant does not cover; Pending where it may be made."""
    allowances, run, lines = execution.desk.allowances, execution.run, execution.lines
    if allowances is None or touches_nothing(tool):
        return Pending()
    facts = facts_of(step.uses, arguments)
    beyond = execution.desk.insist(lambda: allowances.beyond(run.task_id, step, facts))
    if beyond is None:
        return Pending()
    if beyond.outside == "fail":
        # Whatever was approved before: the grant may have been taken back since.
        return execution.failed(step, outside_grant(step, beyond.reason))
    # As the journal has it once somebody has decided, and without secrets: others read what is asked.
    told = orjson.loads(to_json(lines.veil.clean(facts) if lines.veil else facts))
    permitted = execution.progress.permitted.get(key_of(step, lines.item))
    if permitted is not None and permitted.facts == told:
        return Pending()
    run_id = execution.job.key(step, lines.item).partition(":")[0]
    asked = question(step, told, run_id=run_id, asked_by=execution.caller().agent_id)
    return execution.parked(step, ApprovalWait(approval=asked), input=arguments, beyond=told)


def over_budget(execution: RunExecution, tool: Tool, step: Step) -> Settlement | Pending | None:
    """The same once its turn has come, where a budget is used up."""
    allowances = execution.desk.allowances
    if allowances is None or touches_nothing(tool):
        return Pending()
    spent = execution.desk.insist(lambda: allowances.begin(_spender(execution, step), execution.run.id))
    if spent is None:
        return Pending()
    if spent.budget.then == "fail":
        return execution.failed(step, budget_exhausted(step, spent))
    execution.progress.attempts[key_of(step, execution.lines.item)] -= 1
    return execution.lines.queued(BUDGET, delay=min(spent.seconds, LOOK_AGAIN_SECONDS), returned=True)


def spent(execution: RunExecution, tool: Tool, step: Step, output: Any) -> None:
    """Count what a call has used that went well."""
    allowances = execution.desk.allowances
    if allowances is not None and not touches_nothing(tool):
        execution.desk.insist(lambda: allowances.end(_spender(execution, step), output))


def _spender(execution: RunExecution, step: Step) -> Spender:
    return Spender(agent_id=execution.plan.caller, task_id=execution.run.task_id, tool=step.uses)
