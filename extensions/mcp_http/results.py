"""What a call of a tool comes to, in the words of the protocol; a failure says what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import mcp_types as types

from ordinaut import RequestRefused, ToolFailed, ToolInfo

from .cutting import cut, fits, shortened, text_of

MOST_CHARACTERS = 80_000
"""Of one answer: hosted clients cut at 150,000, others at 25,000 tokens."""
MOST_PROBLEMS = 10
_REST = "For the rest ask for less at a time: a smaller limit, a filter, one step, or the next page by its cursor."


def succeeded(output: Any, tool: ToolInfo, version: str) -> types.CallToolResult:
    """The output as data, and the same as text for clients that read nothing else; or the blocks that it is made of.

    Args:
        version: Of the protocol; before 2026-07-28 only objects can be data.
    """
    if tool.returns_content:
        return _blocks(output, version)
    text, hints = text_of(output), list[str]()
    if len(text) > MOST_CHARACTERS:
        less = shortened(output, MOST_CHARACTERS)
        if less is None or not fits(less[0], tool.output_schema):
            message = f"The answer has {len(text):,} characters, more than the {MOST_CHARACTERS:,} that fit here."
            return failed(f"{message} {_REST}")
        output, hints = less[0], ["\n".join(["This answer was cut to fit.", *filter(None, less[1]), _REST])]
        text = text_of(output)
    content: list[types.ContentBlock] = [types.TextContent(type="text", text=one) for one in (text, *hints)]
    return types.CallToolResult(content=content, structured_content=_data(output, version))


def _blocks(output: Any, version: str) -> types.CallToolResult:
    """As the tool says it; ValueError where it says nothing that the protocol knows."""
    if not isinstance(output, Mapping) or not isinstance(output.get("content"), list):
        raise ValueError("A tool that returns content returns {'content': [block, ...]}")
    result = types.CallToolResult.model_validate({"content": output["content"]})
    room, whole = MOST_CHARACTERS, True
    for block in result.content:
        if isinstance(block, types.TextContent):
            whole = whole and len(block.text) <= room
            block.text = cut(block.text, room)
            room = max(0, room - len(block.text))
    if not whole:
        result.content.append(types.TextContent(type="text", text=f"This answer was cut to fit.\n{_REST}"))
    result.structured_content = _data(output.get("data"), version)
    return result


def _data(output: Any, version: str) -> Any:
    return output if isinstance(output, dict) or version >= "2026-07-28" else None


def failed(message: str) -> types.CallToolResult:
    """A failed tool: an answer that says so, not a broken protocol."""
    return types.CallToolResult(content=[types.TextContent(type="text", text=message)], is_error=True)


def refused(refusal: RequestRefused) -> types.CallToolResult:
    """What the platform would not do, with every problem at its place."""
    problems = list(_problems(refusal.details))
    advice = _ADVICE.get(refusal.code, "")
    message = refusal.message or refusal.code.replace("_", " ").capitalize()
    return failed("\n".join([message, *problems, *([advice] if advice else [])]))


def broken(failure: ToolFailed) -> types.CallToolResult:
    """What the tool could not do."""
    problems = list(_problems(failure.details))
    again = "Trying again may help." if failure.retryable else _ADVICE.get(failure.type, "")
    return failed("\n".join([failure.message, *problems, *([again] if again else [])]))


_ADVICE: Mapping[str, str] = {
    "bad_request": "Mend the arguments and call again; get_tool shows a schema, preview_schedule checks a schedule, "
    "validate_pipeline a pipeline.",
    "invalid_arguments": "Mend the arguments and call again; get_tool shows a schema, preview_schedule checks a "
    "schedule, validate_pipeline a pipeline.",
    "not_found": "Look up the id first: list_tasks, list_runs and list_approvals give them.",
    "conflict": "Look how it stands now with get_task or get_run, then decide.",
    "precondition_failed": "It was changed meanwhile: read it again with get_task, then decide.",
    "confirmation_required": "Ask the user, and call again with confirm: true if they agree.",
    "rate_limit_exceeded": "Wait a little, then call again.",
    "unavailable": "Wait a few seconds, then call again.",
    "forbidden": "Your token does not allow this; tell the user which scope is missing.",
}


def _problems(details: Mapping[str, Any]) -> Iterator[str]:
    errors = details.get("errors")
    found = errors if isinstance(errors, list) else [details] if "field" in details else []
    for one in found[:MOST_PROBLEMS]:
        if isinstance(one, Mapping):
            hint = f" ({one['hint']})" if one.get("hint") else ""
            yield f"- {str(one.get('field', '')).removeprefix('arguments.')}: {one.get('issue', '')}{hint}"
