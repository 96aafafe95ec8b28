"""What runs ask people: the inbox, and deciding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from .schema_forms import fields_of, filled, sent
from .shell import Shell, problems_of


def add_approval_pages(pages: Blueprint, shell: Shell) -> None:
    """Register them."""
    api = shell.context.api

    @pages.get("/approvals")
    def approvals() -> Response:
        """What is to be decided, and what has been."""
        pending = api.get("/approvals", status="pending", limit=100)
        if not pending.ok:
            return shell.refused(pending, place="approvals")
        grants = api.get("/grants", status="pending", limit=100).data.get("items", [])
        ended = api.get("/approvals", limit=20)
        decided = [one for one in ended.data["items"] if one["status"] != "pending"]
        shown = {"pending": pending.data["items"], "grants": grants, "decided": decided}
        return shell.page("webui/approvals.html", place="approvals", **shown)

    @pages.get("/approvals/<approval_id>")
    def approval(approval_id: str) -> Response:
        """One question, with the form to answer it."""
        found = api.get(f"/approvals/{approval_id}")
        if not found.ok:
            return shell.refused(found, place="approvals")
        return _asking(shell, found.data, {}, {})

    @pages.post("/approvals/<approval_id>")
    def decide(approval_id: str) -> Response:
        """Decide it, or show the form again with what is wrong in it."""
        found = api.get(f"/approvals/{approval_id}")
        if not found.ok:
            return shell.refused(found, place="approvals")
        values = sent(request.form)
        done = api.post(f"/approvals/{approval_id}/decide", _decision(found.data["form"], values))
        if done.status != 400:
            return shell.after(done, f"/runs/{found.data['run_id']}", "decided", place="approvals")
        return _asking(shell, found.data, values, dict(problems_of(done)), status=400)


def _asking(
    shell: Shell, approval: Mapping[str, Any], values: Mapping[str, str], problems: Mapping[str, str], status: int = 200
) -> Response:
    shown = {"approval": approval, "fields": fields_of(approval["form"]), "values": values, "problems": problems}
    return shell.page("webui/approval.html", place="approvals", status=status, **shown)


def _decision(schema: Mapping[str, Any] | None, values: Mapping[str, str]) -> dict[str, Any]:
    """The decision as the API takes it."""
    body: dict[str, Any] = {"decision": request.form.get("decision", "")}
    if comment := request.form.get("comment"):
        body["comment"] = comment
    return {**body, "form": filled(schema, values)} if schema else body
