"""Secrets of agents, the vault, and how long one is believed."""

from __future__ import annotations

import pytest

from app.domain.errors import Unavailable, Unprocessable
from app.services.access import audit_seal, make_access
from app.services.agent_secrets import AgentSecrets, digest, make_key
from app.services.auth import Memory
from app.services.vault import Vault, derived
from ordinaut import Caller
from tests.fakes.access import ANA
from tests.fakes.stores import MemoryUnitsOfWork
from tests.fakes.task_world import TurnedClock


def test_a_secret_is_known_by_its_hash_alone() -> None:
    secrets = AgentSecrets()
    secret, hashed = secrets.make()
    assert hashed.startswith("$argon2id$") and secret not in hashed
    assert secrets.matches(hashed, secret)
    assert not secrets.matches(hashed, secret + "x")
    assert not secrets.matches(None, secret)
    assert not secrets.matches("not a hash", secret)
    assert not secrets.matches(hashed, "x" * 257)


def test_keys_are_random_and_look_like_ours() -> None:
    keys = {make_key() for _ in range(50)}
    assert len(keys) == 50 and all(key.startswith("oat_") and len(key) == 47 for key in keys)
    assert len(digest("x")) == 64


def test_the_vault_opens_what_it_sealed_under_the_same_name() -> None:
    vault = Vault(["k" * 32])
    sealed = vault.seal("A", "välue")
    assert "välue" not in sealed and vault.seal("A", "välue") != sealed
    assert vault.open("A", sealed) == "välue" and vault.is_current(sealed)
    with pytest.raises(Unprocessable, match="changed in the database"):
        vault.open("B", sealed)
    with pytest.raises(Unprocessable, match="not among"):
        Vault(["x" * 32]).open("A", sealed)
    with pytest.raises(Unavailable, match="ORDINAUT_SECRET_KEYS"):
        Vault([]).seal("A", "v")


def test_an_old_key_opens_and_the_newest_seals() -> None:
    old = Vault(["old"]).seal("A", "v")
    both = Vault(["new", "old"])
    assert both.open("A", old) == "v" and not both.is_current(old)
    assert Vault(["new"]).open("A", both.seal("A", "w")) == "w"


def test_one_key_makes_keys_that_say_nothing_of_each_other() -> None:
    assert derived("k", b"audit") != derived("k", b"secrets")
    assert len(audit_seal(["a", "b"]).keys) == 2


def test_an_answer_is_believed_for_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("app.services.auth.time.monotonic", lambda: now)
    memory, asked = Memory(), []

    def look() -> Caller | None:
        asked.append(now)
        return ANA

    assert [memory.ask("a", look) for _ in range(3)] == [ANA] * 3 and asked == [100.0]
    now = 103.9
    memory.ask("a", look)
    now = 104.0
    memory.ask("a", look)
    memory.clear()
    memory.ask("a", look)
    assert asked == [100.0, 104.0, 104.0]


def test_the_memory_does_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.auth.REMEMBERED", 10)
    memory = Memory()
    for number in range(100):
        memory.ask(str(number), lambda: None)
    assert len(memory._known) <= 10


def test_who_is_gone_acts_without_scopes() -> None:
    access = make_access(units=MemoryUnitsOfWork(), clock=TurnedClock(), secret_keys=(), refresh_seconds=60)
    assert access.auth.agent_caller("nobody") == Caller("nobody", frozenset())
    agent, _ = access.agents.create("ana", scopes=["tasks:read"], description="", caller=ANA)
    assert access.auth.agent_caller(agent.id).scopes == {"tasks:read"}
    access.agents.change(agent.id, {"status": "disabled"}, caller=ANA)
    assert access.auth.agent_caller(agent.id).scopes == frozenset()


def test_a_change_that_changes_nothing_is_not_written_down() -> None:
    units = MemoryUnitsOfWork()
    access = make_access(units=units, clock=TurnedClock(), secret_keys=(), refresh_seconds=60)
    agent, _ = access.agents.create("ana", scopes=["tasks:read"], description="", caller=ANA)
    access.agents.change(agent.id, {"scopes": ["tasks:read"]}, caller=ANA)
    access.agents.change(agent.id, {"scopes": ["runs:read"]}, caller=ANA)
    created, updated = units.rows.access.audit
    assert (created.entry.action, updated.entry.action) == ("agent.created", "agent.updated")
    assert (updated.entry.before, updated.entry.after) == ({"scopes": ["tasks:read"]}, {"scopes": ["runs:read"]})
