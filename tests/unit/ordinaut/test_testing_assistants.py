"""The harness has what is for assistants, and treats it as the platform does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Blueprint

from ordinaut import (
    Caller,
    Capability,
    CapabilityDenied,
    Dialog,
    Extension,
    ExtensionContext,
    ExtensionInfo,
    InputNeeded,
    RequestRefused,
    ToolCall,
    ToolFailed,
)
from ordinaut.testing import Harness

QUESTION = {"method": "elicitation/create", "params": {"message": "Your name?", "requestedSchema": {"type": "object"}}}


class Talker(Extension):
    """Asks, tells, and offers."""

    def info(self) -> ExtensionInfo:
        return ExtensionInfo(id="talker", name="Talker", version="1")

    def requested_capabilities(self) -> set[Capability]:
        return {Capability.TOOLS}

    def setup(self, context: ExtensionContext) -> Blueprint:
        context.tool_registry.register_tool("ask", self.ask, {"type": "object"}, expose_to_mcp=True, mcp_name="ask")
        context.assistants.register_prompt("review", self.review, arguments={"number": "Which"})
        context.assistants.register_resource("shop://orders/{number}", self.order, mime_type="application/json")
        context.assistants.register_resource("shop://rules", lambda: "Be kind", scope="admin")
        return Blueprint("talker", __name__)

    async def ask(self, call: ToolCall) -> Any:
        """Asks for a name."""
        if "name" not in call.dialog.answers:
            raise InputNeeded({"name": QUESTION}, state="s")
        call.log("info", "asked")
        call.dialog.progress(1)
        return call.dialog.answers["name"]

    async def review(self, number: str, dialog: Dialog) -> str:
        """Looks at an order."""
        return f"{number} {dialog.state}"

    def order(self, number: str) -> dict[str, str]:
        """An order."""
        return {"number": number}


@pytest.fixture
def talker() -> Iterator[Harness]:
    with Harness(Talker()) as harness:
        yield harness


def test_a_question_reaches_who_can_answer_it(talker: Harness) -> None:
    with pytest.raises(ToolFailed) as failed:
        talker.call("ask")
    assert (failed.value.type, failed.value.details) == ("input_required", {"questions": ["name"]})
    invoke, heard = talker.context.tool_registry.invoke, list[Any]()
    with pytest.raises(InputNeeded):
        invoke("ext.talker.ask", {}, Dialog())
    dialog = Dialog(answers={"name": "Ana"}, on_progress=lambda *told: heard.append(told), on_log=lambda *_: None)
    assert invoke("ext.talker.ask", {}, dialog) == "Ana"
    assert (heard, talker.logs) == ([(1, None, None)], [("info", "asked")])
    assert talker.context.tool_registry.get_tool("ext.talker.ask").mcp_name == "ask"


def test_prompts_and_resources_are_made(talker: Harness) -> None:
    assistants = talker.context.assistants
    (prompt,) = assistants.list_prompts()
    assert (prompt.name, prompt.description, prompt.arguments) == (
        "review",
        "Looks at an order.",
        (("number", "Which", True),),
    )
    assert assistants.get_prompt("review", {"number": "7"}, Dialog(state="x")) == "7 x"
    assert [one.template for one in assistants.list_resources()] == [True, False]
    info, order = assistants.read_resource("shop://orders/a%20b")
    assert (info.mime_type, order) == ("application/json", {"number": "a b"})


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda one: one.get_prompt("nothing", {}), "not_found"),
        (lambda one: one.get_prompt("review", {}), "bad_request"),
        (lambda one: one.get_prompt("review", {"number": "7", "x": "y"}), "bad_request"),
        (lambda one: one.read_resource("shop://orders/7/lines"), "not_found"),
        (lambda one: one.read_resource("shop://rules"), "forbidden"),
    ],
)
def test_what_is_not_there_or_not_theirs_is_refused(ask: Any, code: str) -> None:
    with Harness(Talker(), caller=Caller("ana", frozenset({"tools:read"}))) as talker:
        with pytest.raises(RequestRefused) as refused:
            ask(talker.context.assistants)
        assert refused.value.code == code


def test_they_are_registered_in_setup_once_and_with_the_grant(talker: Harness) -> None:
    with pytest.raises(RuntimeError, match="setup"):
        talker.context.assistants.register_prompt("late", lambda: "x")
    with pytest.raises(CapabilityDenied), Harness(Talker(), grants=()):
        pass
    (key,), (other,) = talker.context.keys("a"), talker.context.keys("b")
    assert len(key) == 32 and key != other
