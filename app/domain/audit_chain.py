"""The chain of the audit log: every row is sealed with the hash of the one before it (RFC 2104)."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from app.domain.access import AuditEntry, AuditRow
from app.domain.clock import to_micros
from app.domain.texts import t

UNSEALED = "sha256"
"""The key id of rows written without a key: changes by somebody who can compute a SHA-256 go unseen."""


@dataclass(frozen=True, slots=True)
class Seal:
    """The keys of the chain; the first seals, all verify."""

    keys: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def by_id(self) -> Mapping[str, bytes]:
        """Key id -> key, the one that seals first."""
        named = {hashlib.sha256(b"audit" + key).hexdigest()[:8]: key for key in self.keys}
        return named or {UNSEALED: b""}

    def row(self, number: int, entry: AuditEntry, previous: str) -> AuditRow:
        """The next row of the chain."""
        key_id, key = next(iter(self.by_id.items()))
        return AuditRow(
            number=number,
            entry=entry,
            key_id=key_id,
            previous=previous,
            hash=_hash(key, number, entry, previous),
        )


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where a chain does not hold, and why."""

    number: int
    reason: str


def first_break(rows: Iterable[AuditRow], seal: Seal, *, unsealed: int = 0) -> tuple[Break | None, AuditRow | None]:
    """Walk the chain from its first row: where it breaks, and the last row that was good.

    Args:
        unsealed: Up to which number rows may be without a seal although there are keys: those from before there were.
            Anybody can write such a row, so one that nobody knows of is no proof of anything.
    """
    keys = {UNSEALED: b"", **seal.by_id}
    last: AuditRow | None = None
    for row in rows:
        expected = 1 if last is None else last.number + 1
        if row.number != expected:
            return Break(expected, t("rows are missing before this number")), last
        if row.previous != ("" if last is None else last.hash):
            return Break(row.number, t("it does not follow the row before it")), last
        if row.key_id == UNSEALED and seal.keys and row.number > unsealed:
            return Break(row.number, t("it has no seal, although this installation has keys")), last
        key = keys.get(row.key_id)
        if key is None:
            return Break(row.number, t("it was sealed with a key that is not here: {key_id}", key_id=row.key_id)), last
        if not hmac.compare_digest(row.hash, _hash(key, row.number, row.entry, row.previous)):
            return Break(row.number, t("it was changed")), last
        last = row
    return None, last


def _hash(key: bytes, number: int, entry: AuditEntry, previous: str) -> str:
    facts = [
        previous,
        number,
        to_micros(entry.at),
        entry.actor,
        entry.action,
        entry.kind,
        entry.target,
        entry.before,
        entry.after,
        entry.request_id,
    ]
    text = json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
    return hmac.new(key, text, hashlib.sha256).hexdigest() if key else hashlib.sha256(text).hexdigest()
