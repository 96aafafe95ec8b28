"""`list_runs`, `get_run`, `wait_for_run`, `cancel_run`, `retry_run`: what became of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, get_args

from app.domain.clock import rfc3339
from app.domain.errors import InvalidInput, NotFound
from app.domain.holds import Held
from app.domain.journal import StepView
from app.domain.reruns import DefinitionChoice
from app.domain.runs import Record, Run, RunFilter, RunStatus
from app.domain.texts import t
from app.tools.use_cases import shapes
from app.tools.use_cases.answers import (
    CURSOR,
    NEXT_CURSOR,
    answer,
    capped,
    fitting,
    next_cursor,
    shape,
    start_of,
)
from app.tools.use_cases.ports import UseCases
from app.tools.use_cases.refusals import advised
from app.tools.use_cases.waiting import WAIT_SECONDS, waited
from ordinaut import Tool, ToolCall

_EXAMPLE_ID = "019f2a3c-5d10-7a42-9b0e-3f6c1d2e4a5b"
_PARTS = ("steps", "output", "logs", "errors")
_STEP_HINT = t("Ask for one step with `step`, or GET /runs/{id}/steps")
_LOG_HINT = t("Log lines come in pages: send `next_log_cursor` as `log_cursor`")
_MOMENT: Mapping[str, Any] = {"type": "string", "maxLength": 40}

_FILTERS: dict[str, Any] = {
    "task_id": {**shapes.TASK_ID, "description": "Only runs of this task."},
    "status": {"enum": list(get_args(RunStatus)), "description": "Only those that stand so."},
    "since": {**_MOMENT, "description": "ISO instant; only runs due then or later."},
    "until": {**_MOMENT, "description": "ISO instant; only runs due before."},
    "limit": {
        "type": "integer",
        "minimum": 1,
        "maximum": 200,
        "default": 20,
        "description": "How many to give.",
    },
}
_PROPERTIES: dict[str, Any] = {
    "run_id": shapes.RUN_ID,
    "include": {
        "type": "array",
        "items": {"enum": list(_PARTS)},
        "uniqueItems": True,
        "default": ["steps"],
        "description": "What to tell beyond how it stands.",
    },
    "step": {"type": "string", "maxLength": 200, "description": "A step's id: tell its input and output too."},
    "log_cursor": {**CURSOR, "description": "`next_log_cursor` of the answer before."},
    "log_lines": {
        "type": "integer",
        "minimum": 1,
        "maximum": 500,
        "default": 100,
        "description": "Log lines on a page.",
    },
}

_RERUN: dict[str, Any] = {
    "from_step": {
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "description": "`failed`: the first step not done; `start`: the first of all; or a step's id. When left out, "
        "`failed`, or `start` for a run that succeeded.",
    },
    "definition": {
        "enum": list(get_args(DefinitionChoice)),
        "default": "original",
        "description": "The pipeline that the run kept, or the one its task has now.",
    },
}


def run_tools(uses: UseCases) -> list[Tool]:
    """The tools that look at runs and act on them."""
    return [advised(tool) for tool in (_list(uses), _get(uses), _wait(uses), _cancel(uses), _retry(uses))]


def _list(uses: UseCases) -> Tool:
    def run(call: ToolCall) -> dict[str, Any]:
        given, start = call.arguments, start_of(call.arguments)
        where = RunFilter(
            task_id=given.get("task_id"),
            status=(given["status"],) if "status" in given else (),
            start_time=_moment(given, "since"),
            end_time=_moment(given, "until"),
        )
        page = uses.runs.page(where, caller=call.caller, limit=given.get("limit", 20), offset=start)
        held = uses.runs.held(page.items, caller=call.caller)
        shown = fitting(page.items, lambda one: _line(one, held.get(one.id)))
        return {"runs": shown, "total": page.total, "next_cursor": next_cursor(start, len(shown), page.total)}

    return Tool(
        name="list_runs",
        description=t("Lists runs, newest first, of one task or of all. get_run tells what happened in one."),
        schema=shape({**_FILTERS, "cursor": CURSOR}),
        output_schema=answer(
            {
                "runs": {"type": "array", "items": shapes.RUN_LINE, "description": "In short."},
                "total": {"type": "integer", "description": "How many there are in all."},
                "next_cursor": NEXT_CURSOR,
            }
        ),
        run=run,
        idempotent=True,
        read_only=True,
        scope="runs:read",
        examples=({"status": "failed", "limit": 5},),
    )


def _get(uses: UseCases) -> Tool:
    def run(call: ToolCall) -> dict[str, Any]:
        found, steps = uses.runs.get(call.arguments["run_id"], caller=call.caller)
        wanted = call.arguments.get("include", ["steps"])
        held = uses.runs.held([found], caller=call.caller)
        told: dict[str, Any] = {"run": _line(found, held.get(found.id))}
        if "steps" in wanted:
            told["steps"] = fitting(steps, _step_line, room=20_000)
        if "errors" in wanted:
            told["errors"] = fitting([one for one in steps if one.error], _step_error, room=15_000)
        if "output" in wanted:
            told["output"] = capped(found.output, _STEP_HINT, room=15_000)
        if "step" in call.arguments:
            told["step"] = _step_whole(found, steps, call.arguments["step"])
        if "logs" in wanted or "log_cursor" in call.arguments:
            told.update(_logs(uses, call))
        return told

    return Tool(
        name="get_run",
        description=t(
            "Gets a run: how it stands, its steps, and on request its output, errors, logs or one step whole."
        ),
        schema=shape(_PROPERTIES, ["run_id"]),
        output_schema=answer({"run": {**shapes.RUN_LINE, "description": "How it stands."}}),
        run=run,
        idempotent=True,
        read_only=True,
        scope="runs:read",
        examples=({"run_id": _EXAMPLE_ID, "include": ["steps", "errors"]},),
    )


def _wait(uses: UseCases) -> Tool:
    timeout = {
        "type": "number",
        "minimum": 0,
        "maximum": WAIT_SECONDS,
        "default": 60,
        "description": "Seconds at most; a direct call waits 24 of them at most.",
    }

    def run(call: ToolCall) -> dict[str, Any]:
        seen = waited(uses.runs, call.arguments["run_id"], call, call.arguments.get("timeout_seconds", 60))
        held = uses.runs.held([seen.run], caller=call.caller)
        return {
            "run": _line(seen.run, held.get(seen.run.id)),
            "timed_out": seen.timed_out,
            "output": capped(seen.run.output, t("get_run gives it step by step")),
            "message": t("Not ended yet: call wait_for_run again") if seen.timed_out else t("The run has ended"),
        }

    return Tool(
        name="wait_for_run",
        description=t("Waits until a run has ended, or until the time is up: then call it again."),
        schema=shape({"run_id": shapes.RUN_ID, "timeout_seconds": timeout}, ["run_id"]),
        output_schema=answer(
            {
                "run": {**shapes.RUN_LINE, "description": "How it stands."},
                "timed_out": {"type": "boolean", "description": "Whether it had not ended when the time was up."},
                "output": {"description": "What it made; null before its end."},
                "message": {"type": "string", "description": "What to do next."},
            }
        ),
        run=run,
        idempotent=True,
        read_only=True,
        scope="runs:read",
        examples=({"run_id": _EXAMPLE_ID, "timeout_seconds": 20},),
    )


def _cancel(uses: UseCases) -> Tool:
    def run(call: ToolCall) -> dict[str, Any]:
        done = uses.runs.cancel(call.arguments["run_id"], caller=call.caller)
        ended = done.status == "canceled"
        message = t("Run canceled") if ended else t("Cancellation requested; wait_for_run tells when it has ended")
        return {"run_id": call.arguments["run_id"], "status": done.status, "message": message}

    return Tool(
        name="cancel_run",
        description=t("Stops a run that has not ended. What its steps have done already stays done."),
        schema=shape({"run_id": shapes.RUN_ID}, ["run_id"]),
        output_schema=answer(
            {
                "run_id": {"type": "string", "description": "As given."},
                "status": {"type": "string", "description": "`canceled`, or `running` until its worker has stopped."},
                "message": {"type": "string", "description": "What was done."},
            }
        ),
        run=run,
        destructive=True,
        scope="runs:cancel",
        examples=({"run_id": _EXAMPLE_ID},),
    )


def _retry(uses: UseCases) -> Tool:
    def run(call: ToolCall) -> dict[str, Any]:
        earlier = call.arguments["run_id"]
        start, definition = call.arguments.get("from_step"), call.arguments.get("definition", "original")
        new = uses.runs.retry(earlier, caller=call.caller, start=start, definition=definition, key=call.idempotency_key)
        return {
            "run_id": new.id,
            "task_id": new.task_id,
            "retried_run_id": earlier,
            "status": new.status,
            "message": t("Run queued"),
        }

    return Tool(
        name="retry_run",
        description=t(
            "Repeats a run that has ended, with its params: a new run that goes on from the first step that was not "
            "done, or from the step you name, and takes over what the steps before it gave."
        ),
        schema=shape({"run_id": shapes.RUN_ID, **_RERUN}, ["run_id"]),
        output_schema=answer(
            {
                "run_id": {"type": "string", "description": "The new run; wait_for_run waits for it."},
                "task_id": {"type": "string", "description": "Its task."},
                "retried_run_id": {"type": "string", "description": "As given."},
                "status": {"type": "string", "description": "`queued`."},
                "message": {"type": "string", "description": "What was done."},
            }
        ),
        run=run,
        idempotent=True,
        destructive=True,
        open_world=True,
        scope="tasks:run",
        examples=({"run_id": _EXAMPLE_ID}, {"run_id": _EXAMPLE_ID, "from_step": "start", "definition": "latest"}),
    )


def _line(run: Run, held: Held | None) -> dict[str, Any]:
    line = shapes.run_line(run, held)
    line["error"] = capped(line["error"], t("get_run with `step` has it whole"), room=4_000)
    return line


def _step_line(step: StepView) -> dict[str, Any]:
    return {
        "id": step.id,
        "uses": step.uses,
        "status": step.status,
        "attempts": len(step.attempts),
        "started_at": step.started_at,
        "finished_at": step.finished_at,
    }


def _step_error(step: StepView) -> dict[str, Any]:
    return {"step": step.id, "attempt": step.attempt, "error": capped(step.error, _STEP_HINT, room=4_000)}


def _step_whole(run: Run, steps: Sequence[StepView], step_id: str) -> dict[str, Any]:
    for step in steps:
        if step.id == step_id:
            return {
                **_step_line(step),
                "input": capped(step.input, t("GET /runs/{id}/steps has it whole", id=run.id), room=10_000),
                "output": capped(step.output, t("GET /runs/{id}/steps has it whole", id=run.id), room=15_000),
                "error": capped(step.error, t("GET /runs/{id}/steps has it whole", id=run.id), room=4_000),
            }
    begun = ", ".join(step.id for step in steps[:20]) or "none"
    raise NotFound(t("No step {step} of this run has begun; those that have: {begun}", step=step_id, begun=begun))


def _logs(uses: UseCases, call: ToolCall) -> dict[str, Any]:
    arguments, lines = call.arguments, call.arguments.get("log_lines", 100)
    start = start_of({"cursor": arguments.get("log_cursor", "0")})
    page = uses.runs.logs(arguments["run_id"], caller=call.caller, limit=lines, offset=start)
    shown = fitting(page.items, _log_line, room=20_000)
    return {"logs": shown, "next_log_cursor": next_cursor(start, len(shown), page.total)}


def _log_line(record: Record) -> dict[str, Any]:
    message = capped(str(record.body.get("message", "")), _LOG_HINT, room=4_000)
    return {
        "at": rfc3339(record.at),
        "level": record.body.get("level", "info"),
        "step": record.body.get("step_id"),
        "message": message,
    }


def _moment(arguments: Mapping[str, Any], name: str) -> datetime | None:
    text = arguments.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not 1970 <= moment.year < 9000:
        text = t("{field} must be an instant with an offset, such as 2026-11-24T08:30:00Z", field=f"'{name}'")
        raise InvalidInput.at(f"/{name}", text)
    return moment.astimezone(UTC)
