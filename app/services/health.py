"""Whether the platform is well: what it needs, what it can do without, and how quickly each answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.domain.clock import Clock
from app.domain.texts import t
from app.telemetry import emit

LIMIT_SECONDS = 1.0
"""A check that has not answered by then counts as failed."""

Check = Callable[[], str | None]
"""None when all is well, else a sentence fit for strangers; an exception counts as not answering."""
Word = Literal["healthy", "degraded", "unhealthy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What one check found; `latency_ms` is None when it did not answer in time."""

    status: Literal["healthy", "unhealthy"]
    latency_ms: float | None
    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The whole: unhealthy when something needed fails, degraded when something optional does."""

    status: Word
    timestamp: datetime
    version: str
    checks: Mapping[str, CheckResult]


class HealthService:
    """Runs the checks, all at once and each in at most a second.

    Args:
        required: Name -> check of what no request can do without.
        optional: Name -> check of what may be away for a while.
    """

    def __init__(
        self, *, required: Mapping[str, Check], optional: Mapping[str, Check], clock: Clock, version: str
    ) -> None:
        self._required = {name: _Probe(name, check) for name, check in required.items()}
        self._optional = {name: _Probe(name, check) for name, check in optional.items()}
        self._clock = clock
        self._version = version

    def health(self) -> Health:
        """Everything that can be checked."""
        results = _ask({**self._required, **self._optional})
        return self._told(results)

    def ready(self) -> Health:
        """Only what requests need: healthy or unhealthy."""
        return self._told(_ask(self._required))

    def live(self) -> Health:
        """That this process answers; touches nothing else."""
        return self._told({})

    def _told(self, results: Mapping[str, CheckResult]) -> Health:
        failed = {name for name, result in results.items() if result.status == "unhealthy"}
        status: Word = "healthy"
        if failed:
            status = "unhealthy" if failed & self._required.keys() else "degraded"
        return Health(status=status, timestamp=self._clock.now(), version=self._version, checks=results)


class _Probe:
    """One check, at most one call of it at a time: one that hangs holds one thread, not one a request."""

    def __init__(self, name: str, check: Check) -> None:
        self._name = name
        self._check = check
        self._lock = threading.Lock()
        self._current: _Call | None = None

    def begin(self) -> _Call:
        """The call that is under way, or a new one."""
        with self._lock:
            if self._current is None or not self._current.is_alive():
                self._current = _Call(self._name, self._check)
                self._current.start()
            return self._current


class _Call(threading.Thread):
    """One run of a check in a thread of its own."""

    def __init__(self, name: str, check: Check) -> None:
        super().__init__(name=f"health-{name}", daemon=True)
        self._check = check
        self.result: CheckResult | None = None

    def run(self) -> None:
        started = time.perf_counter()
        try:
            message = self._check()
        except Exception as error:  # noqa: BLE001 - request boundary: a check may fail in any way its client does
            emit("health.check_failed", check=self.name, error=error)
            message = t("It does not answer")
        latency = round((time.perf_counter() - started) * 1000, 1)
        self.result = CheckResult(status="unhealthy" if message else "healthy", latency_ms=latency, message=message)


def _ask(probes: Mapping[str, _Probe]) -> dict[str, CheckResult]:
    deadline = time.monotonic() + LIMIT_SECONDS
    calls = {name: probe.begin() for name, probe in probes.items()}
    for call in calls.values():
        call.join(max(0.0, deadline - time.monotonic()))
    return {name: call.result or _late() for name, call in calls.items()}


def _late() -> CheckResult:
    message = t("It did not answer within {seconds} s", seconds=f"{LIMIT_SECONDS:g}")
    return CheckResult(status="unhealthy", latency_ms=None, message=message)
