"""Requests under an `Idempotency-Key`, each carried out once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from app.domain.clock import Clock
from app.domain.errors import StillInProgress
from app.domain.idempotency import (
    HEADER,
    KeptAnswer,
    KeyedRequest,
    KeyRow,
    KeyUnits,
    earlier_answer,
    told_again,
)
from app.domain.ids import new_id

UNPROCESSABLE = 422


class IdempotencyService:
    """Answers a request that was answered before as it was answered then.

    Only what succeeded is kept: a refusal has had no effect, and its key is free for the next try.
    """

    def __init__(self, *, units: KeyUnits, clock: Clock) -> None:
        self._units = units
        self._clock = clock

    def whole(self, asked: KeyedRequest, answer: Callable[[], KeptAnswer]) -> KeptAnswer | None:
        """Carry the request out in one transaction with the keeping of its answer.

        However the process dies, either both stand or neither does.

        Args:
            answer: What it is carried out by; its units of work become one.

        Returns:
            The answer given before; None when it was carried out now.

        Raises:
            Unprocessable, StillInProgress: see `earlier_answer`; Conflict: see `told_again`. Whatever `answer` raises.
        """
        with self._units.whole() as whole:
            now = self._clock.now()
            with self._units() as unit:
                # Only looked for: the key's row is written at the end, when there is an answer.
                if not unit.keys.lock(asked):
                    raise StillInProgress(field=HEADER)
                earlier = earlier_answer(unit.keys.get(asked), asked, now)
            if earlier is not None:
                whole.abandon()
                return told_again(earlier)
            given = answer()
            if not _stands(given):
                whole.abandon()
                return None
            with self._units() as unit:
                unit.keys.put(KeyRow(request=asked, holder="", created_at=now, answer=given))
        return None

    def reserved(self, asked: KeyedRequest, answer: Callable[[], KeptAnswer]) -> KeptAnswer | None:
        """The same for a request whose effects are not of one transaction: its key is reserved first.

        A process that dies meanwhile leaves the key locked for a minute; then the request is carried out anew, and
        what it does must know repetitions by itself.
        """
        row = KeyRow(request=asked, holder=new_id(), created_at=self._clock.now(), locked_at=self._clock.now())
        with self._units() as unit:
            if not unit.keys.lock(asked):
                raise StillInProgress(field=HEADER)
            earlier = earlier_answer(unit.keys.get(asked), asked, row.created_at)
            if earlier is None:
                unit.keys.put(row)
        if earlier is not None:
            return told_again(earlier)
        try:
            given = answer()
        except BaseException:
            self._released(row)
            raise
        if not _had_effects(given):
            self._released(row)
            return None
        with self._units() as unit:
            unit.keys.answered(replace(row, locked_at=None, answer=given))
        return None

    def _released(self, row: KeyRow) -> None:
        with self._units() as unit:
            unit.keys.release(row)


def _stands(given: KeptAnswer) -> bool:
    return 200 <= given.status < 300


def _had_effects(given: KeptAnswer) -> bool:
    """Whether a request whose effects are not of one transaction may have had some: 422 is what came of them."""
    return _stands(given) or given.status == UNPROCESSABLE
