"""Standing grants: what the runs of a task may do, accepted once by somebody, so that no run has to ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from app.domain.clock import rfc3339
from app.domain.errors import Conflict, Forbidden
from app.domain.paging import Page
from app.domain.permissions import Permission, covered
from app.domain.tasks import Standing
from app.domain.texts import Text, t
from ordinaut.callers import ADMIN, Caller

GrantMode = Literal["off", "agents", "all"]
GrantStatus = Literal["pending", "accepted", "refused", "replaced"]
Outside = Literal["fail", "ask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How far a grant goes.

    Attributes:
        until: When it ends; None for never.
        outside: What a step does that would leave it: `fail`, or `ask` somebody.
        calls_per_day: How many calls it allows in a day of UTC; None for any number.
    """

    until: datetime | None
    outside: Outside
    calls_per_day: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a task's pipeline needs, and what was said to it.

    Attributes:
        task_title, owner: The task's, as they are now.
        asked_by: Who wrote the pipeline.
        permissions: What the runs may do; everything that is known of it before they run.
        terms: As they are offered while it is pending, then as they were accepted.
        decided_by, decided_at, comment: Who accepted or refused it, where somebody did.
    """

    id: str
    task_id: str
    task_title: str = ""
    owner: str = ""
    status: GrantStatus = "pending"
    asked_by: str
    asked_at: datetime
    permissions: tuple[Permission, ...]
    terms: Terms
    decided_by: str | None = None
    decided_at: datetime | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantFilter:
    """What `GET /grants` may be narrowed by; None leaves a member out."""

    status: tuple[str, ...] = ()
    task_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantPolicy:
    """What the settings say.

    Attributes:
        mode: Whose tasks need a grant: nobody's, those of agents that are not admin, or everybody's.
        outside: What is offered for steps outside of a grant.
        days: How long a grant is offered for.
        calls: How many calls a day it is offered with.
    """

    mode: GrantMode = "off"
    outside: Outside = "fail"
    days: int = 365
    calls: int = 1000

    @property
    def on(self) -> bool:
        """Whether anybody needs a grant."""
        return self.mode != "off"

    def governs(self, caller: Caller) -> bool:
        """Whether what this caller writes needs to be accepted."""
        return self.mode == "all" or (self.mode == "agents" and not caller.may(ADMIN))


NO_GRANTS = GrantPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """A call that no grant allows.

    Attributes:
        outside: Whether it fails, or somebody is asked about it.
        reason: Why it is not allowed.
    """

    outside: Outside
    reason: Text


class GrantStore(Protocol):
    """Grants, inside a unit of work."""

    def add(self, grant: Grant) -> None: ...

    def get(self, grant_id: str) -> Grant:
        """The grant, or NotFound."""

    def save(self, grant: Grant) -> None:
        """Store what was said to it."""

    def standing(self, task_id: str) -> Sequence[Grant]:
        """The task's grants but for those that were replaced, oldest first."""

    def latest(self, task_id: str) -> Grant | None:
        """The one that counts for the task: the newest."""

    def page(self, where: GrantFilter, *, limit: int, offset: int) -> Page[Grant]:
        """Newest first."""


def grant_hold(status: Standing | None, until: datetime | None, now: datetime) -> Text | None:
    """Why a task may not start a run; None for one that may, as for all that need no grant."""
    match status:
        case "pending":
            return t("What the task may do has to be accepted first")
        case "refused":
            return t("What the task may do was refused")
        case "accepted" if until is not None and now >= until:
            return t("Its grant ended at {moment}", moment=rfc3339(until))
        case _:
            return None


def check_not_held(task_id: str, status: Standing | None, until: datetime | None, now: datetime) -> None:
    """Refuse to start a run of such a task.

    Raises:
        Conflict: with the reason.
    """
    if (reason := grant_hold(status, until, now)) is not None:
        raise Conflict(reason, task_id=task_id, grant_status=status)


def check_judge(grant: Grant, caller: Caller) -> None:
    """Let those pass who may accept or refuse it, of all that hold the scope.

    Raises:
        Forbidden: It is their own.
    """
    if caller.agent_id in (grant.asked_by, grant.owner) and not caller.may(ADMIN):
        raise Forbidden(t("Whoever asks does not decide: somebody else has to"))


def check_open(grant: Grant, wanted: Standing) -> None:
    """Refuse to say again what was said, or to speak about what nobody asks any more.

    Raises:
        Conflict: It has been decided, or another one took its place.
    """
    details: dict[str, Any] = {"grant_id": grant.id, "status": grant.status}
    if grant.status == "replaced":
        raise Conflict(t("Another grant has taken its place: the task was changed"), **details)
    if grant.status == wanted:
        raise Conflict(t("It has been decided already"), **details, decided_by=grant.decided_by)


def check_latest(grant: Grant, latest: Grant | None) -> None:
    """Refuse to accept what the task did before it was changed: what it does now has to be decided about.

    Raises:
        Conflict: Another one has been asked for since.
    """
    if latest is not None and latest.id != grant.id:
        message = t("Something else has been asked for since: decide about that")
        raise Conflict(message, grant_id=grant.id, status=grant.status, latest=latest.id)


def keeps(grant: Grant, wanted: Sequence[Permission], now: datetime) -> bool:
    """Whether an accepted grant stands for all that is wanted now."""
    if grant.status != "accepted":
        return False
    in_time = grant.terms.until is None or now < grant.terms.until
    return in_time and covered(wanted, grant.permissions)


def grant_facts(grant: Grant) -> dict[str, Any]:
    """What events and the audit log tell of a grant."""
    facts: dict[str, Any] = {
        "grant_id": grant.id,
        "task_id": grant.task_id,
        "title": grant.task_title,
        "status": grant.status,
        "asked_by": grant.asked_by,
        "tools": sorted({one.tool for one in grant.permissions}),
        "until": None if grant.terms.until is None else rfc3339(grant.terms.until),
    }
    return facts | ({"decided_by": grant.decided_by} if grant.decided_by else {})
