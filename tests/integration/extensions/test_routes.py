"""Routes, files and tools of an extension over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from app.telemetry import attach, detach
from tests.fakes.extensions import write_extension
from tests.integration.api.conftest import Api
from tests.integration.extensions.conftest import LAB, Serve
from tests.servers import wait_for


def test_a_route_is_served_with_addresses_of_its_own_and_of_the_platform(lab: Api) -> None:
    answer = lab.send("GET", "/ext/lab/", expect=200)
    assert answer.get_json() == {
        "text": "Salut",
        "item": "/ext/lab/items/7",
        "tasks": "/tasks",
        "named": "/ext/lab/?x=1",
    }
    assert answer.headers["X-Lab"] == "yes"
    assert answer.headers["X-Request-ID"]
    assert "X-RateLimit-Limit" in answer.headers


def test_hooks_of_an_extension_are_for_its_own_requests(lab: Api) -> None:
    lab.get("/ext/lab/")
    assert "X-Lab" not in lab.send("GET", "/tasks").headers


def test_a_view_may_be_async(lab: Api) -> None:
    assert lab.get("/ext/lab/slow") == {"text": "async"}


def test_an_address_without_its_last_slash_leads_there(lab: Api) -> None:
    answer = lab.send("GET", "/ext/lab", expect=308)
    assert answer.headers["Location"].endswith("/ext/lab/")


REFUSALS = [
    # each row: address, method, status, code, and details
    ("/ext/lab/refused", "GET", 400, "bad_request", {"field": "schedule_expr", "issue": "Not a schedule"}),
    ("/ext/lab/denied", "GET", 403, "forbidden", {
        "required_capability": "BACKGROUND_TASKS", "granted_capabilities": ["ROUTES", "STATIC", "TOOLS"],
    }),
    ("/ext/nobody/x", "GET", 404, "not_found", {"extension_id": "nobody"}),
    ("/ext/nobody", "POST", 404, "not_found", {"extension_id": "nobody"}),
    ("/ext/nobody/health", "GET", 404, "not_found", {"extension_id": "nobody"}),
    ("/ext/lab/nothing", "GET", 404, "not_found", {"path": "/ext/lab/nothing"}),
    ("/ext/lab/", "POST", 405, "method_not_allowed", {"method": "POST", "allowed": ["GET", "HEAD", "OPTIONS"]}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "method", "status", "code", "details"), REFUSALS)
def test_every_refusal_has_the_one_shape(
    lab: Api, path: str, method: str, status: int, code: str, details: dict[str, Any]
) -> None:
    body = lab.send(method, path, expect=status).get_json()
    assert (body["error"], body["details"], body["status"]) == (code, details, status)


@pytest.mark.parametrize(
    ("path", "error_type"),
    # each row: a defect of the extension, and its type
    [("/ext/lab/boom", "RuntimeError"), ("/ext/lab/odd", "ValueError")],
)
def test_a_defect_names_the_extension_and_hides_the_rest(serve: Serve, path: str, error_type: str) -> None:
    api = serve(LAB, ORDINAUT_ENV="production", ORDINAUT_AUTH="off")
    answer = api.send("GET", path, expect=500)
    body = answer.get_json()
    assert body["error"] == "internal_error"
    assert body["message"] == "Extension execution failed"
    assert {name: body["details"][name] for name in ("extension_id", "error_type", "traceback")} == {
        "extension_id": "lab",
        "error_type": error_type,
        "traceback": "...",
    }
    assert "secret detail" not in answer.get_data(as_text=True)


def test_a_handler_of_the_extension_comes_first(lab: Api) -> None:
    assert lab.send("GET", "/ext/lab/teapot", expect=418).get_json() == {"short": "and stout"}


def test_a_failed_extension_answers_for_itself_alone(serve: Serve, tmp_path: Path) -> None:
    write_extension(tmp_path, "sick", code="import nothing_like_this")
    api = serve(tmp_path, LAB)
    body = api.get("/ext/sick/x", expect=500)
    assert (body["details"]["extension_id"], body["details"]["error_type"]) == ("sick", "ModuleNotFoundError")
    health = api.get("/ext/sick/health", expect=503)
    assert health["checks"] == {"load": "unhealthy"}
    assert health["errors"] == {"load": "ModuleNotFoundError: No module named 'nothing_like_this'"}
    assert api.get("/ext/lab/")["text"] == "Salut"
    assert api.get("/health")["status"] == "degraded"


def test_one_that_lacks_a_capability_in_setup_says_which(serve: Serve, tmp_path: Path) -> None:
    write_extension(tmp_path, "shop", routes="context.tool_registry", grants=["ROUTES"])
    body = serve(tmp_path).get("/ext/shop/x", expect=403)
    assert body["details"] == {"required_capability": "TOOLS", "granted_capabilities": ["ROUTES"]}


def test_routes_without_the_grant_are_refused(serve: Serve, tmp_path: Path) -> None:
    routes = '@page.get("/x")\ndef x():\n    return {}'
    write_extension(tmp_path, "shop", routes=routes, grants=["STATIC"])
    body = serve(tmp_path).get("/ext/shop/x", expect=403)
    assert body["details"] == {"required_capability": "ROUTES", "granted_capabilities": ["STATIC"]}


@pytest.mark.parametrize(
    "hook",
    [
        # each row: a hook that would act on the whole platform
        "@page.before_app_request\ndef spy():\n    return {'stolen': True}",
        "@page.after_app_request\ndef spy(response):\n    return response",
        "@page.app_errorhandler(404)\ndef spy(error):\n    return {}, 200",
        "page.record(lambda state: state.app.before_request_funcs.setdefault(None, []).append(lambda: {'stolen': 1}))",
        "page.record(lambda state: state.app.view_functions.update({'tasks.list_tasks': lambda: {}}))",
        "@page.app_url_defaults\ndef spy(endpoint, values):\n    values['x'] = 1",
    ],
)
def test_an_extension_cannot_hook_itself_into_the_platform(serve: Serve, tmp_path: Path, hook: str) -> None:
    write_extension(tmp_path, "spy", routes=hook)
    api = serve(tmp_path)
    assert api.get("/ext/spy/x", expect=500)["details"]["error_type"] == "ForeignHook"
    assert api.get("/tasks")["items"] == []
    api.get("/nothing/here", expect=404)


def test_many_first_requests_at_once_import_it_once(serve: Serve, tmp_path: Path) -> None:
    home = write_extension(tmp_path, "slow", routes='@page.get("/")\ndef index():\n    return {}')
    code = (home / "extension.py").read_text()
    (home / "extension.py").write_text(
        "import pathlib, time\nwith (pathlib.Path(__file__).parent / 'imports').open('a') as file:\n"
        "    file.write('x')\ntime.sleep(0.3)\n" + code
    )
    api = serve(tmp_path)
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(api.send("GET", "/ext/slow/").status_code)) for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 12
    assert (home / "imports").read_text() == "x"


HANGS = """
import pathlib, time
here = pathlib.Path(__file__).parent
(here / "begun").touch()
while not (here / "go").exists():
    time.sleep(0.01)
raise ImportError
"""


def test_an_import_that_hangs_takes_no_more_than_its_own_thread(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.extension_host.host.LOAD_SECONDS", 0.1)
    home = write_extension(tmp_path, "slow", code=HANGS)
    api = serve(tmp_path, LAB)
    first = threading.Thread(target=lambda: api.send("GET", "/ext/slow/"))
    first.start()
    wait_for((home / "begun").exists, what="the import to begin")
    answer = api.send("GET", "/ext/slow/", expect=503)
    assert answer.get_json()["details"] == {"extension_id": "slow"}
    assert answer.headers["Retry-After"]
    api.get("/ext/slow/health", expect=503)
    assert api.get("/ext/lab/")["text"] == "Salut"
    (home / "go").touch()
    first.join()
    api.get("/ext/slow/", expect=500)


def test_the_status_tells_of_all(serve: Serve, tmp_path: Path) -> None:
    write_extension(tmp_path, "sick", code=f"open({str(tmp_path / 'secret')!r})")
    write_extension(tmp_path, "idle")
    write_extension(tmp_path, "off", enabled=False)
    api = serve(tmp_path, LAB)
    api.get("/ext/sick/", expect=500)
    api.get("/ext/lab/boom", expect=500)
    api.get("/ext/lab/")
    status = api.get("/ext/status")
    found = status["extensions"]
    assert {name: found[name]["state"] for name in ("sick", "idle", "off", "lab")} == {
        "sick": "failed",
        "idle": "discovered",
        "off": "disabled",
        "lab": "loaded",
    }
    assert found["lab"]["info"] == {
        "id": "lab",
        "name": "Lab",
        "version": "3.2.1",
        "description": "Everything",
    }
    assert found["lab"]["capabilities"] == ["ROUTES", "TOOLS", "STATIC"]
    assert found["lab"]["metrics"]["requests_total"] == 2
    assert found["lab"]["metrics"]["errors_total"] == 1
    assert found["sick"]["error"]["error_type"] == "FileNotFoundError"
    assert str(tmp_path) not in str(status)
    assert status["total_extensions"] == len(found)
    assert status["failed_extensions"] == 1
    assert set(status["discovery_sources"]) >= {"env_dir"}


def test_health_is_its_own_and_what_the_platform_adds(lab: Api) -> None:
    body = lab.get("/ext/lab/health")
    assert (body["status"], body["version"], body["checks"]) == ("healthy", "3.2.1", {"kettle": "healthy"})
    assert body["timestamp"].endswith("Z")


HEALTH = [
    # each row: what health() does, the status, and the checks
    ("return {}", 200, {}),
    ("return {'database': 'away'}", 503, {"database": "away"}),
    ("return {'a': lambda: None, 'b': lambda: True}", 200, {"a": "healthy", "b": "healthy"}),
    ("return {'a': lambda: False}", 503, {"a": "unhealthy"}),
    ("return {'a': lambda: 1 / 0, 'b': 'healthy'}", 503, {"a": "unhealthy", "b": "healthy"}),
    ("return {'a': lambda: __import__('time').sleep(30), 'b': 'healthy'}", 503, {"a": "timed out", "b": "healthy"}),
    ("raise SystemExit", 503, {"health": "unhealthy"}),
    ("return 5", 503, {"health": "unhealthy"}),
]


@pytest.mark.parametrize(("code", "status", "checks"), HEALTH)
def test_health_whatever_the_author_wrote(
    serve: Serve, tmp_path: Path, code: str, status: int, checks: dict[str, str]
) -> None:
    write_extension(tmp_path, "shop", more=f"def health(self):\n    {code}", grants=["ROUTES"])
    assert serve(tmp_path).get("/ext/shop/health", expect=status)["checks"] == checks


def test_a_route_called_health_is_the_author_s(serve: Serve, tmp_path: Path) -> None:
    write_extension(tmp_path, "shop", routes='@page.get("/health")\ndef health():\n    return {"own": True}')
    assert serve(tmp_path).get("/ext/shop/health") == {"own": True}


def test_files_are_served_with_a_tag_and_for_some_time(lab: Api) -> None:
    answer = lab.send("GET", "/ext/lab/static/page.css", expect=200)
    assert answer.get_data(as_text=True) == "body { color: green; }\n"
    assert answer.mimetype == "text/css"
    assert answer.headers["Cache-Control"] == "private, max-age=300"
    with lab.send("GET", "/ext/lab/static/page.css", headers={"If-None-Match": answer.headers["ETag"]}) as again:
        assert (again.status_code, again.get_data()) == (304, b"")
    answer.close()
    with lab.send("GET", "/ext/lab/static/deep/file.txt", expect=200) as deep:
        assert deep.get_data(as_text=True) == "deep\n"


ESCAPES = [
    # each row: a way out of the folder
    "../extension.py",
    "%2e%2e/extension.py",
    "..%2fextension.py",
    "deep/../../extension.json",
    "%2fetc/passwd",
    "/etc/passwd",
    "....//extension.py",
    "..\\extension.py",
    "deep",
    "",
]


@pytest.mark.parametrize("path", ESCAPES)
def test_nothing_outside_of_the_folder_is_served(lab: Api, path: str) -> None:
    assert lab.send("GET", f"/ext/lab/static/{path}").status_code in (400, 404)


def test_a_link_out_of_the_folder_is_not_followed(serve: Serve, tmp_path: Path) -> None:
    home = write_extension(tmp_path, "shop")
    (home / "static").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (home / "static" / "link.txt").symlink_to(tmp_path / "secret.txt")
    assert serve(home).send("GET", "/ext/shop/static/link.txt").status_code == 404


def test_files_take_the_grant(serve: Serve) -> None:
    api = serve(LAB, ORDINAUT_EXT_GRANTS="lab=ROUTES+TOOLS")
    api.get("/ext/lab/static/page.css", expect=404)


def test_the_schema_of_manifests_is_published(lab: Api) -> None:
    schema = lab.get("/schemas/extension.json")
    assert schema["required"] == ["id", "name", "version"]


def test_its_tools_are_everywhere(lab: Api) -> None:
    assert lab.get("/tools/ext.lab.shout")["description"] == "Say it louder."
    assert {"ext.lab.shout", "ext.lab.whisper"} <= {one["name"] for one in lab.get("/tools?limit=200")["items"]}
    called = lab.post("/tools/ext.lab.whisper/invoke", {"arguments": {"text": "HI"}})
    assert called["output"] == {"text": "hi", "key": True}
    assert called["logs"] == [{"level": "info", "message": "whispering HI"}]
    lab.post("/tools/ext.lab.shout/invoke", {"arguments": {"text": 5}}, expect=400)
    pipeline = [{"id": "a", "uses": "ext.lab.shout", "with": {"text": "hi"}}, {"id": "b", "uses": "ext.lab.nothing"}]
    report = lab.post("/pipelines/validate", {"pipeline": pipeline})
    assert [one["pointer"] for one in report["errors"]] == ["/pipeline/1/uses"]


def test_a_worker_runs_its_tools(lab: Api) -> None:
    steps = [
        {"id": "a", "uses": "ext.lab.shout", "with": {"text": "hi"}},
        {"id": "b", "uses": "ext.lab.whisper", "with": {"text": "${steps.a.text}"}},
    ]
    run = lab.run(lab.task(payload={"pipeline": steps}))
    lab.work()
    assert [step["output"] for step in lab.get(f"/runs/{run}")["steps"]] == [
        {"text": "HI"},
        {"text": "hi", "key": True},
    ]


CALLS = [
    # each row: the tool a view calls, status, code, and a fact of the answer
    ("ext.lab.shout?text=a", 200, None, None),
    ("no.such.tool", 404, "not_found", ("tool", "no.such.tool")),
    ("data.transform", 400, "bad_request", ("field", "arguments.data")),
    ("ext.lab.fail", 422, "unprocessable", ("type", "out_of_tea")),
]


@pytest.mark.parametrize(("tool", "status", "code", "fact"), CALLS)
def test_a_view_may_call_tools(
    lab: Api, tool: str, status: int, code: str | None, fact: tuple[str, str] | None
) -> None:
    body = lab.get(f"/ext/lab/tool/{tool}", expect=status)
    assert body.get("error") == code
    assert fact is None or body["details"][fact[0]] == fact[1]


def test_the_caller_is_who_asks(lab: Api) -> None:
    assert lab.get("/ext/lab/who")["agent"] == "local"


def test_one_that_is_switched_off_is_not_there(serve: Serve, tmp_path: Path) -> None:
    write_extension(tmp_path, "off", enabled=False)
    api = serve(tmp_path)
    for path in ("", "/x", "/health", "/static/page.css"):
        assert api.get(f"/ext/off{path}", expect=404)["details"] == {"extension_id": "off"}


def test_an_unhealthy_answer_is_no_error_of_the_extension(serve: Serve, tmp_path: Path) -> None:
    write_extension(tmp_path, "shop", more="def health(self):\n    return {'database': 'away'}", grants=["ROUTES"])
    api = serve(tmp_path)
    body = api.get("/ext/shop/health", expect=503)
    assert "errors" not in body
    assert api.get("/ext/status")["extensions"]["shop"]["metrics"]["errors_total"] == 0


def test_a_plain_request_to_a_socket_is_told_what_is_expected(lab: Api) -> None:
    body = lab.get("/ext/lab/ws/echo/a", expect=400)
    assert "it expects an upgrade" in body["details"]["issue"]


CRASHING = """
def crash():
    raise RuntimeError("secret detail")

def refuse():
    context.routes.caller()
    raise ToolFailed("No tea", type="out_of_tea")

from ordinaut import ToolFailed
context.tool_registry.register_tool("crash", crash, {"type": "object"})
context.tool_registry.register_tool("refuse", refuse, {"type": "object"})
"""


def test_a_tool_that_crashes_is_its_extension_s_defect_and_told(serve: Serve, tmp_path: Path) -> None:
    write_extension(tmp_path, "shop", routes=CRASHING)
    api, told = serve(tmp_path), list[tuple[Any, Any]]()

    def hear(event: str, facts: Mapping[str, Any]) -> None:
        told.append((event, facts.get("extension")))

    attach(hear)
    try:
        body = api.post("/tools/ext.shop.crash/invoke", {"arguments": {}}, expect=500)
        api.post("/tools/ext.shop.refuse/invoke", {"arguments": {}}, expect=422)
    finally:
        detach(hear)
    assert (body["message"], body["details"]["extension_id"]) == ("Extension execution failed", "shop")
    assert body["details"]["error_type"] == "RuntimeError"
    assert told.count(("extension.tool_crashed", "shop")) == 1
