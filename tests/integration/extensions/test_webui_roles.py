"""Every page for every kind of reader: it names what it lacks, and offers no button in vain."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.integration.api.conftest import Api, make_settings, serving
from tests.integration.extensions.pages import HOME
from tests.integration.extensions.test_webui_pages import OF_THEM, PATHS
from tests.servers import Databases

PAGES = "ext:webui:routes"
READER = f"{PAGES},tasks:read,runs:read"
ADMIN = "admin"
NOBODYS = {"/", "/settings", "/health", "/find?q=http"}
"""Pages that show something to whoever may open pages at all; the first asks who is there."""


@pytest.fixture(scope="module")
def guarded(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An installation that asks for scopes."""
    folder = tmp_path_factory.mktemp("webui-roles")
    settings = make_settings(databases.sqlite(folder / "ordinaut.db"), folder, ORDINAUT_REQUIRE_SCOPES="true")
    with serving(settings) as api:
        yield api


@pytest.fixture(scope="module")
def places(guarded: Api) -> dict[str, str]:
    """A task and a run to look at."""
    headers = {"X-Scopes": ADMIN}
    task = guarded.send(
        "POST",
        "/tasks",
        json={"title": "Seen", "schedule_kind": "manual", "payload": {"pipeline": []}},
        headers=headers,
        expect=201,
    ).get_json()
    run = guarded.send("POST", f"/tasks/{task['id']}/run_now", json={}, headers=headers, expect=202).get_json()
    return {"task": task["id"], "run": run["run_id"]}


def seen(api: Api, path: str, scopes: str, language: str = "en") -> tuple[int, str]:
    """The page's status and what is in its main part."""
    answer = api.send("GET", HOME + path, headers={"X-Scopes": scopes, "Accept-Language": language})
    page = answer.get_data(as_text=True)
    assert answer.content_type == "text/html; charset=utf-8", page[:300]
    return answer.status_code, page.partition("<main")[2].partition("</main>")[0]


@pytest.mark.parametrize("path", [*PATHS, *OF_THEM])
@pytest.mark.parametrize("language", ["en", "ro", "ru"])
def test_an_admin_sees_every_page(guarded: Api, places: dict[str, str], path: str, language: str) -> None:
    status, page = seen(guarded, path.format(**places), ADMIN, language)
    assert status == 200 and "<h1" in page


@pytest.mark.parametrize("path", [*PATHS, *OF_THEM])
def test_a_reader_sees_what_may_be_read_and_no_button_that_would_be_refused(
    guarded: Api, places: dict[str, str], path: str
) -> None:
    status, page = seen(guarded, path.format(**places), READER)
    assert status in (200, 403)
    if status == 403:
        assert re.search(r"<code>[a-z]+:[a-z]+</code>|<code>admin</code>", page), "it says what is lacking"
    assert (status == 403) or ("edit" not in path and "new" not in path), "a form is for whoever may send it"
    actions = re.findall(r'<form[^>]*method="post"[^>]*action="([^"]+)"', page)
    assert [one for one in actions if not one.endswith("/settings")] == []


@pytest.mark.parametrize("path", sorted({*PATHS} - NOBODYS))
def test_whoever_may_read_nothing_is_told_so(guarded: Api, places: dict[str, str], path: str) -> None:
    status, page = seen(guarded, path, PAGES)
    assert status in (200, 403) and "Seen" not in page
