"""The page, and the two addresses for scripts."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from ordinaut import ExtensionContext, RequestRefused

from .access_pages import add_access_pages
from .approval_pages import add_approval_pages
from .board import STATUSES, Board, read_board
from .changes import add_changes
from .form_pages import add_form_pages
from .plain_pages import add_plain_pages
from .run_pages import CAUSES, add_run_pages
from .sessions import add_sessions, after
from .shell import Shell
from .task_pages import add_task_pages
from .tasks_api import create, listed
from .webhook_pages import add_webhook_pages

PAGES = (
    *(add_run_pages, add_form_pages, add_task_pages, add_approval_pages, add_plain_pages),
    *(add_access_pages, add_webhook_pages, add_changes, add_sessions),
)


def make_blueprint(context: ExtensionContext) -> Blueprint:
    """All routes; files of `static/` are served by the platform."""
    pages, shell = Blueprint("webui", __name__, template_folder="templates"), Shell(context)
    for add in PAGES:
        add(pages, shell)

    @pages.get("/")
    def index() -> Response:
        """The page."""
        try:
            board: Board | None = read_board(context, request.args, shell.words().now)
            refusal = None
        except RequestRefused as refused:
            if refused.code not in ("unauthorized", "forbidden", "unavailable"):
                raise
            board, refusal = None, refused
        if refusal is not None and refusal.code == "unavailable":
            return shell.page("webui/index.html", place="tasks", status=503, board=None, refusal=refusal)
        shown: dict[str, Any] = {"board": board, "refusal": refusal, "statuses": STATUSES, "causes": CAUSES}
        return shell.page("webui/index.html", place="tasks", wrong=False, after=after(), **shown)

    @pages.get("/api/tasks")
    def list_tasks() -> dict[str, Any]:
        """Tasks in short, newest first."""
        return listed(context)

    @pages.post("/api/tasks")
    def create_task() -> tuple[dict[str, Any], int]:
        """Create a task."""
        return create(context), 201

    return pages
