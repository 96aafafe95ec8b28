"""Calls that pause: what a server asks becomes an approval, what takes long a sleep, both without a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from app.domain.approvals import APPROVE, NewApproval, timed_out
from app.domain.clock import SECOND, to_micros
from app.domain.ids import new_id
from app.domain.json_size import json_problem
from app.domain.json_text import storable
from app.domain.mcp import Question, Remote, Server, Unfinished
from app.domain.texts import t
from app.domain.waits import ApprovalWait, Errand, GoingOn, Parked, Resolution, Sleep, StepCall, Until
from app.tools.forms import SchemaForms
from ordinaut.tools import ToolCall, ToolFailed

AWAY_SECONDS = 5.0
_GONE = ("unreachable", "connection_lost", "connect_timeout")
_LONGEST_MESSAGE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenUp:
    """What a call begins with.

    Attributes:
        seconds: How much time is left to it, of the server's own limit; what people take is not counted.
    """

    seconds: float
    state: Mapping[str, Any] | None = None
    answers: Mapping[str, Any] = field(default_factory=dict)


def taken_up(call: ToolCall, server: Server, remote: Remote) -> TakenUp:
    """Nothing for a new call; else where it was left, with what was answered.

    Raises:
        ToolFailed: `timeout`: nobody answered in time. The server is told.
    """
    going_on = call.going_on if isinstance(call, StepCall) else None
    if going_on is None:
        return TakenUp(seconds=server.timeout_seconds)
    if going_on.ended.error is not None:
        _cancel(server, remote, going_on.again["state"].get("task"))
        raise ToolFailed(going_on.ended.error.message, type=going_on.ended.error.type, retryable=False)
    state = going_on.again["state"]
    answers = {**state.get("undelivered", {}), **_answers(going_on)}
    return TakenUp(seconds=going_on.again["seconds"], state=state, answers=answers)


def away(failure: ToolFailed, before: TakenUp) -> Unfinished | None:
    """A server that cannot be reached while its task goes on is asked again later; None: the call has failed."""
    state = before.state
    gone = failure.type in _GONE or (failure.retryable and "status" in failure.details)
    if state is None or "task" not in state or not gone:
        return None
    kept = {**state, "undelivered": before.answers}
    return Unfinished(state=kept, pause_seconds=AWAY_SECONDS, task_id=state["task"])


def pause(call: ToolCall, server: Server, unfinished: Unfinished, *, left_seconds: float, remote: Remote) -> Parked:
    """What the tool raises: its run waits, and calls again.

    Raises:
        ToolFailed: `timeout`: there is no time to wait for; `input_required`: what it asks cannot be asked.
    """
    errand = None if unfinished.task_id is None else Errand(server=server.name, task_id=unfinished.task_id)
    again: dict[str, Any] = {"state": unfinished.state, "seconds": left_seconds}
    if unfinished.questions:
        try:
            approval = _approval(call, server, unfinished)
        except ToolFailed:
            _cancel(server, remote, unfinished.task_id)
            raise
        again["keys"] = [one.key for one in unfinished.questions]
        again["forms"] = [one.key for one in unfinished.questions if one.schema is not None]
        ends_at = unfinished.ends_at
        until = None if ends_at is None else Until(at_us=to_micros(ends_at), then=timed_out(approval))
        return Parked(ApprovalWait(approval=approval, until=until), again=again, errand=errand)
    again["seconds"] = left_seconds - unfinished.pause_seconds
    if again["seconds"] <= 0:
        _cancel(server, remote, unfinished.task_id)
        raise ToolFailed(t("The server {server} did not answer in time", server=server.name), type="timeout")
    until = Until(delay_us=int(unfinished.pause_seconds * SECOND), then=Resolution())
    return Parked(Sleep(until=until), again=again, errand=errand)


def _cancel(server: Server, remote: Remote, task_id: str | None) -> None:
    if task_id is not None:
        # Whoever cannot be told now is told when the run has ended, see `app.services.mcp`.
        with suppress(ToolFailed):
            remote.cancel(server, task_id)


def _approval(call: ToolCall, server: Server, unfinished: Unfinished) -> NewApproval:
    questions, form = unfinished.questions, _form(unfinished.questions)
    urls = [one.url for one in questions if one.url is not None]
    said = storable("\n\n".join(one.message for one in questions)[:_LONGEST_MESSAGE])
    data = {"server": server.name, **({"urls": urls} if urls else {})}
    problem = json_problem({"data": data, "form": form}) or SchemaForms().schema_problem(form or {})
    if problem:
        message = t("{server} asks in a form that cannot be used: {problem}", server=server.name, problem=problem)
        raise ToolFailed(message, type="input_required", retryable=False)
    first = next((line.strip() for line in said.splitlines() if line.strip()), "")
    return NewApproval(
        id=new_id(),
        # The run that people see: the key names it, whichever part of it asks.
        run_id=call.idempotency_key.partition(":")[0],
        asked_by=call.caller.agent_id,
        title=first[:200] or t("{server} asks", server=server.name),
        message=said,
        data=data,
        form=form,
        # The server asks, not the agent, who may well be the one who knows.
        deny_self=False,
        expires_at=unfinished.ends_at,
    )


def _form(questions: Sequence[Question]) -> dict[str, Any] | None:
    """That of the only question, or one member for each."""
    asked = {one.key: dict(one.schema) for one in questions if one.schema is not None}
    if not asked:
        return None
    if len(asked) == 1:
        return next(iter(asked.values()))
    return {"type": "object", "required": list(asked), "properties": asked}


def _answers(going_on: GoingOn) -> dict[str, Any]:
    """What was decided, by the keys of the questions; nothing where there were none."""
    keys, forms, decided = going_on.again.get("keys", ()), going_on.again.get("forms", ()), going_on.ended.output
    if not keys:
        return {}
    if decided["decision"] != APPROVE:
        return {key: {"action": "decline"} for key in keys}
    filled = decided["form"] or {}
    content = {key: filled if len(forms) == 1 else filled[key] for key in forms}
    return {key: {"action": "accept", **({"content": content[key]} if key in content else {})} for key in keys}
