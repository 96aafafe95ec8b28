"""The page of secrets: values go in, and are seen nowhere again."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import logging as log
from tests.integration.api.conftest import Api, make_settings, serving
from tests.integration.extensions.pages import HOME, page, post
from tests.servers import Databases

CANARY = "hunter2-<canary>"


@pytest.fixture(scope="module")
def lasting(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One installation for all tests of this file."""
    folder: Path = tmp_path_factory.mktemp("webui-secrets")
    with serving(make_settings(databases.sqlite(folder / "ordinaut.db"), folder)) as api:
        yield api


def uses(name: str) -> dict[str, object]:
    return {"pipeline": [{"uses": "http.request", "with": {"url": "https://x.example", "headers": {"A": name}}}]}


def test_one_is_stored_replaced_and_deleted(lasting: Api) -> None:
    assert post(lasting, "/secrets", name="API_TOKEN", value=CANARY) == "/secrets?said=stored"
    assert post(lasting, "/secrets", name="API_TOKEN", value=f"{CANARY}\r\n2") == "/secrets?said=replaced"
    (stored,) = lasting.get("/secrets")["items"]
    shown = page(lasting, "/secrets?said=replaced")
    assert "API_TOKEN" in shown and "The secret has a new value." in shown and stored["updated_by"] in shown
    assert "hunter2" not in shown and "<textarea" in shown and 'type="hidden" name="value"' not in shown
    task = lasting.task(title="Calls <them>", payload=uses("Bearer ${secrets.API_TOKEN}"))
    shown = page(lasting, "/secrets")
    assert "Used by 1 task:" in shown and f"/tasks/{task['id']}" in shown and "Calls &lt;them&gt;" in shown
    assert post(lasting, "/secrets/API_TOKEN/delete") == "/secrets?said=secret_deleted"
    assert lasting.get("/secrets")["total"] == 0
    post(lasting, "/secrets/API_TOKEN/delete", expect=404)


def test_lines_stay_as_they_were_written(lasting: Api) -> None:
    post(lasting, "/secrets", name="PEM", value="a\r\nb\r\n")
    task = lasting.task(payload={"pipeline": [{"uses": "log.write", "with": {"message": "${secrets.PEM}"}}]})
    assert lasting.app.extensions["ordinaut"].secrets.values(["PEM"]) == {"PEM": "a\nb\n"}
    lasting.send("DELETE", f"/tasks/{task['id']}", expect=204)


WRONG = [
    # name, value, and the field that is named
    ("2nd", CANARY, "f-name"),
    ("a b/../c", CANARY, "f-name"),
    ("", CANARY, "f-name"),
    ("OK", "", "f-value"),
    ("OK", CANARY * 10_000, "f-value"),
]


@pytest.mark.parametrize(("name", "value", "field"), WRONG)
def test_what_cannot_be_stored_is_named_and_not_repeated(lasting: Api, name: str, value: str, field: str) -> None:
    shown = post(lasting, "/secrets", expect=400, name=name, value=value)
    wrong = shown.partition(f'id="{field}"')[2].partition(">")[0]
    assert 'aria-invalid="true"' in wrong and "hunter2" not in shown


def test_a_value_is_in_no_log(lasting: Api) -> None:
    out = io.StringIO()
    log.configure(lasting.settings, stream=out)
    post(lasting, "/secrets", name="QUIET", value=CANARY)
    post(lasting, "/secrets", expect=400, name="not quiet", value=CANARY)
    assert out.getvalue().count("/ext/webui/secrets") == 2 and "hunter2" not in out.getvalue()
    assert "hunter2" not in str(lasting.get("/audit"))


def test_no_other_site_can_store_one(lasting: Api) -> None:
    for headers in ({"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
        lasting.send("POST", f"{HOME}/secrets", data={"name": "X", "value": "y"}, headers=headers, expect=403)
