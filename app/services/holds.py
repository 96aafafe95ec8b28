"""Why a queued run has not started, in words and with the facts behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from app.domain.access import owner_filter
from app.domain.clock import Clock, rfc3339
from app.domain.holds import Held, HoldUnits, Reason, Standing
from app.domain.metrics import WORKERS
from app.domain.pipelines.progress import BUDGET, SENT_AWAY
from app.domain.runs import Run
from app.domain.texts import Text, t, tn
from app.services.gauges import combined
from ordinaut import Caller

_REASONS: dict[Any, Reason] = {SENT_AWAY: "tool_limit", BUDGET: "budget", "step_retry": "retry", "run_retry": "retry"}
_UNTIL: dict[Reason, Text] = {
    "not_due": t("It is to start at {moment}"),
    "retry": t("Its last try failed; the next one begins at {moment}"),
    "budget": t("A budget is used up; the next one begins at {moment}"),
    "tool_limit": t("A tool that it calls is at its limit; it looks again at {moment}"),
}


class HoldService:
    """Looks at lines and at workers; changes nothing."""

    def __init__(self, *, units: HoldUnits, clock: Clock) -> None:
        self._units = units
        self._clock = clock

    def of(self, run: Run, *, caller: Caller) -> Held | None:
        """The same for one run; None when it does not stand in the queue."""
        return self.of_all([run], caller=caller).get(run.id)

    def of_all(self, runs: Iterable[Run], *, caller: Caller) -> Mapping[str, Held]:
        """What holds those of the runs back that stand in the queue, by their ids; the most decisive of each.

        Args:
            runs: Such as the caller may see.
            caller: Is told the ids of the runs before them that are theirs to see, and the number of all.
        """
        # One that is to be cancelled waits for nobody: beat ends it.
        queued = {run.id: run for run in runs if run.status == "queued" and run.cancel_requested_at is None}
        if not queued:
            return {}
        with self._units(read_only=True) as unit:
            # A worker may have taken some meanwhile.
            standings, now = unit.standings.of(list(queued)), self._clock.now()
            later = {key for key, one in standings.items() if one.line is None and queued[key].available_at > now}
            reasons = unit.standings.sent_back([key for key in later if queued[key].started_at is not None])
            in_line = standings.keys() - later
            workers = combined(unit.metrics.reports()).get((WORKERS.name, ()), 0) if in_line else 0
        look = _in_line if workers else _without_workers
        return {
            **{key: _later(queued[key].available_at, reasons.get(key)) for key in later},
            **{key: look(standings[key], caller) for key in in_line},
        }


def _later(moment: datetime, last: str | None) -> Held:
    """It stands in no line yet; what sent it back to the queue is known where it has begun."""
    reason = _REASONS.get(last, "not_due")
    return Held(reason=reason, message=_UNTIL[reason].fill(moment=rfc3339(moment)), until=moment)


def _without_workers(standing: Standing, caller: Caller) -> Held:
    message = t("No worker is alive: start one, or see why those there were have stopped")
    return Held(reason="no_worker", message=message, ahead=standing.ahead)


def _in_line(standing: Standing, caller: Caller) -> Held:
    reason, message = _sentence(standing)
    owner = owner_filter(caller)
    return Held(
        reason=reason,
        message=message,
        runs=tuple(run_id for run_id, of in standing.holders if owner in (None, of)),
        at_work=standing.at_work,
        ahead=standing.ahead,
    )


def _sentence(standing: Standing) -> tuple[Reason, Text]:
    before = standing.at_work + standing.ahead
    match standing.line:
        case "task" if standing.replaces:
            return "overlap", t("It starts once the run that it replaces has stopped")
        case "task":
            return "overlap", tn(
                "The runs of its task go one at a time, and {count} run goes before it",
                "The runs of its task go one at a time, and {count} runs go before it",
                before,
            )
        case "key" if standing.at_work >= standing.limit:
            return "concurrency", tn(
                "Its concurrency key, {key}, lets {count} run work at a time, and one is at work",
                "Its concurrency key, {key}, lets {count} runs work at a time, and so many are at work",
                standing.limit,
                key=standing.key,
            )
        case "key":
            return "concurrency", t(
                "Others stand before it in the line of its concurrency key, {key}", key=standing.key
            )
        case _:
            return "worker", t("It waits for a free worker")
