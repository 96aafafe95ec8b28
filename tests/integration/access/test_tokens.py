"""Tokens and keys through their lives, over one database and as many processes as there are applications."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from app.domain.access import COMMAND_LINE
from app.services import auth
from tests.integration.access.conftest import KEY, OLD_KEY, Guarded, bearer, guarded_settings
from tests.integration.api.conftest import Api, serving
from tests.servers import wait_for


def status(api: Api, headers: dict[str, str], path: str = "/agents/me") -> int:
    return api.send("GET", path, headers=headers).status_code


def refresh(guarded: Guarded, token: str, expect: int = 200) -> Any:
    return guarded.api.post("/agents/auth/refresh", {"refresh_token": token}, expect=expect)


def test_a_login_gives_tokens_that_say_who_one_is(guarded: Guarded) -> None:
    agent_id = guarded.agent("ana", "tasks:read", "tasks:create")
    tokens = guarded.login("ana")
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 900)
    me = guarded.api.get("/agents/me", headers=bearer(tokens["access_token"]))
    assert me == {"agent_id": agent_id, "name": "ana", "scopes": ["tasks:create", "tasks:read"]}
    by_id = guarded.api.post("/agents/auth/token", {"agent_id": agent_id, "agent_secret": guarded.secrets["ana"]})
    assert by_id["scopes"] == ["tasks:create", "tasks:read"]


@pytest.mark.parametrize(
    ("body", "expect"),
    [
        ({"agent_id": "ana", "agent_secret": "wrong"}, 401),
        ({"agent_id": "nobody", "agent_secret": "wrong"}, 401),
        # S02: an id alone never is enough
        ({"agent_id": "ana"}, 400),
        ({"agent_id": "ana", "agent_secret": None}, 400),
        ({"agent_id": "ana", "agent_secret": ""}, 400),
        ({"agent_id": "ana", "agent_secret": 5}, 400),
        # S09: long ones are refused before they are hashed
        ({"agent_id": "ana", "agent_secret": "x" * 257}, 400),
    ],
)
def test_who_does_not_know_the_secret_gets_nothing(lasting: Guarded, body: dict[str, Any], expect: int) -> None:
    if "ana" not in lasting.secrets:
        lasting.agent("ana")
    assert "access_token" not in lasting.api.post("/agents/auth/token", body, expect=expect)


def test_a_wrong_secret_and_an_unknown_agent_look_and_last_alike(lasting: Guarded) -> None:
    lasting.agent("timed")
    took: dict[str, list[float]] = {"timed": [], "unknown": []}
    said = set()
    for _ in range(12):
        for name in took:
            began = time.perf_counter()
            answer = lasting.api.post("/agents/auth/token", {"agent_id": name, "agent_secret": "x"}, expect=401)
            took[name].append(time.perf_counter() - began)
            said.add((answer["message"], str(answer["details"])))
    assert len(said) == 1
    slow, fast = sorted(statistics.median(times) for times in took.values())[::-1]
    # The hash outweighs all else; a busy machine still moves medians.
    assert slow / fast < 2


def test_a_login_may_ask_for_less_and_never_for_more(guarded: Guarded) -> None:
    guarded.agent("ana", "tasks:read", "runs:read")
    headers = guarded.headers("ana", scopes=["tasks:read"])
    assert guarded.api.get("/agents/me", headers=headers)["scopes"] == ["tasks:read"]
    assert status(guarded.api, headers, "/runs") == 403
    body = {"agent_id": "ana", "agent_secret": guarded.secrets["ana"], "scopes": ["admin"]}
    assert guarded.api.post("/agents/auth/token", body, expect=403)["details"]["required_scopes"] == ["admin"]


def test_refreshing_gives_a_new_pair_and_uses_the_old_one_up(guarded: Guarded) -> None:
    guarded.agent("ana", "tasks:read")
    first = guarded.login("ana")
    second = refresh(guarded, first["refresh_token"])
    assert status(guarded.api, bearer(second["access_token"])) == 200
    # Somebody else has the first: the whole family ends, also for who was honest.
    refresh(guarded, first["refresh_token"], expect=401)
    refresh(guarded, second["refresh_token"], expect=401)
    assert status(guarded.api, bearer(first["access_token"])) == 401
    assert status(guarded.api, bearer(second["access_token"])) == 401


def test_a_refresh_token_is_no_access_token_and_the_other_way_round(guarded: Guarded) -> None:
    guarded.agent("ana", "tasks:read")
    tokens = guarded.login("ana")
    assert status(guarded.api, bearer(tokens["refresh_token"])) == 401
    refresh(guarded, tokens["access_token"], expect=401)


def test_logging_out_ends_the_session_and_no_other(guarded: Guarded) -> None:
    guarded.agent("ana", "tasks:read")
    one, other = guarded.login("ana"), guarded.login("ana")
    guarded.api.post("/agents/auth/revoke", {}, headers=bearer(one["access_token"]))
    assert status(guarded.api, bearer(one["access_token"])) == 401
    refresh(guarded, one["refresh_token"], expect=401)
    assert status(guarded.api, bearer(other["access_token"])) == 200


def test_nobody_revokes_another_s_token(guarded: Guarded) -> None:
    guarded.agent("ana", "tasks:read")
    tokens = guarded.login("ana")
    bob = guarded.new("bob", "tasks:read")
    guarded.api.post("/agents/auth/revoke", {"token": tokens["access_token"]}, headers=bob, expect=403)
    assert status(guarded.api, bearer(tokens["access_token"])) == 200


def test_what_is_revoked_in_one_process_ends_in_another_and_after_a_restart(
    guarded: Guarded, database_url: str, tmp_path: Path
) -> None:
    guarded.agent("ana", "tasks:read")
    tokens = guarded.login("ana")
    headers = bearer(tokens["access_token"])
    with patch.object(auth, "REMEMBER_SECONDS", 0.05), serving(guarded_settings(database_url, tmp_path)) as other:
        assert status(other, headers) == 200
        guarded.api.post("/agents/auth/revoke", {}, headers=headers)
        wait_for(lambda: status(other, headers) == 401, what="the other process to look again")
    with serving(guarded_settings(database_url, tmp_path)) as restarted:
        assert status(restarted, headers) == 401


def test_scopes_are_those_of_today(guarded: Guarded) -> None:
    agent_id = guarded.agent("ana", "tasks:read", "runs:read")
    headers, admin = guarded.headers("ana"), guarded.new("root", "admin")
    assert status(guarded.api, headers, "/runs") == 200
    guarded.api.send("PATCH", f"/agents/{agent_id}", json={"scopes": ["tasks:read"]}, headers=admin, expect=200)
    assert status(guarded.api, headers, "/runs") == 403
    guarded.api.send("PATCH", f"/agents/{agent_id}", json={"status": "disabled"}, headers=admin, expect=200)
    assert status(guarded.api, headers, "/tasks") == 401


def test_new_credentials_end_every_token_made_with_the_old(guarded: Guarded) -> None:
    agent_id = guarded.agent("ana", "tasks:read")
    tokens, admin = guarded.login("ana"), guarded.new("root", "admin")
    renewed = guarded.api.post(f"/agents/{agent_id}/credentials", headers=admin)
    assert status(guarded.api, bearer(tokens["access_token"])) == 401
    refresh(guarded, tokens["refresh_token"], expect=401)
    body = {"agent_id": "ana", "agent_secret": guarded.secrets["ana"]}
    guarded.api.post("/agents/auth/token", body, expect=401)
    guarded.api.post("/agents/auth/token", {**body, "agent_secret": renewed["agent_secret"]})


def test_keys_rotate_without_locking_anybody_out(guarded: Guarded, database_url: str, tmp_path: Path) -> None:
    guarded.agent("ana", "tasks:read")
    headers = guarded.headers("ana")
    with serving(guarded_settings(database_url, tmp_path, ORDINAUT_JWT_KEYS=f"{OLD_KEY},{KEY}")) as both:
        assert status(both, headers) == 200
    with serving(guarded_settings(database_url, tmp_path, ORDINAUT_JWT_KEYS=OLD_KEY)) as newest:
        assert status(newest, headers) == 401


def test_es256_signs_too(database_url: str, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    more = {"ORDINAUT_JWT_ALGORITHM": "ES256", "ORDINAUT_JWT_KEYS": pem.decode().replace("\n", "\\n")}
    with serving(guarded_settings(database_url, tmp_path, **more)) as api:
        assert status(api, Guarded(api).new("ana", "tasks:read")) == 200


def test_api_keys_hold_their_scopes_until_they_run_out_or_are_revoked(guarded: Guarded) -> None:
    agent_id = guarded.agent("ana", "tasks:read", "runs:read")
    admin = guarded.new("root", "admin")
    wish = {"name": "ci", "scopes": ["tasks:read"], "expires_at": "2999-01-01T00:00:00Z"}
    made = guarded.api.post(f"/agents/{agent_id}/keys", wish, headers=admin, expect=201)
    headers = bearer(made["key"])
    assert made["key"].startswith("oat_")
    assert guarded.api.get("/agents/me", headers=headers)["scopes"] == ["tasks:read"]
    listed = guarded.api.get(f"/agents/{agent_id}/keys", headers=admin)["items"]
    assert [one["id"] for one in listed] == [made["id"]] and "key" not in listed[0]
    guarded.api.send("DELETE", f"/agents/{agent_id}/keys/{made['id']}", headers=admin, expect=204)
    assert status(guarded.api, headers) == 401
    late = {**wish, "expires_at": "2020-01-01T00:00:00Z"}
    guarded.api.post(f"/agents/{agent_id}/keys", late, headers=admin, expect=400)


def test_a_ticket_opens_one_stream_once(guarded: Guarded) -> None:
    headers = guarded.new("ana", "tasks:create", "tasks:run", "runs:read")
    task = guarded.api.post("/tasks", {"title": "t", "schedule_kind": "manual"}, headers=headers, expect=201)
    run = guarded.api.post(f"/tasks/{task['id']}/run_now", {}, headers=headers, expect=202)["run_id"]
    guarded.api.post(f"/runs/{run}/cancel", {}, headers=guarded.new("root", "admin"), expect=202)
    ticket = guarded.api.post("/stream-ticket", headers=headers, expect=201)["ticket"]
    # Only streams: elsewhere it is an unknown parameter of nobody.
    guarded.api.send("GET", f"/runs/{run}?ticket={ticket}", expect=401)
    with guarded.api.send("GET", f"/runs/{run}/stream?ticket={ticket}", expect=200) as stream:
        assert b"event: end" in stream.data
    guarded.api.send("GET", f"/runs/{run}/stream?ticket={ticket}", expect=401)
    guarded.api.send("GET", f"/runs/{run}/stream?ticket=x", expect=401)


@pytest.mark.parametrize("by", ["token", "ticket"])
def test_a_stream_ends_with_the_right_to_it(guarded: Guarded, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    for name, seconds in (
        ("app.http.identity.LOOK_SECONDS", 0.0),
        ("app.services.auth.REMEMBER_SECONDS", 0.0),
        ("app.services.runs.HEARTBEAT_SECONDS", 0.02),
        ("app.http.streams.QUIET_SECONDS", 0.0),
    ):
        monkeypatch.setattr(name, seconds)
    agent_id = guarded.agent("ana", "tasks:create", "tasks:run", "runs:read")
    headers = guarded.headers("ana")
    task = guarded.api.post("/tasks", {"title": "t", "schedule_kind": "manual"}, headers=headers, expect=201)
    run = guarded.api.post(f"/tasks/{task['id']}/run_now", {}, headers=headers, expect=202)["run_id"]
    ticket = guarded.api.post("/stream-ticket", headers=headers, expect=201)["ticket"]
    address, shown = (f"/runs/{run}/stream", headers) if by == "token" else (f"/runs/{run}/stream?ticket={ticket}", {})
    with guarded.api.client.get(address, headers=shown) as answer:
        frames = iter(answer.response)
        assert next(frame for frame in frames if b"still here" in frame)
        guarded.services.agents.change(agent_id, {"status": "disabled"}, caller=COMMAND_LINE)
        assert sum(1 for _ in frames) <= 1


def test_logins_have_a_limit_of_their_own(database_url: str, tmp_path: Path) -> None:
    with serving(guarded_settings(database_url, tmp_path, ORDINAUT_LOGIN_RATE_LIMIT="3/minute")) as api:
        guarded = Guarded(api)
        guarded.agent("ana")
        body = {"agent_id": "ana", "agent_secret": "wrong"}
        # By address, whatever it says of itself; and by agent, from wherever.
        answers = [
            api.send("POST", "/agents/auth/token", json=body, headers={"X-Forwarded-For": f"198.51.100.{n}"})
            for n in range(4)
        ]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
        told = answers[-1].get_json()
        assert (told["error"], told["details"]["limit"], told["details"]["window"]) == ("rate_limit_exceeded", 3, "60s")
        assert answers[-1].headers["X-RateLimit-Limit"] == "3" and int(answers[-1].headers["Retry-After"]) > 0
        other = api.send("POST", "/agents/auth/token", json=body, environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
        assert other.status_code == 429


def test_requests_are_counted_by_agent_and_refused_ones_by_address(database_url: str, tmp_path: Path) -> None:
    with serving(guarded_settings(database_url, tmp_path, ORDINAUT_RATE_LIMIT="4/minute")) as api:
        guarded = Guarded(api)
        agent = guarded.services.agents
        key = bearer(agent.create_key(guarded.agent("ana"), "k", scopes=None, expires_at=None, caller=COMMAND_LINE)[1])
        assert [status(api, {"Authorization": "Bearer forged"}) for _ in range(5)] == [401] * 4 + [429]
        assert [status(api, {**key, "X-Forwarded-For": f"10.0.0.{n}"}) for n in range(5)] == [200] * 4 + [429]
