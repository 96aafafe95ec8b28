"""Limits of tools on both databases: exact however many ask, and nothing is lost with whoever dies."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

from sqlalchemy import Engine, text

from app.domain.execution import Settlement
from app.domain.ids import new_id
from app.domain.tool_limits import Holder, Rate, SentAway, ToolLimit, ToolLimits
from app.services.tool_turns import ToolTurns
from app.storage.ledger import SqlRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork
from ordinaut import ToolCall
from tests.contract.conftest import make_ledger
from tests.fakes.hands import Hands, in_thread
from tests.fakes.pipelines import get, pipeline, step, steps_of
from tests.fakes.rows import a_task, queued, stored
from tests.fakes.stores import CountingQueue

HOUR = 3600
FEW = ToolLimit(name="http.request", rates=(Rate(3, HOUR),))
BOTH = (ToolLimit(name="*", rates=(Rate(2, HOUR),)), ToolLimit(name="http.request", rates=(Rate(9, 60),)))
ONE = ToolLimit(name="http.request", concurrency=1)


def take(
    units: SqlUnitsOfWork, *limits: ToolLimit, run: str | None = None, fence: int = 1, again: bool = False
) -> SentAway | None:
    """Ask for a call of a run."""
    with units() as unit:
        return unit.tool_turns.take(limits, Holder(id=run or new_id(), fence=fence, again=again))


def past(units: SqlUnitsOfWork, engine: Engine, seconds: int) -> None:
    """Let so much time pass for the calls that were counted."""
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE tool_calls SET at = at - {seconds * 1_000_000}"))


def claimed(ledger: SqlRunLedger, count: int = 1) -> list[str]:
    """Runs in a worker's hands."""
    return [run.id for run in ledger.exchange("node/1", want=count).claimed]


def test_a_rate_lets_so_many_through_and_no_more(units: SqlUnitsOfWork, engine: Engine) -> None:
    assert [take(units, FEW) for _ in range(3)] == [None] * 3
    away = take(units, FEW)
    assert away is not None and away.rate == Rate(3, HOUR) and 0 < away.delay_us <= HOUR * 1_000_000
    past(units, engine, HOUR)
    # the queue is one of nobody: whoever was to come has not
    assert [take(units, FEW) for _ in range(3)] == [None] * 3
    assert take(units, FEW) is not None


def test_of_many_who_race_exactly_as_many_pass_as_may(units: SqlUnitsOfWork) -> None:
    found: Counter[bool] = Counter()

    def ask() -> None:
        for _ in range(3):
            found[take(units, FEW) is None] += 1

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {True: 3, False: 15}


def test_those_sent_away_are_told_moments_one_after_another(units: SqlUnitsOfWork) -> None:
    limit = ToolLimit(name="t", rates=(Rate(2, HOUR),))
    for _ in range(2):
        take(units, limit)
    delays = [away.delay_us for _ in range(3) if (away := take(units, limit)) is not None]
    steps = [round((later - sooner) / 60_000_000) for sooner, later in pairwise(delays)]
    assert steps == [30, 30]


def test_a_newcomer_comes_behind_those_who_were_sent_away(units: SqlUnitsOfWork, engine: Engine) -> None:
    limit = ToolLimit(name="t", rates=(Rate(2, HOUR),))
    take(units, limit)
    past(units, engine, HOUR // 2)
    take(units, limit)
    away = take(units, limit)
    assert away is not None
    past(units, engine, HOUR // 2)
    assert take(units, limit) is not None
    assert take(units, limit, again=True) is None


def test_all_limits_of_a_tool_hold_and_a_refusal_counts_against_none(units: SqlUnitsOfWork, engine: Engine) -> None:
    assert [take(units, *BOTH) for _ in range(2)] == [None] * 2
    away = take(units, *BOTH)
    assert away is not None and away.limit.name == "*"
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT name, position FROM tool_gates")).all()
    assert dict(rows) == {"*": 2, "http.request": 2}


def test_a_place_is_held_for_as_long_as_the_run_is_held(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    queued(units, stored(units, a_task()), count=2)
    first, second = claimed(ledger, 2)
    assert take(units, ONE, run=first) is None
    away = take(units, ONE, run=second)
    assert away is not None and away.rate is None
    assert take(units, ONE, run=first) is None  # its own place
    assert ledger.rescue(["node/1"]) == 2
    assert take(units, ONE, run=second) is None


def test_whoever_leaves_calls_in_who_waited_longest(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, engine: Engine
) -> None:
    runs = queued(units, stored(units, a_task()), count=4)
    holder, *others = runs
    claimed(ledger, 1)
    assert take(units, ONE, run=holder) is None
    assert all(take(units, ONE, run=one, fence=0) is not None for one in others)
    with engine.begin() as connection:
        connection.execute(text("UPDATE runs SET available_at = available_at + 3600000000 WHERE status = 'queued'"))
    with units() as unit:
        assert unit.runs.cancel_queued(others[0], unit.runs.get(others[0]).created_at)
        assert unit.tool_turns.leave([ONE], holder)
    assert claimed(ledger, 4) == [others[1]]
    # the place is kept for it
    assert take(units, ONE, run=others[2], fence=0) is not None
    assert take(units, ONE, run=others[1]) is None


def test_who_is_called_in_goes_not_past_those_who_hold_its_key(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, engine: Engine
) -> None:
    task = stored(units, a_task())
    (holder,) = queued(units, task)
    sent, rival, last = queued(units, task, 3, concurrency_key="api")
    first, mine = ledger.exchange("node/1", want=2).claimed
    assert [first.id, mine.id] == [holder, sent]
    assert take(units, ONE, run=holder) is None and take(units, ONE, run=sent) is not None
    later = Settlement(run=mine, status="queued", delay_us=HOUR * 1_000_000, lines=[])
    (second,) = ledger.exchange("node/1", settle=[later], want=9).claimed
    assert second.id == rival
    with units() as unit:
        unit.tool_turns.leave([ONE], holder)
    assert claimed(ledger, 9) == []
    done = Settlement(run=second, status="succeeded", lines=[(1, "state", {"status": "succeeded"})])
    assert [run.id for run in ledger.exchange("node/1", settle=[done], want=9).claimed] in ([sent], [last])
    assert claimed(ledger, 9) == [], "one at a time, whoever is first"


def test_a_direct_call_waits_for_nothing_and_ends_by_itself(units: SqlUnitsOfWork, engine: Engine) -> None:
    with units() as unit:
        assert unit.tool_turns.take([ONE], Holder(id="a", seconds=HOUR)) is None
        assert unit.tool_turns.take([ONE], Holder(id="b", seconds=HOUR)) is not None
        assert not unit.tool_turns.leave([ONE], "a")
        assert unit.tool_turns.take([ONE], Holder(id="c", seconds=0)) is None
        assert unit.tool_turns.take([ONE], Holder(id="d", seconds=HOUR)) is None
    with engine.connect() as connection:
        assert connection.execute(text("SELECT holder FROM tool_turns")).scalars().all() == ["d"]


def test_what_limits_nobody_any_more_is_forgotten(units: SqlUnitsOfWork, engine: Engine) -> None:
    for _ in range(3):
        take(units, FEW)
    with units() as unit:
        unit.tool_turns.tidy()
    assert take(units, FEW) is not None
    past(units, engine, HOUR)
    with units() as unit:
        unit.tool_turns.tidy()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT COUNT(*) FROM tool_calls")).scalar_one() == 0


# What it means for runs.


def hands(units: SqlUnitsOfWork, ledger: SqlRunLedger, *limits: ToolLimit, **tools: Any) -> Hands:
    """A worker that keeps these limits; its tools are called `fx.<name>`."""
    turns = ToolTurns(units=units, queue=CountingQueue(), limits=ToolLimits(limits))
    return Hands(ledger, {f"fx.{name}": run for name, run in tools.items()}, turns=turns)


def states(units: SqlUnitsOfWork, run_id: str) -> list[tuple[str, str]]:
    """The run's changes of state, each with its reason."""
    with units(read_only=True) as unit:
        records = unit.runs.journal(run_id)
    return [(one.body["status"], one.body.get("reason", "")) for one in records if one.kind == "state"]


def wake(engine: Engine) -> None:
    """Let every run that waits in the queue be claimed now."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE runs SET available_at = 0, rank = 0 WHERE status = 'queued'"))


def test_a_step_over_its_limit_is_put_off_and_costs_nothing(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, engine: Engine
) -> None:
    task = stored(units, pipeline(step("a"), step("b"), max_retries=0))
    (run_id,) = queued(units, task)
    worker = hands(units, ledger, ToolLimit(name="fx.*", rates=(Rate(1, HOUR),)), do=lambda call: 1)
    worker.executor.drain()
    waiting = get(units, run_id)
    assert (waiting.status, waiting.attempt, worker.keys()) == ("queued", 0, ["a"])
    assert waiting.available_at > waiting.scheduled_for + timedelta(minutes=59)
    past(units, engine, HOUR)
    wake(engine)
    worker.executor.drain()
    run = get(units, run_id)
    assert (run.status, run.attempt, worker.keys()) == ("succeeded", 1, ["a", "b"])
    assert states(units, run_id) == [("running", ""), ("queued", "tool_limit"), ("running", ""), ("succeeded", "")]
    assert steps_of(units, run_id) == [
        ("a", "running", 1), ("a", "succeeded", 1), ("b", "running", 1), ("b", "succeeded", 1),
    ]  # fmt: skip


def test_a_tool_without_limits_asks_nobody(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    queued(units, stored(units, pipeline(step("a"))))
    broken: Any = None
    turns = ToolTurns(units=broken, queue=broken, limits=ToolLimits([ToolLimit(name="fx.other", concurrency=1)]))
    worker = Hands(ledger, {"fx.do": lambda call: 1}, turns=turns)
    worker.executor.drain()
    assert worker.keys() == ["a"]


def test_never_more_calls_under_way_than_may_be_whoever_works(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, engine: Engine
) -> None:
    task = stored(units, pipeline(step("a")))
    queued(units, task, count=6)
    lock, under_way, most = threading.Lock(), [0], [0]

    def busy(call: ToolCall) -> int:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        with units(read_only=True) as unit:  # for as long as it takes others to ask
            unit.runs.stats(since=datetime(2026, 1, 1, tzinfo=UTC))
        with lock:
            under_way[0] -= 1
        return 1

    limit = ToolLimit(name="fx.do", concurrency=2)
    workers = [hands(units, make_ledger(engine), limit, do=busy) for _ in range(3)]

    def work(worker: Hands) -> None:
        while True:
            with units(read_only=True) as unit:
                if not unit.runs.busy_tasks([task.id]):
                    return
            wake(engine)
            worker.executor.drain()

    threads = [in_thread(partial(work, worker)) for worker in workers]
    for thread in threads:
        thread.join()
    assert 1 <= most[0] <= 2 and sum(len(worker.calls) for worker in workers) == 6
