"""Subscriptions, dead letters and background tasks on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.errors import LeaseLost, NotFound
from app.domain.extension_work import CRASHED, DeadLetter, Lease, Release
from app.domain.ids import new_id
from app.services.extension_session import ExtensionSession
from app.services.extension_work import ExtensionWorkService
from app.storage.unit_of_work import SqlUnitsOfWork
from ordinaut import Event, TaskInfo
from tests.servers import wait_for

NOW = datetime(2026, 11, 25, 8, 30, 0, 123456, tzinfo=UTC)
EVENT = Event(id="1692873600000-0", topic="shop.paid", data={"sum": 7}, published_at=NOW, source="ext:till", depth=2)


class Clock:
    """Stands still."""

    def now(self) -> datetime:
        """The moment."""
        return NOW


def session_of(units: SqlUnitsOfWork, extension_id: str = "shop") -> ExtensionSession:
    """A process that holds the extension's lease."""
    with units() as unit:
        lease = unit.extension_work.take(extension_id, owner="w1", version="1", seconds=30)
    assert lease is not None
    session = ExtensionSession(lease, owner="w1", units=units, clock=Clock(), seconds=30)
    session.begin()
    return session


@pytest.fixture
def session(units: SqlUnitsOfWork) -> ExtensionSession:
    """The holder of `shop`."""
    return session_of(units)


@pytest.fixture
def service(units: SqlUnitsOfWork) -> ExtensionWorkService:
    """What any process sees."""
    return ExtensionWorkService(units=units)


# Subscriptions.


def test_a_subscription_begins_with_what_is_newest_and_stays_where_it_got(session: ExtensionSession) -> None:
    first = session.subscribe("shop.*", newest="5-0")
    assert first.cursor == "5-0"
    session.advance(first, "7-1")
    assert session.subscribe("shop.*", newest="9-0").cursor == "7-1"
    session.unsubscribe("shop.*")
    assert session.subscribe("shop.*", newest="9-0").cursor == "9-0"


def test_attempts_are_counted_for_one_event_at_a_time(session: ExtensionSession, service: ExtensionWorkService) -> None:
    stands = session.subscribe("shop.*", newest="1-0")
    stands = session.attempt(stands, "2-0", "boom")
    assert service.troubles("shop") == []
    stands = session.attempt(stands, "2-0")
    assert session.subscribe("shop.*", newest="9-0") == stands
    assert (stands.attempts_at("2-0"), stands.attempts_at("3-0"), stands.error) == (2, 0, None)
    assert service.troubles("shop") == ["shop.*"]
    assert session.explain(stands, "late").error == "late"
    assert session.advance(stands, "2-0").attempts == 0
    assert service.troubles("shop") == []


def test_subscriptions_that_the_code_no_longer_makes_end(session: ExtensionSession) -> None:
    for pattern in ("a", "b", "c"):
        session.subscribe(pattern, newest="1-0")
    assert session.keep_only(["b"]) == ["a", "c"]
    assert session.keep_only(["b"]) == []
    assert session.keep_only([]) == ["b"]


def test_what_an_extension_left_that_nobody_runs_is_forgotten_some_day(
    units: SqlUnitsOfWork, session: ExtensionSession, service: ExtensionWorkService
) -> None:
    session.subscribe("shop.*", newest="1-0")
    session.save_task(SWEEP)
    letter = buried(session)
    other = session_of(units, "till")
    other.subscribe("till.*", newest="1-0")
    session.release(Release())

    def forgotten(seconds: float, *present: str) -> list[str]:
        with units() as unit:
            return unit.extension_work.forget_absent(present, seconds)

    assert forgotten(60) == []
    assert forgotten(0, "shop") == []
    wait_for(lambda: forgotten(0) == ["shop"], what="it to be forgotten")
    with units(read_only=True) as unit:
        assert [one.extension_id for one in unit.extension_work.subscriptions()] == ["till"]
        assert [one.extension_id for one in unit.extension_work.leases()] == ["till"]
    assert service.tasks("shop") == []
    assert service.dead_letters("shop", limit=5, offset=0).items == (letter,)


def test_a_process_whose_lease_has_passed_on_moves_no_cursor(
    units: SqlUnitsOfWork, session: ExtensionSession, service: ExtensionWorkService
) -> None:
    stands = session.subscribe("shop.*", newest="1-0")
    session.release(Release())
    session_of(units)
    for write in (
        lambda: session.advance(stands, "2-0"),
        lambda: session.attempt(stands, "2-0"),
        lambda: session.bury(stands, EVENT, "boom"),
        lambda: session.save_task(TaskInfo(name="sweep", status="running")),
        session.begin,
    ):
        with pytest.raises(LeaseLost):
            write()
    assert session.renew() is False
    with units(read_only=True) as unit:
        assert unit.extension_work.subscriptions("shop") == [stands]
    assert service.dead_letters("shop", limit=1, offset=0).total == 0


# Dead letters.


def buried(session: ExtensionSession, event: Event = EVENT) -> DeadLetter:
    """An event that became a dead letter."""
    stands = session.subscribe("shop.*", newest="1-0")
    stands = session.bury(session.attempt(stands, event.id), event, "ValueError: no")
    assert (stands.cursor, stands.event_id, stands.attempts) == (event.id, None, 0)
    with session._units(read_only=True) as unit:
        return unit.extension_work.letters("shop", limit=1, offset=0).items[0]


def test_a_dead_letter_keeps_the_whole_event(session: ExtensionSession) -> None:
    letter = buried(session)
    assert letter.event == EVENT
    assert (letter.pattern, letter.error, letter.attempts, letter.at) == ("shop.*", "ValueError: no", 1, NOW)


def test_dead_letters_are_listed_newest_first(session: ExtensionSession, service: ExtensionWorkService) -> None:
    for number in range(3):
        buried(session, replace(EVENT, id=f"{10 + number}-0"))
    page = service.dead_letters("shop", limit=2, offset=0)
    assert ([one.event.id for one in page.items], page.total) == (["12-0", "11-0"], 3)
    assert service.dead_letters("other", limit=2, offset=0).total == 0


def test_the_oldest_letters_give_way(session: ExtensionSession, service: ExtensionWorkService) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.storage.extension_work.MOST_LETTERS", 2)
        for number in range(4):
            buried(session, replace(EVENT, id=f"{10 + number}-0"))
    page = service.dead_letters("shop", limit=5, offset=0)
    assert [one.event.id for one in page.items] == ["13-0", "12-0"]


def test_a_letter_that_is_asked_for_is_an_errand_until_it_is_tried(
    session: ExtensionSession, service: ExtensionWorkService
) -> None:
    letter = buried(session)
    assert session.errands().letters == ()
    asked = service.redeliver("shop", letter.id)
    assert session.errands().letters == (asked,)
    tried = session.retry_letter(asked)
    assert (tried.attempts, session.errands().letters) == (2, ())
    session.letter_failed(tried, "again")
    (stays,) = service.dead_letters("shop", limit=5, offset=0).items
    assert (stays.error, stays.attempts) == ("again", 2)
    session.letter_delivered(stays)
    assert service.dead_letters("shop", limit=5, offset=0).total == 0


def test_a_letter_may_be_deleted_while_it_is_delivered(
    session: ExtensionSession, service: ExtensionWorkService
) -> None:
    letter = session.retry_letter(buried(session))
    service.delete_dead_letter("shop", letter.id)
    session.letter_delivered(letter)
    session.letter_failed(letter, "too late")
    assert service.dead_letters("shop", limit=5, offset=0).total == 0


def test_a_letter_of_nobody_is_not_found(session: ExtensionSession, service: ExtensionWorkService) -> None:
    letter = buried(session)
    for extension_id, letter_id in (("shop", new_id()), ("other", letter.id)):
        with pytest.raises(NotFound):
            service.redeliver(extension_id, letter_id)
        with pytest.raises(NotFound):
            service.delete_dead_letter(extension_id, letter_id)
    service.delete_dead_letter("shop", letter.id)
    assert service.dead_letters("shop", limit=5, offset=0).total == 0


# Background tasks.

SWEEP = TaskInfo(name="sweep", status="running", owner="w1", started_at=NOW - timedelta(hours=1), restarts=2)


def test_tasks_are_seen_from_everywhere(session: ExtensionSession, service: ExtensionWorkService) -> None:
    session.save_task(replace(SWEEP, name="tidy"))
    session.save_task(SWEEP)
    assert service.tasks("shop") == [SWEEP, replace(SWEEP, name="tidy")]
    assert service.tasks("other") == []


AFTER_A_STOP = [
    # each row: how the task is stored next, whether it begins anew, and whether it is still to be stopped
    ("restarting", False, True),
    ("running", True, False),
    ("stopped", False, False),
    ("finished", False, False),
]


@pytest.mark.parametrize(("status", "anew", "open_"), AFTER_A_STOP)
def test_a_stop_is_an_errand_until_the_task_ends_or_begins_anew(
    session: ExtensionSession, service: ExtensionWorkService, status: str, anew: bool, open_: bool
) -> None:
    session.save_task(SWEEP)
    assert service.stop_task("shop", "sweep")
    assert session.errands().stops == ("sweep",)
    session.save_task(replace(SWEEP, status=status), anew=anew)
    assert session.errands().stops == ("sweep",) * open_


@pytest.mark.parametrize("status", ["finished", "stopped", "failed"])
def test_what_has_ended_cannot_be_stopped(
    session: ExtensionSession, service: ExtensionWorkService, status: str
) -> None:
    session.save_task(replace(SWEEP, status=status))
    assert not service.stop_task("shop", "sweep")
    assert not service.stop_task("shop", "unknown")


def test_the_next_process_forgets_what_the_last_one_did(
    units: SqlUnitsOfWork, session: ExtensionSession, service: ExtensionWorkService
) -> None:
    session.save_task(SWEEP)
    session.release(Release(status=CRASHED, error="boom", pause=0))
    (orphan,) = service.tasks("shop")
    assert (orphan.status, orphan.owner, orphan.error) == ("restarting", None, "boom")
    session_of(units)
    assert service.tasks("shop") == []


HEALTH = [
    # each row: how the task stands, how the process ended, and what health says
    ("running", None, "healthy"),
    ("finished", None, "healthy"),
    ("stopped", None, "healthy"),
    ("restarting", None, "unhealthy"),
    ("failed", None, "unhealthy"),
    ("running", Release(), "unhealthy"),  # nobody runs it
    ("running", Release(status=CRASHED), "unhealthy"),
    ("running", Release(status="idle"), "healthy"),  # it has no work at all
]


@pytest.mark.parametrize(("status", "how", "word"), HEALTH)
def test_health_is_what_process_and_tasks_say(
    session: ExtensionSession, service: ExtensionWorkService, status: str, how: Release | None, word: str
) -> None:
    assert service.health("never_seen") == "healthy"
    session.save_task(replace(SWEEP, status=status))
    if how is not None:
        session.release(how)
    assert service.health("shop") == word


REASONS = [
    # each row: how the task stands, how the process ended, and why it is unhealthy
    ("running", None, None),
    ("restarting", None, "sweep: no broom"),
    ("running", Release(status=CRASHED, error="on_startup: ValueError: closed"), "on_startup: ValueError: closed"),
    ("running", Release(), None),
]


@pytest.mark.parametrize(("status", "how", "why"), REASONS)
def test_why_it_is_unhealthy_is_told(
    session: ExtensionSession, service: ExtensionWorkService, status: str, how: Release | None, why: str | None
) -> None:
    error = "no broom" if status == "restarting" else None
    session.save_task(replace(SWEEP, status=status, error=error))
    if how is not None:
        session.release(how)
    assert service.trouble("shop") == why
    crashed = how is not None and how.status == CRASHED
    assert service.crashes() == ({"shop": why} if crashed else {})


def test_a_lease_is_one_extension_s(units: SqlUnitsOfWork, session: ExtensionSession) -> None:
    other = session_of(units, "till")
    assert isinstance(other.lease, Lease) and session.renew() and other.renew()
