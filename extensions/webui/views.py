"""The page, and the two addresses for scripts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request

from ordinaut import ExtensionContext, RequestRefused

from .board import STATUSES, Board, read_board
from .tasks_api import create, listed
from .words import Words

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
"""The page has no script, no inline style, and loads nothing from anywhere else."""
LOOPBACK = ("127.", "localhost", "[::1]")


def make_blueprint(context: ExtensionContext) -> Blueprint:
    """All routes; files of `static/` are served by the platform."""
    pages = Blueprint("webui", __name__, template_folder="templates")

    @pages.get("/")
    def index() -> Response:
        """The page."""
        words = Words(context.translate, datetime.now(UTC))
        try:
            board: Board | None = read_board(context, request.args, words.now)
            refusal = None
        except RequestRefused as refused:
            if refused.code not in ("unauthorized", "forbidden", "unavailable"):
                raise
            board, refusal = None, refused
        page = render_template("webui/index.html", **_shown(context, words, board), refusal=refusal)
        answer = make_response(page, 503 if refusal is not None and refusal.code == "unavailable" else 200)
        answer.headers["Content-Security-Policy"] = POLICY
        return answer

    @pages.get("/api/tasks")
    def list_tasks() -> dict[str, Any]:
        """Tasks in short, newest first."""
        return listed(context)

    @pages.post("/api/tasks")
    def create_task() -> tuple[dict[str, Any], int]:
        """Create a task."""
        return create(context), 201

    return pages


def _shown(context: ExtensionContext, words: Words, board: Board | None) -> dict[str, Any]:
    caller = context.routes.caller()
    exposed = caller.agent_id == "local" and not request.host.startswith(LOOPBACK)
    return {
        "_": context.translate,
        "words": words,
        "board": board,
        "statuses": STATUSES,
        "files": f"{context.mount_path}/static",
        "home": f"{context.mount_path}/",
        "host": request.host,
        "root": request.host_url,
        "agent": caller.agent_id,
        "exposed": exposed,
    }
