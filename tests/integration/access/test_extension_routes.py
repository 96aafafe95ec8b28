"""Extensions' routes inherit access, limits and identity from the core."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.access.conftest import Guarded, guarded_settings
from tests.integration.api.conftest import serving

ROUTE = "/ext/mcp_http/tools"
NEEDED = "ext:mcp_http:routes"


@pytest.mark.parametrize(
    ("require", "scopes", "status"),
    [("0", (), 401), ("0", ("tasks:read",), 200), ("1", (), 401), ("1", ("tasks:read",), 403), ("1", (NEEDED,), 200)],
)
def test_an_extension_takes_what_was_set(
    sqlite_url: str, tmp_path: Path, require: str, scopes: tuple[str, ...], status: int
) -> None:
    with serving(guarded_settings(sqlite_url, tmp_path, ORDINAUT_REQUIRE_SCOPES=require)) as api:
        headers = Guarded(api).new("ana", *scopes) if scopes else {}
        answer = api.send("GET", ROUTE, headers=headers)
        assert answer.status_code == status, answer.get_data(as_text=True)
        if status in (401, 403):
            assert answer.get_json()["details"]["required_scopes"] == [NEEDED]
        assert api.send("GET", "/ext/mcp_http/meta").status_code == 200
        assert api.send("GET", "/ext/status").status_code == 200


def test_protected_routes_ask_as_well(sqlite_url: str, tmp_path: Path) -> None:
    closed = "/ext/status,/ext/mcp_http/meta,/health"
    with serving(guarded_settings(sqlite_url, tmp_path, ORDINAUT_PROTECTED_ROUTES=closed)) as api:
        headers = Guarded(api).new("ana", "tasks:read")
        for path in ("/ext/status", "/ext/mcp_http/meta", "/health/live"):
            api.send("GET", path, expect=401)
            api.send("GET", path, headers=headers, expect=200)


def test_extensions_share_the_count_of_the_core(sqlite_url: str, tmp_path: Path) -> None:
    with serving(guarded_settings(sqlite_url, tmp_path, ORDINAUT_RATE_LIMIT="5/minute")) as api:
        headers = Guarded(api).new("ana", "tasks:read")  # the login is one, counted by address
        paths = ["/agents/me", ROUTE, "/tools", ROUTE, ROUTE, ROUTE]
        assert [api.send("GET", path, headers=headers).status_code for path in paths] == [200] * 5 + [429]
        refused = api.send("GET", ROUTE, headers=headers)
        assert refused.get_json()["details"]["limit"] == 5 and refused.headers["X-RateLimit-Remaining"] == "0"
        # Refused tokens count too, by address.
        assert [api.send("GET", ROUTE).status_code for _ in range(5)] == [401] * 4 + [429]


def test_a_tool_takes_its_own_scope(sqlite_url: str, tmp_path: Path) -> None:
    with serving(guarded_settings(sqlite_url, tmp_path)) as api:
        guarded = Guarded(api)
        call = {"arguments": {"title": "x", "schedule_kind": "manual", "payload": {"pipeline": []}}}
        poor = guarded.new("poor", "tools:invoke")
        refused = api.send("POST", "/tools/tasks.create/invoke", json=call, headers=poor, expect=403)
        assert refused.get_json()["details"]["required_scopes"] == ["tasks:create"]
        rich = guarded.new("rich", "tools:invoke", "tasks:create", "tasks:read")
        made = api.post("/tools/tasks.create/invoke", call, headers=rich)["output"]
        owner = api.get("/agents/me", headers=rich)["agent_id"]
        assert api.get(f"/tasks/{made['id']}", headers=rich)["created_by"] == owner
