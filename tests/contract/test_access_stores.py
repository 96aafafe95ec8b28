"""Agents, audit and secrets: the stores in SQL, on both databases, and their twins in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from app.domain.access import Agent, ApiKey, AuditEntry, AuditFilter, Session, Ticket
from app.domain.audit_chain import first_break
from app.domain.errors import Conflict, NotFound
from app.services.audit import AuditService
from app.storage.unit_of_work import SqlUnitsOfWork
from tests.fakes.access import SEAL
from tests.fakes.hands import in_thread
from tests.fakes.stores import MemoryUnitsOfWork

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def units(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Units of work of every kind."""
    if request.param == "memory":
        yield MemoryUnitsOfWork()
        return
    from app.storage.engines import make_engine

    engine = make_engine(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))
    yield SqlUnitsOfWork(engine, seal=SEAL)
    engine.dispose()


def an_agent(agent_id: str = "a1", **more: Any) -> Agent:
    base: dict[str, Any] = {
        "id": agent_id,
        "name": f"name of {agent_id}",
        "description": "",
        "scopes": ("tasks:read",),
        "status": "active",
        "secret_hash": "h",
        "token_version": 1,
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Agent(**{**base, **more})


def a_session(**more: Any) -> Session:
    base: dict[str, Any] = {
        "id": "s1",
        "agent_id": "a1",
        "refresh_jti": "j1",
        "scopes": None,
        "created_at": NOON,
        "expires_at": LATER,
    }
    return Session(**{**base, **more})


def a_key(**more: Any) -> ApiKey:
    base: dict[str, Any] = {
        "id": "k1",
        "agent_id": "a1",
        "name": "ci",
        "key_hash": "hash",
        "scopes": ("tasks:read",),
        "created_at": NOON,
        "expires_at": None,
    }
    return ApiKey(**{**base, **more})


def entry(target: str, **more: Any) -> AuditEntry:
    return AuditEntry(
        **{"at": NOON, "actor": "ana", "action": "task.created", "kind": "task", "target": target, **more}
    )


def test_an_agent_is_found_by_id_and_by_name(units: Any) -> None:
    with units() as unit:
        unit.agents.add(an_agent())
        # One that is named as another's id: the id goes first.
        unit.agents.add(an_agent("a2", name="a1"))
    with units(read_only=True) as unit:
        assert unit.agents.get("a1") == an_agent()
        assert unit.agents.find("a1").id == "a1" and unit.agents.find("name of a1").id == "a1"
        assert unit.agents.find("nobody") is None
        assert [one.name for one in unit.agents.page(limit=1, offset=1).items] == ["name of a1"]
        with pytest.raises(NotFound):
            unit.agents.get("a3")


def test_names_are_unique(units: Any) -> None:
    with units() as unit:
        unit.agents.add(an_agent())
        unit.agents.add(an_agent("a2"))
    with pytest.raises(Conflict), units() as unit:
        unit.agents.add(an_agent("a3", name="name of a1"))
    with pytest.raises(Conflict), units() as unit:
        unit.agents.save(an_agent("a2", name="name of a1"))
    with units() as unit:
        unit.agents.save(an_agent(scopes=("admin",), status="disabled"))
        assert unit.agents.get("a1").scopes == ("admin",)


def test_what_belongs_to_an_agent_goes_with_it(units: Any) -> None:
    with units() as unit:
        unit.agents.add(an_agent())
        unit.agents.add_session(a_session())
        unit.agents.add_key(a_key())
    with units() as unit:
        assert unit.agents.session("s1") == a_session() and unit.agents.key_by_hash("hash") == a_key()
        unit.agents.delete("a1")
    with units(read_only=True) as unit:
        assert unit.agents.session("s1") is None and unit.agents.key_by_hash("hash") is None
    with pytest.raises(NotFound), units() as unit:
        unit.agents.delete("a1")


def test_sessions_and_tokens_end(units: Any) -> None:
    with units() as unit:
        unit.agents.add(an_agent())
        unit.agents.add_session(a_session(scopes=("a", "b")))
        unit.agents.add_session(a_session(id="s2", revoked_at=NOON))
        assert unit.agents.revoke_sessions("a1", LATER) == 1
        unit.agents.revoke_token("t1", LATER)
        unit.agents.revoke_token("t1", LATER)
    with units(read_only=True) as unit:
        assert unit.agents.session("s1") == a_session(scopes=("a", "b"), revoked_at=LATER)
        assert unit.agents.session("s2", lock=False).revoked_at == NOON
        assert unit.agents.is_revoked("t1") and not unit.agents.is_revoked("t2")


def test_keys_are_listed_and_changed(units: Any) -> None:
    with units() as unit:
        unit.agents.add(an_agent())
        unit.agents.add_key(a_key())
        unit.agents.add_key(a_key(id="k2", key_hash="other"))
        unit.agents.save_key(replace(a_key(), revoked_at=NOON))
        assert [key.id for key in unit.agents.keys("a1")] == ["k2", "k1"]
        assert unit.agents.key("k1").revoked_at == NOON
        with pytest.raises(NotFound):
            unit.agents.key("k3")


def test_a_ticket_is_taken_once(units: Any) -> None:
    ticket = Ticket(ticket_hash="t", agent_id="local", scopes=("a",), expires_at=NOON)
    with units() as unit:
        unit.agents.add_ticket(ticket)
    taken = []

    def take() -> None:
        with units() as unit:
            taken.append(unit.agents.take_ticket("t"))

    threads = [in_thread(take) for _ in range(2)]
    for thread in threads:
        thread.join()
    assert sorted(taken, key=str) == [None, ticket]


def test_what_ran_out_is_forgotten(units: Any) -> None:
    with units() as unit:
        unit.agents.add(an_agent())
        for number, until in enumerate((NOON, LATER)):
            unit.agents.add_session(a_session(id=f"s{number}", expires_at=until))
            unit.agents.revoke_token(f"t{number}", until)
            unit.agents.add_ticket(Ticket(ticket_hash=f"h{number}", agent_id="a1", scopes=(), expires_at=until))
        unit.agents.forget(LATER)
        assert unit.agents.session("s0") is None and unit.agents.session("s1") is not None
        assert not unit.agents.is_revoked("t0") and unit.agents.is_revoked("t1")
        assert unit.agents.take_ticket("h0") is None and unit.agents.take_ticket("h1") is not None


def _fail_after(unit: Any) -> None:
    unit.audit.add(entry("never"))
    unit.secrets.delete("nothing")


def test_the_audit_log_is_a_chain_in_the_order_of_commits(units: Any) -> None:
    with units() as unit:
        unit.audit.add(entry("1", before={"a": 1.5, "ă": None}, after={"b": ["c"]}, request_id="r"))
        unit.audit.add(entry("2", kind="agent", action="agent.created"))
    with pytest.raises(NotFound), units() as unit:
        _fail_after(unit)
    with units() as unit:
        unit.audit.add(entry("3", actor="bob"))
    with units(read_only=True) as unit:
        rows = unit.audit.rows(0, 10)
        assert [(row.number, row.entry.target) for row in rows] == [(1, "1"), (2, "2"), (3, "3")]
        assert rows[0].entry == entry("1", before={"a": 1.5, "ă": None}, after={"b": ["c"]}, request_id="r")
        assert first_break(rows, SEAL)[0] is None
        assert unit.audit.head() == (3, rows[-1].hash)
        assert [row.number for row in unit.audit.page(AuditFilter(), limit=2, offset=1).items] == [2, 1]
        for where, numbers in (
            (AuditFilter(actor="bob"), [3]),
            (AuditFilter(kind="agent"), [2]),
            (AuditFilter(action="task.created"), [3, 1]),
            (AuditFilter(kind="task", target="1"), [1]),
        ):
            assert [row.number for row in unit.audit.page(where, limit=9, offset=0).items] == numbers


def test_secrets_are_kept_as_they_come(units: Any) -> None:
    with units() as unit:
        assert unit.secrets.put("K", "sealed", NOON, "ana") is True
        assert unit.secrets.put("K", "other", LATER, "bob") is False
        unit.secrets.reseal("K", "again")
    with units(read_only=True) as unit:
        assert unit.secrets.sealed(["K", "L"]) == {"K": "again"}
        (told,) = unit.secrets.page(limit=9, offset=0).items
        assert (told.name, told.created_at, told.updated_at, told.updated_by) == ("K", NOON, LATER, "bob")
    with units() as unit:
        unit.secrets.delete("K")
    with pytest.raises(NotFound), units() as unit:
        unit.secrets.delete("K")


def test_writers_at_once_make_one_chain(engine: Engine) -> None:
    units = SqlUnitsOfWork(engine, seal=SEAL)

    def write(name: str) -> None:
        for number in range(5):
            with units() as unit:
                unit.audit.add(entry(f"{name}{number}"))

    threads = [in_thread(lambda name=name: write(name)) for name in "abc"]  # type: ignore[misc]
    for thread in threads:
        thread.join()
    verdict = AuditService(units=units, seal=SEAL).verify()
    assert (verdict.rows, verdict.broken) == (15, None)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit SET actor = 'eve'", "DELETE FROM audit", "DELETE FROM audit WHERE number = 1"],
)
def test_the_database_itself_refuses_to_change_the_log(engine: Engine, statement: str) -> None:
    units = SqlUnitsOfWork(engine, seal=SEAL)
    with units() as unit:
        unit.audit.add(entry("1"))
    with pytest.raises(DBAPIError, match="append only"), engine.begin() as connection:
        connection.execute(text(statement))


TAMPERING = {
    "change": "UPDATE audit SET actor = 'eve' WHERE number = 2",
    "removal": "DELETE FROM audit WHERE number = 2",
    "truncation": "DELETE FROM audit WHERE number = 3",
}


@pytest.mark.parametrize(("what", "at"), [("change", 2), ("removal", 2), ("truncation", 3)])
def test_who_gets_past_the_triggers_is_found_out(engine: Engine, what: str, at: int) -> None:
    units = SqlUnitsOfWork(engine, seal=SEAL)
    with units() as unit:
        for number in range(1, 4):
            unit.audit.add(entry(str(number)))
    service = AuditService(units=units, seal=SEAL)
    head = service.verify().head
    with engine.begin() as connection:
        for trigger in ("audit_never_changes", "audit_never_shrinks"):
            if engine.dialect.name == "sqlite":
                connection.execute(text(f"DROP TRIGGER {trigger}"))
        if engine.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE audit DISABLE TRIGGER audit_append_only"))
        connection.execute(text(TAMPERING[what]))
    broken = service.verify(expected_head=head).broken
    assert broken is not None and broken.number == at
