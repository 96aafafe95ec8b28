"""What a worker and the ledger of runs say to each other: claims, checkpoints, settlements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from app.domain.runs import Record
from app.domain.waits import Parking
from ordinaut.callers import Caller

if TYPE_CHECKING:
    from app.domain.pipelines.fan_out import PartEnd

Line = tuple[int, str, Any]
"""A journal record before it has a number: `(microseconds since 1970, kind, body)`; see `runs.Record`."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run in the hands of this worker until `leased_until`, or until its fence has moved on.

    All times are microseconds since 1970, on the database's clock. `active_us` is the time that earlier claims
    have spent on it; `journal_length` is 0 when it has never been begun; with `cancelled` somebody
    wants it stopped. `part` says which piece of its parent's work it is, see `app.domain.pipelines.fan_out`.
    """

    id: str
    task_id: str
    definition_id: str
    trigger: str
    nominal_at: int | None
    scheduled_for: int
    priority: int
    attempt: int
    max_attempts: int
    fence: int
    active_us: int
    journal_length: int
    params: Mapping[str, Any] | None
    request_id: str | None
    cancelled: bool = False
    event: Mapping[str, Any] | None = None
    parent_run_id: str | None = None
    part: Mapping[str, Any] | None = None
    concurrency_key: str | None = None
    in_line: bool = False
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """How a run leaves a worker's hands: ended, queued again, or waiting.

    Attributes:
        status: Where it goes.
        delay_us: For `queued`: nobody takes it for that long; None keeps its place in the queue.
        returned: True when this claim does not count as an attempt (a hand-back, a step's own retry).
        error, output: JSON text, for a run that has ended.
        lines: What the journal gains.
        parking: For `waiting`: for what.
    """

    run: Claimed
    status: Literal["queued", "waiting", "succeeded", "failed", "canceled"]
    delay_us: int | None = None
    returned: bool = False
    error: str | None = None
    output: str | None = None
    active_us: int = 0
    lines: Sequence[Line] = ()
    parking: Parking | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Records of a run that stays with its worker."""

    run: Claimed
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Exchange:
    """What one visit to the ledger brought.

    Attributes:
        accepted: Ids of the settled and checkpointed runs that were still this worker's; the others' records
            were refused, since their lease has passed on.
        cancelled: Ids of checkpointed runs that somebody wants stopped.
        claimed: New runs.
        opened: How many runs may be claimed now that were held back by those settled.
    """

    accepted: frozenset[str]
    cancelled: frozenset[str]
    claimed: Sequence[Claimed]
    opened: int = 0


class Behalf(Protocol):
    """In whose name runs act."""

    def caller(self, agent_id: str) -> Caller:
        """The agent with the scopes it holds now, at most 5 s old."""

    def secrets(self, names: Sequence[str]) -> Mapping[str, str]:
        """The values of these secrets; those that do not exist are missing. Unprocessable: one cannot be read."""


class RunLedger(Protocol):
    """The record of who holds which run; every call is one transaction and raises Unavailable without a database."""

    def exchange(
        self,
        owner: str,
        *,
        settle: Sequence[Settlement] = (),
        checkpoint: Checkpoint | None = None,
        want: int = 0,
    ) -> Exchange:
        """Settle, checkpoint and claim up to `want` runs, all in one transaction."""

    def renew(self, owner: str, run_ids: Sequence[str]) -> Mapping[str, bool]:
        """Extend these leases; those still this owner's, each with whether it is to be cancelled.

        Runs are named, since a claim whose answer was lost must run out and not be kept alive by accident.
        """

    def ready(self) -> bool:
        """Whether any run could be claimed now."""

    def journal(self, run_id: str) -> Sequence[Record]:
        """The records of a run that has been begun before."""

    def parts(self, run_id: str, ids: Sequence[str] = ()) -> Sequence[PartEnd]:
        """The parts of a run, or those of them with these ids, in the order in which they were made."""

    def part_failed(self, run_id: str) -> bool:
        """Whether one of the parts for which a run waits has failed."""

    def definition(self, definition_id: str) -> Mapping[str, Any]:
        """The document a run keeps."""

    def rescue(self, owners: Sequence[str] | None = None) -> int:
        """Take back runs whose lease has run out, or all of the named dead owners'; how many.

        Each counts as a lost attempt: it is queued again, or failed with `worker_lost` when none is left. What follows
        from such an end (events, pausing the task) is for a process that has the parts for it: a ledger without a
        witness, asked for dead owners, only ends the lease of a run that is to end; beat's next sweep does the rest.
        """

    def owners(self, node: str) -> Sequence[str]:
        """Who on this node (`<node>/…`) holds runs."""
