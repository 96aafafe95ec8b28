"""The page, and the two addresses for scripts."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from ordinaut import ExtensionContext

from .access_pages import add_access_pages
from .approval_pages import add_approval_pages
from .changes import add_changes
from .editor_api import add_editor_api
from .extension_pages import add_extension_pages
from .filters import add_filters
from .find_page import add_find_page
from .form_pages import add_form_pages
from .grant_pages import add_grant_pages
from .overview import add_overview
from .plain_pages import add_plain_pages
from .run_list_pages import add_run_list_pages
from .run_pages import add_run_pages
from .secret_pages import add_secret_pages
from .sessions import add_sessions
from .setting_pages import add_setting_pages
from .shell import Shell
from .task_more_pages import add_task_more_pages
from .task_pages import add_task_pages
from .tasks_api import create, listed
from .tool_pages import add_tool_pages
from .webhook_pages import add_webhook_pages

PAGES = (
    *(add_overview, add_run_list_pages, add_run_pages, add_form_pages, add_task_pages, add_approval_pages),
    *(add_plain_pages, add_tool_pages, add_access_pages, add_webhook_pages, add_changes, add_sessions),
    *(add_setting_pages, add_find_page, add_editor_api, add_task_more_pages),
    *(add_extension_pages, add_secret_pages, add_filters, add_grant_pages),
)


def make_blueprint(context: ExtensionContext) -> Blueprint:
    """All routes; files of `static/` are served by the platform."""
    pages, shell = Blueprint("webui", __name__, template_folder="templates"), Shell(context)
    for add in PAGES:
        add(pages, shell)

    @pages.get("/api/tasks")
    def list_tasks() -> dict[str, Any]:
        """Tasks in short, newest first."""
        return listed(context)

    @pages.post("/api/tasks")
    def create_task() -> tuple[dict[str, Any], int]:
        """Create a task."""
        return create(context), 201

    return pages
