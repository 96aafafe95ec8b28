"""What a write would do is shown, and nothing of it is done."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.api.conftest import Api

CRON: dict[str, Any] = {"schedule_kind": "cron", "schedule_expr": "0 8 * * *"}
ACTIONS = [
    ("POST", "/pause", {}, "paused", 0),
    ("POST", "/cancel", {}, "canceled", 0),
    ("POST", "/resume", {}, "active", 10),
    ("POST", "/snooze", {"delay_seconds": 3600}, "active", 10),
    ("DELETE", "", None, "active", 0),
]


@pytest.mark.parametrize(("method", "action", "body", "status", "occurrences"), ACTIONS)
def test_an_action_is_shown_and_not_taken(
    api: Api, method: str, action: str, body: Any, status: str, occurrences: int
) -> None:
    task = api.task(**CRON)
    place = f"/tasks/{task['id']}"
    shown = api.send(method, f"{place}{action}?preview=true", expect=200, json=body).get_json()
    assert shown["status"] == status
    assert len(shown["next_occurrences"]) == occurrences
    assert api.get(place) == task


@pytest.mark.parametrize("query", ["", "?preview=true"])
@pytest.mark.parametrize(("method", "action", "body"), [one[:3] for one in ACTIONS])
def test_if_match_is_kept_to(api: Api, method: str, action: str, body: Any, query: str) -> None:
    place = f"/tasks/{api.task(**CRON)['id']}{action}{query}"
    api.send(method, place, expect=412, json=body, headers={"If-Match": '"9-x"'})


def test_what_would_be_refused_is_refused(api: Api) -> None:
    place = f"/tasks/{api.task(**CRON)['id']}"
    api.send("POST", f"{place}/snooze?preview=true", expect=400, json={"delay_seconds": 604_801})
    api.post(f"{place}/cancel")
    api.send("POST", f"{place}/resume?preview=true", expect=409, json={})
