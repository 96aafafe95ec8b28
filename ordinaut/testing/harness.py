"""One extension at work in a test."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any

from ordinaut.callers import Caller
from ordinaut.capabilities import Capability
from ordinaut.contexts import TaskInfo
from ordinaut.errors import CapabilityDenied, RequestRefused
from ordinaut.events import Event
from ordinaut.extension import Extension
from ordinaut.testing.assistants import asking
from ordinaut.testing.contexts import Context, World
from ordinaut.testing.patterns import matches
from ordinaut.testing.sockets import FakeSocket
from ordinaut.tools import ToolFailed

EVERYTHING = frozenset(Capability)
TESTER = Caller("tester", frozenset({"admin"}))
STATUSES = {
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "gone": 410,
    "precondition_failed": 412,
    "payload_too_large": 413,
    "unsupported_media_type": 415,
    "unprocessable": 422,
    "rate_limit_exceeded": 429,
    "unavailable": 503,
}
_PLACE = re.compile(r"<(?:\w+:)?(\w+)>")


class Harness:
    """Sets an extension up with contexts in memory, calls it, and shows what it did.

    Used as a context manager it runs `setup` and `on_startup` at the beginning, `on_shutdown` at the end.

    Args:
        extension: What `get_extension()` gives.
        grants: What it gets of what it asks for; everything, when left out.
        caller: Who sends its requests and calls its tools.
    """

    def __init__(
        self, extension: Extension, *, grants: Iterable[Capability] = EVERYTHING, caller: Caller = TESTER
    ) -> None:
        self.extension = extension
        self.id = extension.info().id
        self.world = World(caller=caller)
        granted = frozenset(Capability(one) for one in extension.requested_capabilities()) & frozenset(grants)
        self.context = Context(self.id, granted, self.world)
        self.page: Any = None
        self._runner = asyncio.Runner()
        self._client: Any = None

    def __enter__(self) -> Harness:
        """Set it up and start it."""
        with ExitStack() as undo:
            undo.callback(self._end)
            self.page = self.extension.setup(self.context)
            self.world.set_up = True
            self._runner.run(self.extension.on_startup(self.context))
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shut it down, and end what it left running."""
        try:
            self._runner.run(self.extension.on_shutdown(self.context))
        finally:
            self._end()

    # Routes.

    @property
    def client(self) -> Any:
        """A Flask test client; the extension's routes are under `/ext/<id>/`."""
        if self._client is None:
            self._client = self._app().test_client()
        return self._client

    def websocket(self, path: str, *messages: str | bytes) -> list[str | bytes]:
        """What a client gets that opens `/ext/<id>/ws<path>`, says these messages and leaves."""
        for rule, view in self.world.sockets:
            places = re.compile(_PLACE.sub(r"(?P<\1>[^/]+)", rule))
            if (found := places.fullmatch(path)) is not None:
                socket = FakeSocket(messages)
                # How a view hears that its client has left.
                with suppress(ConnectionError):
                    self._waited(view(socket, **found.groupdict()))
                return socket.sent
        raise AssertionError(f"There is no WebSocket at {path}")

    # Tools, events, background tasks.

    def call(self, name: str, /, **arguments: Any) -> Any:
        """What the extension's tool returns; `name` with or without `ext.<id>.`.

        Nobody answers its questions; `context.tool_registry.invoke` takes a `Dialog` that does.
        """
        prefix = f"ext.{self.id}."
        with asking(name, None):
            return self._waited(self.world.call(prefix + name.removeprefix(prefix), arguments))

    def publish(self, topic: str, data: Mapping[str, Any]) -> Event:
        """Publish an event from outside and let the extension's handlers take it."""
        event = self.world.publish(topic, data, source="outside")
        for pattern, handler in list(self.world.handlers.items()):
            if matches(pattern, topic):
                self._waited(handler(event))
        return event

    @property
    def published(self) -> list[Event]:
        """What the extension itself has published, oldest first."""
        return [event for event in self.world.events if event.source == f"ext:{self.id}"]

    def run(self, seconds: float = 0.1) -> list[TaskInfo]:
        """Give background tasks some time; how they stand then."""
        self._runner.run(self._spend(seconds))
        return self.context._background.list_tasks()

    @property
    def logs(self) -> list[tuple[str, str]]:
        """`(level, message)` of what its tools have written into the logs of runs."""
        return self.world.logs

    def _waited(self, answer: Any) -> Any:
        return self._runner.run(_awaited(answer)) if inspect.isawaitable(answer) else answer

    def _end(self) -> None:
        for name in list(self.world.waiting):
            self.context._background.stop_task(name)
        self._runner.close()

    async def _spend(self, seconds: float) -> None:
        for name, coro in list(self.world.waiting.items()):
            self.world.tasks[name] = asyncio.create_task(self.world.waiting.pop(name) or coro)
        busy = [task for task in self.world.tasks.values() if not task.done()]
        if busy:
            await asyncio.wait(busy, timeout=seconds)

    def _app(self) -> Any:
        # Only a test that asks for a client needs Flask, which an extension with routes has anyway.
        app = importlib.import_module("flask").Flask("ordinaut.testing", static_folder=None)
        if self.page is not None and Capability.ROUTES in self.context.grants:
            app.register_blueprint(self.page, url_prefix=self.context.mount_path)
        app.register_error_handler(CapabilityDenied, _denied)
        app.register_error_handler(RequestRefused, _refused)
        app.register_error_handler(ToolFailed, _failed)
        return app


def _denied(error: CapabilityDenied) -> tuple[dict[str, Any], int]:
    details = {
        "required_capability": error.required.value,
        "granted_capabilities": [one.value for one in error.granted],
    }
    return {"error": "forbidden", "message": "Insufficient permissions", "details": details}, 403


def _refused(error: RequestRefused) -> tuple[dict[str, Any], int]:
    status = STATUSES.get(error.code, 500)
    return {"error": error.code, "message": error.message, "details": error.details}, status


def _failed(error: ToolFailed) -> tuple[dict[str, Any], int]:
    details = {"type": error.type, "retryable": error.retryable, "details": error.details}
    return {"error": "unprocessable", "message": error.message, "details": details}, 422


async def _awaited(answer: Any) -> Any:
    return await answer
