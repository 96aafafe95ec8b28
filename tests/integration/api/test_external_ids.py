"""Tasks by the name that somebody else gave them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.api.conftest import Api

BODY: dict[str, Any] = {"title": "Report", "schedule_kind": "cron", "schedule_expr": "0 8 * * *"}
PLACE = "/tasks/by-external-id/crm/42"


def send(api: Api, method: str, path: str, **options: Any) -> Any:
    """The answer, whatever it is."""
    return api.send(method, path, **options)


def test_the_first_put_makes_the_task_and_the_next_replace_it(api: Api) -> None:
    made = send(api, "PUT", PLACE, json={**BODY, "description": "first"})
    assert (made.status_code, made.json["external_id"]) == (201, "crm/42")
    assert made.headers["Location"].endswith(made.json["id"])
    again = send(api, "PUT", PLACE, json={**BODY, "title": "Report, mended"})
    assert (again.status_code, again.json["id"], again.json["version"]) == (200, made.json["id"], 2)
    assert (again.json["title"], again.json["description"]) == ("Report, mended", "")
    assert api.get(PLACE)["id"] == made.json["id"]
    assert [one["id"] for one in api.get("/tasks?external_id=crm/42")["items"]] == [made.json["id"]]


def test_a_put_that_changes_nothing_is_no_new_version(api: Api) -> None:
    send(api, "PUT", PLACE, json=BODY)
    assert send(api, "PUT", PLACE, json=BODY).json["version"] == 1


def test_a_plain_replacement_keeps_the_name(api: Api) -> None:
    made = send(api, "PUT", PLACE, json=BODY).json
    assert send(api, "PUT", f"/tasks/{made['id']}", json={**BODY, "title": "Other"}).json["external_id"] == "crm/42"


@pytest.mark.parametrize(
    ("headers", "there", "status"),
    [
        ({"If-None-Match": "*"}, False, 201),
        ({"If-None-Match": "*"}, True, 412),
        ({"If-Match": '"1-x"'}, True, 200),
        ({"If-Match": '"9-x"'}, True, 412),
        ({"If-Match": '"1-x"'}, False, 412),
    ],
)
def test_conditions(api: Api, headers: dict[str, str], there: bool, status: int) -> None:
    if there:
        send(api, "PUT", PLACE, json=BODY)
    assert send(api, "PUT", PLACE, json={**BODY, "title": "Two"}, headers=headers).status_code == status


def test_a_preview_stores_nothing(api: Api) -> None:
    shown = send(api, "PUT", f"{PLACE}?preview=true", json=BODY)
    assert (shown.status_code, len(shown.json["next_occurrences"])) == (200, 10)
    assert api.send("GET", PLACE).status_code == 404


def test_a_name_that_is_taken(api: Api) -> None:
    send(api, "PUT", PLACE, json=BODY)
    refused = send(api, "POST", "/tasks", json={**BODY, "external_id": "crm/42"})
    assert (refused.status_code, refused.json["details"]["field"]) == (409, "external_id")
    other = send(api, "POST", "/tasks", json=BODY).json
    assert send(api, "PATCH", f"/tasks/{other['id']}", json={"external_id": "crm/42"}).status_code == 409


def test_a_name_that_is_too_long(api: Api) -> None:
    refused = send(api, "PUT", "/tasks/by-external-id/" + "x" * 201, json=BODY)
    assert (refused.status_code, refused.json["details"]["field"]) == (400, "external_id")


def test_ten_at_once_make_one_task(api: Api) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda n: send(api, "PUT", PLACE, json={**BODY, "title": f"By {n}"}), range(10)))
    assert sorted(one.status_code for one in answers) == [200] * 9 + [201]
    assert len({one.json["id"] for one in answers}) == 1
