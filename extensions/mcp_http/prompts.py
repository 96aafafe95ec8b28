"""Prompts: ways to begin that people pick in their client; and the completion of arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import available_timezones

import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from ordinaut import Dialog, ExtensionContext, RequestRefused, ToolFailed

from .dialogs import Dialogs
from .pages import require_first

MOST_VALUES = 100
TTL_MS = 600_000
Context = ServerRequestContext[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prompt:
    """A prompt; `arguments` are `(name, what it is, whether it is needed)`."""

    title: str
    description: str
    text: str
    arguments: tuple[tuple[str, str, bool], ...] = ()


PROMPTS: Mapping[str, _Prompt] = {
    "plan_automation": _Prompt(
        title="Plan an automation",
        description="Turns a goal into a task: tools, pipeline, schedule, checked before it is made.",
        arguments=(("goal", "What is to happen", True), ("timezone", "IANA name, such as Europe/Chisinau", False)),
        text=(
            "Plan an Ordinaut task for this goal: {goal}\nTime zone: {timezone}\n"
            "Find the tools with list_tools and get_tool. Write the pipeline, check it with validate_pipeline, and the "
            "schedule with preview_schedule. Show both to me in plain words, and call create_task only when I agree."
        ),
    ),
    "diagnose_failed_run": _Prompt(
        title="Diagnose a failed run",
        description="Finds out why a run failed, and what would mend it.",
        arguments=(("run_id", "The run", True),),
        text=(
            "Find out why the run {run_id} failed. Read it with get_run (steps, errors, logs), then its task with "
            "get_task. Say in three sentences what happened, what caused it and what would mend it. Propose the exact "
            "change; do not change or rerun anything before I agree."
        ),
    ),
    "daily_briefing": _Prompt(
        title="Daily briefing",
        description="What ran and failed in the last day, what waits, and what comes next.",
        text=(
            "Give me a briefing on Ordinaut: runs of the last 24 hours that failed (list_runs), approvals that wait "
            "(list_approvals), open incidents (list_incidents), and what runs next (list_tasks). Short, worst first."
        ),
    ),
    "convert_cron": _Prompt(
        title="Write a schedule",
        description="Turns words into a schedule that has been checked.",
        arguments=(("text", "When it is to run, in words", True),),
        text=(
            "Write this as an Ordinaut schedule: {text}\nAsk for my time zone if it matters. Check the result with "
            "preview_schedule, show the next five times, and mention what changes of the clocks do to them."
        ),
    ),
}


class Prompts:
    """The two requests about prompts: the server's own, and those of extensions."""

    def __init__(self, context: ExtensionContext, dialogs: Dialogs) -> None:
        self._context = context
        self._dialogs = dialogs

    async def listed(self, _: Context, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
        """All that the caller may have; a name that the server has itself is its own."""
        require_first(params)
        own = [_shown(name, one.title, one.description, one.arguments) for name, one in PROMPTS.items()]
        caller = self._context.routes.caller()
        others = [
            _shown(one.name, one.title, one.description, one.arguments)
            for one in self._context.assistants.list_prompts()
            if one.name not in PROMPTS and caller.may(one.scope)
        ]
        return types.ListPromptsResult(prompts=[*own, *others], ttl_ms=TTL_MS, cache_scope="private")

    async def got(self, asked: Context, params: types.GetPromptRequestParams) -> Any:
        """One, with its arguments put in, or the question that it has."""
        given = params.arguments or {}
        if (own := PROMPTS.get(params.name)) is not None:
            return _filled(own, given)

        def work(dialog: Dialog) -> Any:
            return self._context.assistants.get_prompt(params.name, given, dialog)

        try:
            made = await self._dialogs.held(asked, params, work)
        except RequestRefused as refused:
            known = {"not_found": f"Unknown prompt: {params.name}", "bad_request": _misfit(refused)}
            raise MCPError(INVALID_PARAMS, known.get(refused.code, refused.message)) from refused
        except ToolFailed as failure:
            raise MCPError(INVALID_PARAMS, failure.message) from failure
        if isinstance(made, types.InputRequiredResult):
            return made
        block = {"type": "text", "text": made}
        messages = [{"role": "user", "content": block}] if isinstance(made, str) else made
        return types.GetPromptResult.model_validate({"messages": messages})


def _filled(prompt: _Prompt, given: Mapping[str, str]) -> types.GetPromptResult:
    missing = [name for name, _, needed in prompt.arguments if needed and not given.get(name)]
    if missing:
        raise MCPError(INVALID_PARAMS, f"Missing argument: {missing[0]}")
    values = {name: given.get(name) or "not said" for name, _, _ in prompt.arguments}
    content = types.TextContent(type="text", text=prompt.text.format(**values))
    messages = [types.PromptMessage(role="user", content=content)]
    return types.GetPromptResult(description=prompt.description, messages=messages)


def _shown(name: str, title: str, description: str, arguments: Sequence[tuple[str, str, bool]]) -> types.Prompt:
    return types.Prompt(
        name=name,
        title=title,
        description=description,
        arguments=[
            types.PromptArgument(name=one, description=text, required=needed) for one, text, needed in arguments
        ],
    )


def _misfit(refused: RequestRefused) -> str:
    return f"{refused.details.get('field', 'arguments')}: {refused.details.get('issue', refused.message)}"


class Completions:
    """Values for arguments of prompts and places in addresses of resources."""

    def __init__(self, context: ExtensionContext) -> None:
        self._context = context
        self._sources: Mapping[str, Callable[[], list[str]]] = {
            "task_id": lambda: self._named("/tasks", "id"),
            "run_id": lambda: self._named("/runs", "id"),
            "timezone": lambda: sorted(available_timezones()),
            "topic": lambda: self._named("/events/topics", "topic"),
        }

    async def complete(self, _: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
        """Those that begin with, or hold, what has been written."""
        if isinstance(params.ref, types.PromptReference) and not self._is_prompt(params.ref.name):
            raise MCPError(INVALID_PARAMS, f"Unknown prompt: {params.ref.name}")
        source = self._sources.get(params.argument.name)
        written = params.argument.value.lower()
        found = [value for value in (source() if source else []) if written in value.lower()]
        found.sort(key=lambda value: not value.lower().startswith(written))
        completion = types.Completion(values=found[:MOST_VALUES], total=len(found), has_more=len(found) > MOST_VALUES)
        return types.CompleteResult(completion=completion)

    def _is_prompt(self, name: str) -> bool:
        return name in PROMPTS or any(name == one.name for one in self._context.assistants.list_prompts())

    def _named(self, path: str, member: str) -> list[str]:
        answer = self._context.api.get(path, limit=MOST_VALUES)
        return [str(one[member]) for one in answer.data["items"]] if answer.ok else []
