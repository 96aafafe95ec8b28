"""Filters of lists that a reader has named, with a browser that runs no script."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from extensions.webui.filters import COOKIE, MOST
from tests.integration.api.conftest import Api, make_settings, serving
from tests.servers import Databases

HOME = "/ext/webui"
HEADERS = {"Origin": "http://localhost", "Accept-Language": "en"}


@pytest.fixture(scope="module")
def lasting(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One installation for all tests of this file."""
    folder: Path = tmp_path_factory.mktemp("webui-filters")
    with serving(make_settings(databases.sqlite(folder / "ordinaut.db"), folder)) as api:
        api.task(title="Report")
        yield api


@pytest.fixture
def browser(lasting: Api) -> FlaskClient:
    """A browser that remembers cookies, and has none yet."""
    return lasting.app.test_client()


def shown(browser: FlaskClient, path: str) -> str:
    answer = browser.get(HOME + path, headers=HEADERS)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def named(browser: FlaskClient, place: str, name: str, query: str, expect: int = 303) -> Any:
    answer = browser.post(f"{HOME}/filters/{place}", data={"name": name, "query": query}, headers=HEADERS)
    assert answer.status_code == expect, answer.get_data(as_text=True)
    return answer


LISTS = [
    # list, what its address says, and what of that narrows it
    ("runs", "since=24h&status=failed&offset=50&color=red", "status=failed&since=24h"),
    ("tasks", "status=paused&q=re+port&cursor=9", "status=paused&q=re+port"),
]


@pytest.mark.parametrize(("place", "asked", "kept"), LISTS)
def test_one_is_named_used_replaced_and_forgotten(browser: FlaskClient, place: str, asked: str, kept: str) -> None:
    assert "Save this filter" not in shown(browser, f"/{place}")
    assert 'name="query"' in shown(browser, f"/{place}?{asked}")
    answer = named(browser, place, "Mine & <yours>", asked)
    assert answer.headers["Location"] == f"{HOME}/{place}?{kept}&said=filter_kept"
    assert "HttpOnly" in answer.headers["Set-Cookie"] and "SameSite=Lax" in answer.headers["Set-Cookie"]
    page = shown(browser, f"/{place}?{kept}")
    link = f'<a href="{HOME}/{place}?{kept.replace("&", "&amp;")}" aria-current="true">Mine &amp; &lt;yours&gt;</a>'
    assert link in page and "Save this filter" not in page
    assert (
        "Mine &amp;" in shown(browser, f"/{place}")
        and "aria-current" not in shown(browser, f"/{place}").partition('class="saved"')[2].partition("</div>")[0]
    )
    other = "tasks" if place == "runs" else "runs"
    assert "Mine &amp;" not in shown(browser, f"/{other}")
    status = kept.partition("&")[0]
    named(browser, place, "Mine & <yours>", status)
    assert shown(browser, f"/{place}").count("Mine &amp; &lt;yours&gt;</a>") == 1
    assert (
        f'href="{HOME}/{place}?{status}" aria-current'
        in shown(browser, f"/{place}?{status}").partition('class="saved"')[2]
    )
    browser.post(f"{HOME}/filters/{place}/forget", data={"name": "Mine & <yours>"}, headers=HEADERS)
    assert "Mine &amp;" not in shown(browser, f"/{place}")


@pytest.mark.parametrize(
    ("name", "query"), [("", "status=failed"), ("x" * 41, "status=failed"), ("x", ""), ("x", "color=red&status=blue")]
)
def test_what_is_no_filter_is_refused(browser: FlaskClient, name: str, query: str) -> None:
    assert "A filter needs a name" in named(browser, "runs", name, query, expect=400).get_data(as_text=True)


def test_there_is_an_end_to_room(browser: FlaskClient) -> None:
    for number in range(MOST):
        named(browser, "runs", f"filter {number}", "status=failed")
    told = named(browser, "runs", "one more", "status=failed", expect=400).get_data(as_text=True)
    assert "There is no room for one more filter" in told
    named(browser, "runs", "filter 3", "status=queued")
    for number in range(MOST - 1):
        answer = browser.post(
            f"{HOME}/filters/tasks", data={"name": "я" * 38 + str(number), "query": "q=" + "y" * 200}, headers=HEADERS
        )
        if answer.status_code == 400:
            break
    assert "There is no room" in answer.get_data(as_text=True)
    cookie = browser.get_cookie(COOKIE, path=f"{HOME}/")
    assert cookie and len(cookie.value) < 4000


def test_readers_of_one_browser_have_their_own(browser: FlaskClient) -> None:
    theirs = {"ana": {"runs": [["Hers", "status=failed"]]}, "local": {"runs": [["Mine", "status=queued"]]}}
    browser.set_cookie(COOKIE, urlsafe_b64encode(json.dumps(theirs).encode()).decode(), path=f"{HOME}/")
    page = shown(browser, "/runs")
    assert ">Mine</a>" in page and "Hers" not in page
    named(browser, "runs", "Another", "status=running")
    cookie = browser.get_cookie(COOKIE, path=f"{HOME}/")
    assert cookie and len(cookie.value) > 100
    assert ">Mine</a>" in shown(browser, "/runs") and ">Another</a>" in shown(browser, "/runs")


STRANGE = [
    *("x", "%%%", "bnVsbA==", "W10=", "eyJsb2NhbCI6IDF9"),
    urlsafe_b64encode(b'{"local": {"runs": [["a"], 7]}}').decode(),
    urlsafe_b64encode(b'{"local": {"runs": 7, "x": []}}').decode(),
    urlsafe_b64encode(b'{"local": {"runs": [["<b>", "https://elsewhere.example/"]]}}').decode(),
    urlsafe_b64encode(b"\xff\xfe").decode(),
]


@pytest.mark.parametrize("value", STRANGE)
def test_a_strange_cookie_holds_nothing(browser: FlaskClient, value: str) -> None:
    browser.set_cookie(COOKIE, value, path=f"{HOME}/")
    assert 'class="saved"' not in shown(browser, "/runs")
    named(browser, "runs", "Fine", "status=failed")
    assert ">Fine</a>" in shown(browser, "/runs")
