"""Prompts, resources and questions of extensions: taken in, found, asked for, and refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from app.extension_host.contexts import GrantedContext
from app.extension_host.invocation import Invoker
from app.services.tools import ToolService
from ordinaut import Caller, Dialog, InputNeeded, RequestRefused, ToolFailed
from tests.fakes.extensions import World, write_extension

READER = Caller("reader", frozenset({"tools:read", "tools:invoke"}))
OFFERS = """
def review(number, dialog, tone="calm"):
    "Looks at an order."
    return f"{number} {tone} {sorted(dialog.can_answer)}"
async def order(number):
    "An order."
    return {"number": number}
context.assistants.register_prompt("review", review, arguments={"number": "Which order"})
context.assistants.register_resource("shop://orders/{number}", order, mime_type="application/json")
context.assistants.register_resource("shop://rules", lambda: "Be kind", scope="admin")
"""
ASKS = """
from ordinaut import InputNeeded
def ask(call):
    if "name" not in call.dialog.answers:
        raise InputNeeded({"name": {"method": "elicitation/create"}}, state="s1")
    call.log("info", "asked")
    call.dialog.progress(1, 2, "half")
    return {"name": call.dialog.answers["name"], "state": call.dialog.state}
def nested():
    return context.tool_registry.invoke("ext.shop.ask", {})
context.tool_registry.register_tool("ask", ask, {"type": "object"})
context.tool_registry.register_tool("nested", nested, {"type": "object"})
"""

TWICE = """
for name in ("x", "y"):
    context.tool_registry.register_tool(name, dict, {"type": "object"}, mcp_name="same", expose_to_mcp=True)
"""


def context_of(world: World, extension_id: str) -> GrantedContext:
    world.host.load(extension_id)
    live = world.host.live(extension_id)
    assert live is not None and isinstance(live.context, GrantedContext)
    return live.context


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GrantedContext:
    """The context of another extension that looks at what the shop offers, on behalf of a reader."""
    monkeypatch.setattr("app.extension_host.contexts.caller_here", lambda: READER)
    write_extension(tmp_path, "shop", routes=OFFERS)
    write_extension(tmp_path, "door")
    return context_of(World([tmp_path]), "door")


def test_they_are_found_before_their_extension_was_loaded(shop: GrantedContext) -> None:
    (prompt,) = shop.assistants.list_prompts()
    assert (prompt.name, prompt.title, prompt.description) == ("review", "Review", "Looks at an order.")
    assert prompt.arguments == (("number", "Which order", True), ("tone", "tone", False))
    assert [(one.uri, one.template) for one in shop.assistants.list_resources()] == [
        ("shop://orders/{number}", True),
        ("shop://rules", False),
    ]


def test_they_are_made_when_they_are_asked_for(shop: GrantedContext) -> None:
    dialog = Dialog(can_answer=frozenset({"elicitation"}))
    assert shop.assistants.get_prompt("review", {"number": "7"}, dialog) == "7 calm ['elicitation']"
    info, order = shop.assistants.read_resource("shop://orders/a%20b")
    assert (info.mime_type, order) == ("application/json", {"number": "a b"})


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda one: one.get_prompt("nothing", {}), "not_found"),
        (lambda one: one.get_prompt("review", {}), "bad_request"),
        (lambda one: one.get_prompt("review", {"number": "7", "shout": "x"}), "bad_request"),
        (lambda one: one.read_resource("shop://orders/7/lines"), "not_found"),
        (lambda one: one.read_resource("shop://rules"), "forbidden"),
    ],
)
def test_what_is_not_there_or_not_theirs_is_refused(shop: GrantedContext, ask: Any, code: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        ask(shop.assistants)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        # each row: a registration that is refused in the author's own setup, and how
        ('context.assistants.register_prompt("Re view", print)', "ValueError"),
        ('context.assistants.register_prompt("review", lambda: "x", tittle="x")', "TypeError"),
        ('context.assistants.register_resource("nowhere", print)', "ValueError"),
        ('context.assistants.register_resource("ordinaut://docs/x", print)', "ValueError"),
        ('context.assistants.register_resource("shop://x", print, mime="x")', "TypeError"),
        (OFFERS + OFFERS, "ValueError"),
        ('context.tool_registry.register_tool("x", dict, {"type": "object"}, mcp_name="x")', "ValueError"),
        (
            'context.tool_registry.register_tool("x", dict, {"type": "object"}, mcp_name="a.b", expose_to_mcp=True)',
            "ValueError",
        ),
        (TWICE, "ValueError"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, code: str, kind: str) -> None:
    write_extension(tmp_path, "shop", routes=code)
    failure = World([tmp_path]).host.load("shop").failure  # type: ignore[union-attr]
    assert failure is not None and failure.error_type == kind, failure


def test_a_failed_setup_leaves_nothing_to_offer(tmp_path: Path) -> None:
    write_extension(tmp_path, "shop", routes=OFFERS + "\nraise RuntimeError")
    write_extension(tmp_path, "door")
    door = context_of(World([tmp_path]), "door")
    assert (door.assistants.list_prompts(), door.assistants.list_resources()) == ([], [])


def asking(folder: Path) -> GrantedContext:
    """A context whose tools have questions, over the use case that calls tools."""
    write_extension(folder, "shop", routes=ASKS)

    def invoke(name: str, arguments: Mapping[str, Any], caller: Caller) -> Any:
        return Invoker(ToolService(tools=world.tools))(name, arguments, caller)

    world: World = World([folder], doors={"invoke": invoke})
    return context_of(world, "shop")


def test_a_question_is_for_who_can_answer_it(tmp_path: Path) -> None:
    shop = asking(tmp_path)
    heard: list[Any] = []
    with pytest.raises(InputNeeded) as needed:
        shop.tool_registry.invoke("ext.shop.ask", {}, Dialog())
    assert (set(needed.value.questions), needed.value.state) == ({"name"}, "s1")
    dialog = Dialog(
        answers={"name": "Ana"},
        state=needed.value.state,
        on_progress=lambda *told: heard.append(told),
        on_log=lambda *told: heard.append(told),
    )
    assert shop.tool_registry.invoke("ext.shop.ask", {}, dialog) == {"name": "Ana", "state": "s1"}
    assert heard == [("info", "asked"), (1, 2, "half")]


@pytest.mark.parametrize("tool", ["ask", "nested"])
def test_where_nobody_can_answer_the_call_fails(tmp_path: Path, tool: str) -> None:
    dialog = None if tool == "ask" else Dialog(answers={"name": "not for the tool inside"})
    with pytest.raises(ToolFailed) as failed:
        asking(tmp_path).tool_registry.invoke(f"ext.shop.{tool}", {}, dialog)
    assert (failed.value.type, failed.value.retryable) == ("input_required", False)
    assert failed.value.details == {"questions": ["name"]}


def test_keys_are_the_extension_s_own_and_of_one_purpose(tmp_path: Path) -> None:
    write_extension(tmp_path, "shop")
    write_extension(tmp_path, "door")
    world = World([tmp_path], doors={"keys": lambda purpose: [purpose.encode()]})
    told = {key for name in ("shop", "door") for for_what in "ab" for key in context_of(world, name).keys(for_what)}
    assert told == {b"extension shop a", b"extension shop b", b"extension door a", b"extension door b"}
