"""The harness behaves as the platform does, as far as an extension can tell."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Blueprint, Response

from app.domain.events import TopicPattern
from app.http.errors import KINDS
from ordinaut import (
    Capability,
    CapabilityDenied,
    Event,
    Extension,
    ExtensionContext,
    ExtensionInfo,
    RequestRefused,
    Socket,
    ToolCall,
    ToolFailed,
)
from ordinaut.errors import CODES
from ordinaut.testing import Harness
from ordinaut.testing.harness import STATUSES
from ordinaut.testing.patterns import matches

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


class Sample(Extension):
    """Uses everything."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.ended = False

    def info(self) -> ExtensionInfo:
        return ExtensionInfo(id="sample", name="Sample", version="1")

    def requested_capabilities(self) -> set[Capability]:
        return set(Capability)

    def setup(self, context: ExtensionContext) -> Blueprint:
        page = Blueprint("sample", __name__)

        @page.get("/refuse")
        def refuse() -> dict[str, Any]:
            raise RequestRefused("conflict", "Twice")

        @page.get("/fail")
        def fail() -> dict[str, Any]:
            return {"output": context.tool_registry.invoke("ext.sample.fail", {"text": "x"})}

        @page.get("/events")
        def events() -> Response:
            def frames() -> Iterator[str | None]:
                for event in context.events.listen("sample.*"):
                    yield None if event is None else f"id: {event.id}\n\n"

            response: Response = context.routes.event_stream(frames())
            return response

        @context.routes.websocket("/echo/<room>")
        def echo(socket: Socket, room: str) -> None:
            while True:
                socket.send(f"{room}:{socket.receive()!s}")

        context.tool_registry.register_tool("shout", self.shout, TEXT)
        context.tool_registry.register_tool("fail", self.fail, TEXT)
        return page

    async def on_startup(self, context: ExtensionContext) -> None:
        await context.events.subscribe("sample.*, !sample.quiet", self.on_event)
        await context.background.start_task("forever", self.forever)
        await context.background.start_task("once", self.once(context))
        await context.background.start_task("broken", self.broken)

    async def on_shutdown(self, context: ExtensionContext) -> None:
        self.ended = True

    async def shout(self, text: str, call: ToolCall) -> str:
        """Say it louder."""
        call.log("info", text)
        return text.upper()

    def fail(self, text: str) -> None:
        raise ToolFailed(text, type="no_tea")

    def on_event(self, event: Event) -> None:
        self.seen.append(event.topic)

    async def forever(self) -> None:
        await asyncio.Event().wait()

    async def once(self, context: ExtensionContext) -> None:
        await context.events.publish("sample.once", {"n": 1})

    async def broken(self) -> None:
        raise ValueError


@pytest.fixture
def sample() -> Iterator[Harness]:
    with Harness(Sample()) as harness:
        yield harness


def test_refusals_have_their_statuses(sample: Harness) -> None:
    refused = sample.client.get("/ext/sample/refuse")
    assert (refused.status_code, refused.json["error"], refused.json["message"]) == (409, "conflict", "Twice")
    failed = sample.client.get("/ext/sample/fail")
    assert (failed.status_code, failed.json["details"]["type"]) == (422, "no_tea")


def test_tools_are_called_by_name_with_their_call(sample: Harness) -> None:
    assert sample.call("shout", text="hi") == sample.call("ext.sample.shout", text="hi") == "HI"
    assert sample.logs == [("info", "hi")] * 2
    with pytest.raises(RequestRefused):
        sample.call("shout")
    with pytest.raises(RequestRefused):
        sample.call("whisper")


def test_handlers_get_the_events_they_want(sample: Harness) -> None:
    for topic in ("sample.a", "sample.quiet", "other.a", "sample.b"):
        sample.publish(topic, {})
    assert isinstance(sample.extension, Sample)
    assert sample.extension.seen == ["sample.a", "sample.b"]


def test_a_stream_gives_what_was_published_and_a_heartbeat(sample: Harness) -> None:
    event = sample.publish("sample.a", {})
    body = sample.client.get("/ext/sample/events").get_data(as_text=True)
    assert body == f"id: {event.id}\n\n: heartbeat\n\n"


def test_background_tasks_get_time(sample: Harness) -> None:
    assert [(task.name, task.status) for task in sample.run(0.05)] == [
        ("broken", "failed"),
        ("forever", "running"),
        ("once", "finished"),
    ]
    assert [event.topic for event in sample.published] == ["sample.once"]


def test_a_socket_hears_what_its_client_says(sample: Harness) -> None:
    assert sample.websocket("/echo/r1", "a", "b") == ["r1:a", "r1:b"]
    with pytest.raises(AssertionError):
        sample.websocket("/nothing")


def test_it_is_shut_down_at_the_end() -> None:
    extension = Sample()
    with Harness(extension):
        assert not extension.ended
    assert extension.ended


@pytest.mark.parametrize("missing", list(Capability))
def test_what_is_not_granted_raises_as_on_the_platform(missing: Capability) -> None:
    if missing in (Capability.STATIC, Capability.EVENTS_PUB):
        with Harness(Sample(), grants=set(Capability) - {missing}) as harness:
            assert missing not in harness.context.grants
    else:
        with pytest.raises(CapabilityDenied):
            Harness(Sample(), grants=set(Capability) - {missing}).__enter__()


@pytest.mark.parametrize("pattern", ["a.b", "a.*", "*.b", "a.**", "**", "a.**, !a.c", "*, a.b.c", "**,!a.*"])
@pytest.mark.parametrize("topic", ["a", "a.b", "a.c", "a.b.c", "b", "ab"])
def test_patterns_mean_what_they_mean_to_the_platform(pattern: str, topic: str) -> None:
    assert matches(pattern, topic) is TopicPattern.parse(pattern).matches(topic)


def test_the_harness_loads_nothing_of_the_platform() -> None:
    names = ("app", "config", "flask", "celery", "sqlalchemy", "redis")
    code = f"import sys, ordinaut.testing; print([name for name in {names} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_listening_refuses_an_id_that_is_none_when_it_is_called() -> None:
    with Harness(Sample()) as harness:
        with pytest.raises(RequestRefused):
            harness.context.events.listen("sample.*", "yesterday")
        ids = [harness.publish("sample.it", {}).id for _ in range(12)]
        assert [one.id for one in harness.context.events.listen("sample.*", ids[8]) if one] == ids[9:]


def test_nothing_is_registered_once_setup_is_over() -> None:
    with Harness(Sample()) as harness:
        with pytest.raises(RuntimeError, match=r"in setup\(\)"):
            harness.context.tool_registry.register_tool("late", lambda: None, {"type": "object"})
        with pytest.raises(RuntimeError, match=r"in setup\(\)"):
            harness.context.routes.websocket("/late")


def test_it_refuses_under_the_statuses_of_the_platform() -> None:
    assert {code: KINDS[code].status for code in CODES} == STATUSES
