"""Keys of requests and wholes of units, on both databases."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from app.domain.clock import SystemClock
from app.domain.errors import NotFound, StillInProgress
from app.domain.idempotency import KeptAnswer, KeyedRequest, KeyRow
from app.domain.tasks import TaskFilter
from app.services.idempotency import IdempotencyService
from app.storage.engines import make_engine
from app.storage.unit_of_work import SqlUnitsOfWork
from tests.fakes.rows import a_task

ASKED = KeyedRequest(agent="ana", key="k", target="POST /tasks", digest="d")
DONE = KeptAnswer(201, {"ETag": '"1"'}, "{}")
NOW = datetime.now(UTC).replace(microsecond=0)
EVERY = TaskFilter()
ROW = KeyRow(request=ASKED, holder="h", created_at=NOW, locked_at=NOW)


def test_a_key_is_kept(units: SqlUnitsOfWork) -> None:
    for row in (ROW, replace(ROW, locked_at=None, answer=DONE)):
        with units() as unit:
            unit.keys.put(row)
        with units(read_only=True) as unit:
            assert unit.keys.get(ASKED) == row


def test_only_who_holds_a_key_answers(units: SqlUnitsOfWork) -> None:
    with units() as unit:
        unit.keys.put(ROW)
        assert not unit.keys.answered(replace(ROW, holder="other", answer=DONE))
        unit.keys.release(replace(ROW, holder="other"))
        assert unit.keys.answered(replace(ROW, answer=DONE))
        unit.keys.release(ROW)
        kept = unit.keys.get(ASKED)
    assert kept is not None and kept.answer == DONE


def test_old_keys_are_forgotten(units: SqlUnitsOfWork) -> None:
    with units() as unit:
        for number in range(3):
            asked = replace(ASKED, key=str(number))
            unit.keys.put(replace(ROW, request=asked, created_at=NOW - timedelta(hours=number)))
        assert unit.keys.purge(NOW - timedelta(hours=1), 10) == 2
        assert [unit.keys.get(replace(ASKED, key=str(number))) is None for number in range(3)] == [False, True, True]


def test_a_whole_stands_or_falls_together(units: SqlUnitsOfWork) -> None:
    done: list[str] = []
    for abandoned in (True, False):
        with units.whole() as whole:
            for task_id in ("a", "b"):
                with units() as unit:
                    unit.tasks.add(a_task(id=f"{task_id}{abandoned}"))
                    unit.after_commit(lambda: done.append("told"))
            assert not done
            if abandoned:
                whole.abandon()
    with units(read_only=True) as unit:
        assert {task.id for task in unit.tasks.page(EVERY, limit=9, offset=0).items} == {"aFalse", "bFalse"}
    assert done == ["told", "told"]


def test_a_part_that_fails_leaves_the_others(units: SqlUnitsOfWork) -> None:
    with units.whole():
        with units() as unit:
            unit.tasks.add(a_task(id="kept"))
        with pytest.raises(NotFound):
            _failing(units)
        with units(read_only=True) as unit:
            assert unit.tasks.page(EVERY, limit=9, offset=0).total == 1


def _failing(units: SqlUnitsOfWork) -> None:
    with units() as unit:
        unit.tasks.add(a_task(id="undone"))
        unit.tasks.get("missing")


def test_parts_do_not_nest(units: SqlUnitsOfWork) -> None:
    with units.whole(), units(), pytest.raises(RuntimeError), units():
        pass


@pytest.mark.parametrize("kind", ["whole", "reserved"])
def test_one_key_has_one_effect_through_many_processes(engine: Engine, kind: str) -> None:
    effects: list[int] = []
    barrier = threading.Barrier(6)

    def ask(number: int) -> bool:
        own = make_engine(engine.url.render_as_string(hide_password=False))
        units = SqlUnitsOfWork(own)
        book = IdempotencyService(units=units, clock=SystemClock())

        def answer() -> KeptAnswer:
            effects.append(number)
            with units() as unit:
                unit.tasks.add(a_task(id=str(number)))
            return DONE

        barrier.wait()
        try:
            return getattr(book, kind)(ASKED, answer) is None
        except StillInProgress:
            return False
        finally:
            own.dispose()

    with ThreadPoolExecutor(6) as pool:
        carried_out = list(pool.map(ask, range(6)))
    assert (sum(carried_out), len(effects)) == (1, 1)


@pytest.mark.parametrize("kind", ["whole", "reserved"])
def test_a_refusal_leaves_the_key_free(units: SqlUnitsOfWork, kind: str) -> None:
    once = getattr(IdempotencyService(units=units, clock=SystemClock()), kind)

    def refuse() -> KeptAnswer:
        raise NotFound

    with pytest.raises(NotFound):
        once(ASKED, refuse)
    assert once(ASKED, lambda: KeptAnswer(503)) is None
    assert once(ASKED, lambda: DONE) is None
    assert once(ASKED, refuse) == DONE
