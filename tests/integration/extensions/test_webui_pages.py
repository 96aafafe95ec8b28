"""The pages of the web page: what each shows, what its forms do, in which language, and to whom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from extensions.webui.definition import as_yaml
from tests.integration.access.conftest import Guarded, guarded_settings
from tests.integration.api.conftest import Api, make_settings, serving
from tests.integration.extensions.pages import HOME, failing, page, post
from tests.integration.extensions.test_webui import look
from tests.servers import Databases

ASKS = {
    "pipeline": [
        {
            "id": "ask",
            "uses": "orchestrator.request_approval",
            "with": {
                "title": "Refund?",
                "form": {"type": "object", "properties": {"sum": {"type": "number"}}, "required": ["sum"]},
            },
        },
        {"id": "done", "uses": "data.set", "with": {"value": "${steps.ask.form.sum}"}},
    ]
}
FORM = {
    "title": "Report",
    "description": "Every weekday",
    "schedule_kind": "cron",
    "schedule_expr": "30 8 * * 1-5",
    "timezone": "Europe/Chisinau",
    "pipeline": "- id: greet\n  uses: data.set\n  with:\n    value: Salut\n",
    "params": "",
    "tags": "a, b",
    "overlap": "skip",
    "misfire": "last",
    "priority": "5",
    "max_retries": "0",
    "timeout_seconds": "60",
    "backoff_strategy": "fixed",
    "backoff_seconds": "7",
    "pause_after_failures": "",
    "concurrency_key": "",
    "concurrency_limit": "1",
}


@pytest.fixture(scope="module")
def lasting(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One installation for all tests of this file, which leave each other alone."""
    folder = tmp_path_factory.mktemp("webui")
    with serving(make_settings(databases.sqlite(folder / "ordinaut.db"), folder)) as api:
        yield api


def test_a_failed_run_is_understood_mended_and_repeated_from_the_step(lasting: Api) -> None:
    task, run_id = failing(lasting)
    shown = page(lasting, f"/runs/{run_id}")
    assert "cannot be evaluated" in shown and "transform_failed" in shown and 'class="bar failed"' in shown
    mended = FORM | {"title": "Broken", "schedule_kind": "manual", "schedule_expr": "", "timezone": "UTC"}
    mended["pipeline"] = "- id: sum\n  uses: data.transform\n  with: {expression: 'sum(@)', data: [1, 2]}\n"
    where = post(lasting, f"/tasks/{task['id']}/edit", mended, version=str(task["version"]))
    assert where == f"/tasks/{task['id']}?said=saved"
    old = page(lasting, f"/runs/{run_id}")
    assert "keeps the definition it was started with" in old
    since = old.partition("What has changed since</summary>")[2].partition("</pre>")[0]
    assert re.search(r"<del>− +data: x\n</del>", since) and re.search(r"<ins>\+ +- 1\n</ins>", since)
    history = page(lasting, f"/tasks/{task['id']}/history")
    assert re.search(r"<del>− +data: x\n</del>", history) and "sha256" not in history.partition("<main")[2]
    where = post(lasting, f"/runs/{run_id}/rerun", {"from": "sum", "definition": "latest"})
    lasting.work()
    again = page(lasting, where)
    assert "The run is repeated by this one." in again and "st-succeeded" in again and "3" in again


def test_a_task_is_made_run_paused_resumed_snoozed_and_deleted(lasting: Api) -> None:
    where = post(lasting, "/tasks/new", FORM)
    task_id = where.split("/")[2].partition("?")[0]
    shown = page(lasting, f"/tasks/{task_id}")
    assert "Monday to Friday at 08:30" in shown and "uses: data.set" in shown
    run = post(lasting, f"/tasks/{task_id}/run")
    lasting.work()
    assert "st-succeeded" in page(lasting, run.partition("?")[0])
    post(lasting, f"/tasks/{task_id}/pause")
    assert lasting.get(f"/tasks/{task_id}")["status"] == "paused"
    post(lasting, f"/tasks/{task_id}/resume")
    post(lasting, f"/tasks/{task_id}/snooze", seconds="86400")
    assert lasting.get(f"/tasks/{task_id}")["snoozed_until"] is not None
    assert "That is not its title." in post(lasting, f"/tasks/{task_id}/delete", expect=400, title="Another")
    assert post(lasting, f"/tasks/{task_id}/delete", title="Report") == "/tasks?said=deleted"
    lasting.get(f"/tasks/{task_id}", expect=404)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schedule_expr": "0 25 * * *"}, "hour must be 0-23"),
        ({"pipeline": "- uses: no.tool"}, "There is no tool `no.tool`"),
        ({"pipeline": "- id: [x"}, "line 1"),
        ({"timezone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"title": ""}, "title"),
        ({"priority": "many"}, "priority"),
        ({"pause_after_failures": "0"}, "pause_after_failures"),
        ({"overlap": "maybe"}, "overlap"),
    ],
)
def test_what_cannot_be_saved_comes_back_with_the_field_named(lasting: Api, change: dict[str, str], told: str) -> None:
    shown = post(lasting, "/tasks/new", FORM | change, expect=400)
    assert told in shown and "This cannot be saved yet." in shown and "aria-invalid" in shown
    assert "Every weekday" in shown, "nothing that was written is lost"


@pytest.mark.parametrize("name", ["overlap", "misfire", "backoff_strategy"])
def test_every_policy_that_the_form_offers_is_explained_and_can_be_had(lasting: Api, name: str) -> None:
    form = page(lasting, "/tasks/new")
    choices = re.findall(rf'<label class="choice"><input type="radio" name="{name}" (.*?)</label>', form)
    offered = [choice.partition('value="')[2].partition('"')[0] for choice in choices]
    assert len(offered) >= 3 and all(re.search(r"<b>[^<]+</b><small>[^<]{15,}</small>", one) for one in choices)
    assert len([one for one in choices if " checked" in one]) == 1
    for one in offered:
        where = post(lasting, "/tasks/new", FORM | {name: one})
        assert lasting.get(where.partition("?")[0])[name] == one


def test_limits_are_had_kept_and_given_up(lasting: Api) -> None:
    given = FORM | {"pause_after_failures": "3", "concurrency_key": "bank", "concurrency_limit": "2"}
    path = post(lasting, "/tasks/new", given).partition("?")[0]
    task = lasting.get(path)
    assert (task["backoff_strategy"], task["backoff_seconds"], task["pause_after_failures"]) == ("fixed", 7, 3)
    assert (task["concurrency_key"], task["concurrency_limit"]) == ("bank", 2)
    form = page(lasting, f"{path}/edit")
    assert 'value="bank"' in form and 'value="fixed" checked' in form
    post(lasting, f"{path}/edit", FORM, version=str(task["version"]))
    assert lasting.get(path)["pause_after_failures"] is None and lasting.get(path)["concurrency_key"] is None


def test_a_duplicate_is_like_its_source_in_what_the_form_has_no_fields_for(lasting: Api) -> None:
    source = lasting.task(title="Source", schedule_kind="cron", schedule_expr="0 9 * * *", catchup_max=3, max_runs=7)
    form = page(lasting, f"/tasks/new?from={source['id']}")
    assert f'name="from" value="{source["id"]}"' in form and 'value="0 9 * * *"' in form
    made = lasting.get(post(lasting, "/tasks/new", FORM | {"from": source["id"]}).partition("?")[0])
    assert (made["catchup_max"], made["max_runs"], made["schedule_expr"]) == (3, 7, FORM["schedule_expr"])
    changed = FORM | {"from": source["id"], "schedule_kind": "manual", "schedule_expr": ""}
    assert lasting.get(post(lasting, "/tasks/new", changed).partition("?")[0])["max_runs"] is None
    post(lasting, "/tasks/new", FORM | {"from": "../secrets"})


def test_two_who_edit_at_once_hear_of_each_other(lasting: Api) -> None:
    task = lasting.task(title="Shared")
    lasting.send("PATCH", f"/tasks/{task['id']}", json={"title": "Theirs"}, expect=200)
    mine = FORM | {"title": "Mine", "schedule_kind": "manual", "schedule_expr": ""}
    mine["pipeline"] = as_yaml(task["payload"]["pipeline"]).replace("\n", "\r\n")
    shown = post(lasting, f"/tasks/{task['id']}/edit", mine, expect=409, version=str(task["version"]))
    assert "Somebody has changed this task meanwhile." in shown and 'value="Mine"' in shown
    assert "<del>− Theirs\n</del><ins>+ Mine\n</ins>" in shown and "<code>pipeline</code>" not in shown
    version = re.search(r'name="version" value="(\d+)"', shown)
    assert version
    post(lasting, f"/tasks/{task['id']}/edit", mine, version=version[1])
    assert lasting.get(f"/tasks/{task['id']}")["title"] == "Mine"


def test_the_schedule_is_told_in_words_times_and_hours(lasting: Api) -> None:
    query = "schedule_kind=cron&schedule_expr=30+8+*+*+1-5&timezone=Europe/Chisinau"
    shown = lasting.send("GET", f"{HOME}/schedule?{query}").text
    assert "Monday to Friday at 08:30" in shown and shown.count('class="hit"') == 5 and shown.count("<li>") >= 5
    wrong = lasting.send("GET", f"{HOME}/schedule?schedule_kind=cron&schedule_expr=0+25+*+*+*&timezone=UTC").text
    assert "This schedule cannot be read" in wrong and "hour must be 0-23" in wrong


def test_an_approval_is_decided_with_its_form(lasting: Api) -> None:
    run_id = lasting.run(lasting.task(title="Refund", payload=ASKS))
    lasting.work()
    assert "Refund?" in page(lasting, "/approvals")
    (one,) = [one for one in lasting.get("/approvals?status=pending")["items"] if one["run_id"] == run_id]
    path = f"/approvals/{one['id']}"
    assert "must be a number" in post(lasting, path, {"form.sum": "much"}, expect=400, decision="approve")
    assert (
        post(lasting, path, {"form.sum": "12.5"}, decision="approve", comment="Fine") == f"/runs/{run_id}?said=decided"
    )
    lasting.work()
    assert lasting.get(f"/runs/{run_id}")["output"] == 12.5
    assert (
        "approve" in page(lasting, path)
        and "<form" not in page(lasting, path).partition("<main")[2].partition("</main")[0]
    )


def test_why_an_occurrence_was_skipped_is_told(lasting: Api) -> None:
    task = lasting.task(title="Daily", schedule_kind="cron", schedule_expr="0 9 * * *")
    shown = page(lasting, f"/tasks/{task['id']}?at=2020-01-01T09:00")
    assert 'role="status"' in shown.partition('id="why"')[2]


def test_a_step_is_marked_by_hand(lasting: Api) -> None:
    _, run_id = failing(lasting)
    where = post(lasting, f"/runs/{run_id}/steps/sum/mark", status="skipped", note="Not today")
    lasting.work()
    assert "Not today" in page(lasting, where.partition("?")[0] + "?step=sum")


def test_an_event_is_sent_and_a_tool_is_tried(lasting: Api) -> None:
    assert post(lasting, "/events", topic="web.tried", payload="order: 41") == "/events?said=published"
    assert "web.tried" in page(lasting, "/events?topic=web.**")
    assert "aria-invalid" in post(lasting, "/events", expect=400, topic="web tried", payload="")
    tried = post(lasting, "/tools/data.set", expect=200, arguments="value: {sum: 3}")
    assert "&#34;sum&#34;: 3" in tried
    assert "value" in post(lasting, "/tools/data.set", expect=400, arguments="{}")
    members = {"form.expression": "sum(@)", "form.data": "- 4\n- 5"}
    tried = post(lasting, "/tools/data.transform", members, expect=200)
    assert "<code>9</code>" in tried and 'value="sum(@)"' in tried
    missing = post(lasting, "/tools/data.transform", members | {"form.expression": ""}, expect=400)
    assert "expression" in missing.partition('role="alert"')[2] and "aria-invalid" in missing
    assert "http.request" in page(lasting, "/tools?q=http") and "log.write" not in page(lasting, "/tools?q=http.req")


PATHS = (
    *("/", "/tasks", "/runs", "/approvals", "/events", "/tools", "/tools/http.request", "/extensions", "/health"),
    *("/tasks/new", "/agents", "/audit", "/webhooks", "/incidents", "/settings", "/workers", "/find?q=http"),
    *("/extensions/webui", "/secrets"),
)
OF_THEM = ("/runs/{run}", *(f"/tasks/{{task}}{more}" for more in ("", "/edit", "/stats", "/history")))


@pytest.mark.parametrize("path", [*PATHS, *OF_THEM])
@pytest.mark.parametrize(("language", "word"), [("ro", "Sarcini"), ("ru", "Задачи")])
def test_every_page_speaks_the_readers_language(lasting: Api, path: str, language: str, word: str) -> None:
    task, run_id = failing(lasting)
    shown, seen = look(lasting, HOME + path.format(run=run_id, task=task["id"]), language=language)
    assert f'<html lang="{language}"' in shown and word in shown and seen.loose == []
    ours = re.sub(r"<(pre|textarea|option|code|svg|datalist)\b.*?</\1>", "", shown, flags=re.DOTALL)
    words = re.findall(r">\s*([A-Z][a-z]+(?: [a-z]+)+)\s*<", ours.partition("<main")[2])
    known = {one for one in words if not re.search(r"[ăâîșțа-я]", one)}
    english = {one for one in known if re.search(r"\b(the|of|is|and|run|step|task|this|it|was|no)\b", one)}
    assert english == set()


def test_an_agent_is_made_keyed_and_kept_out(lasting: Api) -> None:
    made = post(lasting, "/agents", {"name": "page-bot", "scopes": "tasks:read"}, expect=201)
    assert "ors_" in made and "ors_" not in page(lasting, "/agents")
    assert "aria-invalid" in post(lasting, "/agents", {"name": "page-bot"}, expect=409)
    (agent,) = [one for one in lasting.get("/agents")["items"] if one["name"] == "page-bot"]
    path = f"/agents/{agent['id']}"
    assert "oat_" in post(lasting, f"{path}/keys", {"name": "laptop"}, expect=201)
    (key,) = lasting.get(f"{path}/keys")["items"]
    assert post(lasting, f"{path}/keys/{key['id']}/revoke") == f"{path}?said=revoked"
    assert "ors_" in post(lasting, f"{path}/renew", expect=200)
    post(lasting, f"{path}/disable")
    assert lasting.get(path)["status"] == "disabled"
    post(lasting, f"{path}/enable")
    assert "agent.key_revoked" in page(lasting, "/audit?kind=agent")


def test_a_webhook_is_made_tried_and_switched_off(lasting: Api) -> None:
    made = post(lasting, "/webhooks", {"url": "https://hooks.example/x", "topics": "run.failed"}, expect=201)
    assert "whsec_" in made and "whsec_" not in page(lasting, "/webhooks")
    assert "aria-invalid" in post(lasting, "/webhooks", {"url": "ftp://x", "topics": "run.*"}, expect=400)
    (hook,) = [one for one in lasting.get("/webhooks")["items"] if one["url"] == "https://hooks.example/x"]
    path = f"/webhooks/{hook['id']}"
    assert post(lasting, f"{path}/test") == f"{path}?said=sent"
    assert "0 attempts" in page(lasting, path)
    post(lasting, f"{path}/disable")
    assert lasting.get(path)["enabled"] is False


@pytest.mark.parametrize("path", ["/runs/nowhere", "/tasks/nowhere", "/approvals/nowhere", "/tools/nowhere"])
def test_what_is_not_there_is_a_page_too(lasting: Api, path: str) -> None:
    assert "Back to the tasks" in page(lasting, path, expect=404)


def test_a_stream_tells_ids_and_refuses_strange_topics(lasting: Api) -> None:
    lasting.send("GET", f"{HOME}/api/stream?topics=everything", expect=400)
    answer = lasting.send("GET", f"{HOME}/api/stream?topics=run.*", expect=200)
    assert answer.content_type.startswith("text/event-stream")
    answer.close()


# Signing in.


@pytest.fixture
def closed(sqlite_url: str, tmp_path: Path) -> Iterator[Guarded]:
    """An installation with tokens."""
    with serving(guarded_settings(sqlite_url, tmp_path)) as api:
        yield Guarded(api)


def sign_in(client: FlaskClient, **fields: str) -> Any:
    return client.post(f"{HOME}/session", data=fields, headers={"Origin": "http://localhost"})


def test_somebody_signs_in_works_and_signs_out(closed: Guarded) -> None:
    closed.new("ana", "tasks:create", "tasks:read", "tasks:run", "runs:read")
    client = closed.api.client
    browser = {"Accept": "text/html"}
    sent_away = client.get(f"{HOME}/runs?status=failed", headers=browser)
    assert sent_away.status_code == 303 and sent_away.headers["Location"] == f"{HOME}/?next=/runs"
    assert "Sign in" in client.get(f"{HOME}/?next=/runs").text
    refused = sign_in(client, agent="ana", secret="wrong")
    assert refused.status_code == 401 and "is not right" in refused.text and "Set-Cookie" not in refused.headers
    done = sign_in(client, agent="ana", secret=closed.secrets["ana"], next="/runs")
    cookie = done.headers["Set-Cookie"]
    assert done.headers["Location"] == f"{HOME}/runs"
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/ext/" in cookie
    assert client.get(f"{HOME}/runs", headers=browser).status_code == 200
    own = {"Origin": "http://localhost"}
    assert client.post(f"{HOME}/tasks/new", data=FORM, headers=own).status_code == 303
    assert "Approvals" in client.get(f"{HOME}/approvals", headers=browser).text
    assert client.get(f"{HOME}/approvals", headers=browser).status_code == 403
    token = cookie.partition("=")[2].partition(";")[0]
    client.post(f"{HOME}/session/end", headers=own)
    assert client.get(f"{HOME}/runs", headers=browser).status_code == 303
    closed.api.send("GET", "/runs", headers={"Authorization": f"Bearer {token}"}, expect=401)


def test_a_session_is_for_pages_alone_and_for_no_other_site(closed: Guarded) -> None:
    closed.new("ana", "admin")
    client = closed.api.client
    sign_in(client, agent="ana", secret=closed.secrets["ana"])
    assert client.get("/tasks").status_code == 401, "the API takes no cookie"
    for headers in ({}, {"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = client.post(f"{HOME}/tasks/new", data=FORM, headers=headers)
        assert answer.status_code == 403, headers
    assert closed.api.get("/tasks", headers=closed.headers("ana"))["total"] == 0


def test_an_api_key_signs_in_as_well(closed: Guarded) -> None:
    ana = closed.new("ana", "admin")
    agent = closed.api.get("/agents/me", headers=ana)["agent_id"]
    key = closed.api.post(f"/agents/{agent}/keys", {"name": "page"}, headers=ana, expect=201)["key"]
    client = closed.api.client
    assert sign_in(client, secret=key).status_code == 303
    assert client.get(f"{HOME}/runs", headers={"Accept": "text/html"}).status_code == 200


@pytest.mark.parametrize("wanted", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere", "runs"])
def test_after_signing_in_nobody_is_sent_elsewhere(closed: Guarded, wanted: str) -> None:
    closed.new("ana", "admin")
    done = sign_in(closed.api.client, agent="ana", secret=closed.secrets["ana"], next=wanted)
    assert done.headers["Location"] == f"{HOME}/"
