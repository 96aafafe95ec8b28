"""The founding document from top to bottom, example by example, against running systems, in Romanian and in English.

Three systems: one as the document finds it, with two web processes; one with `ORDINAUT_REQUIRE_SCOPES=true` and the
printed rate limit; and one with `ORDINAUT_AUTH=jwt`. Under `ro` every printed text is exact, under `en` every key and
every type; what differs from day to day (ids, moments, numbers) is `free`.
"""

from __future__ import annotations

import inspect
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

import pytest
import simple_websocket

from app.extension_host.discovery import GROUP
from ordinaut import Capability
from ordinaut.contexts import BackgroundContext, EventsContext, ToolRegistryContext
from tests.e2e.conftest import PATIENCE, Instance
from tests.e2e.founding import EXAMPLES, WALKED, differences, example, walks
from tests.servers import REPOSITORY, wait_for

PRINTED_HOST = "http://localhost:8080"
LANGUAGES = ("ro", "en")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
EVENT_ID = re.compile(r"\d{13}-\d+")
LABELS = re.compile(r"^(?P<name>\w+)\{(?P<labels>[^}]*)\} \d+(\.\d+)?(e[+-]?\d+)?$")


def system(folder: Path, **environ: str) -> Iterator[Instance]:
    """A system with the extension `extensia_mea`, which lies outside the checkout."""
    extensions = folder / "extensions"
    shutil.copytree(REPOSITORY / "tests" / "e2e" / "extensia_mea", extensions / "extensia_mea")
    instance = Instance(folder / "home", ORDINAUT_EXT_PATHS=str(extensions), **environ)
    try:
        yield instance.start()
        assert instance.stop() == 0, instance.output
    finally:
        instance.clean()


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    yield from system(tmp_path_factory.mktemp("founded"), WEB_CONCURRENCY="2")


@pytest.fixture(scope="module")
def scoped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    folder = tmp_path_factory.mktemp("scoped")
    yield from system(folder, ORDINAUT_REQUIRE_SCOPES="true", ORDINAUT_RATE_LIMIT="100/minute")


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    yield from system(tmp_path_factory.mktemp("signed"), ORDINAUT_AUTH="jwt")


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def asked(
    instance: Instance, language: str, method: str, path: str, body: Any = None, *, expect: int = 200
) -> tuple[Any, dict[str, str]]:
    """The JSON of an answer in a language, and its headers."""
    with instance.answer(method, path, body, Accept_Language=language) as answer:
        data = answer.read()
    assert answer.status == expect, data
    assert answer.headers["Content-Language"] == language and "Accept-Language" in answer.headers["Vary"]
    return json.loads(data), dict(answer.headers)


def check(shown: str, real: Any, language: str, *, free: Set[str] = frozenset(), texts: Set[str] = frozenset()) -> None:
    """The answer keeps what the sample promises; `texts` are the places whose words are the reader's."""
    spared = free if language == "ro" else free | texts
    assert not list(differences(json.loads(shown), real, free=spared)), real


def shell(instance: Instance, commands: str, language: str) -> str:
    """What the printed commands write, the host aside."""
    line = commands.replace(PRINTED_HOST, f"http://127.0.0.1:{instance.port}")
    line = line.replace("curl ", f"curl -sS --fail-with-body --max-time {PATIENCE:g} -H 'Accept-Language: {language}' ")
    done = subprocess.run(["bash", "-euc", line], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@walks("Status Extensii", "json", "bash")
def test_status(founded: Instance, language: str) -> None:
    founded.call("GET", "/health/live")
    shell(founded, example("Obține Metrici", "bash"), language)
    body = json.loads(shell(founded, example("Status Extensii", "bash"), language))
    free = {f"extensions.observability.{name}" for name in ("loaded_ms",)}
    free |= {
        f"extensions.observability.metrics.{name}" for name in ("requests_total", "errors_total", "latency_ms_sum")
    }
    free |= {"total_extensions", "loaded_extensions", "failed_extensions"}
    texts = {"extensions.observability.state", "extensions.observability.info.description"}
    check(example("Status Extensii"), body, language, free=free, texts=texts)
    assert body["total_extensions"] == len(body["extensions"]) == 5
    states = {"ro": {"încărcat", "descoperit"}, "en": {"loaded", "discovered"}}[language]
    assert {one["state"] for one in body["extensions"].values()} <= states


@walks("Obține Metrici", "bash", "text")
def test_metrics(founded: Instance, language: str) -> None:
    founded.call("GET", "/health")
    run = founded.ended(founded.run(founded.task({"uses": "data.set", "with": {"value": 1}})))
    assert run["status"] == "succeeded"
    founded.call("GET", "/ext/webui/api/tasks")
    with founded.answer("GET", "/ext/observability/metrics", Accept_Language=language) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    wanted = [re.sub(r" [\d.]+$", "", line) for line in example("Obține Metrici", "text").splitlines() if line]
    if language == "en":
        wanted = [line for line in wanted if not line.startswith("# HELP")]

    def lacking() -> list[str]:
        lines = shell(founded, example("Obține Metrici", "bash"), language).splitlines()
        told = {re.sub(r" [\d.e+]+$", "", line) for line in lines} | set(lines)
        return [line for line in wanted if line not in told and not _fits(line, told)]

    # What a worker counted is written down every few seconds.
    wait_for(lambda: not lacking(), seconds=PATIENCE, what=f"metrics without {lacking()}")


def _fits(line: str, told: Set[str]) -> bool:
    """Whether there is such a sample with further labels, as the document's own list of labels has them."""
    name, _, labels = line.rstrip("}").partition("{")
    wanted = labels.split(",")
    return any(one.startswith(name + "{") and all(label in one for label in wanted) for one in told)


@walks("Obține Interfața Web", "bash")
def test_web_page(founded: Instance, language: str) -> None:
    page = shell(founded, example("Obține Interfața Web", "bash"), language)
    assert page.lower().startswith("<!doctype html>") and f'lang="{language}"' in page
    with founded.answer("GET", "/ext/webui/") as answer:
        assert answer.headers["Content-Type"].startswith("text/html")


@walks("Puncte Finale API", "json", "json")
def test_tasks_of_the_page(founded: Instance, language: str) -> None:
    wish = json.loads(example("Puncte Finale API", number=1))
    with founded.answer("POST", "/ext/webui/api/tasks", wish, Accept_Language=language) as answer:
        assert answer.status in (200, 201), answer.read()
    body, _ = asked(founded, language, "GET", "/ext/webui/api/tasks")
    newest = body["tasks"][0]
    assert newest["title"] == "Sarcină Nouă"
    free = {"tasks[].id", "tasks[].title", "tasks[].next_run"}
    check(example("Puncte Finale API"), body, language, free=free, texts={"tasks[].status"})
    assert UUID.fullmatch(newest["id"]) and MOMENT.fullmatch(newest["next_run"])


@walks("Metadata MCP", "json")
def test_metadata(founded: Instance, language: str) -> None:
    body, _ = asked(founded, language, "GET", "/ext/mcp_http/meta")
    check(example("Metadata MCP"), body, language)


@walks("Handshake MCP", "json", "json")
def test_handshake(founded: Instance, language: str) -> None:
    wish = json.loads(example("Handshake MCP"))
    body, _ = asked(founded, language, "POST", "/ext/mcp_http/handshake", wish)
    check(example("Handshake MCP", number=1), body, language, free={"session_id"})
    assert UUID.fullmatch(body["session_id"].removeprefix("sess-"))


@walks("Listează Instrumentele Disponibile", "json")
def test_tools(founded: Instance, language: str) -> None:
    body, _ = asked(founded, language, "GET", "/ext/mcp_http/tools")
    check(example("Listează Instrumentele Disponibile"), body, language, texts={"tools[].description"})


@walks("Invocă Instrument", "json", "json")
def test_invocation(founded: Instance, language: str) -> None:
    wish = json.loads(example("Invocă Instrument"))
    body, _ = asked(founded, language, "POST", "/ext/mcp_http/invoke", wish)
    check(example("Invocă Instrument", number=1), body, language, free={"result.task_id"}, texts={"result.message"})
    task = founded.call("GET", f"/tasks/{body['result']['task_id']}")
    assert (task["title"], task["schedule_expr"]) == ("Raport Zilnic", "0 18 * * *")


@walks("Publică Eveniment", "bash", "json")
def test_publishing(founded: Instance, language: str) -> None:
    body = json.loads(shell(founded, example("Publică Eveniment", "bash"), language))
    check(example("Publică Eveniment"), body, language, free={"event_id"}, texts={"message"})
    assert EVENT_ID.fullmatch(body["event_id"])


@walks("Abonează-te la Evenimente (Server-Sent Events)", "bash", "text")
def test_subscribing(founded: Instance, language: str) -> None:
    heading = "Abonează-te la Evenimente (Server-Sent Events)"
    line = example(heading, "bash").replace(PRINTED_HOST, f"http://127.0.0.1:{founded.port}")
    curl = line.replace("curl ", f"curl -sS --max-time {PATIENCE:g} -H 'Accept-Language: {language}' ", 1)
    wanted = [json.loads(one.removeprefix("data: ")) for one in example(heading, "text").splitlines() if one]
    with subprocess.Popen(["bash", "-c", f"exec {curl}"], stdout=subprocess.PIPE, text=True) as reader:
        try:
            assert reader.stdout
            # The stream greets: from then on it misses nothing.
            assert reader.stdout.readline()
            for event in wanted:
                founded.call("POST", "/ext/events_demo/publish/test", event["data"])
            told = [json.loads(one[6:]) for one in _data_lines(reader.stdout, len(wanted))]
        finally:
            reader.terminate()
    assert not list(differences(wanted, told, free={"[].id"})), told
    assert [one["data"] for one in told] == [one["data"] for one in wanted]
    assert all(EVENT_ID.fullmatch(one["id"]) for one in told)
    assert [list(one) for one in told] == [list(one) for one in wanted]


def _data_lines(stream: Any, count: int) -> list[str]:
    found: list[str] = []
    while len(found) < count:
        line = stream.readline()
        assert line, found
        if line.startswith("data: "):
            found.append(line)
    return found


def test_sources_of_discovery(founded: Instance) -> None:
    assert (REPOSITORY / "extensions").is_dir()
    assert GROUP == "ordinaut.plugins"
    assert "extensia_mea" in founded.call("GET", "/ext/status")["extensions"]


def test_capabilities() -> None:
    page = (REPOSITORY / "docs" / "reference" / "extensions-api.ro.md").read_text(encoding="utf-8")
    assert {one.value for one in Capability} == set(re.findall(r"^\| ([A-Z_]+) \|", page, re.MULTILINE))


@walks("Context Registru Instrumente", "python")
@walks("Context Evenimente", "python")
@walks("Context Sarcini de Fond", "python")
@pytest.mark.parametrize(
    ("heading", "context"),
    [
        ("Context Registru Instrumente", ToolRegistryContext),
        ("Context Evenimente", EventsContext),
        ("Context Sarcini de Fond", BackgroundContext),
    ],
)
def test_contexts_have_the_printed_methods(heading: str, context: type) -> None:
    printed = re.findall(r"^(?:await )?\w+\.(\w+)\(([^)]*)\)", example(heading, "python"), re.MULTILINE)
    assert printed
    for name, parameters in printed:
        names = [one.split(":")[0].strip() for one in parameters.split(",") if one.strip()]
        ours = list(inspect.signature(getattr(context, name)).parameters)[1:]
        assert ours[: len(names)] == names, name


@walks("Controlul Accesului Bazat pe Scope-uri", "bash", "bash")
def test_scopes(scoped: Instance, language: str) -> None:
    # The first of the two blocks is how this system was started.
    assert example("Controlul Accesului Bazat pe Scope-uri", "bash").strip() == "export ORDINAUT_REQUIRE_SCOPES=true"
    line = example("Controlul Accesului Bazat pe Scope-uri", "bash", 1)
    assert json.loads(shell(scoped, line, language)) == {"protejat": True}
    asked(scoped, language, "GET", "/ext/extensia_mea/protejat", expect=401)
    with scoped.answer("GET", "/ext/extensia_mea/protejat", X_Scopes="ext:alta:routes") as answer:
        assert answer.status == 403, answer.read()


@pytest.fixture(scope="module")
def token(signed: Instance) -> str:
    """An access token of the first admin, made as an operator makes it."""
    environ = {"PATH": "/usr/bin:/bin", "ORDINAUT_HOME": str(signed.home), "ORDINAUT_AUTH": "jwt"}
    command = [sys.executable, str(REPOSITORY / "bin" / "ordinaut"), "agent", "create", "sefa", "--json"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    body = {"agent_id": made["agent_id"], "agent_secret": made["agent_secret"]}
    return str(signed.call("POST", "/agents/auth/token", body)["access_token"])


@walks("Autentificare Token JWT", "bash")
def test_tokens(signed: Instance, token: str, language: str) -> None:
    printed = example("Autentificare Token JWT", "bash")
    told = shell(signed, re.sub(r"eyJ0\S+\.\.\.", token, printed), language)
    assert UUID.fullmatch(json.loads(told)["agent_id"])
    # What is printed is only the beginning of a token.
    with signed.answer("GET", "/ext/extensia_mea/securizat", Authorization="Bearer eyJ0eXAiOiJKV1Qi...") as answer:
        assert answer.status == 401
    body, _ = asked(signed, language, "GET", "/ext/extensia_mea/securizat", expect=401)
    check(example("401 Neautorizat"), body, language, texts={"message"})


@walks("400 Cerere Invalidă", "json")
@pytest.mark.parametrize("path", ["/ext/webui/api/tasks", "/tasks"])
def test_bad_request(founded: Instance, language: str, path: str) -> None:
    wish = {"title": "Sarcină Nouă", "schedule_kind": "cron", "schedule_expr": "61 9 * * *"}
    body, _ = asked(founded, language, "POST", path, wish, expect=400)
    check(example("400 Cerere Invalidă"), body, language, texts={"message", "details.issue"})
    if language == "en":
        assert body["details"]["issue"] == "Invalid cron expression"


@walks("401 Neautorizat", "json")
def test_unauthorized(scoped: Instance, language: str) -> None:
    body, _ = asked(scoped, language, "GET", "/ext/extensia_mea/protejat", expect=401)
    check(example("401 Neautorizat"), body, language, texts={"message"})


@walks("403 Interzis", "json")
def test_forbidden(founded: Instance, language: str) -> None:
    body, _ = asked(founded, language, "GET", "/ext/extensia_mea/instrumente", expect=403)
    check(example("403 Interzis"), body, language, texts={"message"})


@walks("404 Nu a fost găsit", "json")
def test_not_found(founded: Instance, language: str) -> None:
    body, _ = asked(founded, language, "GET", "/ext/extensie_inexistenta/ceva", expect=404)
    check(example("404 Nu a fost găsit"), body, language, texts={"message"})


@walks("500 Eroare Internă de Server", "json")
def test_internal_error(founded: Instance, language: str) -> None:
    body, _ = asked(founded, language, "GET", "/ext/extensia_mea/stricat", expect=500)
    check(example("500 Eroare Internă de Server"), body, language, free={"details.traceback"}, texts={"message"})


@walks("Limitarea Ratei", "json")
def test_rate_limit(scoped: Instance, language: str) -> None:
    path, sent = "/ext/extensia_mea/protejat", {"X_Scopes": "ext:extensia_mea:routes", "Accept_Language": language}
    for _ in range(201):
        with scoped.answer("GET", path, **sent) as answer:
            body, headers = json.loads(answer.read()), answer.headers
        assert {name: headers[name].isdigit() for name in headers if name.startswith("X-RateLimit-")} == {
            "X-RateLimit-Limit": True,
            "X-RateLimit-Remaining": True,
            "X-RateLimit-Reset": True,
        }
        if answer.status == 429:
            break
        assert answer.status == 200, body
    check(example("Limitarea Ratei"), body, language, free={"details.reset_at"}, texts={"message"})
    assert MOMENT.fullmatch(body["details"]["reset_at"]) and int(headers["Retry-After"]) > 0


@walks("Verificări de Sănătate", "json")
def test_health(founded: Instance, language: str) -> None:
    body, _ = asked(founded, language, "GET", "/ext/extensia_mea/health")
    texts = {"status", *(f"checks.{name}" for name in ("database", "external_api", "background_tasks"))}
    check(example("Verificări de Sănătate"), body, language, free={"timestamp"}, texts=texts)
    assert MOMENT.fullmatch(body["timestamp"])


@walks("Suport WebSocket", "python")
def test_websocket(founded: Instance) -> None:
    assert '@router.websocket("/ws/events")' in example("Suport WebSocket", "python")
    socket = simple_websocket.Client(f"ws://127.0.0.1:{founded.port}/ext/extensia_mea/ws/events")
    try:
        for number in (1, 2):
            socket.send(json.dumps({"numar": number}))
            assert json.loads(socket.receive(timeout=PATIENCE)) == {"primit": {"numar": number}}
    finally:
        socket.close()


FAMILIES = [
    ("extension_requests_total", {"extension", "endpoint", "method", "status"}),
    ("extension_request_duration_seconds_count", {"extension", "endpoint", "method"}),
    ("extension_errors_total", {"extension", "endpoint", "error_type"}),
    ("extension_active_connections", {"extension", "endpoint"}),
]


@walks("Metrici Extensii", "bash")
def test_metrics_of_extensions(founded: Instance) -> None:
    page = (REPOSITORY / "docs" / "reference" / "extensions-api.ro.md").read_text(encoding="utf-8")
    printed = dict(re.findall(r"`(extension_\w+)\{([^}]*)\}`", page))
    assert {
        name.removesuffix("_count"): ", ".join(printed[name.removesuffix("_count")].split(", ")) for name, _ in FAMILIES
    }
    founded.call("GET", "/ext/extensia_mea/protejat")
    founded.call("GET", "/ext/extensia_mea/stricat", expect=500)

    def labels() -> dict[str, set[str]]:
        told = shell(founded, example("Metrici Extensii", "bash"), "en")
        found = (LABELS.match(line) for line in told.splitlines() if 'extension="extensia_mea"' in line)
        return {one["name"]: set(re.findall(r"(\w+)=\"", one["labels"])) for one in found if one}

    wanted = dict(FAMILIES)
    wait_for(lambda: wanted.items() <= labels().items(), seconds=PATIENCE, what=f"{wanted} in {labels()}")
    for name, own in FAMILIES:
        assert set(printed[name.removesuffix("_count")].split(", ")) == own


def test_no_example_is_left_out() -> None:
    assert set(EXAMPLES) == WALKED
