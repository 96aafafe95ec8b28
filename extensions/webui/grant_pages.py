"""What tasks are to be allowed: reading it in words, accepting it, refusing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from .shell import Shell, problems_of

OUTSIDE: Mapping[str, str] = {"fail": "It fails", "ask": "Its run asks here"}


def add_grant_pages(pages: Blueprint, shell: Shell) -> None:
    """Register them."""
    api = shell.context.api

    @pages.get("/grants/<grant_id>")
    def grant(grant_id: str) -> Response:
        """One grant, with the form to accept it under other terms."""
        found = api.get(f"/grants/{grant_id}")
        if not found.ok:
            return shell.refused(found, place="approvals")
        return _shown(shell, found.data, _offered(found.data), {})

    @pages.post("/grants/<grant_id>")
    def say(grant_id: str) -> Response:
        """Accept it or refuse it, or show the form again with what is wrong in it."""
        found = api.get(f"/grants/{grant_id}")
        if not found.ok:
            return shell.refused(found, place="approvals")
        values = request.form.to_dict()
        accepts = values.get("decision") == "accept"
        done = api.post(f"/grants/{grant_id}/{'accept' if accepts else 'refuse'}", _body(values, accepts))
        if done.status != 400:
            return shell.after(done, "/approvals", "granted" if accepts else "refused", place="approvals")
        return _shown(shell, found.data, values, dict(problems_of(done)), status=400)


def _shown(
    shell: Shell, grant: Mapping[str, Any], values: Mapping[str, Any], problems: Mapping[str, str], status: int = 200
) -> Response:
    translate = shell.context.translate
    outside = [(key, translate(text)) for key, text in OUTSIDE.items()]
    shown = {"grant": grant, "values": values, "problems": problems, "outside": outside}
    return shell.page("webui/grant.html", place="approvals", status=status, **shown)


def _offered(grant: Mapping[str, Any]) -> dict[str, Any]:
    return {name: grant[name] for name in ("until", "outside", "calls_per_day")}


def _body(values: Mapping[str, str], accepts: bool) -> dict[str, Any]:
    """What was filled in as the API takes it: an empty field of a form that has it means without end, or any number."""
    body: dict[str, Any] = {"comment": values["comment"]} if values.get("comment") else {}
    if accepts and "until" in values:
        body["until"] = values["until"] or None
        body["outside"] = values.get("outside") or None
        number = values.get("calls_per_day", "")
        body["calls_per_day"] = int(number) if number.isdecimal() and len(number) < 16 else number or None
    return body
