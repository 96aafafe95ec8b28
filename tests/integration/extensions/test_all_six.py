"""An extension outside of the checkout uses all six capabilities on the real programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from simple_websocket import Client

from tests.fakes.extensions import ALL
from tests.faults.stack import Stack
from tests.servers import Databases, ValkeyServer, wait_for

CODE = '''
import asyncio

from flask import Blueprint, request

from ordinaut import Capability, Extension, ExtensionInfo

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


class Six(Extension):
    def info(self):
        return ExtensionInfo(id="six", name="Six", version="6.0", description="All of them")

    def requested_capabilities(self):
        return set(Capability)

    def setup(self, context):
        self.context = context
        page = Blueprint("six", __name__)
        context.tool_registry.register_tool("shout", self.shout, TEXT)

        @page.post("/say")
        async def say():
            return {"id": await context.events.publish("six.said", request.get_json())}

        @page.get("/recent")
        def recent():
            events = context.events.recent("six.**", 100)
            return {"events": [[event.topic, dict(event.data)] for event in events]}

        @page.get("/watch")
        def watch():
            def frames():
                for event in context.events.listen("six.said"):
                    yield None if event is None else f"id: {event.id}\\ndata: {event.data['text']}\\n\\n"
            return context.routes.event_stream(frames())

        @context.routes.websocket("/echo")
        def echo(socket):
            for message in socket:
                socket.send(message)

        return page

    async def shout(self, text):
        """Say it louder."""
        await self.context.events.publish("six.shouted", {"text": text.upper()})
        return {"text": text.upper()}

    async def on_startup(self, context):
        await context.events.subscribe("six.said", self.on_said)
        await context.background.start_task("sweep", self.sweep)

    async def on_said(self, event):
        await self.context.events.publish("six.heard", {"text": event.data["text"]})

    async def sweep(self):
        while True:
            await self.context.events.publish("six.swept", {})
            await asyncio.sleep(0.5)

    def health(self):
        return {"six": "healthy"}


get_extension = Six
'''


@pytest.fixture
def stack(databases: Databases, valkey: ValkeyServer, tmp_path: Path) -> Iterator[Stack]:
    """Web, worker and beat, and an extension in a folder of its own."""
    home = tmp_path / "elsewhere" / "six"
    (home / "static").mkdir(parents=True)
    manifest = {"id": "six", "name": "Six", "version": "6.0", "description": "All of them", "grants": ALL}
    (home / "extension.json").write_text(json.dumps(manifest))
    (home / "extension.py").write_text(CODE)
    (home / "static" / "six.txt").write_text("six")
    url = databases.sqlite(tmp_path / "ordinaut.db")
    stack = Stack(tmp_path / "stack", database_url=url, redis_url=valkey.url, ORDINAUT_EXT_PATHS=str(home.parent))
    yield stack.start("web", "worker", "beat").ready()
    stack.stop()


def heard(stack: Stack, topic: str) -> list[Any]:
    """The data of the events on this topic."""
    return [data for one, data in stack.get("/ext/six/recent")["events"] if one == topic]


def test_it_uses_all_six(stack: Stack) -> None:
    wait_for(lambda: len(heard(stack, "six.swept")) > 1, seconds=60, what="its background task")
    # EVENTS_PUB and EVENTS_SUB: from a route to the handler on the worker side, and live to a stream.
    with closing(requests.get(f"http://127.0.0.1:{stack.port}/ext/six/watch", stream=True, timeout=30)) as watched:
        lines = watched.iter_lines()
        assert next(lines) == b": ok"
        stack.request("POST", "/ext/six/say", json={"text": "salut"})
        assert next(line for line in lines if line.startswith(b"data:")) == b"data: salut"
    wait_for(lambda: heard(stack, "six.heard") == [{"text": "salut"}], seconds=30, what="its handler")
    # TOOLS: in a pipeline, on a worker.
    task = stack.task([{"id": "a", "uses": "ext.six.shout", "with": {"text": "hi"}}])
    run = stack.run_now(task)
    wait_for(lambda: stack.get(f"/runs/{run}")["status"] == "succeeded", seconds=30, what="the run")
    assert heard(stack, "six.shouted") == [{"text": "HI"}]
    # STATIC, ROUTES and a WebSocket.
    assert stack.request("GET", "/ext/six/static/six.txt").text == "six"
    client = Client(f"ws://127.0.0.1:{stack.port}/ext/six/ws/echo")
    client.send("hello")
    assert client.receive(timeout=10) == "hello"
    client.close()
    health = stack.get("/ext/six/health")
    assert health["checks"] == {"six": "healthy", "background_tasks": "healthy", "event_handlers": "healthy"}
    status = stack.get("/ext/status")["extensions"]["six"]
    assert (status["state"], status["capabilities"]) == ("loaded", ALL)
