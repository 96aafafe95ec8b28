"""Events on both databases: the order of ids is the order of commits, and what an event starts starts once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from app.domain.clock import SystemClock
from app.domain.events import MAX_DEPTH, Draft, StoredEvent, TopicPattern, position_of
from app.domain.runs import RunFilter
from app.domain.tasks import Task
from app.services.events import EventService
from app.services.lifecycle import Herald
from app.services.publishing import Publisher, Triggers
from app.storage.events import SqlEventStore
from app.storage.gates import Gates
from app.storage.ledger import SqlRunLedger
from app.storage.statements import ConnectionStatements
from app.storage.unit_of_work import SqlUnitsOfWork
from ordinaut import Caller
from tests.fakes.rows import a_task, stored
from tests.fakes.stores import CountingQueue


def nobody_listens(*_: Any, **__: Any) -> Any:
    """These tests read the store."""
    raise AssertionError


def service(units: SqlUnitsOfWork, queue: CountingQueue | None = None) -> EventService:
    """A process's events, without a wire."""
    queue, clock, publisher = queue or CountingQueue(), SystemClock(), Publisher(Triggers())
    return EventService(
        units=units,
        clock=clock,
        queue=queue,
        publisher=publisher,
        herald=Herald(publisher=publisher, clock=clock, queue=queue),
        published=lambda: None,
        listen=nobody_listens,
    )


@pytest.fixture
def events(units: SqlUnitsOfWork) -> EventService:
    """This test's."""
    return service(units)


def on_event(units: SqlUnitsOfWork, expr: str = "shop.**", **fields: Any) -> Task:
    """A stored task that events start."""
    kind = fields.pop("schedule_kind", "event")
    task = stored(units, a_task(schedule_kind=kind, schedule_expr=expr, **fields))
    with units() as unit:
        unit.events.triggers_changed()
    return task


def runs_of(units: SqlUnitsOfWork, task: Task) -> list[Any]:
    """Its runs, oldest first."""
    with units(read_only=True) as unit:
        return list(unit.runs.page(RunFilter(task_id=task.id), limit=200, offset=0).items)[::-1]


def outcomes(units: SqlUnitsOfWork, task: Task) -> list[str]:
    """What became of each event for it, oldest first."""
    with units(read_only=True) as unit:
        return [str(one.outcome) for one in unit.tasks.occurrences(task.id, limit=200, offset=0).items][::-1]


def test_a_reader_that_goes_by_the_last_id_misses_nothing(engine: Engine, units: SqlUnitsOfWork) -> None:
    writers, each, stop = 6, 25, threading.Event()
    seen: list[StoredEvent] = []

    def write(number: int) -> None:
        mine = service(SqlUnitsOfWork(engine))
        for count in range(each):
            mine.publish("a.b", {"writer": number, "count": count}, source="test")

    def read() -> None:
        place = 0
        while True:
            last_look = stop.is_set()
            with units(read_only=True) as unit:
                found = unit.events.after(place, None, 1000)
            seen.extend(found)
            place = found[-1].position if found else place
            if last_look:
                return

    reader = threading.Thread(target=read)
    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in (reader, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    reader.join()
    positions = [one.position for one in seen]
    assert len(seen) == writers * each and positions == sorted(set(positions))
    for number in range(writers):
        assert [one.event.data["count"] for one in seen if one.event.data["writer"] == number] == list(range(each))


def test_where_the_clock_was_put_back_ids_go_on_and_runs_do_not_wait(
    units: SqlUnitsOfWork, events: EventService, ledger: SqlRunLedger
) -> None:
    task = on_event(units, overlap="allow")
    with units() as unit:
        ahead = unit.events.allot(3_600_000 << 20).first + (3_600_000 << 20) - 1
    ids = [position_of(events.publish("shop.a", {}, source="t").event.id) for _ in range(3)]
    assert ids == [ahead + 1, ahead + 2, ahead + 3]
    assert [run.task_id for run in ledger.exchange("w/1", want=5).claimed] == [task.id] * 3


def test_publishing_twice_under_one_key_gives_one_event(engine: Engine, units: SqlUnitsOfWork) -> None:
    task = on_event(units, overlap="allow")
    answers: list[str] = []

    def publish() -> None:
        published = service(SqlUnitsOfWork(engine)).publish("shop.a", {}, source="t", key="run:step")
        answers.append(published.event.id)

    threads = [threading.Thread(target=publish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4 and len(set(answers)) == 1
    assert len(runs_of(units, task)) == 1


def test_a_run_carries_the_event_that_started_it(units: SqlUnitsOfWork) -> None:
    queue, task = CountingQueue(), on_event(units, priority=2)
    published = service(units, queue).publish("shop.a", {"n": 1}, source="ana", depth=2)
    (run,) = runs_of(units, task)
    assert published.triggered == (task.id,) and queue.rings == 1
    assert (run.trigger, run.priority, run.status) == ("event", 2, "queued")
    assert run.event == {
        "id": published.event.id,
        "topic": "shop.a",
        "payload": {"n": 1},
        "published_at": run.event["published_at"],
        "source": "ana",
        "depth": 2,
    }
    assert run.scheduled_for <= datetime.now(UTC) and outcomes(units, task) == ["fired"]


@pytest.mark.parametrize(
    ("fields", "published", "wanted"),
    [
        ({"overlap": "skip"}, 2, ["fired", "skipped_overlap"]),
        ({"overlap": "allow"}, 2, ["fired", "fired"]),
        ({"overlap": "allow", "max_runs": 2}, 3, ["fired", "fired"]),
        # outside its window a task knows of no events
        ({"starts_at": datetime(2999, 1, 1, tzinfo=UTC)}, 1, []),
        ({"ends_at": datetime(2026, 1, 1, tzinfo=UTC)}, 1, []),
        ({"snoozed_until": datetime(2999, 1, 1, tzinfo=UTC)}, 1, ["skipped_snooze"]),
        ({"status": "paused"}, 1, []),
        ({"schedule_kind": "manual"}, 1, []),
    ],
)
def test_the_policies_of_a_task_hold_for_events(
    units: SqlUnitsOfWork, events: EventService, fields: dict[str, Any], published: int, wanted: list[str]
) -> None:
    task = on_event(units, **fields)
    for _ in range(published):
        events.publish("shop.a", {}, source="t")
    assert outcomes(units, task) == wanted
    assert len(runs_of(units, task)) == wanted.count("fired")
    with units(read_only=True) as unit:
        stands = unit.tasks.get(task.id)
    assert stands.fired_count == wanted.count("fired")
    assert stands.status == ("completed" if "max_runs" in fields else task.status)


@pytest.mark.parametrize(
    ("expr", "payload", "holds"),
    [
        ("payload.total > 100", {"total": 101}, True),
        ("payload.total > `100`", {"total": 100}, False),
        # an event of another shape is none that the condition is for
        ("payload.total > 100", {}, False),
        ("payload.total > 100", {"total": "many"}, False),
        ("topic == 'shop.a' && payload.vip", {"vip": True}, True),
        ("starts_with(topic, 'shop.') && length(payload.items) > 1", {"items": [1]}, False),
        ("contains(payload.tags, 'x')", {"tags": ["x"]}, True),
    ],
)
def test_a_condition_starts_its_task(
    units: SqlUnitsOfWork, events: EventService, expr: str, payload: dict[str, Any], holds: bool
) -> None:
    task = on_event(units, expr, schedule_kind="condition")
    assert events.publish("shop.a", payload, source="t").triggered == (task.id,) * holds


def test_a_chain_of_events_ends_and_says_so(units: SqlUnitsOfWork, events: EventService) -> None:
    task = on_event(units, overlap="allow")
    events.publish("shop.a", {}, source="t", depth=MAX_DEPTH - 1)
    assert events.publish("shop.a", {}, source="t", depth=MAX_DEPTH).triggered == ()
    assert outcomes(units, task) == ["fired", "dropped_limit"]
    with units(read_only=True) as unit:
        newest = unit.tasks.occurrences(task.id, limit=1, offset=0).items[0]
    assert "8 times" in newest.reason


def test_a_trigger_of_another_process_is_known_at_once(units: SqlUnitsOfWork, events: EventService) -> None:
    assert events.publish("shop.a", {}, source="t").triggered == ()
    task = on_event(units)
    assert events.publish("shop.a", {}, source="t").triggered == (task.id,)
    with units() as unit:
        unit.tasks.delete(task.id)
        unit.events.triggers_changed()
    assert events.publish("shop.a", {}, source="t").triggered == ()


class Heard:
    """Statements that are remembered."""

    def __init__(self, statements: ConnectionStatements) -> None:
        self.heard: list[str] = []
        self.postgresql = statements.postgresql
        self.many = statements.many
        self._run = statements.run

    def run(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        self.heard.append(sql)
        return self._run(sql, values)


def test_triggers_are_found_without_going_through_all_active_tasks(engine: Engine, units: SqlUnitsOfWork) -> None:
    with units() as unit:
        for _ in range(300):
            unit.tasks.add(a_task(schedule_kind="cron", schedule_expr="0 4 * * *"))
    task = on_event(units)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    explain = "EXPLAIN" if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    with engine.connect() as connection:
        statements = Heard(ConnectionStatements(connection))
        found = SqlEventStore(statements, Gates(statements)).triggers()
        plan = connection.exec_driver_sql(f"{explain} {statements.heard[-1]}").all()
    assert [row.task_id for row in found] == [task.id]
    assert "ix_tasks_triggers" in str(plan)


def test_an_event_and_the_end_of_its_task_come_one_after_the_other(engine: Engine, units: SqlUnitsOfWork) -> None:
    tasks = [on_event(units, overlap="allow") for _ in range(5)]
    ended = threading.Event()

    def delete() -> None:
        for task in tasks:
            with SqlUnitsOfWork(engine)() as unit:
                unit.tasks.get(task.id, lock=True)
                unit.tasks.delete(task.id)
                unit.events.triggers_changed()
        ended.set()

    publisher = service(SqlUnitsOfWork(engine))
    thread = threading.Thread(target=delete)
    thread.start()
    while not ended.is_set():
        publisher.publish("shop.a", {}, source="t")
    thread.join()
    assert publisher.publish("shop.a", {}, source="t").triggered == ()


@pytest.mark.parametrize(
    ("kind", "expr", "runs"),
    [
        ("event", "bank.**", 0),  # it is not for the event any more
        ("event", "shop.a", 1),  # it still is
        ("condition", "payload.sum > `1`", 0),
        ("cron", "* * * * *", 0),
    ],
)
def test_a_task_that_is_edited_meanwhile_is_started_by_what_it_is_for_then(
    units: SqlUnitsOfWork, events: EventService, monkeypatch: pytest.MonkeyPatch, kind: str, expr: str, runs: int
) -> None:
    task, locked = on_event(units), SqlEventStore.triggered

    def edited_first(store: SqlEventStore, task_ids: Any) -> Any:
        # On PostgreSQL an edit may be committed after the index was read, and before the task is locked.
        store._sql.run("UPDATE tasks SET schedule_kind = ?, schedule_expr = ? WHERE id = ?", (kind, expr, task.id))
        return locked(store, task_ids)

    monkeypatch.setattr(SqlEventStore, "triggered", edited_first)
    events.publish("shop.a", {"sum": 1}, source="t")
    assert len(runs_of(units, task)) == runs


def test_history_is_paged_and_trimmed_and_says_so(units: SqlUnitsOfWork, events: EventService) -> None:
    ids = [events.publish(f"a.{number % 2}", {"n": number}, source="t").event.id for number in range(6)]
    batch = events.since(None, "a.1", limit=2)
    assert [event.data["n"] for event in batch.events] == [1, 3] and batch.more and not batch.gap
    rest = events.since(batch.last_id, "a.1", limit=2)
    assert [event.data["n"] for event in rest.events] == [5] and not rest.gap
    assert events.since(rest.last_id, "a.1").events == ()
    assert [event.data["n"] for event in events.recent("**", 2)] == [4, 5]
    assert [event.data["n"] for event in events.recent("*.0", 2)] == [2, 4]
    with units() as unit:
        assert unit.events.trim(position_of(ids[3]), 2) == 2
        assert unit.events.trim(position_of(ids[3]), 2) == 1
        assert unit.events.trim(position_of(ids[3]), 2) == 0
    assert events.since(ids[0], "**").gap
    assert not events.since(ids[2], "**").gap
    assert [one.topic for one in events.topics(limit=10, offset=0).items] == ["a.0", "a.1"]
    assert events.topics(limit=10, offset=0).items[0].last_event_id == ids[4]


def test_topics_of_the_platform_are_named_to_those_who_may_hear_them(
    units: SqlUnitsOfWork, events: EventService
) -> None:
    events.publish("tasks.mine", {}, source="t")
    with units() as unit:
        draft = Draft(topic="task.created", data={})
        unit.events.add([(unit.events.allot(1).first, draft, ())])
    reader, auditor = Caller("reader", frozenset({"events:read"})), Caller("auditor", frozenset({"tasks:read:all"}))
    seen = {one.agent_id: events.topics(limit=10, offset=0, caller=one) for one in (reader, auditor)}
    assert [one.topic for one in seen["reader"].items] == ["tasks.mine"] and seen["reader"].total == 1
    assert [one.topic for one in seen["auditor"].items] == ["task.created", "tasks.mine"]


@pytest.mark.parametrize("most", [200, 2])
def test_the_last_events_of_a_pattern_are_found_among_all_others(
    units: SqlUnitsOfWork, events: EventService, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr("app.storage.events.MOST_TOPICS", most)
    for number, topic in enumerate(["rare.a", "rare.b", "rare.a.b", *["shop.a", "shop.b"] * 5]):
        events.publish(topic, {"n": number}, source="t")
    told = {
        pattern: [one.data["n"] for one in events.recent(pattern, 3)]
        for pattern in ("rare.*", "**", "no.*", "**, !shop.b")
    }
    assert told == {"rare.*": [0, 1], "**": [10, 11, 12], "no.*": [], "**, !shop.b": [7, 9, 11]}
    if most == 200:
        with units(read_only=True) as unit:
            read = unit.events.before(1 << 62, TopicPattern.parse("rare.*"), 10)
        assert [one.event.topic for one in read] == ["rare.b", "rare.a"]


def test_a_reader_of_one_topic_moves_past_the_events_of_others(units: SqlUnitsOfWork, events: EventService) -> None:
    assert events.newest() == "0-0"
    cursor = events.publish("rare", {}, source="t").event.id
    others = [events.publish("frequent", {}, source="t").event.id for _ in range(3)]
    batch = events.since(cursor, "rare")
    assert (batch.events, batch.last_id) == ((), others[-1]) and batch.last_id == events.newest()
    with units() as unit:
        unit.events.trim(position_of(others[-1]), 10)
    assert not events.since(batch.last_id, "rare").gap
    # Who was away is told once.
    missed = events.since(cursor, "rare")
    assert missed.gap and not events.since(missed.last_id, "rare").gap


def test_a_transaction_that_fails_leaves_no_event_behind(units: SqlUnitsOfWork, events: EventService) -> None:
    first = events.publish("a", {}, source="t").event.id

    def fail() -> None:
        with units() as unit:
            unit.events.allot(3)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    batch = events.since(first, "**")
    assert batch.events == () and batch.last_id == first
    assert events.publish("a", {}, source="t").event.id > first
