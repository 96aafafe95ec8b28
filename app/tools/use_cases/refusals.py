"""A refusal of a use case, told so that an assistant knows what to do next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from app.domain.errors import InvalidInput, LoopDetected, OrdinautError, Problem
from app.domain.texts import Text, joined, t
from ordinaut import Tool, ToolCall, ToolFailed

INVALID = "invalid_arguments"
ADVICE: Mapping[str, str] = {
    "task_id": t("list_tasks gives the ids of the tasks there are"),
    "run_id": t("list_runs gives the ids of the runs there are"),
    "approval_id": t("list_approvals gives the ids of the approvals there are"),
    "tool": t("list_tools gives the names of the tools there are"),
    "conflict": t("Look at its present state before asking again"),
    "precondition_failed": t("Read it again with get_task, then repeat the change with its version"),
    "forbidden": t("Ask the person you work for to have it done, or for a wider token"),
    "unavailable": t("Try again in a few seconds"),
}


def advised(tool: Tool, places: Mapping[str, str] | None = None) -> Tool:
    """The tool with its refusals turned into `ToolFailed`, each with advice.

    Args:
        tool: Its `run` may raise `OrdinautError`.
        places: Where a field of the services stands in the tool's arguments: `{"schedule_expr": "schedule"}`.
    """
    return replace(tool, run=_Advised(tool.run, places or {}))


class _Advised:
    """A tool's function, its refusals translated."""

    def __init__(self, run: Callable[[ToolCall], Any], places: Mapping[str, str]) -> None:
        self._run = run
        self._places = places

    def __call__(self, call: ToolCall) -> Any:
        try:
            return self._run(call)
        except InvalidInput as error:
            raise _invalid(error, self._places) from error
        except LoopDetected:
            raise  # the engine knows what it is
        except OrdinautError as error:
            raise _refused(error) from error


def _invalid(error: InvalidInput, places: Mapping[str, str]) -> ToolFailed:
    errors = [_problem(problem, places) for problem in error.problems]
    text = joined("; ", [_sentence(one) for one in errors[:5]]) or error.message
    return ToolFailed(joined("", [text, "."]), type=INVALID, retryable=False, details={"errors": errors})


def _problem(problem: Problem, places: Mapping[str, str]) -> dict[str, str]:
    head, dot, rest = problem.field.partition(".")
    place = places.get(head, head)
    message = _renamed(problem.message, head, place)
    told = {
        "field": f"{place}{dot}{rest}" or "arguments",
        "issue": problem.kind or message,
        "hint": _renamed(problem.hint, head, place),
    }
    return {**told, "detail": message} if problem.kind else told


def _sentence(told: Mapping[str, str]) -> Text:
    issue, hint = told.get("detail") or told["issue"], told["hint"]
    return joined("", [f"`{told['field']}`: ", issue, *([" (", hint, ")"] if hint else ())])


def _renamed(text: str, head: str, place: str) -> str:
    old, new = f"'{head}'", f"'{place}'"
    if not head or old not in text:
        return text
    if isinstance(text, Text) and old in text.values.values():
        return t(text.pattern, **{name: new if value == old else value for name, value in text.values.items()})
    return text.replace(old, new)


def _refused(error: OrdinautError) -> ToolFailed:
    advice = ADVICE.get(error.code, "")
    if error.code == "not_found":
        advice = next(
            (ADVICE[name] for name in ("approval_id", "tool", "run_id", "task_id") if name in error.details), ""
        )
    message = joined("", [error.message, ". ", advice, "."] if advice else [error.message, "."])
    return ToolFailed(message, type=error.code, retryable=error.code == "unavailable", details=error.details)
