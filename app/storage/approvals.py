"""Approvals in SQL: stored together with the wait that they end.

Whoever ends an approval has ended its wait before, in the same transaction: of several who try, one gets the wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from app.domain.approvals import Approval, ApprovalFilter, ApprovalStatus, Decision, NewApproval, Outcome
from app.domain.clock import from_micros, to_micros
from app.domain.errors import NotFound
from app.domain.json_text import to_json
from app.domain.paging import Page
from app.domain.texts import t
from app.domain.waits import Parking
from app.storage.statements import NOW, Statements, marks
from ordinaut import Caller

_COLUMNS = (
    *("id", "run_id", "asked_by", "title", "message", "data", "form", "options", "approvers", "deny_self", "fail_on"),
    *("on_timeout", "expires_at", "task_id", "step_id", "item", "wait_id", "status", "created_at"),
    *("decision", "filled", "comment", "decided_by", "decided_at"),
)
_WHOLE = f"SELECT {', '.join(_COLUMNS)} FROM approvals"
_CONTAINS = {True: "strpos(approvers, ?) > 0", False: "instr(approvers, ?) > 0"}


class SqlApprovalStore:
    """See `app.domain.approvals.ApprovalStore`; made for one transaction."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def add(self, new: NewApproval, parking: Parking, wait_id: str) -> None:
        """Store what a run asks; it has just been parked with this wait."""
        row = {
            "id": new.id,
            "run_id": new.run_id,
            "step_id": parking.step_id,
            "item": parking.item,
            "wait_id": wait_id,
            "asked_by": new.asked_by,
            "title": new.title,
            "message": new.message,
            "data": None if new.data is None else _text(new.data),
            "form": None if new.form is None else _text(new.form),
            "options": _text(new.options),
            "approvers": _text(new.approvers),
            "deny_self": int(new.deny_self),
            "fail_on": _text(new.fail_on),
            "on_timeout": new.on_timeout,
            "expires_at": None if new.expires_at is None else to_micros(new.expires_at),
            "status": "pending",
        }
        self._sql.run(
            f"INSERT INTO approvals ({', '.join(row)}, created_at, task_id)"
            f" VALUES ({marks(row)}, {NOW[self._sql.postgresql]}, (SELECT task_id FROM runs WHERE id = ?))",
            (*row.values(), new.run_id),
        )

    def get(self, approval_id: str) -> Approval:
        """The approval, or NotFound."""
        found = self._one("id", approval_id)
        if found is None:
            raise NotFound(t("Approval not found"), approval_id=approval_id)
        return found

    def of_wait(self, wait_id: str) -> Approval | None:
        """What a run asked when it began this wait."""
        return self._one("wait_id", wait_id)

    def _one(self, column: str, value: str) -> Approval | None:
        rows = self._sql.run(f"{_WHOLE} WHERE {column} = ?", (value,))
        return _approval(rows[0]) if rows else None

    def page(self, where: ApprovalFilter, *, limit: int, offset: int) -> Page[Approval]:
        """Newest first."""
        conditions, values = self._conditions(where)
        clause = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        ((total,),) = self._sql.run(f"SELECT count(*) FROM approvals{clause}", values)
        rows = self._sql.run(f"{_WHOLE}{clause} ORDER BY id DESC LIMIT ? OFFSET ?", (*values, limit, offset))
        return Page(tuple(map(_approval, rows)), total, limit, offset)

    def _conditions(self, where: ApprovalFilter) -> tuple[list[str], list[Any]]:
        conditions, values = [], list[Any]()
        for column in ("task_id", "run_id"):
            if (value := getattr(where, column)) is not None:
                conditions.append(f"{column} = ?")
                values.append(value)
        if where.status:
            conditions.append(f"status IN ({marks(where.status)})")
            values.extend(where.status)
        if where.seen_by is not None:
            seen, names = self._seen(where.seen_by)
            conditions.append(seen)
            values.extend(names)
        return conditions, values

    def _seen(self, caller: Caller) -> tuple[str, list[str]]:
        """As `app.domain.approvals.may_see` has it; names stand in JSON text between quotes."""
        named = [orjson.dumps(name).decode() for name in (caller.agent_id, *sorted(caller.scopes))]
        either = ["asked_by = ?", "approvers = '[]'", *[_CONTAINS[self._sql.postgresql]] * len(named)]
        return f"({' OR '.join(either)})", [caller.agent_id, *named]

    def close(self, approval_id: str, status: ApprovalStatus, outcome: Outcome | None) -> bool:
        """End one that is pending; False where it has ended already."""
        told: tuple[Any, ...] = (None, None, None, None, None)
        if outcome is not None:
            made = outcome.decision
            filled = None if made.form is None else _text(made.form)
            told = (made.option, filled, made.comment, outcome.by, to_micros(outcome.at))
        ended = self._sql.run(
            "UPDATE approvals SET status = ?, decision = ?, filled = ?, comment = ?, decided_by = ?, decided_at = ?"
            " WHERE id = ? AND status = 'pending' RETURNING id",
            (status, *told, approval_id),
        )
        return bool(ended)


def _text(value: Any) -> str:
    return to_json(value).decode()


def _read(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def _approval(row: Sequence[Any]) -> Approval:
    known = dict(zip(_COLUMNS, row, strict=True))
    made = Decision(option=known.pop("decision") or "", form=_read(known.pop("filled")), comment=known.pop("comment"))
    by, at = known.pop("decided_by"), known.pop("decided_at")
    for name in ("options", "approvers", "fail_on"):
        known[name] = tuple(_read(known[name]))
    return Approval(
        **{
            **known,
            "data": _read(known["data"]),
            "form": _read(known["form"]),
            "deny_self": bool(known["deny_self"]),
            "expires_at": None if known["expires_at"] is None else from_micros(known["expires_at"]),
            "created_at": from_micros(known["created_at"]),
            "outcome": None if at is None else Outcome(decision=made, by=by, at=from_micros(at)),
        }
    )
