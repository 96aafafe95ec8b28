"""One action on many runs: which of those that a filter finds it is for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from app.domain.reruns import START, DefinitionChoice
from app.domain.runs import ACTIVE, ENDED, RunFilter, RunStatus

BulkAction = Literal["cancel", "rerun"]
Beginning = Literal["failed", "start"]

MOST: Final = 10_000
"""Runs that one call acts on."""
_SUCCEEDED: Final = frozenset({"succeeded"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRequest:
    """What to do with the runs that a filter finds.

    Attributes:
        start, definition: For `rerun`; see `app.domain.reruns`.
    """

    action: BulkAction
    where: RunFilter
    dry_run: bool = True
    start: Beginning = "failed"
    definition: DefinitionChoice = "original"


def eligible(wish: BulkRequest) -> RunFilter | None:
    """The runs among those found that the action is for; None where their statuses leave none.

    A run whose cancellation was asked for is not asked again, and one that another run repeats already is not
    repeated once more: so a call that is sent twice does everything once.
    """
    if wish.action == "cancel":
        return _narrowed(replace(wish.where, cancelling=False), ACTIVE)
    return _narrowed(replace(wish.where, repeated=False), ENDED if wish.start == START else ENDED - _SUCCEEDED)


def _narrowed(where: RunFilter, statuses: frozenset[str]) -> RunFilter | None:
    kept = tuple(status for status in where.status if status in statuses) if where.status else tuple(sorted(statuses))
    return replace(where, status=kept) if kept else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """One of the runs that the action is for."""

    run_id: str
    task_id: str
    task_title: str
    status: RunStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkResult:
    """What became of the runs that the filter found.

    Attributes:
        matched: How many it found.
        done: How many the action was done to.
        left: How many it is still to be done to: all in a dry run, and what one call was too short for.
        sample: The newest of those it was, or would be, done to.
    """

    action: BulkAction
    dry_run: bool
    matched: int
    done: int
    left: int
    sample: tuple[Sampled, ...]

    @property
    def skipped(self) -> int:
        """How many it is not for."""
        return max(0, self.matched - self.done - self.left)
