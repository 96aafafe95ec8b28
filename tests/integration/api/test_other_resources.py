"""Tools, pipelines, schedules, health and the description, and what is said when the database is gone."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from openapi_spec_validator import validate

from tests.integration.api.conftest import PIPELINE, Api, make_settings, serving
from tests.servers import Databases, PostgresServer, free_port, wait_for


def test_tools(lasting: Api) -> None:
    page = lasting.get("/tools")
    names = [one["name"] for one in page["items"]]
    assert names == sorted(names) and page["total"] == len(names)
    assert {"data.set", "data.transform", "http.request", "log.write", "tasks.create"} <= set(names)
    assert lasting.get("/tools?limit=1&offset=1")["items"][0] == lasting.get(f"/tools/{names[1]}")
    for tool in page["items"]:
        assert tool["description"] and tool["input_schema"]["type"] == "object"
    assert lasting.get("/tools/no.such", expect=404)["error"] == "not_found"


def test_every_example_of_a_tool_that_stays_inside_works(lasting: Api) -> None:
    for name in ("data.set", "data.transform", "log.write"):
        for example in lasting.get(f"/tools/{name}")["examples"]:
            answer = lasting.post(f"/tools/{name}/invoke", {"arguments": example})
            assert answer["tool"] == name and answer["elapsed_ms"] >= 0


def test_invocations(lasting: Api) -> None:
    value = {"text": "ă", "list": [1, 2.5, None, True]}
    assert lasting.post("/tools/data.set/invoke", {"arguments": {"value": value}})["output"] == value
    logged = lasting.post("/tools/log.write/invoke", {"arguments": {"message": "hi", "level": "warning"}})
    assert logged["logs"] == [{"level": "warning", "message": "hi"}]
    lasting.post("/tools/no.such/invoke", {"arguments": {}}, expect=404)


def test_tasks_create_is_a_tool(api: Api) -> None:
    arguments = {"title": "From a tool", "schedule_kind": "manual", "payload": PIPELINE}
    made = api.post("/tools/tasks.create/invoke", {"arguments": arguments})["output"]
    assert api.get(f"/tasks/{made['id']}")["title"] == "From a tool"
    wrong = api.post("/tools/tasks.create/invoke", {"arguments": {**arguments, "priority": 99}}, expect=None)
    assert wrong["error"] in ("bad_request", "unprocessable") and "priority" in json.dumps(wrong["details"])


def test_what_is_to_come(api: Api) -> None:
    task = api.task(title="Hourly", schedule_kind="cron", schedule_expr="0 * * * *", timezone="Europe/Chisinau")
    found = api.get("/schedules/upcoming?hours=3")
    assert [one["task_id"] for one in found["items"]] == [task["id"]] * 3
    assert found["items"][0]["nominal_at"] == task["next_run"] < found["items"][1]["nominal_at"] < found["until"]
    cut = api.get("/schedules/upcoming?hours=3&limit=1")
    assert len(cut["items"]) == 1 and cut["until"] == found["items"][1]["nominal_at"]
    for wrong in ("hours=0", "hours=745", "limit=501", "days=1"):
        assert api.get(f"/schedules/upcoming?{wrong}", expect=400)["details"]["field"] == wrong.partition("=")[0]


def test_pipelines(lasting: Api) -> None:
    assert lasting.post("/pipelines/validate", PIPELINE) == {"valid": True, "errors": [], "warnings": []}
    wrong = {"pipeline": [{"uses": "no.such"}, {"uses": "data.set", "with": {"value": "${steps.x}"}}, 5]}
    report = lasting.post("/pipelines/validate", wrong)
    assert not report["valid"]
    assert [one["pointer"] for one in report["errors"]] == [
        "/pipeline/0/uses",
        "/pipeline/1/with/value",
        "/pipeline/2",
    ]
    schema = lasting.send("GET", "/schemas/pipeline.json", expect=200)
    assert schema.headers["Content-Type"] == "application/schema+json"
    assert schema.get_json()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    lasting.send("GET", "/schemas/pipeline.json", expect=304, headers={"If-None-Match": schema.headers["ETag"]})


def test_schedules(lasting: Api) -> None:
    body = {"schedule_kind": "cron", "schedule_expr": "30 2 * * *", "timezone": "Europe/Chisinau", "count": 3}
    shown = lasting.post("/schedules/preview", {**body, "from": "2027-03-27T00:00:00Z"})
    nominals = [one["nominal"] for one in shown["occurrences"]]
    assert nominals == ["2027-03-27T00:30:00Z", "2027-03-28T00:00:00Z", "2027-03-28T23:30:00Z"]
    notes = [one["note"] for one in shown["occurrences"]]
    assert notes[0] is notes[2] is None and "does not exist" in notes[1]
    assert shown["description"].startswith("Every day at 02:30")
    assert lasting.post("/schedules/preview", {"schedule_kind": "manual"})["occurrences"] == []


def test_the_description(lasting: Api) -> None:
    answer = lasting.send("GET", "/openapi.json", expect=200)
    described = answer.get_json()
    validate(described)
    lasting.send("GET", "/openapi.json", expect=304, headers={"If-None-Match": answer.headers["ETag"]})
    rules = {re.sub(r"<\w+:", "<", rule.rule) for rule in lasting.app.url_map.iter_rules()}
    # Addresses of extensions are theirs; the platform answers there only where there is none.
    rules -= {"/ext/<extension_id>", "/ext/<extension_id>/", "/ext/<extension_id>/<path>"}
    assert {path.replace("{", "<").replace("}", ">") for path in described["paths"]} == rules
    for path in described["paths"].values():
        for operation in path.values():
            assert operation["summary"] and operation["operationId"] and operation["tags"]


def test_the_page_of_the_description(lasting: Api) -> None:
    with lasting.send("GET", "/docs", expect=200) as page:
        policy, text = page.headers["Content-Security-Policy"], page.get_data(as_text=True)
    assert "default-src 'none'" in policy and "script-src 'self'" in policy
    assert "http:" not in text and "https:" not in text and "//" not in text.replace("<!--", "")


def test_kinds_of_errors_have_a_page(lasting: Api) -> None:
    missing = lasting.get("/no/such/place", expect=404)
    assert lasting.get(missing["type"]) == {"error": "not_found", "status": 404, "title": "Not found"}
    asked = lasting.send("GET", "/no/such/place", expect=404, headers={"Accept": "application/problem+json"})
    assert asked.headers["Content-Type"] == "application/problem+json"
    page = lasting.send("GET", "/no/such/place", expect=404, headers={"Accept": "text/html"})
    assert page.headers["Content-Type"] == "application/json"


def test_every_answer_is_guarded(lasting: Api) -> None:
    for path in ("/tasks", "/tasks/x", "/docs", "/health", "/openapi.json"):
        with lasting.send("GET", path) as answer:
            headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Request-ID"]
        assert "Werkzeug" not in headers.get("Server", "")


def test_limits_are_counted_and_told(databases: Databases, tmp_path: Path) -> None:
    settings = make_settings(databases.sqlite(tmp_path / "o.db"), tmp_path, ORDINAUT_RATE_LIMIT="3/minute")
    with serving(settings) as api:
        left = [api.send("GET", "/tasks", expect=200).headers["X-RateLimit-Remaining"] for _ in range(3)]
        assert left == ["2", "1", "0"]
        refused = api.send("GET", "/tasks", expect=429)
        assert refused.get_json()["error"] == "rate_limit_exceeded"
        assert refused.get_json()["details"]["limit"] == 3 and int(refused.headers["Retry-After"]) > 0
        api.send("GET", "/health/live", expect=200)


def test_health(api: Api) -> None:
    whole = api.get("/health")
    assert (whole["status"], whole["checks"]["database"]["status"]) == ("degraded", "healthy")
    assert api.get("/health/ready")["status"] == api.get("/health/live")["status"] == "healthy"
    assert str(api.settings.database_url) not in json.dumps(whole)


MANUAL = {"title": "A", "schedule_kind": "manual"}
REQUESTS: list[tuple[str, str, Any]] = [
    ("GET", "/tasks", None),
    ("GET", "/tasks/00000000-0000-7000-8000-000000000000", None),
    ("POST", "/tasks", MANUAL),
    ("POST", "/tasks?preview=true", MANUAL),
    ("PATCH", "/tasks/00000000-0000-7000-8000-000000000000", {"title": "B"}),
    ("DELETE", "/tasks/00000000-0000-7000-8000-000000000000", None),
    ("POST", "/tasks/00000000-0000-7000-8000-000000000000/run_now", {}),
    ("POST", "/tasks/00000000-0000-7000-8000-000000000000/pause", {}),
    ("GET", "/tasks/00000000-0000-7000-8000-000000000000/why?at=2026-11-24T00:00:00Z", None),
    ("GET", "/runs", None),
    ("GET", "/runs/x", None),
    ("GET", "/runs/x/logs", None),
    ("GET", "/runs/x/stream", None),
    ("GET", "/runs/x/wait", None),
    ("GET", "/runs/stats/summary", None),
    ("POST", "/runs/x/cancel", None),
    ("POST", "/tools/tasks.create/invoke", {"arguments": {**MANUAL, "payload": PIPELINE}}),
]


def without_database(api: Api) -> None:
    """Every request that needs the database gets a 503 in the one shape; the others are answered."""
    for method, path, body in REQUESTS:
        answer = api.send(method, path, json=body)
        shown = answer.get_json()
        assert answer.status_code == 503, (method, path, shown)
        assert shown["error"] == "unavailable" and answer.headers["Retry-After"] == "2"
        assert "sqlite" not in json.dumps(shown).lower() and "psycopg" not in json.dumps(shown)
    for path, status in (("/health", 503), ("/health/ready", 503), ("/health/live", 200), ("/tools", 200)):
        assert api.send("GET", path).status_code == status
    api.post("/schedules/preview", {"schedule_kind": "cron", "schedule_expr": "* * * * *"})
    api.post("/tools/data.set/invoke", {"arguments": {"value": 1}})


def test_a_postgresql_that_is_away(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://nobody:secret-word@127.0.0.1:{free_port()}/none"
    with serving(make_settings(url, tmp_path)) as api:
        without_database(api)
        assert "secret-word" not in json.dumps(api.get("/health", expect=503))


def test_a_sqlite_whose_folder_is_gone(databases: Databases, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    url = databases.sqlite(home / "ordinaut.db")
    shutil.rmtree(home)
    with serving(make_settings(url, tmp_path)) as api:
        without_database(api)


def test_a_database_that_dies_under_way_and_comes_back(tmp_path: Path) -> None:
    server = PostgresServer()
    try:
        with serving(make_settings(server.url(Databases(tmp_path).postgresql(server)), tmp_path)) as api:
            task = api.task()
            server.kill()
            for method, path, body in REQUESTS:
                assert api.send(method, path, json=body).status_code == 503
            api.send("GET", f"/tasks/{task['id']}", expect=503)
            server.restart()
            wait_for(lambda: api.send("GET", "/health/ready").status_code == 200, seconds=60, what="readiness")
            assert api.get("/tasks")["items"] == [task]
    finally:
        server.stop()


def test_a_database_without_its_schema(tmp_path: Path) -> None:
    with serving(make_settings(f"sqlite:///{tmp_path}/empty.db", tmp_path)) as api:
        assert api.get("/health/ready", expect=503)["checks"]["database"]["message"].startswith("The database has no")
        assert api.send("GET", "/tasks").status_code in (500, 503)
