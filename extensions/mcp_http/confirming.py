"""What cannot be undone, and has to be confirmed: the user is asked, where the client can do that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ordinaut import Dialog, ExtensionContext, InputNeeded, ToolFailed, ToolInfo

from .cutting import cut, text_of

WANTED = "confirmation_required"
CONFIRM = "confirm"
MOST_CHARACTERS = 500
Invoke = Callable[[Mapping[str, Any]], Any]


def confirmed(context: ExtensionContext, tool: ToolInfo, dialog: Dialog, invoke: Invoke) -> Invoke:
    """`invoke`, with a question to the user in place of a refusal that wants `confirm: true`.

    Tools of extensions ask for themselves. A client that brings the answer unasked has said no more than it could have
    said by the argument.
    """
    asks_itself = "." in tool.name
    if asks_itself or "elicitation" not in dialog.can_answer or CONFIRM not in tool.parameters.get("properties", {}):
        return invoke

    def asking(arguments: Mapping[str, Any]) -> Any:
        answer = dialog.answers.get(CONFIRM)
        if isinstance(answer, Mapping):
            if not _agrees(answer):
                raise ToolFailed("The user does not agree: nothing was done", type="not_confirmed", retryable=False)
            arguments = {**arguments, CONFIRM: True}
        try:
            return invoke(arguments)
        except ToolFailed as failed:
            if failed.type != WANTED:
                raise
            raise InputNeeded({CONFIRM: _question(context, tool, arguments)}) from failed

    return asking


def _agrees(answer: Mapping[str, Any]) -> bool:
    content = answer.get("content")
    return answer.get("action") == "accept" and isinstance(content, Mapping) and content.get(CONFIRM) is True


def _question(context: ExtensionContext, tool: ToolInfo, arguments: Mapping[str, Any]) -> dict[str, Any]:
    words = context.translate("{tool} cannot be undone. Go on?", tool=tool.name)
    field = {"type": "boolean", "title": context.translate("Yes, go on")}
    schema = {"type": "object", "properties": {CONFIRM: field}, "required": [CONFIRM]}
    message = f"{words}\n{cut(text_of(arguments), MOST_CHARACTERS)}"
    return {"method": "elicitation/create", "params": {"mode": "form", "message": message, "requestedSchema": schema}}
