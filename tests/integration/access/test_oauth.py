"""A program asks a person for rights, gets them, uses them where they are good for, and loses them."""

from __future__ import annotations

import base64
import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from app.bootstrap.parts import open_database
from app.domain.access import COMMAND_LINE
from app.domain.oauth import ASKED_FIRST
from tests.integration.access.conftest import Guarded, bearer, guarded_settings
from tests.integration.access.programs import BACK, BROWSER, HERE, LIST, RESOURCE, VERIFIER, WIRE, Program, told
from tests.integration.api.conftest import serving


def test_a_client_finds_its_way_from_the_first_refusal(known: Program) -> None:
    api = known.guarded.api
    for path in ("/mcp", "/ext/mcp_http/mcp"):
        refused = api.send("POST", path, json=LIST, headers=WIRE, expect=401)
        found = re.search('resource_metadata="([^"]+)"', refused.headers["WWW-Authenticate"])
        assert found is not None
        resource = api.get(urlsplit(found[1]).path)
        # RFC 9728, section 3.3: clients refuse a resource by any other name than the one they called.
        assert resource["resource"] == HERE + path
    server = api.get("/.well-known/oauth-authorization-server")
    assert resource["authorization_servers"] == [server["issuer"]] == [HERE]
    assert set(resource["scopes_supported"]) == ASKED_FIRST
    assert server["code_challenge_methods_supported"] == ["S256"]
    assert api.get("/.well-known/oauth-protected-resource")["resource"] == RESOURCE
    api.get("/.well-known/oauth-protected-resource/tasks", expect=404)


def test_somebody_signs_in_agrees_and_the_program_acts_for_them(program: Program) -> None:
    address = program.ask()
    page = program.browser.get(address, headers=BROWSER)
    assert 'type="password"' in page.get_data(as_text=True)
    ana = program.guarded.secrets["ana"]
    assert program.sign_in(address, "ana", "wrong").status_code == 401
    back = program.sign_in(address, "ana", ana)
    assert urlsplit(back.headers["Location"]).query == urlsplit(address).query
    assert "HttpOnly" in back.headers["Set-Cookie"] and "Path=/authorize" in back.headers["Set-Cookie"]

    page = program.browser.get(address, headers=BROWSER)
    text = page.get_data(as_text=True)
    assert "Helper" in text and "create tasks" in text and BACK in text
    # Browsers hold redirects that follow on a form to `form-action`, and a program's may go on anywhere.
    policy = page.headers["Content-Security-Policy"]
    assert "form-action" not in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    answer = told(program.decide(address))
    assert (answer["state"], answer["iss"]) == ("xyz", HERE)

    tokens = program.redeem(answer["code"])
    assert tokens["scope"] == "tasks:create tasks:read" and tokens["token_type"] == "Bearer"
    for path in ("/ext/mcp_http/mcp", "/mcp"):
        listed = program.call(tokens["access_token"], path).get_json()
        assert "create_task" in {tool["name"] for tool in listed["result"]["tools"]}
    auditor = program.guarded.new("auditor", "audit:read")
    (row,) = program.guarded.api.get("/audit?action=program.allowed", headers=auditor)["items"]
    assert row["after"]["client"] == "Helper"


def test_a_token_is_good_for_the_one_address_and_no_other(program: Program) -> None:
    tokens = program.redeem(program.code("ana"))
    access = tokens["access_token"]
    for path in ("/tasks", "/agents/me", "/ext/mcp_http/tools"):
        assert program.guarded.api.send("GET", path, headers=bearer(access)).status_code == 401
    # And its refresh token buys nothing where agents refresh theirs.
    program.guarded.api.post("/agents/auth/refresh", {"refresh_token": tokens["refresh_token"]}, expect=401)
    mine = program.guarded.login("ana")
    program.tokens(400, grant_type="refresh_token", refresh_token=mine["refresh_token"])
    assert program.call(mine["access_token"]).status_code == 200


def test_a_person_gives_what_they_tick_and_hold_and_no_more(program: Program) -> None:
    address = program.ask(scope="tasks:read tasks:create events:publish admin openid")
    program.sign_in(address, "ana", program.guarded.secrets["ana"])
    text = program.browser.get(address, headers=BROWSER).get_data(as_text=True)
    assert "events:publish" in text and 'value="events:publish"' not in text
    assert 'value="admin"' not in text and "<code>admin" not in text
    answer = told(program.decide(address, granted=["tasks:read", "events:publish", "admin"]))
    assert program.redeem(answer["code"])["scope"] == "tasks:read"


def test_nothing_is_given_without_a_yes(program: Program) -> None:
    address = program.ask()
    assert "code" not in program.browser.post(address, data={"decision": "allow"}, headers=BROWSER).headers
    program.sign_in(address, "ana", program.guarded.secrets["ana"])
    assert told(program.decide(address, "deny"))["error"] == "access_denied"
    assert told(program.decide(address, granted=[]))["error"] == "access_denied"
    # A form that another site has made has no proof, whatever cookie the browser adds.
    forged = program.browser.post(address, data={"decision": "allow", "granted": "tasks:read"}, headers=BROWSER)
    assert forged.status_code == 401
    foreign = {**BROWSER, "Sec-Fetch-Site": "cross-site"}
    assert program.browser.post(address, data={"decision": "allow"}, headers=foreign).status_code == 403


def test_a_step_up_keeps_nothing_but_what_is_agreed_to_now(program: Program) -> None:
    first = program.redeem(program.code("ana", scope="tasks:read"))
    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "create_task", "arguments": {}}}
    refused = program.call(first["access_token"], body=call)
    assert refused.status_code == 403
    challenge = refused.headers["WWW-Authenticate"]
    assert 'error="insufficient_scope"' in challenge and "resource_metadata=" in challenge
    wanted = re.search('scope="([^"]+)"', challenge)
    assert wanted is not None and set(wanted[1].split()) == {"tasks:create", "tasks:read"}
    second = program.redeem(program.code("ana", scope=wanted[1]))
    assert program.call(second["access_token"], body=call).status_code == 200


def test_a_code_buys_once_and_a_second_time_ends_what_it_bought(program: Program) -> None:
    code = program.code("ana")
    tokens = program.redeem(code)
    assert program.redeem(code, 400)["error"] == "invalid_grant"
    program.guarded.services.auth.forget()
    assert program.call(tokens["access_token"]).status_code == 401
    program.tokens(400, grant_type="refresh_token", refresh_token=tokens["refresh_token"])


def test_of_two_who_show_a_code_at_once_one_gets_tokens(program: Program) -> None:
    code, answers = program.code("ana"), list[int]()
    barrier = threading.Barrier(2)

    def show() -> None:
        barrier.wait()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
        answer = program.guarded.api.send("POST", "/token", data={"client_id": program.id, **form})
        answers.append(answer.status_code)

    both = [threading.Thread(target=show) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(answers) == [200, 400]
    # Nobody knows which of them has stolen it: what it bought has ended.
    mine = program.guarded.api.get("/agents/me", headers=program.guarded.headers("ana"))["agent_id"]
    held = program.guarded.services.auth.sessions(mine, caller=COMMAND_LINE)
    assert [session for session, _ in held if session.client_id == program.id] == []


def test_refreshing_uses_a_token_up_and_may_take_less(program: Program) -> None:
    first = program.redeem(program.code("ana"))
    less = program.tokens(grant_type="refresh_token", refresh_token=first["refresh_token"], scope="tasks:read")
    assert less["scope"] == "tasks:read"
    names = {tool["name"] for tool in program.call(less["access_token"]).get_json()["result"]["tools"]}
    assert "list_tasks" in names and "create_task" not in names
    again = program.tokens(grant_type="refresh_token", refresh_token=less["refresh_token"])
    assert again["scope"] == "tasks:create tasks:read"
    # The first was used up: somebody else has it, and everything ends.
    assert program.tokens(400, grant_type="refresh_token", refresh_token=first["refresh_token"])["error"] == (
        "invalid_grant"
    )
    program.tokens(400, grant_type="refresh_token", refresh_token=again["refresh_token"])


def test_another_program_can_use_neither_a_code_nor_a_refresh_token(program: Program) -> None:
    other = Program(program.guarded, program.guarded.api.client).register()
    code = program.code("ana")
    assert other.redeem(code, 400)["error"] == "invalid_grant"
    tokens = program.redeem(code)
    assert other.tokens(400, grant_type="refresh_token", refresh_token=tokens["refresh_token"])["error"] == (
        "invalid_grant"
    )


def test_a_program_takes_its_token_back(program: Program) -> None:
    tokens = program.redeem(program.code("ana"))
    program.guarded.api.send("POST", "/revoke", data={"client_id": program.id, "token": "nonsense"}, expect=200)
    assert program.call(tokens["access_token"]).status_code == 200
    form = {"client_id": program.id, "token": tokens["refresh_token"], "token_type_hint": "refresh_token"}
    program.guarded.api.send("POST", "/revoke", data=form, expect=200)
    assert program.call(tokens["access_token"]).status_code == 401


def test_a_person_sees_who_acts_for_them_and_ends_it(program: Program) -> None:
    tokens = program.redeem(program.code("ana"))
    ana, bob = program.guarded.headers("ana"), program.guarded.new("bob", "tasks:read")
    api = program.guarded.api
    mine = api.get("/agents/me", headers=ana)["agent_id"]
    held, own = api.get(f"/agents/{mine}/sessions", headers=ana)["items"][1], "client_id"
    assert (held["program"], held[own], held["scopes"]) == ("Helper", program.id, ["tasks:create", "tasks:read"])
    address = f"/agents/{mine}/sessions/{held['id']}"
    for method, path in (("GET", f"/agents/{mine}/sessions"), ("DELETE", address)):
        assert api.send(method, path, headers=bob).status_code == 403
    api.send("DELETE", address, headers=ana, expect=204)
    assert program.call(tokens["access_token"]).status_code == 401
    assert len(api.get(f"/agents/{mine}/sessions", headers=ana)["items"]) == 2
    api.send("DELETE", f"/agents/{mine}/sessions/none", headers=ana, expect=404)


def test_who_loses_a_right_takes_it_from_their_programs(program: Program) -> None:
    tokens = program.redeem(program.code("ana"))
    found = program.guarded.api.get("/agents/me", headers=program.guarded.headers("ana"))
    program.guarded.services.agents.change(found["agent_id"], {"scopes": ["tasks:read"]}, caller=COMMAND_LINE)
    names = {tool["name"] for tool in program.call(tokens["access_token"]).get_json()["result"]["tools"]}
    assert "list_tasks" in names and "create_task" not in names


def test_a_program_with_a_secret_has_to_show_it(program: Program) -> None:
    confidential = Program(program.guarded, program.guarded.api.client)
    confidential.register(token_endpoint_auth_method="client_secret_post")
    assert confidential.secret
    code = confidential.code("ana")
    right, confidential.secret = confidential.secret, "wrong"
    assert confidential.redeem(code, 401)["error"] == "invalid_client"
    confidential.secret = None
    assert confidential.redeem(code, 401)["error"] == "invalid_client"
    basic = base64.b64encode(f"{confidential.id}:{right}".encode()).decode()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
    program.guarded.api.send("POST", "/token", data=form, headers={"Authorization": f"Basic {basic}"}, expect=200)


def test_an_agent_gets_a_token_for_its_own_secret(program: Program) -> None:
    basic = base64.b64encode(f"ana:{program.guarded.secrets['ana']}".encode()).decode()
    form = {"grant_type": "client_credentials", "scope": "tasks:read"}
    answer = program.guarded.api.send("POST", "/token", data=form, headers={"Authorization": f"Basic {basic}"})
    tokens = answer.get_json()
    assert tokens["scope"] == "tasks:read" and "refresh_token" not in tokens
    assert program.call(tokens["access_token"]).status_code == 200
    assert program.guarded.api.send("GET", "/tasks", headers=bearer(tokens["access_token"])).status_code == 401
    wrong = base64.b64encode(b"ana:wrong").decode()
    program.guarded.api.send("POST", "/token", data=form, headers={"Authorization": f"Basic {wrong}"}, expect=401)


def test_no_other_token_signs_anybody_in_here(program: Program) -> None:
    address, tokens = program.ask(), program.guarded.login("ana")
    program.browser.set_cookie("ordinaut_consent", tokens["access_token"], path="/authorize")
    assert 'type="password"' in program.browser.get(address, headers=BROWSER).get_data(as_text=True)
    program.sign_in(address, "ana", program.guarded.secrets["ana"])
    cookie = program.browser.get_cookie("ordinaut_consent", path="/authorize")
    assert cookie is not None
    # And what is made here is good for nothing else.
    assert program.guarded.api.send("GET", "/agents/me", headers=bearer(cookie.value)).status_code == 401
    assert program.call(cookie.value).status_code == 401


def test_somebody_else_may_sign_in(program: Program) -> None:
    program.guarded.agent("bob", "tasks:read")
    address = program.ask()
    program.sign_in(address, "ana", program.guarded.secrets["ana"])
    page = program.decide(address, "other")
    assert page.status_code == 200 and 'type="password"' in page.get_data(as_text=True)
    assert 'type="password"' in program.browser.get(address, headers=BROWSER).get_data(as_text=True)
    program.sign_in(address, "bob", program.guarded.secrets["bob"])
    assert program.redeem(told(program.decide(address))["code"])["scope"] == "tasks:read"


def test_what_a_program_writes_never_does_more_than_it_was_let(program: Program) -> None:
    guarded = program.guarded
    owner = guarded.agent("cyd", "tasks:create", "tasks:read", "tasks:run", "runs:read")
    tokens = program.redeem(program.code("cyd", scope="tasks:create tasks:read tasks:run runs:read"))
    step = {"id": "make", "uses": "publish_event", "with": {"topic": "demo.hello", "payload": {}}}
    arguments = {"title": "x", "schedule": "0 9 * * *", "payload": {"pipeline": [step]}}
    call = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": "create_task", "arguments": arguments},
    }
    made = program.call(tokens["access_token"], body=call).get_json()["result"]["structuredContent"]
    scopes = ["events:publish", "tasks:create", "tasks:read", "tasks:run", "runs:read"]
    guarded.services.agents.change(owner, {"scopes": scopes}, caller=COMMAND_LINE)
    run = guarded.api.post(f"/tasks/{made['task_id']}/run_now", {}, expect=202, headers=guarded.headers("cyd"))
    guarded.api.work()
    ended = guarded.api.get(f"/runs/{run['run_id']}", headers=guarded.headers("cyd"))
    assert (ended["status"], ended["error"]["type"]) == ("failed", "forbidden")


def test_without_tokens_there_is_no_oauth(sqlite_url: str, tmp_path: Path) -> None:
    for more in ({"ORDINAUT_AUTH": "off"}, {"ORDINAUT_OAUTH": "0"}):
        with serving(guarded_settings(sqlite_url, tmp_path, **more)) as api:
            api.get("/.well-known/oauth-protected-resource/mcp", expect=404)
            api.get("/.well-known/oauth-authorization-server", expect=404)
            api.send("GET", "/authorize", expect=404)
            api.send("POST", "/token", data={}, expect=404)
            api.post("/register", {}, expect=404)
            api.send("POST", "/revoke", data={}, expect=404)


def test_where_extensions_take_a_scope_programs_ask_for_it(sqlite_url: str, tmp_path: Path) -> None:
    with serving(guarded_settings(sqlite_url, tmp_path, ORDINAUT_REQUIRE_SCOPES="1")) as api:
        guarded = Guarded(api)
        guarded.agent("ana", "tasks:read", "ext:mcp_http:routes")
        assert "ext:mcp_http:routes" in api.get("/.well-known/oauth-protected-resource/mcp")["scopes_supported"]
        program = Program(guarded, api.client).register()
        narrow = program.redeem(program.code("ana", scope="tasks:read"))
        refused = program.call(narrow["access_token"])
        assert refused.status_code == 403 and "ext:mcp_http:routes" in refused.headers["WWW-Authenticate"]
        tokens = program.redeem(program.code("ana", scope=""))
        assert program.call(tokens["access_token"]).status_code == 200


def test_programs_that_nobody_uses_are_forgotten(database_url: str, tmp_path: Path) -> None:
    with serving(guarded_settings(database_url, tmp_path)) as api:
        guarded = Guarded(api)
        guarded.agent("ana", "tasks:read", "tasks:create")
        used, _ = Program(guarded, api.client).register(), Program(guarded, api.client).register()
        used.redeem(used.code("ana"))
        database = open_database(api.settings)
        for days, left in ((0, 2), (29, 2), (31, 1), (364, 1), (366, 0)):
            with database.units() as unit:
                unit.agents.forget(datetime.now(UTC) + timedelta(days=days))
                assert unit.oauth.clients() == left
        database.close()
