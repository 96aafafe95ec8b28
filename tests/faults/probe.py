"""An extension that does what its events tell it to, copied into a folder of its own; writes down all it does."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

from flask import Blueprint

from ordinaut import Capability, Event, Extension, ExtensionContext, ExtensionInfo

HERE = Path(__file__).parent


def note(*words: object) -> None:
    """A line in the log: `<process> <words>`."""
    with (HERE / "log.txt").open("a") as log:
        log.write(f"{os.getpid()} {' '.join(map(str, words))}\n")


def there(name: str) -> bool:
    """Whether a test has put a file beside this one."""
    return (HERE / name).exists()


def wait_for(name: str) -> None:
    """Return once there is such a file."""
    while not there(name):
        time.sleep(0.05)


class Probe(Extension):
    """See the module."""

    def info(self) -> ExtensionInfo:
        """As in the manifest."""
        return ExtensionInfo(id="probe", name="Probe", version="1")

    def requested_capabilities(self) -> set[Capability]:
        """What it needs."""
        return {Capability.ROUTES, Capability.EVENTS_PUB, Capability.EVENTS_SUB, Capability.BACKGROUND_TASKS}

    def setup(self, context: ExtensionContext) -> Blueprint:
        """Routes that look at tasks and stop them, from the web process."""
        pages = Blueprint("probe", __name__)

        @pages.get("/tasks")
        def tasks() -> dict[str, Any]:
            return {one.name: [one.status, one.restarts, one.error] for one in context.background.list_tasks()}

        @pages.post("/stop/<name>")
        def stop(name: str) -> dict[str, Any]:
            context.background.stop_task(name)
            return {}

        return pages

    async def on_startup(self, context: ExtensionContext) -> None:
        """Subscribe, and begin two tasks."""
        note("startup")
        self.context = context
        await context.events.subscribe("plain.**", self.plain)
        await context.events.subscribe("async.**", self.asynchronous)
        await context.background.start_task("beat", self.beat)
        await context.background.start_task("frail", self.frail())

    async def on_shutdown(self, context: ExtensionContext) -> None:
        """Say so."""
        note("shutdown")

    async def beat(self) -> None:
        """Crashes once for each file `crash`; else goes on for ever."""
        note("beat")
        while True:
            if there("crash"):
                (HERE / "crash").unlink()
                raise RuntimeError("beat crashes")
            await asyncio.sleep(0.05)

    async def frail(self) -> None:
        """The same with a file `break`; given as a coroutine, so that it cannot begin anew by itself."""
        note("frail")
        await asyncio.to_thread(wait_for, "break")
        (HERE / "break").unlink()
        raise RuntimeError("frail breaks")

    def plain(self, event: Event) -> None:
        """A handler in a thread."""
        note("begin", event.topic, event.data["n"])
        self.obey(event)
        if event.data["do"] == "hold":
            wait_for(f"door-{event.data['n']}")
        note("done", event.topic, event.data["n"])

    async def asynchronous(self, event: Event) -> None:
        """A handler in the loop."""
        note("begin", event.topic, event.data["n"])
        self.obey(event)
        if event.data["do"] == "sleep":
            await asyncio.sleep(1000)
        note("done", event.topic, event.data["n"])

    def obey(self, event: Event) -> None:
        """What the event says."""
        match event.data["do"]:
            case "raise" if not there("cured"):
                raise ValueError("no such order")
            case "exit":
                sys.exit(3)
            case "die":
                os._exit(9)
            case "spin":
                while True:
                    pass
            case "publish":
                self.context.events.publish("plain.echo", {"n": event.data["n"], "do": "nothing"})


def get_extension() -> Probe:
    """The extension."""
    return Probe()
