"""A small HTTP server on loopback that misbehaves on request."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class HttpTarget(ThreadingHTTPServer):
    """Answers by path; `received` holds what came in, `release` ends every answer that hangs."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[dict[str, Any]] = []
        self.release = threading.Event()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """A URL of this server."""
        return f"http://{host}:{self.port}{path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news here."""


@contextmanager
def http_target() -> Iterator[HttpTarget]:
    """A running server."""
    server = HttpTarget()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: HttpTarget

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def _any(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.received.append(
            {
                "method": self.command,
                "path": parts.path,
                "query": parse_qs(parts.query, keep_blank_values=True),
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "body": body.decode(),
                "client": self.client_address,
            }
        )
        _PAGES[parts.path.split("/")[1]](self, parse_qs(parts.query))

    do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        """A whole answer; `Content_Type` is the header Content-Type."""
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def raw(self, data: bytes) -> None:
        """Bytes as they are, then the connection ends."""
        self.wfile.write(data)
        self.close_connection = True


Query = dict[str, list[str]]


def _echo(handler: _Handler, query: Query) -> None:
    body = json.dumps(handler.server.received[-1]).encode()
    handler.answer(200, body, Content_Type="application/json")


def _status(handler: _Handler, query: Query) -> None:
    headers = {"Retry_After": query["retry_after"][0]} if "retry_after" in query else {}
    said = handler.headers.get("Authorization", "")
    handler.answer(int(handler.path.split("/")[2].split("?")[0]), f"no luck {said}".encode(), **headers)


def _chunked(handler: _Handler, query: Query) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for piece in (b"one ", b"two ", b"three"):
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
    handler.wfile.write(b"0\r\n\r\n")


def _gzip(handler: _Handler, query: Query) -> None:
    packed = gzip.compress(b"a" * int(query["size"][0]))
    cut = int(query.get("cut", ["0"])[0])
    handler.answer(200, packed[: len(packed) - cut], Content_Encoding="gzip", Content_Type="text/plain")


def _large(handler: _Handler, query: Query) -> None:
    """Says nothing about its length and goes on until the client has had enough."""
    handler.raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while not handler.server.release.is_set():
        handler.wfile.write(b"x" * 65_536)


def _drip(handler: _Handler, query: Query) -> None:
    """A byte every 20 ms, in the head or in the body, for as long as anybody listens."""
    head = b"HTTP/1.1 200 OK\r\n" + (b"X-Slow: " if query["part"] == ["head"] else b"\r\n")
    handler.raw(head)
    while not handler.server.release.wait(0.02):
        handler.wfile.write(b"x")


def _hang(handler: _Handler, query: Query) -> None:
    handler.server.release.wait(30)
    handler.close_connection = True


def _redirect(handler: _Handler, query: Query) -> None:
    handler.answer(int(query.get("status", ["302"])[0]), b"", Location=query["to"][0])


def _loop(handler: _Handler, query: Query) -> None:
    handler.answer(302, b"", Location="/loop")


def _body(handler: _Handler, query: Query) -> None:
    text = query.get("text", [""])[0].encode(query.get("charset", ["utf-8"])[0])
    handler.answer(200, text, Content_Type=query["type"][0], Set_Cookie="sid=canary-cookie")


def _dies(handler: _Handler, query: Query) -> None:
    handler.close_connection = True


_PAGES: dict[str, Callable[[_Handler, Query], None]] = {
    "echo": _echo,
    "status": _status,
    "chunked": _chunked,
    "gzip": _gzip,
    "large": _large,
    "drip": _drip,
    "hang": _hang,
    "redirect": _redirect,
    "loop": _loop,
    "body": _body,
    "dies": _dies,
    "cut": lambda handler, query: handler.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"),
    "noise": lambda handler, query: handler.raw(b"SSH-2.0-OpenSSH_9\r\n"),
    "brotli": lambda handler, query: handler.answer(200, b"?", Content_Encoding="br"),
    "many-headers": lambda handler, query: handler.raw(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 200 + b"\r\n"),
    "long-header": lambda handler, query: handler.raw(b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 70_000 + b"\r\n\r\n"),
    "big-headers": lambda handler, query: handler.raw(
        b"HTTP/1.1 200 OK\r\n" + (b"X-A: " + b"b" * 9_000 + b"\r\n") * 10 + b"Content-Length: 0\r\n\r\n"
    ),
}
