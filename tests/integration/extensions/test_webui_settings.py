"""How a reader wishes to see the page: theme, language, clocks; kept by the browser, on every page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.integration.api.conftest import Api, make_settings, serving
from tests.servers import Databases

HOME = "/ext/webui"
OURS = {"Origin": "http://localhost"}


@pytest.fixture(scope="module")
def lasting(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One installation for all tests of this file."""
    folder = tmp_path_factory.mktemp("webui-settings")
    with serving(make_settings(databases.sqlite(folder / "ordinaut.db"), folder)) as api:
        yield api


@pytest.fixture
def browser(lasting: Api) -> FlaskClient:
    """A browser that remembers cookies, and has none yet."""
    return lasting.app.test_client()


def choose(browser: FlaskClient, expect: int = 303, **wishes: Any) -> Any:
    answer = browser.post(f"{HOME}/settings", data=wishes, headers=OURS)
    assert answer.status_code == expect, answer.get_data(as_text=True)
    return answer


def shown(browser: FlaskClient, path: str = "/settings") -> str:
    return browser.get(HOME + path, headers={"Accept-Language": "en"}).get_data(as_text=True)


def test_a_theme_is_kept_and_the_button_turns_to_the_next(browser: FlaskClient) -> None:
    for theme, following in (("light", "dark"), ("dark", "auto"), ("auto", "light")):
        choose(browser, theme=theme)
        page = shown(browser)
        assert f'data-theme="{theme}"' in page and f'name="theme" value="{following}"' in page


def test_a_language_is_kept_for_the_page_and_for_the_platform_s_own_sentences(browser: FlaskClient) -> None:
    choose(browser, language="ro")
    assert '<html lang="ro"' in shown(browser) and "Setări" in shown(browser)
    assert "Sarcina nu există" in shown(browser, "/tasks/nowhere") or "nu" in shown(browser, "/tasks/nowhere")
    choose(browser, language="")
    assert '<html lang="en"' in shown(browser)


def test_times_are_told_by_the_readers_clocks(browser: FlaskClient, lasting: Api) -> None:
    once = {"schedule_kind": "once", "schedule_expr": "2099-07-01T10:00:00Z", "timezone": "UTC"}
    task = lasting.task(title="Far away", **once)
    page = f"/tasks/{task['id']}"
    assert "1 Jul 2099, 10:00 UTC" in shown(browser, page)
    browser.set_cookie("ordinaut_browser_zone", "Europe/Chisinau")
    assert "1 Jul 2099, 13:00 EEST" in shown(browser, page)
    choose(browser, zone="Asia/Tokyo")
    assert "1 Jul 2099, 19:00 JST" in shown(browser, page) and "data-zone-chosen" in shown(browser, page)
    choose(browser, zone="")
    assert "1 Jul 2099, 13:00 EEST" in shown(browser, page)


def test_a_question_about_a_moment_is_read_by_the_readers_clocks(browser: FlaskClient, lasting: Api) -> None:
    task = lasting.task(title="Noon", schedule_kind="cron", schedule_expr="0 12 * * *", timezone="UTC")
    choose(browser, zone="Asia/Tokyo")
    page = shown(browser, f"/tasks/{task['id']}?at=2099-07-01T21:00")
    assert "2099-07-01T12:00:00Z" in page and 'value="2099-07-01T21:00"' in page
    assert "2099" not in shown(browser, f"/tasks/{task['id']}?at=nonsense").partition("<main")[2].partition("why")[2]


@pytest.mark.parametrize("wishes", [{"theme": "pink"}, {"language": "de"}, {"theme": "light\r\nSet-Cookie: x=1"}, {}])
def test_what_there_is_not_changes_nothing(browser: FlaskClient, wishes: dict[str, Any]) -> None:
    answer = choose(browser, **wishes)
    assert "Set-Cookie" not in answer.headers
    page = shown(browser)
    assert 'data-theme="auto"' in page and '<html lang="en"' in page


def test_a_zone_that_there_is_not_is_named_at_its_field(browser: FlaskClient) -> None:
    page = choose(browser, expect=400, zone="Mars/Olympus").get_data(as_text=True)
    assert "There is no such time zone." in page and 'value="Mars/Olympus"' in page and "aria-invalid" in page


@pytest.mark.parametrize(("cookie", "value"), [("ordinaut_zone", "../etc"), ("ordinaut_theme", '"><b>')])
def test_a_strange_cookie_is_passed_over(browser: FlaskClient, cookie: str, value: str) -> None:
    browser.set_cookie(cookie, value)
    page = shown(browser)
    assert 'data-theme="auto" data-zone="UTC">' in page and "<b>" not in page.partition("<main")[0]


@pytest.mark.parametrize("there", ["//elsewhere.example", "https://elsewhere.example", "/\\elsewhere"])
def test_nobody_is_sent_elsewhere(browser: FlaskClient, there: str) -> None:
    assert choose(browser, theme="dark", next=there).headers["Location"] == f"{HOME}/"


def test_one_comes_back_to_where_one_was(browser: FlaskClient) -> None:
    page = shown(browser, "/runs?status=failed")
    there = re.search(r'name="next" value="([^"]+)"', page)
    assert there and choose(browser, theme="dark", next=there[1]).headers["Location"] == f"{HOME}/runs?status=failed"
