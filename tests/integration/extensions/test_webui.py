"""The web page and its two addresses for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from app.domain.errors import Unavailable
from app.services.tools import ToolService
from tests.integration.api.conftest import Api, make_settings, serving
from tests.integration.extensions.conftest import Serve
from tests.servers import REPOSITORY

HOME = "/ext/webui/"
TASKS = f"{HOME}tasks"
NEW = {
    "title": "Sarcină Nouă",
    "schedule_kind": "cron",
    "schedule_expr": "0 9 * * *",
    "payload": {"pipeline": []},
}


@pytest.fixture
def api(sqlite_url: str, tmp_path: Path) -> Iterator[Api]:
    """An installation of its own for each test."""
    with serving(make_settings(sqlite_url, tmp_path)) as api:
        yield api


class _Look(HTMLParser):
    """What a page is made of: its tags, its addresses, and whether something in it would need a looser policy."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.loose: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("href", "src"):
                self.addresses.append(value or "")
            if name == "style" or name.startswith("on"):
                self.loose.append(f"{tag} {name}")


def look(api: Api, path: str = HOME, language: str = "en", expect: int = 200) -> tuple[str, _Look]:
    answer = api.send("GET", path, expect=expect, headers={"Accept-Language": language})
    assert answer.content_type == "text/html; charset=utf-8"
    page = answer.get_data(as_text=True)
    return page, _Look(page)


def test_an_empty_page_teaches(api: Api) -> None:
    page, seen = look(api)
    assert "Plan your first task" in page
    assert "curl -X POST http://localhost/tasks" in page
    assert "table" not in page.partition("<main")[2]
    assert seen.tags.count("h1") == 1


def test_the_page_has_one_script_of_its_own_and_the_strictest_policy(api: Api) -> None:
    api.task(title="<script>alert(1)</script>")
    answer = api.send("GET", HOME, expect=200)
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy and policy.startswith("default-src 'none'")
    page, seen = look(api, TASKS)
    assert seen.tags.count("script") == 1 and "&lt;script&gt;" in page
    assert seen.loose == []
    assert all(address.startswith(("/", "#")) or address == "" for address in seen.addresses)


def test_every_address_on_the_page_is_there(api: Api) -> None:
    api.run(api.task())
    _, seen = look(api)
    for address in {one.partition("#")[0] for one in seen.addresses} - {""}:
        with api.send("GET", address) as answer:
            assert answer.status_code == 200, address


def test_the_page_tells_what_is_true(api: Api) -> None:
    daily = api.task(title="Briefing", schedule_kind="cron", schedule_expr="30 8 * * *", timezone="Europe/Chisinau")
    api.post(f"/tasks/{api.task(title='Resting', schedule_kind='cron', schedule_expr='@daily')['id']}/pause")
    api.task(title="Hourly", schedule_kind="cron", schedule_expr="0 * * * *")
    bad = {"pipeline": [{"uses": "data.transform", "with": {"expression": "sum(@)", "data": "x"}}]}
    for task in (daily, api.task(title="Broken", payload=bad, max_retries=0)):
        api.run(task)
    api.work()
    tasks, first = look(api, TASKS)[0], look(api)[0]
    assert all(words in tasks for words in ("Briefing", "Every day at 08:30", "Europe/Chisinau", "Resting", "Broken"))
    needs, _, rest = first.partition('id="needs"')[2].partition("</section>")
    assert "Broken" in needs and "cannot be evaluated" in needs and "Briefing" not in needs
    assert "Hourly" in rest.partition('id="coming"')[2]
    for page in (tasks, first):
        # two of the runs have ended, one of them well
        assert "50<u>%</u>" in page.replace(" ", "").replace("\n", "")
        assert "1 run succeeded, 1 failed" in page


def test_a_failure_that_has_been_mended_needs_nobody(api: Api) -> None:
    good, bad = {"value": [1]}, {"value": "x"}
    step = {"uses": "data.transform", "with": {"expression": "sum(@)", "data": "${params.value}"}}
    task = api.task(title="Mended", payload={"params": {}, "pipeline": [step]}, max_retries=0)
    for params in (bad, good):
        api.post(f"/tasks/{task['id']}/run_now", {"params": params}, expect=202)
        api.work()
        needed = look(api)[0].partition('id="needs"')[2].partition("</section>")[0]
        assert ("Mended" in needed) == (params is bad)
    assert "redis" in needed, "there is none in this installation"


def test_the_list_is_narrowed_by_its_address(api: Api) -> None:
    api.task(title="Awake")
    api.post(f"/tasks/{api.task(title='Resting')['id']}/pause")
    page, _ = look(api, f"{TASKS}?status=paused")
    assert "Resting" in page and "Awake" not in page
    both, _ = look(api, f"{TASKS}?status=nonsense&cursor=nonsense")
    assert "Resting" in both and "Awake" in both
    none, _ = look(api, f"{TASKS}?status=canceled")
    assert "No task is like this." in none


def test_the_list_is_narrowed_by_a_tag_which_the_other_ways_keep(api: Api) -> None:
    api.task(title="Tagged", tags=["a & b", "c"])
    api.task(title="Plain")
    page, seen = look(api, f"{TASKS}?tag=a+%26+b")
    assert "Tagged" in page and ">Plain<" not in page and "Any tag" in page
    assert f"{TASKS}?status=active&tag=a+%26+b&" in seen.addresses and f"{TASKS}?tag=c&" in seen.addresses
    assert 'type="hidden" name="tag" value="a &amp; b"' in page
    page, seen = look(api)
    assert "Any tag" not in page and f"{TASKS}?q=x&" not in seen.addresses


def test_a_task_says_how_it_is_run(api: Api) -> None:
    wishes = {"overlap": "queue_one", "concurrency_key": "bank", "concurrency_limit": 2, "tags": ["night"]}
    task = api.task(title="Careful", **wishes, pause_after_failures=3, expect={"finish_within": 90}, max_retries=1)
    main = look(api, f"{TASKS}/{task['id']}")[0].partition('id="policies-title"')[2].partition("</section>")[0]
    told = ("Queue one", "2 runs at the same time", "after 3 failures in a row", "1 min 30 s", "Ever longer")
    assert [one for one in told if one not in main] == [] and f'{TASKS}?tag=night"' in main


def test_many_tasks_come_in_pages(api: Api) -> None:
    for number in range(52):
        api.task(title=f"Task {number:02}")
    page, seen = look(api, TASKS)
    assert "Task 51" in page and "Task 01" not in page
    (older,) = [one for one in seen.addresses if "cursor=" in one]
    assert "Task 01" in look(api, older)[0]


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ("Tasks", "Paused")), ("ro", ("Sarcini", "în pauză")), ("ru", ("Задачи", "на паузе"))],
)
def test_the_page_speaks_the_readers_language(api: Api, language: str, words: tuple[str, ...]) -> None:
    api.post(f"/tasks/{api.task()['id']}/pause")
    page, _ = look(api, TASKS, language=language)
    assert f'<html lang="{language}"' in page
    assert all(word.lower() in page.lower() for word in words)


def test_a_platform_that_does_not_answer_is_a_page_too(api: Api) -> None:
    look(api)
    with patch.object(ToolService, "invoke", side_effect=Unavailable()):
        page, _ = look(api, expect=503)
    assert "The platform does not answer" in page


def test_a_reader_who_may_not_look_sees_no_task(serve: Serve) -> None:
    api = serve(ORDINAUT_REQUIRE_SCOPES="true")
    admin = {"X-Scopes": "admin"}
    api.send("POST", "/tasks", json={**NEW, "title": "Hidden"}, headers=admin, expect=201)
    narrow = api.send("GET", HOME, headers={"X-Scopes": "ext:webui:routes"}, expect=200).get_data(as_text=True)
    assert "You may not see tasks" in narrow and "Hidden" not in narrow
    assert "Hidden" in api.send("GET", TASKS, headers=admin, expect=200).get_data(as_text=True)


def test_without_a_token_the_page_says_how_to_get_in(serve: Serve) -> None:
    api = serve(ORDINAUT_AUTH="jwt", ORDINAUT_JWT_KEYS="a-key-of-the-tests-that-is-long-enough-0123456789")
    page, _ = look(api)
    assert "Sign in" in page and "ordinaut agent create" in page
    assert api.send("GET", f"{HOME}api/tasks").status_code == 401
    assert "Anybody who can reach" not in page


def test_a_page_that_is_open_to_the_network_says_so(api: Api) -> None:
    alarm = "Anybody who can reach this address"
    assert alarm not in look(api)[0]
    page = api.send("GET", HOME, headers={"Host": "tasks.example.org"}).get_data(as_text=True)
    assert alarm in page


def test_the_files_are_served_for_good(api: Api) -> None:
    _, seen = look(api)
    files = [one for one in seen.addresses if "/static/" in one]
    assert len(files) == 5 and len({one.split("/")[4] for one in files}) == 1
    for file in files:
        with api.send("GET", file, expect=200) as answer:
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert "ETag" in answer.headers and "Cookie" not in answer.headers.get("Vary", "")


@pytest.mark.parametrize("name", ["css/ui.css", "mark.svg", "fonts/inter-latin-wght-normal.woff2"])
def test_plain_and_older_addresses_of_files_stay(api: Api, name: str) -> None:
    for state, kept in (("", "private, max-age=300"), ("~0123456789abcdef/", "private, no-cache")):
        with api.send("GET", f"{HOME}static/{state}{name}", expect=200) as answer:
            assert answer.headers["Cache-Control"] == kept and "ETag" in answer.headers
    api.send("GET", f"{HOME}static/~0123456789abcdef/nothing.css", expect=404)
    api.send("GET", f"{HOME}static/~0123456789abcdef/../extension.py", expect=404)


def test_tasks_are_listed_as_printed(api: Api) -> None:
    api.post(f"{HOME}api/tasks", {**NEW, "title": "Briefing Matinal"}, expect=201)
    (task,) = api.get(f"{HOME}api/tasks", headers={"Accept-Language": "ro"})["tasks"]
    assert set(task) == {"id", "title", "status", "next_run"}
    assert (task["title"], task["status"]) == ("Briefing Matinal", "activ")
    assert task["next_run"].endswith("T09:00:00Z")
    assert api.get(f"{HOME}api/tasks")["tasks"][0]["status"] == "active"
    assert api.get(f"{HOME}api/tasks?status=paused")["tasks"] == []


def test_a_task_is_created_as_printed(api: Api) -> None:
    answer = api.post(f"{HOME}api/tasks", NEW, expect=201, headers={"Accept-Language": "ro"})
    assert answer["success"] is True
    assert answer["message"] == "Sarcină creată cu succes"
    stored = api.get(f"/tasks/{answer['task']['id']}")
    assert (stored["title"], stored["schedule_kind"], stored["schedule_expr"]) == ("Sarcină Nouă", "cron", "0 9 * * *")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"schedule_expr": "0 99 * * *"}, "schedule_expr"),
        ({"schedule_expr": 5}, "schedule_expr"),
        ({"schedule_kind": "sometimes"}, "schedule_kind"),
        ({"title": None}, "title"),
        ({"title": ""}, "title"),
        ({"schedule": "0 9 * * *"}, "schedule"),
        ({"payload": {"pipeline": [{"uses": "no.tool"}]}}, "payload.pipeline.0.uses"),
    ],
)
def test_a_task_that_cannot_be_is_refused_at_its_field(api: Api, change: dict[str, Any], field: str) -> None:
    refused = api.post(f"{HOME}api/tasks", {**NEW, **change}, expect=400)
    assert refused["error"] == "bad_request"
    assert refused["details"]["field"] == field
    assert refused["details"]["issue"]


def test_a_kind_is_required(api: Api) -> None:
    body = {name: value for name, value in NEW.items() if name != "schedule_kind"}
    assert api.post(f"{HOME}api/tasks", body, expect=400)["details"]["field"] == "schedule_kind"


def test_the_built_ins_use_nothing_but_the_public_face() -> None:
    """An import of `app` in a built-in would be a back door that other authors do not have."""
    for file in (REPOSITORY / "extensions").rglob("*.py"):
        for line in file.read_text(encoding="utf-8").splitlines():
            assert not line.startswith(("from app", "import app", "from config", "import config")), file
