"""Large pieces of what servers answer: stored with their run, given to those who may see it, gone with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.bootstrap.parts import open_database
from app.domain import blobs
from app.services import run_blobs
from tests.integration.api.conftest import Api
from tests.integration.mcp.conftest import worked

SIZE = 100_000


@pytest.fixture
def api(api: Api) -> Api:
    """With the tools of the server."""
    api.post("/mcp/servers/fake/test")
    return api


def pictured(api: Api, **arguments: Any) -> tuple[str, Any]:
    """A run that gets a picture; its id, and the step's output."""
    steps = [{"id": "draw", "uses": "fake.picture", "with": {"size": SIZE, **arguments}}]
    run_id = api.run(api.task(payload={"pipeline": steps}, max_retries=0))
    worked(api, run_id)
    return run_id, api.get(f"/runs/{run_id}")["output"]["content"]


def test_a_picture_is_stored_and_given_as_a_file(api: Api) -> None:
    run_id, (image, text) = pictured(api)
    stored = image["stored"]
    assert text == {"type": "text", "text": ""} and image["mimeType"] == "image/png" and "data" not in image
    assert (stored["bytes"], stored["media_type"]) == (SIZE, "image/png")
    assert stored["path"] == f"/runs/{run_id}/blobs/{stored['id']}"
    answer = api.send("GET", stored["path"], expect=200)
    assert answer.get_data() == bytes(number % 251 for number in range(SIZE))
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{stored["id"]}.png"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")


@pytest.mark.parametrize("told", ["text/html", "image/svg+xml", "no type\r\nX-Own: 1", "application/javascript;x=1"])
def test_no_browser_runs_what_a_server_sends(api: Api, told: str) -> None:
    _, (image, _) = pictured(api, type=told)
    answer = api.send("GET", image["stored"]["path"], expect=200)
    assert answer.headers["Content-Type"] == "application/octet-stream" and "X-Own" not in answer.headers


def test_what_is_small_stays_where_it_is(api: Api) -> None:
    _, (image, text) = pictured(api, size=100, text=1000)
    assert len(image["data"]) == 136 and len(text["text"]) == 1000


def test_a_long_text_is_stored_with_its_beginning_left(api: Api) -> None:
    _, (_, text) = pictured(api, size=1, text=600_000)
    assert (len(text["excerpt"]), text["stored"]["media_type"]) == (8192, "text/plain")
    assert api.send("GET", text["stored"]["path"]).get_data() == b"a" * 600_000


def test_limits_of_one_and_of_all(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_blobs, "MOST_BYTES", SIZE)
    _, (image, text) = pictured(api, text=600_000)
    assert "stored" in image and (text["omitted"], text["characters"]) == (True, 600_000)
    monkeypatch.setattr(run_blobs, "LARGEST", SIZE - 1)
    _, (image, _) = pictured(api)
    assert image["omitted"] and blobs.LARGEST <= blobs.MOST_BYTES
    direct = api.post("/tools/fake.picture/invoke", {"arguments": {"size": SIZE}})["output"]["content"]
    assert direct[0]["omitted"]


def test_what_may_hold_a_secret_is_not_stored(api: Api) -> None:
    api.send("PUT", "/secrets/KIND", json={"value": "image/secret-kind"}, expect=200)
    _, (image, _) = pictured(api, type="${secrets.KIND}")
    assert image["omitted"] and "stored" not in image


def test_the_same_bytes_are_stored_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    # There is room for no more.
    monkeypatch.setattr(run_blobs, "MOST_BYTES", SIZE)
    draw = {"uses": "fake.picture", "with": {"size": SIZE}}
    run_id = api.run(api.task(payload={"pipeline": [{"id": "a", **draw}, {"id": "b", **draw}]}, max_retries=0))
    worked(api, run_id)
    a, b = [step["output"]["content"][0]["stored"] for step in api.get(f"/runs/{run_id}")["steps"]]
    assert a == b


def test_it_is_not_there_for_others_and_goes_with_its_run(api: Api) -> None:
    run_id, (image, _) = pictured(api)
    stored = image["stored"]
    other = api.run(api.task())
    for path in (
        f"/runs/{other}/blobs/{stored['id']}",
        f"/runs/{run_id}/blobs/nothing",
        f"/runs/x/blobs/{stored['id']}",
    ):
        assert api.get(path, expect=404)["error"] == "not_found"
    database = open_database(api.settings)
    try:
        with database.units() as unit:
            assert unit.blobs.bytes_of(run_id) == SIZE
            assert unit.runs.purge(datetime.now(UTC) + timedelta(hours=1), 100) == 1
        with database.units(read_only=True) as unit:
            assert unit.blobs.bytes_of(run_id) == 0
    finally:
        database.close()
    api.get(stored["path"], expect=404)
