"""What the calls of runs are held against: their task's grant, and budgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.approvals import REJECT, NewApproval
from app.domain.budgets import Exhausted, Spender
from app.domain.clock import Clock
from app.domain.grants import Beyond, grant_hold
from app.domain.ids import new_id
from app.domain.json_text import storable, to_json
from app.domain.permissions import Permission, allowed
from app.domain.pipelines.model import Step
from app.domain.ports import UnitsOfWork
from app.domain.texts import t
from app.domain.tool_limits import Turns
from app.services.spending import Spending

LONGEST_MESSAGE = 10_000
MOST_SHOWN = 65_536
"""Bytes of the facts of a call that are shown to whoever decides about it."""


class GrantedCalls:
    """Whether the calls of runs stay inside of the grants of their tasks."""

    def __init__(self, *, units: UnitsOfWork, clock: Clock) -> None:
        self._units = units
        self._clock = clock

    def beyond(self, task_id: str, step: Step, facts: Mapping[str, Any]) -> Beyond | None:
        """A task that never asked for a grant needs none."""
        with self._units(read_only=True) as unit:
            standing = unit.grants.standing(task_id)
        if not standing:
            return None
        grant = next((one for one in standing if one.status == "accepted"), None)
        if grant is None:
            return Beyond(outside="fail", reason=t("Nobody has accepted what the task may do"))
        if (ended := grant_hold("accepted", grant.terms.until, self._clock.now())) is not None:
            return Beyond(outside="fail", reason=ended)
        if allowed(step.uses, facts, step.secrets, grant.permissions):
            return None
        return Beyond(outside=grant.terms.outside, reason=t("The call goes beyond what was accepted"))


class Allowances:
    """All that the calls of runs are held against; each method raises Unavailable without a database."""

    def __init__(self, *, granted: GrantedCalls, spending: Spending, turns: Turns) -> None:
        self._granted = granted
        self._spending = spending
        self._turns = turns

    def beyond(self, task_id: str, step: Step, facts: Mapping[str, Any]) -> Beyond | None:
        """Why a run of the task may not make this call; mostly None."""
        return self._granted.beyond(task_id, step, facts)

    def begin(self, call: Spender, run_id: str) -> Exhausted | None:
        """Count a call whose turn has come; one that no budget allows gives its turn back."""
        spent = self._spending.begin(call)
        if spent is not None:
            self._turns.leave(call.tool, run_id)
        return spent

    def end(self, call: Spender, output: Any) -> None:
        """Count what a call took that has succeeded."""
        self._spending.end(call, output)


def question(step: Step, facts: Mapping[str, Any], *, run_id: str, asked_by: str) -> NewApproval:
    """What somebody is asked about a call that goes beyond the grant; the step fails unless they approve."""
    said = storable(str(Permission(tool=step.uses, where=facts, secrets=step.secrets).in_words()))
    title = t("{step} goes beyond what the task may do: {tool}", step=step.id, tool=step.uses)
    return NewApproval(
        id=new_id(),
        run_id=run_id,
        asked_by=asked_by,
        title=title[:200],
        message=said if len(said) <= LONGEST_MESSAGE else said[: LONGEST_MESSAGE - 1] + "…",
        data={"tool": step.uses, "call": _bounded(facts), "secrets": list(step.secrets)},
        fail_on=(REJECT,),
    )


def _bounded(facts: Mapping[str, Any]) -> Any:
    """The facts as an approval keeps them; cut as outputs are where they are long: the journal has them exactly."""
    shown = storable(dict(facts))
    text = to_json(shown)
    if len(text) <= MOST_SHOWN:
        return shown
    return {"truncated": True, "bytes": len(text), "excerpt": text[:MOST_SHOWN].decode(errors="ignore")}
