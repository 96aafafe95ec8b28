"""A server of tasks in memory, over real HTTP: those addresses that `ordinaut apply` and `export` use."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

ME = "ana"
DEFAULTS: Mapping[str, Any] = {
    "title": None,
    "schedule_kind": None,
    "schedule_expr": None,
    "description": "",
    "status": "active",
    "priority": 5,
    "tags": None,
    "payload": None,
    "created_by": None,
}
UPSERT = "/tasks/by-external-id/"
DESCRIPTION: Mapping[str, Any] = {
    "paths": {UPSERT + "{external_id}": {}},
    "components": {
        "schemas": {"TaskReplace": {"properties": {name: {"default": value} for name, value in DEFAULTS.items()}}}
    },
}


class TaskServer:
    """The tasks by id, and what was written, each as method and path."""

    def __init__(self) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}
        self.written: list[str] = []
        self.url = ""

    def named(self, external_id: str) -> dict[str, Any] | None:
        """The task of this external id."""
        return next((one for one in self.tasks.values() if one["external_id"] == external_id), None)

    def found(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """Tasks that a list shows."""
        return [
            one
            for one in self.tasks.values()
            if query.get("external_id") in (None, one["external_id"])
            and ("tag" not in query or query["tag"] in one["tags"])
            and one["status"] in query.get("status", one["status"]).split(",")
        ]

    def put(self, path: str, given: Mapping[str, Any], *, preview: bool) -> dict[str, Any]:
        """The task as it is, or would be, afterwards; ValueError for a priority that is none."""
        external_id = unquote(path.removeprefix(UPSERT)) if path.startswith(UPSERT) else None
        current = self.named(external_id) if external_id else self.tasks[path.rpartition("/")[2]]
        if not 1 <= given.get("priority", 5) <= 9:
            raise ValueError
        kept = current or {"id": str(uuid.uuid4()), "external_id": external_id, "version": 0, "status": "active"}
        task = {**DEFAULTS, "tags": [], "payload": {"params": {}, "pipeline": []}, "status": kept["status"], **given}
        task |= {"id": kept["id"], "external_id": kept["external_id"], "version": kept["version"] + 1, "created_by": ME}
        if not preview:
            self.tasks[task["id"]] = task
        return task


class _Handler(BaseHTTPRequestHandler):
    known: TaskServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        items = self.known.found(dict(parse_qsl(parts.query)))
        page = {"items": items, "total": len(items), "has_more": False}
        task = self.known.tasks.get(parts.path.rpartition("/")[2], {"message": "Task not found"})
        answers: dict[str, Mapping[str, Any]] = {
            "/agents/me": {"agent_id": ME},
            "/openapi.json": DESCRIPTION,
            "/tasks": page,
        }
        answer = answers.get(parts.path, task)
        self._answer(404 if "message" in answer else 200, answer)

    def do_PUT(self) -> None:
        parts, body = urlsplit(self.path), json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        preview = "preview=true" in parts.query
        if not preview:
            self.known.written.append(f"PUT {parts.path}")
        try:
            self._answer(200, self.known.put(parts.path, body, preview=preview))
        except ValueError:
            problem = {"pointer": "/priority", "field": "priority", "issue": "1 to 9"}
            self._answer(400, {"message": "Invalid", "details": {"errors": [problem]}})

    def do_DELETE(self) -> None:
        self.known.written.append(f"DELETE {self.path}")
        self._answer(200, self.known.tasks.pop(self.path.rpartition("/")[2]))

    def _answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def task_server() -> Iterator[TaskServer]:
    """One that listens on a free port."""
    known = TaskServer()
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"known": known})) as server:
        known.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield known
        server.shutdown()
        thread.join()
