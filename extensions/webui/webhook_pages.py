"""Webhooks out with their deliveries, and incidents: what is told to others, and what did not happen in time."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from .shell import Shell, problems_of

MOST = 100
DELIVERIES = 50


def add_webhook_pages(pages: Blueprint, shell: Shell) -> None:
    """Register them."""
    _add_webhooks(pages, shell)
    _add_deliveries(pages, shell)
    _add_incidents(pages, shell)


def _add_webhooks(pages: Blueprint, shell: Shell) -> None:
    api = shell.context.api

    def shown(status: int = 200, **more: Any) -> Response:
        found = api.get("/webhooks", limit=MOST)
        if not found.ok:
            return shell.refused(found, place="webhooks")
        values = {"webhooks": found.data["items"], "problems": {}, "sent": {}, "made": None, **more}
        return shell.page("webui/webhooks.html", place="webhooks", status=status, **values)

    @pages.get("/webhooks")
    def webhooks() -> Response:
        """Where events are told to."""
        return shown()

    @pages.post("/webhooks")
    def create_webhook() -> Response:
        """Make one, and show its secret this once."""
        sent = {name: request.form.get(name, "").strip() for name in ("url", "topics", "description")}
        done = api.post("/webhooks", sent)
        if done.ok:
            return shown(201, made=done.data)
        if done.status != 400:
            return shell.refused(done, place="webhooks")
        return shown(400, problems=dict(problems_of(done)), sent=sent)


def _add_deliveries(pages: Blueprint, shell: Shell) -> None:
    api = shell.context.api

    @pages.get("/webhooks/<webhook_id>")
    def webhook(webhook_id: str) -> Response:
        """One of them, with what became of each delivery."""
        found = api.get(f"/webhooks/{webhook_id}")
        sent = api.get(f"/webhooks/{webhook_id}/deliveries", limit=DELIVERIES)
        if not found.ok or not sent.ok:
            return shell.refused(sent if found.ok else found, place="webhooks")
        return shell.page("webui/webhook.html", place="webhooks", hook=found.data, deliveries=sent.data["items"])

    @pages.post("/webhooks/<webhook_id>/test")
    def try_webhook(webhook_id: str) -> Response:
        """Send a test."""
        done = api.post(f"/webhooks/{webhook_id}/test")
        return shell.after(done, f"/webhooks/{webhook_id}", "sent", place="webhooks")

    @pages.post("/webhooks/<webhook_id>/<any(disable, enable):action>")
    def switch_webhook(webhook_id: str, action: str) -> Response:
        """Switch it off, or on again."""
        done = api.patch(f"/webhooks/{webhook_id}", {"enabled": action == "enable"})
        return shell.after(done, f"/webhooks/{webhook_id}", f"{action}d", place="webhooks")

    @pages.post("/webhooks/<webhook_id>/deliveries/<delivery_id>/replay")
    def replay(webhook_id: str, delivery_id: str) -> Response:
        """Deliver once more."""
        done = api.post(f"/webhooks/{webhook_id}/deliveries/{delivery_id}/replay")
        return shell.after(done, f"/webhooks/{webhook_id}", "sent", place="webhooks")


def _add_incidents(pages: Blueprint, shell: Shell) -> None:
    api = shell.context.api

    @pages.get("/incidents")
    def incidents() -> Response:
        """What is expected of tasks and did not happen in time."""
        found = api.get("/incidents", limit=MOST)
        if not found.ok:
            return shell.refused(found, place="incidents")
        return shell.page("webui/incidents.html", place="incidents", incidents=found.data["items"])

    @pages.post("/incidents/<incident_id>/acknowledge")
    def acknowledge(incident_id: str) -> Response:
        """Say that somebody has seen it."""
        note = request.form.get("note", "").strip()
        done = api.post(f"/incidents/{incident_id}/acknowledge", {"note": note} if note else {})
        return shell.after(done, "/incidents", "seen", place="incidents")
