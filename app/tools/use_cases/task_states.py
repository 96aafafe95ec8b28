"""`pause_task`, `resume_task`, `snooze_task`, `cancel_task`, `run_task_now`: steering a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from app.domain.runs import ENDED
from app.domain.texts import t
from app.tools.use_cases import shapes
from app.tools.use_cases.answers import answer, capped, shape
from app.tools.use_cases.ports import Change, UseCases
from app.tools.use_cases.refusals import advised
from app.tools.use_cases.waiting import WAIT_SECONDS, waited
from ordinaut import Tool, ToolCall, ToolFailed

_EXAMPLE_ID = "019ab7d2-3c4e-7f10-8a2b-5d6e7f809a1b"
_STEERED: Mapping[str, Any] = answer(
    {
        "task_id": {"type": "string", "description": "As given."},
        "message": {"type": "string", "description": "What was done."},
        "status": {"type": "string", "description": "How it stands now."},
        "next_run": shapes.NEXT_RUN,
        "snoozed_until": {"type": ["string", "null"], "description": "Nothing fires before; null for not snoozed."},
    }
)

_RUN_PROPERTIES: dict[str, Any] = {
    "task_id": shapes.TASK_ID,
    "inputs": {"type": "object", "description": "Params for this run, laid over the task's own."},
    "wait_seconds": {
        "type": "number",
        "minimum": 0,
        "maximum": WAIT_SECONDS,
        "default": 0,
        "description": "How long to wait for the end of it.",
    },
    "idempotency_key": {
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "description": "Asking twice under one key gives one run.",
    },
}
_RUN_OUTPUT = answer(
    {
        **shapes.RUN["properties"],
        "message": {"type": "string", "description": "What was done, and what to do next."},
        "deduplicated": {"type": "boolean", "description": "Whether the run stood already under the key."},
        "output": {"description": "What it made, once it has ended."},
    }
)


def steering_tools(uses: UseCases) -> list[Tool]:
    """The tools that change how a task stands, or start it by hand."""
    return [advised(tool) for tool in (_pause(uses), _resume(uses), _snooze(uses), _cancel(uses), _run_now(uses))]


def _pause(uses: UseCases) -> Tool:
    return Tool(
        name="pause_task",
        description=t("Stops a task's schedule until resume_task. Runs that are going on go on."),
        schema=shape({"task_id": shapes.TASK_ID}, ["task_id"]),
        output_schema=_STEERED,
        run=_steering(lambda call: uses.tasks.pause(call.arguments["task_id"], caller=call.caller)),
        idempotent=True,
        scope="tasks:update",
        examples=({"task_id": _EXAMPLE_ID},),
    )


def _resume(uses: UseCases) -> Tool:
    return Tool(
        name="resume_task",
        description=t("Takes a paused or snoozed task up again, from now on; what was due meanwhile does not fire."),
        schema=shape({"task_id": shapes.TASK_ID}, ["task_id"]),
        output_schema=_STEERED,
        run=_steering(lambda call: uses.tasks.resume(call.arguments["task_id"], caller=call.caller)),
        idempotent=True,
        scope="tasks:update",
        examples=({"task_id": _EXAMPLE_ID},),
    )


def _snooze(uses: UseCases) -> Tool:
    def snoozed(call: ToolCall) -> Change:
        given = call.arguments
        return uses.tasks.snooze(
            given["task_id"],
            caller=call.caller,
            delay_seconds=given.get("delay_seconds"),
            until=given.get("until"),
            reason=given.get("reason"),
        )

    return Tool(
        name="snooze_task",
        description=t("Skips what a task would do for a while, a week at most. Give `delay_seconds` or `until`."),
        schema=shape(
            {
                "task_id": shapes.TASK_ID,
                "delay_seconds": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 604_800,
                    "description": "From now on.",
                },
                "until": {"type": "string", "maxLength": 40, "description": "ISO instant with an offset."},
                "reason": {"type": "string", "maxLength": 500, "description": "For whoever wonders."},
            },
            ["task_id"],
        ),
        output_schema=_STEERED,
        run=_steering(snoozed),
        scope="tasks:update",
        examples=({"task_id": _EXAMPLE_ID, "delay_seconds": 3600, "reason": "On holiday"},),
    )


def _cancel(uses: UseCases) -> Tool:
    def canceled(call: ToolCall) -> Change:
        if call.arguments.get("confirm") is not True:
            raise ToolFailed(
                t(
                    "This ends the task for good. When the user agrees, call cancel_task again with `confirm: true`; "
                    "pause_task stops it for a time only."
                ),
                type="confirmation_required",
                retryable=False,
                details={"task_id": call.arguments["task_id"]},
            )
        return uses.tasks.cancel(call.arguments["task_id"], caller=call.caller)

    return Tool(
        name="cancel_task",
        description=t("Ends a task for good; it never fires again. Runs that are going on go on: see cancel_run."),
        schema=shape(
            {
                "task_id": shapes.TASK_ID,
                "confirm": {"type": "boolean", "default": False, "description": "True once the user has agreed."},
            },
            ["task_id"],
        ),
        output_schema=_STEERED,
        run=_steering(canceled),
        idempotent=True,
        destructive=True,
        scope="tasks:delete",
        examples=({"task_id": _EXAMPLE_ID, "confirm": True},),
    )


def _steering(change: Callable[[ToolCall], Change]) -> Callable[[ToolCall], dict[str, Any]]:
    def run(call: ToolCall) -> dict[str, Any]:
        done = change(call)
        return {
            "task_id": done.task.id,
            "message": done.message,
            "status": done.task.status,
            "next_run": shapes.when(done.task.next_run_at),
            "snoozed_until": shapes.when(done.task.snoozed_until),
        }

    return run


def _run_now(uses: UseCases) -> Tool:
    def run(call: ToolCall) -> dict[str, Any]:
        given = call.arguments
        key = given.get("idempotency_key") or call.idempotency_key
        started, deduplicated = uses.tasks.run_now(
            given["task_id"], caller=call.caller, params=given.get("inputs"), key=key
        )
        wait = given.get("wait_seconds", 0)
        now = waited(uses.runs, started.id, call, wait).run if wait else started
        ended = now.status in ENDED
        return {
            "run_id": now.id,
            "task_id": now.task_id,
            "message": _said(now.status, ended=ended, deduplicated=deduplicated),
            "status": now.status,
            "success": now.success,
            "deduplicated": deduplicated,
            "output": capped(now.output, t("get_run gives it step by step")) if ended else None,
            "error": now.error,
        }

    return Tool(
        name="run_task_now",
        description=t(
            "Starts one run of a task now, outside its schedule; this does real work. If it has not ended when the "
            "answer comes, call wait_for_run with its run_id."
        ),
        schema=shape(_RUN_PROPERTIES, ["task_id"]),
        output_schema=_RUN_OUTPUT,
        run=run,
        idempotent=True,
        destructive=True,
        open_world=True,
        scope="tasks:run",
        examples=({"task_id": _EXAMPLE_ID, "inputs": {"city": "Cahul"}, "wait_seconds": 20},),
    )


def _said(status: str, *, ended: bool, deduplicated: bool) -> str:
    if ended:
        return t("The run has ended: {status}", status=status)
    return t("This run was asked for before") if deduplicated else t("Run queued")
