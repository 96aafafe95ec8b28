"""One attempt at a step: render, validate, call the tool, and bring back an outcome, never an exception."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

import orjson

from app.domain.budgets import Exhausted
from app.domain.clock import rfc3339
from app.domain.conditions import Condition
from app.domain.errors import LoopDetected, NotFound, Unprocessable
from app.domain.pipelines.model import ITEMS_LIMIT, Step
from app.domain.pipelines.outcome import Failed, Succeeded, Waits
from app.domain.pipelines.progress import Progress
from app.domain.ports import Tools
from app.domain.runs import RunError
from app.domain.scopes import INVOKE, SCOPES, USE_SECRETS
from app.domain.templates import Template, TemplateError
from app.domain.texts import Text, t
from app.domain.veil import Veil
from app.domain.waits import Parked
from app.telemetry import emit
from ordinaut import Caller, Tool, ToolCall, ToolFailed

LONGEST_WAIT = 86_400.0
"""Seconds of another side's Retry-After that are honoured."""
OUTPUT_LIMIT = 1024 * 1024
"""Bytes of JSON an output may have; a longer one is cut, with a mark."""
ITEMS_LIMIT_BYTES = 16 * OUTPUT_LIMIT
"""The same for the items of one step together: from there on each is cut. The list of them is long cut by then."""
EXCERPT, ITEM_EXCERPT = 8192, 256


def holds(condition: Condition | None, scope: Mapping[str, Any], step: Step) -> bool | Failed:
    """Whether the step is to run at all."""
    if condition is None:
        return True
    try:
        return condition.holds(scope)
    except TemplateError as error:
        return _template_failed(error, step)


def not_allowed(tool: Tool, caller: Caller, step: Step) -> Failed | None:
    """Why the run's agent may not call the tool; what a pipeline may always do takes no scope of its own."""
    if tool.scope == INVOKE or caller.may(tool.scope):
        return None
    return _forbidden(tool.scope, step)


def lend(
    step: Step, caller: Caller, look: Callable[[Sequence[str]], Mapping[str, str]], tools: Tools
) -> Mapping[str, str] | Failed:
    """The secrets that the step's arguments name; the platform's own tools get none, since they write them down."""
    if not caller.may(USE_SECRETS):
        return _forbidden(USE_SECRETS, step)
    if _keeps(step.uses, tools):
        return not_lent(step)
    try:
        values = look(step.secrets)
    except Unprocessable as error:
        return Failed(RunError(type="secret_unavailable", message=error.message, step_id=step.id), False)
    missing = [name for name in step.secrets if name not in values]
    if not missing:
        return values
    message = t("There is no secret named {name}", name=missing[0])
    return Failed(RunError(type="secret_unavailable", message=message, step_id=step.id), False)


def _keeps(name: str, tools: Tools) -> bool:
    """Whether a tool is a use case of the platform, such as publishing an event or creating a task."""
    try:
        scope = tools.get(name).scope
    except NotFound:
        return False
    return scope in SCOPES and scope != INVOKE


def _forbidden(scope: str, step: Step) -> Failed:
    message = t("The task's agent does not hold the scope {scope}", scope=scope)
    details = {"required_scopes": [scope]}
    return Failed(RunError(type="forbidden", message=message, step_id=step.id, details=details), False)


def render(step: Step, scope: Mapping[str, Any], tools: Tools) -> Any:
    """The step's arguments, valid for its tool; or Failed."""
    try:
        arguments = step.arguments.render(scope)
    except TemplateError as error:
        return _template_failed(error, step)
    try:
        problems = tools.argument_problems(step.uses, arguments)
    except NotFound as error:
        return unknown_tool(error, step)
    if not problems:
        return arguments
    listed = [{"pointer": one.pointer, "message": one.message} for one in problems[:20]]
    message = t("The arguments of {tool} are not valid: {problem}", tool=step.uses, problem=problems[0].message)
    return Failed(
        RunError(type="invalid_arguments", message=message, step_id=step.id, details={"errors": listed}),
        False,
    )


def unknown_tool(error: NotFound, step: Step) -> Failed:
    """The step's tool is not there."""
    return Failed(RunError(type="unknown_tool", message=error.message, step_id=step.id), False)


def not_lent(step: Step) -> Failed:
    """Why a step gets no secrets: its tool writes down what it is given."""
    message = t("Secrets are not lent to {tool}: others may read what it is given", tool=step.uses)
    return Failed(RunError(type="forbidden", message=message, step_id=step.id), False)


def outside_grant(step: Step, reason: Text) -> Failed:
    """Why a step does nothing: its task may not do that."""
    details = {"tool": step.uses}
    error = RunError(type="outside_grant", message=reason, step_id=step.id, details=details)
    return Failed(error, False)


def budget_exhausted(step: Step, spent: Exhausted) -> Failed:
    """Why a step does nothing: a budget is used up."""
    details = {"budget": spent.budget.name, "ends_at": rfc3339(spent.ends_at)}
    error = RunError(type="budget_exhausted", message=spent.message, step_id=step.id, details=details)
    return Failed(error, False)


def listed(step: Step, foreach: Template, scope: Mapping[str, Any]) -> list[Any] | Failed:
    """The items that a step goes through."""
    try:
        items = foreach.render(scope)
    except TemplateError as error:
        return _template_failed(error, step)
    if isinstance(items, list) and len(items) <= ITEMS_LIMIT:
        return items
    message = t("`foreach` of {step} gives no list of at most {limit} items", step=step.id, limit=ITEMS_LIMIT)
    return Failed(RunError(type="invalid_items", message=message, step_id=step.id), False)


def call(tool: Tool, request: ToolCall, step: Step, veil: Veil | None = None) -> Succeeded | Failed | Waits:
    """Call the tool. This is the step boundary: whatever it raises becomes an outcome, told through the veil."""
    try:
        return Succeeded(tool.run(request))
    except Parked as parked:
        return Waits(parked.wait, parked.again, parked.errand)
    except ToolFailed as failure:
        return failed(failure, step)
    except LoopDetected as error:
        return Failed(
            RunError(type="loop_detected", message=error.message, step_id=step.id, details=error.details), False
        )
    except (Exception, SystemExit, CancelledError, GeneratorExit) as error:  # noqa: BLE001 - a tool may raise anything
        emit("step.crashed", step_id=step.id, tool=tool.name, error=veil.error(error) if veil else error)
        message = t("{tool} failed with {kind}", tool=tool.name, kind=type(error).__name__)
        return Failed(RunError(type="tool_crashed", message=message, step_id=step.id))


def failed(failure: ToolFailed, step: Step) -> Failed:
    """A tool's own refusal as an outcome."""
    details = failure.details
    after = details.get("retry_after_seconds", 0)
    return Failed(
        RunError(type=failure.type, message=failure.message, step_id=step.id, details=details or None),
        failure.retryable,
        min(max(0.0, float(after)), LONGEST_WAIT) if isinstance(after, (int, float)) and isfinite(after) else 0.0,
    )


def encode(output: Any, step: Step, tool: Tool | None) -> tuple[bytes, Any] | Failed:
    """The output as JSON, cut at its limit, and as the value later steps see.

    That value is what a worker taking over would read from the journal; pure tools, and the platform where no tool is
    named, return plain JSON anyway.
    """
    try:
        text = orjson.dumps(output, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, ValueError) as error:
        message = t("{tool} returned what JSON cannot hold: {error}", tool=step.uses, error=error)
        return Failed(RunError(type="invalid_output", message=message, step_id=step.id), False)
    if len(text) > OUTPUT_LIMIT:
        return _cut(text, EXCERPT)
    return text, output if tool is None or tool.pure else orjson.loads(text)


def _cut(text: bytes, excerpt: int) -> tuple[bytes, Any]:
    output = {"truncated": True, "bytes": len(text), "excerpt": text[:excerpt].decode(errors="ignore")}
    return orjson.dumps(output), output


def kept_item(progress: Progress, step: Step, outcome: tuple[bytes, Any], *, shares: int) -> tuple[bytes, Any]:
    """An item's output as it is kept: cut once those of the step take up what all of them may.

    Args:
        shares: Among how many runs the items are divided.
    """
    text, _ = outcome
    if step.id not in progress.kept:
        progress.kept[step.id] = sum(len(orjson.dumps(one)) for one in progress.results.get(step.id, {}).values())
    if progress.kept[step.id] + len(text) > ITEMS_LIMIT_BYTES // shares and len(text) > 2 * ITEM_EXCERPT:
        outcome = _cut(text, ITEM_EXCERPT)
    progress.kept[step.id] += len(outcome[0])
    return outcome


def _template_failed(error: TemplateError, step: Step) -> Failed:
    # The same data gives the same result: another try is of no use.
    return Failed(
        RunError(
            type="template_error", message=t("Step {step}: {error}", step=step.id, error=error.message), step_id=step.id
        ),
        False,
    )


class Pending:
    """There is nothing to take up yet."""


def commits_itself(step: Step, tools: Tools) -> bool:
    """Whether a commit comes right before this step's call anyway: it holds the end of the last one as well."""
    try:
        return not (step.branches or step.foreach) and not tools.get(step.uses).pure
    except NotFound:
        return False


class LogLines:
    """Collects the log lines of one step, bounded in number and length."""

    LIMIT = 1000
    LENGTH = 8192

    __slots__ = ("_add", "_left")

    def __init__(self, add: Callable[[str, dict[str, Any]], None]) -> None:
        self._add = add
        self._left = self.LIMIT

    def bound(self, step_id: str, place: Mapping[str, Any]) -> Callable[[str, str], None]:
        """The `log` of a tool call; `place` is what its lines say besides."""

        def log(level: str, message: str) -> None:
            self._left -= 1
            if self._left > 0:
                self._add("log", {"level": level, "message": message[: self.LENGTH], "step_id": step_id, **place})
            elif self._left == 0:
                text = t("More than {limit} lines: the rest is left out", limit=self.LIMIT)
                self._add("log", {"level": "warning", "message": text, "step_id": step_id, **place})

        return log
