"""A service on loopback that speaks the OpenAI protocol, with the answers it is told to give."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def completion(text: str | None, finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    """A chat completion as services give it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "tiny-1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, **message},
                "finish_reason": finish_reason,
            }
        ],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
    }


@dataclass
class Reply:
    """What it answers; a dict goes out as JSON."""

    body: Any = field(default_factory=lambda: completion("Good morning"))
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class LlmServer(ThreadingHTTPServer):
    """`asked` holds the requests, each with its headers under `headers`; `reply` is given to all."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, Any]] = []
        self.reply = Reply()

    @property
    def url(self) -> str:
        """The base URL to configure."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


@contextmanager
def llm_server() -> Iterator[LlmServer]:
    """A running service."""
    server = LlmServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: LlmServer

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def do_POST(self) -> None:
        """Answer as told, at the one address there is."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append({**body, "headers": headers, "path": self.path})
        reply = self.server.reply
        content = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content.encode())
