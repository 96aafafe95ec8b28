"""The API in Romanian and Russian, from the messages of the domain to what was stored long ago."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.api.conftest import Api

RO, RU, EN = ({"Accept-Language": language} for language in ("ro", "ru", "en"))
FAILING: dict[str, Any] = {
    "pipeline": [
        {"id": "first", "uses": "data.set", "with": {"value": {"a": 1}}},
        {"id": "second", "uses": "data.set", "with": {"value": "${steps.first.nothing}"}},
    ]
}


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        (RO, "De luni până vineri la 08:30"),
        (RU, "С понедельника по пятницу в 08:30"),
        (EN, "Monday to Friday at 08:30"),
    ],
)
def test_a_schedule_in_words(lasting: Api, headers: dict[str, str], words: str) -> None:
    schedule = {"schedule_kind": "cron", "schedule_expr": "30 8 * * 1-5"}
    assert lasting.post("/schedules/preview", {**schedule, "count": 1}, headers=headers)["description"] == words
    task = lasting.task(**schedule)
    assert lasting.get(f"/tasks/{task['id']}", headers=headers)["description_text"] == words


def test_every_mistake_of_a_task(lasting: Api) -> None:
    body = {
        "title": "x",
        "schedule_kind": "cron",
        "schedule_expr": "0 25 * * *",
        "timezone": "Europe/Chisinau",
        "priority": 0,
        "payload": {"pipeline": [{"uses": "data.sett", "max_retries": "a"}]},
    }
    errors = lasting.post("/tasks", body, expect=400, headers=RO)["details"]["errors"]
    said = {(one["field"], one["issue"], one.get("detail", ""), one["hint"]) for one in errors}
    assert said == {
        ("priority", "'priority' trebuie să fie 1 sau mai mult", "", ""),
        (
            "schedule_expr",
            "Expresie cron invalidă",
            "ora: valoarea trebuie să fie 0-23, s-a primit 25",
            "folosiți 0-23, *, intervale, liste și pași",
        ),
        (
            "payload.pipeline.0.uses",
            "Nu există instrumentul `data.sett`, folosit de pasul 1.",
            "",
            "Ați vrut să scrieți data.set?",
        ),
        (
            "payload.pipeline.0.max_retries",
            '`max_retries` din pasul 1 este "a", dar trebuie să fie un număr întreg de la 0 la 10.',
            "",
            "Implicit este 0.",
        ),
    }


def test_what_was_stored_is_said_in_the_language_of_whoever_reads_it(api: Api) -> None:
    run_id = api.run(api.task(payload=FAILING, max_retries=0))
    api.work()
    told = {
        language: api.get(f"/runs/{run_id}", headers={"Accept-Language": language}) for language in ("en", "ro", "ru")
    }
    assert told["en"]["error"]["message"].startswith("Step second: `steps.first.nothing` does not exist: there is no")
    assert told["ro"]["error"]["message"] == (
        "Pasul second: `steps.first.nothing` nu există: `nothing` lipsește: aici este un obiect cu cheile a; "
        "scrieți `… || 'default'` unde poate lipsi"
    )
    assert told["ru"]["error"]["message"].startswith("Шаг second: `steps.first.nothing` не существует: нет `nothing`")
    assert {one["error"]["type"] for one in told.values()} == {"template_error"}
    with api.client.get(f"/runs/{run_id}/stream?last_event_id=0", headers=RO) as stream:
        assert "Pasul second" in stream.get_data(as_text=True)


def test_actions_and_reasons(lasting: Api) -> None:
    task = lasting.task(schedule_kind="cron", schedule_expr="0 9 * * *")
    paused = lasting.post(f"/tasks/{task['id']}/pause", headers=RO)
    assert (paused["message"], paused["details"]["status"]) == ("Sarcină pusă în pauză", "paused")
    why = lasting.get(f"/tasks/{task['id']}/why?at=2090-01-01T09:00:00Z", headers=RO)
    assert why["answer"] == "Sarcina este în pauză; programarea ei nu se declanșează până la reluare."
    health = lasting.get("/health", headers=RO)
    assert health["checks"]["redis"]["message"] == "REDIS_URL nu este setat: workerii interoghează baza de date"
    assert health["status"] == "degraded"


def test_tools_are_described(lasting: Api) -> None:
    assert (
        lasting.get("/tools/log.write", headers=RO)["description"] == "Scrie o linie în jurnalul rulării și o întoarce."
    )
    body = lasting.post("/tools/data.set/invoke", {"arguments": {}}, expect=400, headers=RO)
    assert body["details"]["issue"] == "`value` lipsește"


def test_a_copy_in_another_language_is_another_copy(lasting: Api) -> None:
    path = f"/tasks/{lasting.task()['id']}"
    tags = {
        language: lasting.send("GET", path, headers={"Accept-Language": language}).headers["ETag"]
        for language in ("en", "ro")
    }
    assert tags["en"] != tags["ro"]
    lasting.send("GET", path, expect=304, headers={"If-None-Match": tags["ro"], **RO})
    lasting.send("GET", path, expect=200, headers={"If-None-Match": tags["ro"], **EN})
    # A write goes by the version, whatever language it was read in.
    lasting.send("PATCH", path, expect=200, json={"title": "B"}, headers={"If-Match": tags["ro"], **EN})
