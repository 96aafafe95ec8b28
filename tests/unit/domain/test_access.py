"""Scopes, ownership, the chain of the audit log, and the veil over secrets."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

from app.domain.access import AuditEntry, AuditRow, check_changed, check_seen, narrowed_to
from app.domain.audit_chain import Seal, first_break
from app.domain.errors import Forbidden, InvalidInput, NotFound
from app.domain.pipelines.outcome import Failed
from app.domain.runs import RunError
from app.domain.scopes import SCOPES, checked, claimed, known
from app.domain.veil import Veil
from ordinaut import Caller

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ANA = Caller("ana", frozenset({"tasks:read"}))
READER = Caller("bob", frozenset({"tasks:read:all"}))
ROOT = Caller("root", frozenset({"admin"}))


@pytest.mark.parametrize(
    ("scope", "there"),
    [
        ("tasks:read", True),
        ("ext:shop:routes", True),
        ("ext:shop_2:some.thing-else", True),
        ("tasks:*", False),
        ("Tasks:read", False),
        ("ext:Shop:routes", False),
        ("ext:*:routes", False),
        ("ext:shop", False),
        ("", False),
    ],
)
def test_a_scope_is_exactly_itself(scope: str, there: bool) -> None:
    assert known(scope) is there


def test_unknown_scopes_are_all_named() -> None:
    with pytest.raises(InvalidInput) as refusal:
        checked(["admin", "x", "y"])
    assert [one.pointer for one in refusal.value.problems] == ["/scopes/1", "/scopes/2"]


def test_every_scope_is_explained() -> None:
    assert all(SCOPES.values())


@pytest.mark.parametrize(
    ("header", "names"),
    [(None, None), ("", set()), ("a, b,,a", {"a", "b"}), ("x" * 5000, set())],
)
def test_the_header_names_scopes(header: str | None, names: set[str] | None) -> None:
    assert claimed(header) == names


def test_naming_scopes_only_ever_takes_some_away() -> None:
    assert narrowed_to(ANA, ["tasks:read", "admin"]) == {"tasks:read"}
    assert narrowed_to(ROOT, ["tasks:read", "runs:read"]) == {"tasks:read", "runs:read"}


def test_owners_and_admins_pass_and_others_learn_nothing() -> None:
    for caller in (ANA, ROOT):
        check_changed(caller, "ana", "Task not found")
    check_seen(READER, "ana", "Task not found")
    with pytest.raises(Forbidden):
        check_changed(READER, "ana", "Task not found")
    with pytest.raises(NotFound, match="Task not found"):
        check_changed(ANA, "bob", "Task not found")


def chain(length: int, seal: Seal) -> list[AuditRow]:
    rows: list[AuditRow] = []
    for number in range(1, length + 1):
        entry = AuditEntry(at=NOON, actor="ana", action="task.created", kind="task", target=str(number))
        rows.append(seal.row(number, entry, rows[-1].hash if rows else ""))
    return rows


def changed(rows: list[AuditRow]) -> list[AuditRow]:
    entry = replace(rows[2].entry, actor="eve")
    return [*rows[:2], replace(rows[2], entry=entry), *rows[3:]]


def resealed(rows: list[AuditRow]) -> list[AuditRow]:
    """A forger without the key who computes every hash anew."""
    forged: list[AuditRow] = []
    for row in changed(rows):
        forged.append(Seal((b"guess",)).row(row.number, row.entry, forged[-1].hash if forged else ""))
    return forged


def unsealed(rows: list[AuditRow]) -> list[AuditRow]:
    """A forger who writes rows as an installation without keys does."""
    forged: list[AuditRow] = []
    for row in changed(rows):
        forged.append(Seal().row(row.number, row.entry, forged[-1].hash if forged else ""))
    return forged


TAMPERED: list[tuple[Callable[[list[AuditRow]], list[AuditRow]], int | None]] = [
    (lambda rows: rows, None),
    (changed, 3),
    (resealed, 1),
    (unsealed, 1),
    (lambda rows: [*rows[:3], *unsealed(rows)[3:]], 4),
    (lambda rows: [*rows[:2], *rows[3:]], 3),
    (lambda rows: rows[1:], 1),
    (lambda rows: [rows[1], rows[0], *rows[2:]], 1),
    # what was cut off at the end is seen by its head alone, see AuditService.verify
    (lambda rows: rows[:-1], None),
]


@pytest.mark.parametrize(("tamper", "at"), TAMPERED)
def test_the_chain_breaks_where_somebody_touched_it(
    tamper: Callable[[list[AuditRow]], list[AuditRow]], at: int | None
) -> None:
    seal = Seal((b"new", b"old"))
    broken, _ = first_break(tamper(chain(5, seal)), seal)
    assert (broken and broken.number) == at


def test_rows_from_before_there_was_a_key_stand_where_somebody_says_how_many_they_are() -> None:
    rows, seal = chain(2, Seal()), Seal((b"new",))
    assert first_break(rows, Seal())[0] is None
    rows.append(seal.row(3, replace(rows[0].entry, target="3"), rows[-1].hash))
    assert [
        broken and broken.number for broken, _ in (first_break(rows, seal), first_break(rows, seal, unsealed=1))
    ] == [1, 2]
    assert first_break(rows, seal, unsealed=2)[0] is None


def test_a_chain_holds_when_its_key_was_rotated() -> None:
    old, both = Seal((b"old",)), Seal((b"new", b"old"))
    rows = chain(2, old)
    entry = AuditEntry(at=NOON, actor="a", action="b.c", kind="b", target="d", before={"ă": 1}, request_id="r")
    rows.append(both.row(3, entry, rows[-1].hash))
    assert first_break(rows, both)[0] is None
    broken, last = first_break(rows, old)
    assert broken is not None and broken.number == 3 and last == rows[1]


VALUE = 'p4ss "wörd"/+&'


@pytest.mark.parametrize(
    "look",
    [
        VALUE,
        f"Bearer {VALUE}!",
        json.dumps({"a": VALUE}),
        f"https://h/?k={quote(VALUE)}",
        f"https://h/?k={quote(VALUE, safe='')}",
        base64.b64encode(VALUE.encode()).decode(),
    ],
)
def test_the_veil_hides_every_look_of_a_secret(look: str) -> None:
    veil = Veil()
    veil.hide([VALUE])
    cleaned: Any = veil.clean({"a": [look, 1, None, True], look: 2.5})
    assert "***" in cleaned["a"][0] and VALUE not in json.dumps(cleaned, ensure_ascii=False)
    assert cleaned["a"][1:] == [1, None, True]


def test_a_short_secret_is_hidden_where_it_stands_alone() -> None:
    veil = Veil()
    veil.hide(["no"])
    assert veil.clean(["no", "nothing"]) == ["***", "nothing"]


def test_failures_and_exceptions_are_told_through_the_veil() -> None:
    veil = Veil()
    veil.hide([VALUE])
    failed = veil.failed(Failed(RunError(type="x", message=f"no {VALUE}", step_id="s", details={"v": VALUE})))
    assert failed.error.message == "no ***" and failed.error.details == {"v": "***"}
    assert str(veil.error(ValueError(VALUE))) == "ValueError: ***"
