"""An ASGI application served from a WSGI view: on an event loop of the request's own, in the view's own thread.

So what the application calls sees the request as any view does, and nothing is shared between requests: no loop in
the background, no state in this process that another one would lack. PEP 3333 on the one side, the HTTP part of the
ASGI specification (version 2.4) on the other.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

Message = MutableMapping[str, Any]
Application = Callable[[dict[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Any]

IDLE_LOOPS = 32
GRACE_SECONDS = 2.0
"""How long an application may take to end after its client has gone."""
GLANCE_SECONDS = 2.0
"""How often a silent stream says that it is silent."""
HOP_BY_HOP = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
"""Headers that a WSGI application may not set (PEP 3333)."""


class _Loops:
    """Event loops that are not in use; any thread may take one, the newest first."""

    def __init__(self) -> None:
        self._idle: list[asyncio.AbstractEventLoop] = []
        # A loop's selector belongs to the process that made it.
        os.register_at_fork(after_in_child=self._idle.clear)

    def take(self) -> asyncio.AbstractEventLoop:
        """One that nobody else has."""
        with suppress(IndexError):
            return self._idle.pop()
        return asyncio.new_event_loop()

    def give(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take it back; one with something left in it is closed, so that nobody inherits that."""
        if asyncio.all_tasks(loop) or len(self._idle) >= IDLE_LOOPS:
            loop.close()
        else:
            self._idle.append(loop)


_loops = _Loops()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the application has begun to answer.

    Attributes:
        body: All of it; None for one that goes on.
        rest: What goes on: bytes as they come, None for each silence.
        close: Ends the application; to be called however far the answer has come. Again is no harm.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes | None
    rest: Iterator[bytes | None]
    close: Callable[[], None] = lambda: None


class Gone(Exception):
    """The client has left, and nobody waits for the answer any more."""


def serve(application: Application, environ: Mapping[str, Any], body: bytes, **state: Any) -> Answer:
    """Let the application answer the request of `environ`, whose body has been read.

    Args:
        state: What the application finds in `scope["state"]`.

    Raises:
        Gone: The client left before the answer began.
        Exception: Whatever the application raised before it answered.
    """
    exchange = _Exchange(application, {**_scope(environ), "state": state}, body)
    exchange.watch(environ.get("gunicorn.socket"))
    try:
        return exchange.answer()
    except BaseException:
        exchange.end()
        raise


class _Exchange:
    """One request and its answer."""

    def __init__(self, application: Application, scope: dict[str, Any], body: bytes) -> None:
        self._body: bytes | None = body
        self._gone = asyncio.Event()
        self._sent: asyncio.Queue[Message | None] = asyncio.Queue(maxsize=1)
        self._watched: int | None = None
        self._ended = False
        self._loop = _loops.take()
        self._task = self._loop.create_task(self._run(application, scope))

    def answer(self) -> Answer:
        """The beginning of the answer, and all of it where it is short."""
        status, headers = 500, list[tuple[str, str]]()
        while (message := self._next()) is not None:
            if message["type"] == "http.response.start":
                status, headers = message["status"], _headers(message["headers"])
            elif message.get("more_body"):
                return Answer(status, headers, None, self._rest(message.get("body", b"")), self.end)
            else:
                self.end()
                return Answer(status, headers, message.get("body", b""), iter(()))
        self.end()
        if self._gone.is_set():
            raise Gone
        self._task.result()
        return Answer(status, headers, b"", iter(()))

    def watch(self, connection: Any) -> None:
        """Notice when the client leaves: a plain socket then has nothing to read, and says so at once.

        Under TLS the bytes are not ours to look at; there the next line that is sent shows it.
        """
        if isinstance(connection, socket.socket) and not hasattr(connection, "context"):
            self._watched = connection.fileno()
            self._loop.add_reader(self._watched, self._look, connection)

    def end(self) -> None:
        """Let the application end, by force if it must, and give the loop back."""
        if self._ended:
            return  # the loop may be somebody else's by now
        self._ended = True
        self._unwatch()
        self._gone.set()
        self._loop.run_until_complete(self._wound_down())
        _loops.give(self._loop)

    def _rest(self, first: bytes) -> Iterator[bytes | None]:
        try:
            yield first
            while (message := self._next(GLANCE_SECONDS)) is not None:
                yield message.get("body") or None
                if not message.get("more_body", True):
                    return
        finally:
            self.end()

    def _next(self, seconds: float | None = None) -> Message | None:
        """The next message; one without a body after so many seconds of silence; None when there is no more."""
        return self._loop.run_until_complete(self._message(seconds))

    async def _message(self, seconds: float | None) -> Message | None:
        waiting = asyncio.ensure_future(self._sent.get())
        await asyncio.wait({waiting, self._task}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        waiting.cancel()
        if not self._task.done():
            return {}
        return None if self._sent.empty() else self._sent.get_nowait()

    async def _run(self, application: Application, scope: dict[str, Any]) -> None:
        try:
            await application(scope, self._receive, self._send)
        finally:
            if not self._gone.is_set():
                await self._sent.put(None)

    async def _receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._gone.is_set():
            raise OSError("The client has left")
        await self._sent.put(message)

    async def _wound_down(self) -> None:
        for patience in (GRACE_SECONDS, GRACE_SECONDS):
            if not self._task.done():
                await asyncio.wait({self._task}, timeout=patience)
            if not self._task.done():
                self._task.cancel()
        if self._task.done() and not self._task.cancelled():
            self._task.exception()  # it has been raised to the view, or nobody is left to hear of it
        # Libraries begin work of their own beside the answer, which goes on as long as the loop does.
        beside = asyncio.all_tasks() - {asyncio.current_task(), self._task}
        for task in beside:
            task.cancel()
        if beside:
            await asyncio.wait(beside, timeout=GRACE_SECONDS)

    def _look(self, connection: socket.socket) -> None:
        try:
            more = connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            more = b""
        self._unwatch()  # bytes of a next request stay there to be read
        if not more:
            self._gone.set()
            self._task.cancel()

    def _unwatch(self) -> None:
        if self._watched is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._watched)
        self._watched = None


def _scope(environ: Mapping[str, Any]) -> dict[str, Any]:
    path = environ.get("PATH_INFO", "/")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": environ.get("SERVER_PROTOCOL", "HTTP/1.1").rpartition("/")[2],
        "method": environ["REQUEST_METHOD"],
        "scheme": environ.get("wsgi.url_scheme", "http"),
        "path": path,
        "raw_path": path.encode("latin-1"),
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "root_path": "",
        "headers": list(_sent_headers(environ)),
        "server": (environ.get("SERVER_NAME", ""), int(environ.get("SERVER_PORT") or 0)),
        "client": (environ.get("REMOTE_ADDR", ""), int(environ.get("REMOTE_PORT") or 0)),
    }


def _sent_headers(environ: Mapping[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    for key, value in environ.items():
        if key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            name = key if value else ""
        else:
            name = key.removeprefix("HTTP_") if key.startswith("HTTP_") else ""
        if name:
            # Spaces around a value are no part of it (RFC 9110, section 5.5), and WSGI servers leave them there.
            yield name.lower().replace("_", "-").encode("latin-1"), value.strip(" \t").encode("latin-1")


def _headers(sent: Any) -> list[tuple[str, str]]:
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in sent]
    return [(name, value) for name, value in pairs if name.lower() not in HOP_BY_HOP]
