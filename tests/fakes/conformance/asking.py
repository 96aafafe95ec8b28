"""Tools that ask before they answer."""

from __future__ import annotations

from typing import Any

from ordinaut import Dialog, ExtensionContext, InputNeeded, ToolCall

from .content import add_tool, text

ROOTS = {"method": "roots/list", "params": {}}


def form(message: str, name: str, kind: str = "string") -> dict[str, Any]:
    """A question to the user, with one field."""
    schema = {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}
    return {"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}}


def sampling(prompt: str, tokens: int) -> dict[str, Any]:
    """A question to the model."""
    message = {"role": "user", "content": {"type": "text", "text": prompt}}
    return {"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": tokens}}


NAME = form("What is your name?", "name")
SIMPLE = {
    # tool -> its questions, and the state that goes with them
    "test_input_required_result_elicitation": ({"user_name": NAME}, None),
    "test_input_required_result_sampling": (
        {"capital_question": sampling("What is the capital of France?", 100)},
        None,
    ),
    "test_input_required_result_list_roots": ({"client_roots": ROOTS}, None),
    "test_input_required_result_request_state": ({"confirm": form("Please confirm", "ok", "boolean")}, "state-ok"),
    "test_input_required_result_tampered_state": ({"confirm": form("Please confirm", "ok", "boolean")}, "intact"),
    "test_input_required_result_multiple_inputs": (
        {"user_name": NAME, "greeting": sampling("Generate a greeting", 50), "client_roots": ROOTS},
        "all",
    ),
    "test_missing_capability": ({"greeting": sampling("Generate a greeting", 50)}, None),
    "test_streaming_elicitation": ({"user_name": NAME}, None),
}


def add_questions(context: ExtensionContext) -> None:
    """The tools of `input-required-result-*`, and those of `server-stateless` that need a capability."""
    for name, (questions, state) in SIMPLE.items():
        add_tool(context, name, lambda call, asked=(questions, state): simple(call, *asked))
    add_tool(context, "test_input_required_result_multi_round", rounds)
    add_tool(context, "test_input_required_result_capabilities", able)


def given(dialog: Dialog, name: str) -> Any:
    """What was answered to a question: what was filled in, or said; None where nothing of use was."""
    answer = dialog.answers.get(name)
    if not isinstance(answer, dict) or answer.get("action", "accept") != "accept":
        return None
    return answer.get("content") or answer.get("roots")


def simple(call: ToolCall, questions: dict[str, Any], state: str | None) -> dict[str, Any]:
    """Asks everything that has no answer yet, then says what it heard."""
    call.dialog.progress(0, 1)
    open_questions = {name: one for name, one in questions.items() if given(call.dialog, name) is None}
    if open_questions or call.dialog.state != state:
        raise InputNeeded(open_questions or questions, state)
    heard = {name: given(call.dialog, name) for name in questions}
    return {"content": [text(f"Hello, {heard} {state or ''}")], "data": heard}


def rounds(call: ToolCall) -> dict[str, Any]:
    """Asks twice, and remembers the first answer meanwhile."""
    first, second = given(call.dialog, "step1"), given(call.dialog, "step2")
    if call.dialog.state is None or (call.dialog.state == "1" and first is None):
        raise InputNeeded({"step1": form("Step 1: What is your name?", "name")}, "1")
    if second is None:
        name = first["name"] if first else call.dialog.state.partition(":")[2]
        raise InputNeeded({"step2": form("Step 2: What is your favorite color?", "color")}, f"2:{name}")
    return {"content": [text(f"{call.dialog.state.partition(':')[2]} likes {second['color']}")]}


def able(call: ToolCall) -> dict[str, Any]:
    """Asks what the client can answer, and nothing else."""
    known = {"elicitation": NAME, "sampling": sampling("Say something", 50), "roots": ROOTS}
    asked = {
        kind: one for kind, one in known.items() if kind in call.dialog.can_answer and kind not in call.dialog.answers
    }
    if asked:
        raise InputNeeded(asked)
    return {"content": [text("Nothing to ask")]}
