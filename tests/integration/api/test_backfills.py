"""Backfills over HTTP, fed as beat feeds them, on both databases."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.bootstrap.parts import open_database
from app.services.backfills import BackfillFeeder
from app.storage.database import Database
from tests.fakes.hands import Bell, in_thread
from tests.integration.api.conftest import Api
from tests.servers import wait_for

STRANGER = "00000000-0000-7000-8000-000000000000"
PAYLOAD: dict[str, Any] = {
    "pipeline": [{"id": "tell", "uses": "log.write", "with": {"message": "For ${run.nominal_at}"}}]
}
WEEK: dict[str, Any] = {"start": "2025-11-02T00:00:00Z", "end": "2025-11-09T00:00:00Z"}
"""Seven days that have gone by."""


@pytest.fixture
def database(api: Api) -> Iterator[Database]:
    """Connections of a beat."""
    database = open_database(api.settings)
    yield database
    database.close()


@pytest.fixture
def feed(database: Database) -> Callable[[], None]:
    """One look of a beat that has not looked before."""
    return lambda: feeder(database).look()


def feeder(database: Database) -> BackfillFeeder:
    return BackfillFeeder(units=database.units, queue=Bell(), clock=database.clock, retention_days=30)


def daily(api: Api, **fields: Any) -> Any:
    """A task at seven every day."""
    return api.task(schedule_kind="cron", schedule_expr="0 7 * * *", **{"payload": PAYLOAD, **fields})


def asked(api: Api, task: Any, **wish: Any) -> Any:
    """A new backfill of a week."""
    return api.post(f"/tasks/{task['id']}/backfills", {**WEEK, **wish}, expect=201)


def worked_off(api: Api, feed: Callable[[], None], backfill: Any) -> Any:
    """The backfill once it has finished."""
    for _ in range(30):
        feed()
        api.work()
        found = api.get(f"/backfills/{backfill['id']}")
        if found["finished_at"]:
            return found
    raise AssertionError(found)


def test_every_date_has_one_run_that_knows_it(api: Api, feed: Callable[[], None]) -> None:
    task = daily(api)
    made = asked(api, task, max_parallel=3)
    assert (made["status"], made["total"], made["skipped"], made["counts"]["pending"]) == ("active", 7, 0, 7)
    done = worked_off(api, feed, made)
    assert (done["status"], done["counts"]["succeeded"], done["counts"]["pending"]) == ("completed", 7, 0)
    dates = [one["nominal_at"] for one in done["dates"]["items"]]
    assert dates == [f"2025-11-0{day}T07:00:00Z" for day in range(2, 9)]
    runs = api.get(f"/runs?task_id={task['id']}&trigger=backfill")["items"]
    assert sorted(run["nominal_at"] for run in runs) == dates
    logs = api.get(f"/runs/{done['dates']['items'][0]['run_id']}/logs")["items"]
    assert logs[0]["message"] == "For 2025-11-02T07:00:00Z"
    assert api.get(f"/tasks/{task['id']}/occurrences")["total"] == 7


def test_no_more_run_at_once_than_may(api: Api, feed: Callable[[], None]) -> None:
    made = asked(api, daily(api), max_parallel=2)
    for _ in range(3):
        feed()
    assert api.get(f"/backfills/{made['id']}")["counts"]["started"] == 2
    api.work()
    # Seen before beat has looked: the answer goes by the runs themselves.
    assert api.get(f"/backfills/{made['id']}")["counts"]["succeeded"] == 2
    feed()
    assert api.get("/runs?status=queued")["total"] == 2


def test_what_has_run_is_left_out_unless_it_is_wanted(api: Api, feed: Callable[[], None]) -> None:
    task = daily(api)
    worked_off(api, feed, asked(api, task, max_parallel=7, end="2025-11-05T00:00:00Z"))
    counts = {name: asked_dry(api, task, reprocess=name) for name in ("none", "failed", "all")}
    assert counts == {"none": (4, 3), "failed": (4, 3), "all": (7, 0)}
    run = api.get("/runs?trigger=backfill&limit=1")["items"][0]
    api.post(f"/runs/{run['id']}/rerun", {"from": "start"}, expect=202)
    # Its rerun is under way now, for the same date.
    assert asked_dry(api, task, reprocess="all") == (6, 1)


def asked_dry(api: Api, task: Any, **wish: Any) -> tuple[int, int]:
    """`(total, skipped)` of a dry run."""
    plan = api.post(f"/tasks/{task['id']}/backfills", {**WEEK, **wish, "dry_run": True}, expect=200)
    assert plan["id"] is None and len(plan["first_dates"]) == plan["total"]
    return plan["total"], plan["skipped"]


def test_what_another_backfill_has_still_to_do_is_left_to_it(api: Api, feed: Callable[[], None]) -> None:
    task = daily(api)
    first = asked(api, task)
    assert asked_dry(api, task, reprocess="all") == (0, 7)
    feed()
    api.post(f"/backfills/{first['id']}/cancel")
    assert asked_dry(api, task, reprocess="all") == (6, 1)


def test_what_failed_is_done_again(api: Api, feed: Callable[[], None]) -> None:
    task = daily(api, payload={"pipeline": [{"id": "a", "uses": "data.set", "with": {"value": "${params.x}"}}]})
    first = worked_off(api, feed, asked(api, task, max_parallel=7))
    assert first["counts"]["failed"] == 7
    assert asked_dry(api, task) == (0, 7)
    assert asked_dry(api, task, reprocess="failed") == (7, 0)
    api.send("PATCH", f"/tasks/{task['id']}", expect=200, json={"payload": PAYLOAD})
    second = worked_off(api, feed, asked(api, task, max_parallel=7, reprocess="failed"))
    assert second["counts"]["succeeded"] == 7
    (newest, oldest) = api.get(f"/tasks/{task['id']}/backfills")["items"]
    assert (newest["id"], oldest["id"]) == (second["id"], first["id"])
    assert oldest["counts"]["failed"] == 7


def test_one_that_is_canceled_makes_no_further_run(api: Api, feed: Callable[[], None]) -> None:
    made = asked(api, daily(api))
    feed()
    answer = api.post(f"/backfills/{made['id']}/cancel")
    assert answer["details"] == {"backfill_id": made["id"], "status": "canceled"}
    api.post(f"/backfills/{made['id']}/cancel", expect=409)
    done = worked_off(api, feed, made)
    assert (done["counts"]["canceled"], done["counts"]["succeeded"], done["status"]) == (6, 1, "canceled")
    assert [one["action"] for one in api.get("/audit?action=backfill.canceled")["items"]] == ["backfill.canceled"]


def test_a_paused_task_holds_its_backfill_and_a_canceled_one_ends_it(api: Api, feed: Callable[[], None]) -> None:
    task = daily(api)
    made = asked(api, task)
    api.post(f"/tasks/{task['id']}/pause")
    feed()
    assert api.get(f"/backfills/{made['id']}")["counts"]["pending"] == 7
    api.post(f"/tasks/{task['id']}/resume")
    feed()
    assert api.get(f"/backfills/{made['id']}")["counts"]["started"] == 1
    api.post(f"/tasks/{task['id']}/cancel")
    assert worked_off(api, feed, made)["counts"]["canceled"] == 6
    api.post(f"/tasks/{task['id']}/backfills", WEEK, expect=409)


def test_a_deleted_task_takes_its_backfills_along(api: Api, feed: Callable[[], None]) -> None:
    task = daily(api)
    made = asked(api, task)
    feed()
    api.send("DELETE", f"/tasks/{task['id']}", expect=204)
    feed()
    api.get(f"/backfills/{made['id']}", expect=404)


def test_what_finished_long_ago_is_forgotten_with_its_dates(
    api: Api, database: Database, feed: Callable[[], None]
) -> None:
    task = daily(api)
    old = worked_off(api, feed, asked(api, task))
    new = asked(api, task, reprocess="all")
    with database.units() as unit:
        unit.backfills.purge(datetime.now(UTC) - timedelta(days=1))
    assert api.get(f"/tasks/{task['id']}/backfills")["total"] == 2
    feeding = BackfillFeeder(units=database.units, queue=Bell(), clock=database.clock, retention_days=0)
    feeding.look()
    assert [one["id"] for one in api.get(f"/tasks/{task['id']}/backfills")["items"]] == [new["id"]]
    api.get(f"/backfills/{old['id']}", expect=404)


def test_a_backfill_holds_up_no_occurrence(api: Api, database: Database, feed: Callable[[], None]) -> None:
    task = daily(api)
    asked(api, task)
    feed()
    with database.units(read_only=True) as unit:
        assert unit.runs.busy_tasks([task["id"]]) == unit.events.busy([task["id"]]) == {}
        assert unit.runs.latest(task["id"]) is not None


def test_beats_side_by_side_make_one_run_a_date(api: Api, database: Database) -> None:
    """And never more at once than may: the threads of three beats, and a worker between them."""
    task = daily(api)
    start = datetime(2025, 10, 1, tzinfo=UTC)
    wish = {"start": start.isoformat(), "end": (start + timedelta(days=30)).isoformat(), "max_parallel": 2}
    made = api.post(f"/tasks/{task['id']}/backfills", wish, expect=201)
    over, most = threading.Event(), Counter[int]()

    def beat() -> None:
        mine = feeder(database)
        while not over.is_set():
            mine.look()

    def watched() -> bool:
        most[api.get("/runs?status=queued,running&trigger=backfill")["total"]] += 1
        api.work()
        return bool(api.get(f"/backfills/{made['id']}")["finished_at"])

    threads = [in_thread(beat) for _ in range(3)]
    wait_for(watched, seconds=60, what="the backfill to finish")
    over.set()
    for thread in threads:
        thread.join(10)
    runs = Counter(run["nominal_at"] for run in api.get(f"/runs?task_id={task['id']}&limit=200")["items"])
    assert len(runs) == 30 and set(runs.values()) == {1}
    assert max(most) <= 2


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"end": WEEK["start"]}, "end"),
        ({"start": "yesterday"}, "start"),
        ({"max_parallel": 0}, "max_parallel"),
        ({"max_parallel": 101}, "max_parallel"),
        ({"reprocess": "some"}, "reprocess"),
    ],
)
def test_what_is_refused(lasting: Api, wish: dict[str, Any], field: str) -> None:
    task = daily(lasting)
    answer = lasting.post(f"/tasks/{task['id']}/backfills", {**WEEK, **wish}, expect=400)
    assert answer["details"]["field"] == field


def test_what_has_no_dates_and_who_is_not_there(lasting: Api, task_id: str) -> None:
    answer = lasting.post(f"/tasks/{task_id}/backfills", WEEK, expect=422)
    assert answer["message"] == "A task of the kind manual has no dates"
    lasting.post(f"/tasks/{STRANGER}/backfills", WEEK, expect=404)
    lasting.get(f"/tasks/{STRANGER}/backfills", expect=404)
    lasting.get(f"/backfills/{STRANGER}", expect=404)
    lasting.post(f"/backfills/{STRANGER}/cancel", expect=404)
