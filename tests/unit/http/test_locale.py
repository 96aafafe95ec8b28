"""Which language an answer is in, and what is translated in it."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_babel import gettext

from app.domain.texts import t
from app.http.json import dump
from tests.fakes.http_app import FakeSettings, World, make_app


@pytest.fixture(scope="module")
def app() -> Flask:
    return make_app()


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("ro", "ro"),
        ("ru-RU,ru;q=0.9,en;q=0.5", "ru"),
        ("de,ro;q=0.4", "ro"),
        # by weight, not by order
        ("en;q=0.2,ro;q=0.8", "ro"),
        # what is not wanted at all
        ("ro;q=0,ru;q=0.1", "ru"),
        # none of ours, anything
        ("de,fr", "en"),
        ("*", "en"),
        # what browsers in Moldova once sent
        ("mo", "ro"),
        ("ro_MD", "ro"),
        ("nonsense;;q=ro,,", "en"),
    ],
)
def test_the_reader_chooses(app: Flask, asked: str | None, language: str) -> None:
    headers = {} if asked is None else {"Accept-Language": asked}
    answer = app.test_client().get("/probes/query?limit=x", headers=headers)
    assert answer.headers["Content-Language"] == language
    assert "Accept-Language" in answer.headers["Vary"]
    assert answer.status_code == 400 and answer.get_json()["error"] == "bad_request"


@pytest.mark.parametrize(("chosen", "language"), [("ru", "ru"), ("de", "ro"), ("", "ro")])
def test_what_a_reader_has_chosen_goes_before_what_the_browser_asks_for(app: Flask, chosen: str, language: str) -> None:
    client = app.test_client()
    client.set_cookie("ordinaut_language", chosen)
    answer = client.get("/probes/query?limit=x", headers={"Accept-Language": "ro"})
    assert answer.headers["Content-Language"] == language and "Cookie" in answer.headers["Vary"]


def test_the_installation_has_a_language_of_its_own() -> None:
    client = make_app(World(settings=FakeSettings(locale="ro"))).test_client()
    body = client.get("/probes/fail/away").get_json()
    assert body["message"].startswith("Un serviciu de care are nevoie")
    assert client.get("/probes/fail/away", headers={"Accept-Language": "en"}).get_json()["error"] == body["error"]


def test_everything_a_person_reads_is_translated_and_nothing_else(app: Flask) -> None:
    def asked(language: str) -> object:
        answer = app.test_client().post("/probes/body", json={"count": "x"}, headers={"Accept-Language": language})
        body = answer.get_json()
        return {**body, "request_id": ""}

    english, romanian = asked("en"), asked("ro")
    assert isinstance(english, dict) and isinstance(romanian, dict)
    assert romanian["message"] == "Parametri de cerere invalizi" == romanian["title"]
    assert romanian["details"]["issue"] == "'title' este obligatoriu"
    assert [one["issue"] for one in romanian["details"]["errors"]] == [
        "'title' este obligatoriu",
        "'count' trebuie să fie un număr întreg",
    ]
    for path in ("error", "type", "status", "instance"):
        assert english[path] == romanian[path]
    assert [one["pointer"] for one in romanian["details"]["errors"]] == ["/title", "/count"]


def test_a_message_anywhere_in_an_answer_is_said(app: Flask) -> None:
    with app.test_request_context(headers={"Accept-Language": "ru"}):
        assert dump({"message": t("Task paused"), "of": [t("Task not found")]}).decode() == (
            '{"message":"Задача приостановлена","of":["Задача не найдена"]}'
        )
        # integers too long for the fast writer
        assert dump({"message": t("Task paused"), "n": 2**70}).decode().startswith('{"message": "Задача')


def test_templates_and_the_functions_of_flask_babel_use_the_same_catalogue(app: Flask) -> None:
    with app.test_request_context(headers={"Accept-Language": "ro"}):
        assert gettext("Task not found") == "Sarcina nu a fost găsită"
