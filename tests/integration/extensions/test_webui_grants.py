"""What tasks are to be allowed, on the page: read in words, accepted and refused without a script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest

from tests.integration.api.conftest import Api, make_settings, serving
from tests.integration.extensions.pages import HOME, page, post
from tests.integration.extensions.test_webui import look
from tests.servers import Databases

PUBLISH = {"uses": "events.publish", "with": {"topic": "shop.open", "payload": {}}}
LONG = "echo hello" + " " * 200 + "; rm x"


@pytest.fixture(scope="module")
def lasting(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One installation in which everybody's tasks need grants."""
    folder = tmp_path_factory.mktemp("webui-grants")
    settings = make_settings(databases.sqlite(folder / "ordinaut.db"), folder, ORDINAUT_GRANTS="all")
    with serving(settings) as api:
        yield api


def asked(api: Api, title: str) -> tuple[Any, str]:
    """A task, and the path of its grant."""
    task = api.task(title=title, payload={"pipeline": [PUBLISH]})
    grant = api.get(f"/tasks/{task['id']}/grant")
    return task, f"/grants/{grant['id']}"


def status(api: Api, task: Any) -> str:
    return str(api.get(f"/tasks/{task['id']}")["grant_status"])


def test_it_is_accepted_and_refused_where_approvals_are(lasting: Api) -> None:
    (good, grant), (bad, other) = asked(lasting, "Good"), asked(lasting, "Bad")
    shown = page(lasting, "/approvals")
    assert "Publish events on the topic shop.open" in shown and "To be allowed" in shown
    assert f'action="{HOME}{grant}"' in shown and f'action="{HOME}{other}"' in shown
    assert "2 tasks wait to be allowed something" in page(lasting, "/")
    assert post(lasting, grant, decision="accept") == "/approvals?said=granted"
    assert post(lasting, other, decision="refuse") == "/approvals?said=refused"
    assert (status(lasting, good), status(lasting, bad)) == ("accepted", "refused")
    assert "To be allowed" not in page(lasting, "/approvals?said=granted")
    assert '<span class="chip bad">refused</span>' in page(lasting, f"/tasks/{bad['id']}")


def test_it_is_accepted_under_other_terms(lasting: Api) -> None:
    task, grant = asked(lasting, "Terms")
    shown = page(lasting, grant)
    until = re.search(r'name="until"[^>]*value="([^"]+)"', shown)
    assert until and 'value="1000"' in shown
    form = {"until": unescape(until[1]), "calls_per_day": "much", "outside": "ask", "comment": "Fine"}
    wrong = post(lasting, grant, form, decision="accept", expect=400)
    assert 'value="much"' in wrong and "aria-invalid" in wrong
    past = post(
        lasting, grant, form | {"calls_per_day": "", "until": "2020-01-01T00:00:00Z"}, decision="accept", expect=400
    )
    assert "must lie in the future" in unescape(past)
    post(lasting, grant, form | {"calls_per_day": "5"}, decision="accept")
    kept = lasting.get(grant)
    assert (kept["calls_per_day"], kept["outside"], kept["comment"]) == (5, "ask", "Fine")
    assert "Fine" in page(lasting, grant)
    # Taken back, and given for good.
    post(lasting, grant, decision="refuse")
    post(lasting, grant, form | {"calls_per_day": "", "until": ""}, decision="accept")
    kept = lasting.get(grant)
    assert (kept["calls_per_day"], kept["until"], status(lasting, task)) == (None, None, "accepted")


def test_what_the_words_leave_out_is_shown_whole(lasting: Api) -> None:
    step = {"uses": "create_task", "with": {"title": "x", "schedule": "0 9 * * *", "description": LONG}}
    task = lasting.task(title="Long", payload={"pipeline": [step]})
    grant = lasting.get(f"/tasks/{task['id']}/grant")
    for path in (f"/grants/{grant['id']}", "/approvals"):
        shown = unescape(page(lasting, path))
        assert "… (cut: 216 characters in all)" in shown and LONG in shown
    lasting.post(f"/grants/{grant['id']}/refuse")


def test_what_was_replaced_has_no_form_and_what_is_not_there_is_a_page(lasting: Api) -> None:
    task, grant = asked(lasting, "Changed")
    wider = {"pipeline": [{**PUBLISH, "with": {"topic": "bank.open", "payload": {}}}]}
    lasting.send("PATCH", f"/tasks/{task['id']}", json={"payload": wider}, expect=200)
    assert 'value="accept"' not in page(lasting, grant)
    assert "its place" in post(lasting, grant, decision="accept", expect=409)
    page(lasting, "/grants/nowhere", expect=404)


@pytest.mark.parametrize(("language", "words"), [("ro", "Publică evenimente"), ("ru", "Публиковать события")])
def test_it_speaks_the_readers_language(lasting: Api, language: str, words: str) -> None:
    _, grant = asked(lasting, f"In {language}")
    for path in ("/approvals", grant):
        shown, seen = look(lasting, HOME + path, language=language)
        assert words in shown and seen.loose == []
        main = re.sub(r"<(option|svg)\b.*?</\1>", "", shown.partition("<main")[2], flags=re.DOTALL)
        assert not re.search(r">\s*(Accept|Refuse|Until|Comment|To be allowed|It fails)\s*<", main)
