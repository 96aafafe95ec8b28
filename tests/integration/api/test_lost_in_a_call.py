"""A run whose worker was lost in a call asks what it came to, and goes on with the answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from app.bootstrap.parts import open_database
from app.domain.clock import rfc3339, to_micros
from app.domain.execution import Checkpoint
from app.storage.database import Database
from tests.integration.api.conftest import Api

STEPS: dict[str, Any] = {
    "pipeline": [
        {"id": "tell", "uses": "events.publish", "with": {"topic": "a.b", "payload": {}}, "on_unknown": "ask"},
        {"id": "last", "uses": "log.write", "with": {"message": "${steps.tell.event_id || 'nobody knows'}"}},
    ]
}


@pytest.fixture
def database(api: Api) -> Iterator[Database]:
    """Connections of the worker that is lost."""
    database = open_database(api.settings)
    yield database
    database.close()


@pytest.fixture
def asking(api: Api, database: Database) -> str:
    """The id of a run that asks about its first step."""
    run_id, now = api.run(api.task(payload=STEPS)), datetime.now(UTC)
    (claimed,) = database.ledger.exchange("gone/1", want=1).claimed
    begun = {"id": "tell", "uses": "events.publish", "status": "running", "attempt": 1, "started_at": rfc3339(now)}
    lines = [(to_micros(now), "step", begun)]
    database.ledger.exchange("gone/1", checkpoint=Checkpoint(claimed, lines))
    database.ledger.rescue(["gone/1"])
    api.work()
    return run_id


def answered(api: Api, run_id: str, expect: int = 202, **answer: Any) -> Any:
    body = {"note": "I asked them", **answer}
    return api.post(f"/runs/{run_id}/steps/tell/mark", body, expect=expect)


def test_it_says_that_it_asks(api: Api, asking: str) -> None:
    run = api.get(f"/runs/{asking}")
    (step,) = run["steps"]
    assert (run["status"], step["status"], step["asks"]) == ("waiting", "waiting", True)
    assert api.get("/events/topics")["items"] == []


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        ({"status": "retry"}, "succeeded", None),
        ({"status": "succeeded", "output": {"event_id": "7-0"}}, "succeeded", "7-0"),
        ({"status": "skipped"}, "succeeded", "nobody knows"),
    ],
)
def test_it_goes_on_itself(api: Api, asking: str, answer: Any, status: str, message: str | None) -> None:
    made = answered(api, asking, **answer)
    assert (made["run_id"], made["message"]) == (asking, "The run goes on")
    api.work()
    run = api.get(f"/runs/{asking}")
    assert run["status"] == status
    assert run["steps"][0]["marked"] == (
        None if answer["status"] == "retry" else {"by": "local", "note": "I asked them"}
    )
    assert api.get("/events/topics")["total"] == int(answer["status"] == "retry")
    if message:
        assert api.get(f"/runs/{asking}/logs")["items"][0]["message"] == message


def test_it_can_be_told_to_fail(api: Api, asking: str) -> None:
    answered(api, asking, status="failed")
    api.work()
    error = api.get(f"/runs/{asking}")["error"]
    assert (error["type"], error["details"]) == ("outcome_unknown", {"by": "local", "note": "I asked them"})
    # It has ended, and is not asked about any more.
    answered(api, asking, status="retry", expect=409)
    assert api.get("/audit?action=run.step_marked")["total"] == 1


def test_it_can_be_canceled_instead(api: Api, asking: str) -> None:
    assert api.post(f"/runs/{asking}/cancel", expect=202)["details"]["status"] == "canceled"
    assert answered(api, asking, status="skipped")["run_id"] != asking
