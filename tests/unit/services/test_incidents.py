"""Who judges, and how often."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import pytest

from app.domain.errors import Unavailable
from app.services.incidents import IncidentService, IncidentWatch
from app.telemetry import attach, detach
from tests.fakes.http_runs import FixedClock
from tests.servers import wait_for


@dataclass
class Judge:
    """Counts what it is asked for; raises what it is given, in turn."""

    raises: list[Exception] = field(default_factory=list)
    judged: int = 0
    purged: list[datetime] = field(default_factory=list)

    def judge(self) -> None:
        self.judged += 1
        if self.raises:
            raise self.raises.pop()

    def purge(self, before: datetime) -> bool:
        self.purged.append(before)
        return len(self.purged) < 3


def watch(judge: Judge, seconds: float, days: int | None = None) -> IncidentWatch:
    service = cast(IncidentService, judge)
    return IncidentWatch(service=service, clock=FixedClock(), seconds=seconds, retention_days=days)


def test_it_judges_when_it_is_time() -> None:
    judge = Judge()
    one = watch(judge, 3600)
    for _ in range(3):
        one.look()
    assert (judge.judged, judge.purged) == (1, [])


def test_it_deletes_until_nothing_old_is_left() -> None:
    judge = Judge()
    one = watch(judge, 3600, days=30)
    for _ in range(5):
        one.look()
    assert len(judge.purged) == 3
    assert (FixedClock().now() - judge.purged[0]).days == 30


@pytest.mark.parametrize("error", [Unavailable(), RuntimeError("nobody foresaw it")])
def test_a_thread_goes_on_after_a_failure(error: Exception) -> None:
    told: list[str] = []

    def hear(event: str, facts: dict[str, Any]) -> None:
        told.append(event)

    judge = Judge(raises=[error])
    attach(hear)
    try:
        watch(judge, 0.001).start()
        wait_for(lambda: judge.judged > 2, what="another judgement")
    finally:
        detach(hear)
    assert told == ([] if isinstance(error, Unavailable) else ["incident.not_judged"])
