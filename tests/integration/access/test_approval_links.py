"""Links that decide once: what looks at them, what uses them up, what they leave in the log."""

from __future__ import annotations

import io
import re
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.integration.access.conftest import Guarded
from tests.integration.access.test_approvals import FORM, approval, asked

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def one(guarded: Guarded, ana: dict[str, str], bob: dict[str, str]) -> Any:
    """An approval with a form, for bob to decide."""
    return approval(guarded, asked(guarded, ana, form=FORM, message="<b>Pay</b>", data={"sum": 12}), bob)


def link(guarded: Guarded, approval_id: str, headers: dict[str, str], **wish: Any) -> str:
    """Path and query of a new link."""
    made = guarded.api.post(f"/approvals/{approval_id}/links", wish, headers=headers, expect=201)
    parts = urlsplit(made["url"])
    assert parts.netloc == "localhost"
    return f"{parts.path}?{parts.query}"


def test_looking_decides_nothing_and_deciding_is_done_once(guarded: Guarded, one: Any, bob: dict[str, str]) -> None:
    address = link(guarded, one["id"], bob)
    for _ in range(3):  # whatever fetches links ahead of people
        assert guarded.api.get(address)["approval"]["status"] == "pending"
        guarded.api.send("HEAD", address, expect=200)
        guarded.api.send("GET", address, headers=BROWSER, expect=200)
    refused = guarded.api.post(address, {"decision": "approve"}, expect=400)
    assert refused["details"]["field"] == "form.sum"
    done = guarded.api.post(address, {"decision": "approve", "form": {"sum": 1}})
    assert done["approval"]["outcome"]["decided_by"] == guarded.api.get("/agents/me", headers=bob)["agent_id"]
    assert guarded.api.post(address, {"decision": "reject"}, expect=410)["message"] == "This link has been used"
    assert guarded.api.get(address, expect=410)["error"] == "gone"


def test_a_link_for_one_option(guarded: Guarded, one: Any, bob: dict[str, str]) -> None:
    address = link(guarded, one["id"], bob, option="reject", expires_in_seconds=60)
    assert guarded.api.get(address)["options"] == ["reject"]
    guarded.api.post(address, {"decision": "approve", "form": {"sum": 1}}, expect=400)
    assert guarded.api.post(address)["approval"]["outcome"]["decision"] == "reject"


def test_a_page_asks_and_its_form_decides(guarded: Guarded, one: Any, bob: dict[str, str]) -> None:
    answer = guarded.api.send("GET", link(guarded, one["id"], bob), headers=BROWSER, expect=200)
    page = answer.get_data(as_text=True)
    assert "&lt;b&gt;Pay&lt;/b&gt;" in page and "<script" not in page
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    action, token = (
        re.findall(r'action="([^"]+)"', page)[0],
        unescape(re.findall(r'name="token" value="([^"]+)"', page)[0]),
    )
    assert re.findall(r'name="decision" value="([^"]+)"', page) == ["approve", "reject"]
    sent = {"token": token, "decision": "approve", "form.sum": "x"}
    origin = {**BROWSER, "Origin": "http://localhost"}
    again = guarded.api.send("POST", action, data=sent, headers=origin, expect=400).get_data(as_text=True)
    assert "`sum` must be a number" in again and 'name="decision"' in again
    guarded.api.send("POST", action, data={**sent, "comment": "a\x00"}, headers=origin, expect=400)
    foreign = {**BROWSER, "Origin": "http://elsewhere.example"}
    guarded.api.send("POST", action, data={**sent, "form.sum": "12"}, headers=foreign, expect=403)
    done = guarded.api.send(
        "POST", action, data={**sent, "form.sum": "12", "comment": "Fine"}, headers=origin, expect=200
    )
    assert "It was decided: approve" in done.get_data(as_text=True)
    outcome = guarded.api.get(f"/approvals/{one['id']}", headers=bob)["outcome"]
    assert (outcome["form"], outcome["comment"]) == ({"sum": 12}, "Fine")
    late = guarded.api.send("POST", action, data=sent, headers=origin, expect=410)
    assert "This link has been used" in late.get_data(as_text=True)


@pytest.mark.parametrize("token", ["x", "a.b", "IjAxOWYi.c2ln", "a" * 400])
@pytest.mark.parametrize("headers", [{}, BROWSER])
def test_no_link_of_ours(guarded: Guarded, token: str, headers: dict[str, str]) -> None:
    answer = guarded.api.send("GET", f"/approvals/link?token={token}", headers=headers, expect=404)
    assert "There is no such link" in answer.get_data(as_text=True)


def test_who_may_not_decide_makes_no_links_and_loses_them(
    guarded: Guarded, one: Any, ana: dict[str, str], bob: dict[str, str]
) -> None:
    guarded.api.post(f"/approvals/{one['id']}/links", {}, headers=ana, expect=403)
    guarded.api.post(f"/approvals/{one['id']}/links", {"option": "perhaps"}, headers=bob, expect=400)
    address = link(guarded, one["id"], bob)
    root = guarded.new("root", "admin")
    agent_id = guarded.api.get("/agents/me", headers=bob)["agent_id"]
    guarded.api.send("PATCH", f"/agents/{agent_id}", json={"scopes": ["tasks:read"]}, headers=root, expect=200)
    guarded.api.get(address, expect=403)
    guarded.api.post(address, {"decision": "reject"}, expect=403)


def test_a_link_is_in_no_log_line_and_in_the_audit_log_without_its_token(
    guarded: Guarded,
    one: Any,
    bob: dict[str, str],
    lines: io.StringIO,
) -> None:
    address = link(guarded, one["id"], bob)
    token = address.partition("token=")[2]
    guarded.api.get(address)
    guarded.api.post(address, {"decision": "perhaps"}, expect=400)
    guarded.api.post(address, {"decision": "reject"})
    root = guarded.new("root", "admin")
    rows = guarded.api.send("GET", "/audit?kind=approval", headers=root, expect=200).get_data(as_text=True)
    assert [row["action"] for row in guarded.api.get("/audit?kind=approval", headers=root)["items"]] == [
        "approval.link_used", "approval.decided", "approval.link_made",
    ]  # fmt: skip
    logged = lines.getvalue()
    assert "/approvals/link" in logged and token not in logged + rows
