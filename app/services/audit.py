"""Reading the audit log, and proving that nobody has changed it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.domain.access import AuditFilter, AuditRow
from app.domain.audit_chain import Break, Seal, first_break
from app.domain.paging import Page
from app.domain.ports import UnitsOfWork
from app.domain.texts import t

BATCH = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the chain stands: how many rows are good, the last one's hash, and where it breaks."""

    rows: int
    head: str
    broken: Break | None


class AuditService:
    """The use cases of the audit log."""

    def __init__(self, *, units: UnitsOfWork, seal: Seal) -> None:
        self._units = units
        self._seal = seal

    def page(self, where: AuditFilter, *, limit: int, offset: int) -> Page[AuditRow]:
        """Rows, newest first."""
        with self._units(read_only=True) as unit:
            return unit.audit.page(where, limit=limit, offset=offset)

    def verify(self, *, expected_head: str | None = None, unsealed: int = 0) -> Verdict:
        """Walk the whole chain.

        Args:
            expected_head: A hash that was noted down earlier, as the log prints it: unless a row still has it,
                rows were cut off at the end.
            unsealed: How many rows were written before this installation had keys.
        """
        seen = False

        def watched() -> Iterator[AuditRow]:
            nonlocal seen
            for row in self._rows():
                seen = seen or row.hash == expected_head
                yield row

        broken, last = first_break(watched(), self._seal, unsealed=unsealed)
        number = 0 if last is None else last.number
        if broken is None and expected_head is not None and not seen:
            broken = Break(number + 1, t("rows were cut off at the end: none has the expected hash"))
        return Verdict(number, "" if last is None else last.hash, broken)

    def _rows(self) -> Iterator[AuditRow]:
        after = 0
        while True:
            with self._units(read_only=True) as unit:
                rows = unit.audit.rows(after, BATCH)
            if not rows:
                return
            yield from rows
            after = rows[-1].number
