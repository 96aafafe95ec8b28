"""How an extension is: its own checks, each under a time limit, and what the platform knows of its work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.extension_host.doors import Doors, WorkDoor
from app.extension_host.registry import Live, Record, State
from app.telemetry import emit
from ordinaut import Capability

HEALTHY = "healthy"
UNHEALTHY = "unhealthy"
TIMED_OUT = "timed out"
SECONDS = 2.0
"""How long `health()` may take, and then each of its checks that is a function."""
MOST_CHECKS = 50
WORD_LENGTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """How it is: healthy when each check says `healthy`; `errors` says of some that are not, why."""

    extension_id: str
    version: str
    checks: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return all(word == HEALTHY for word in self.checks.values())


class HealthChecks:
    """Asks extensions; one that hangs keeps one thread and is not asked again before that has ended."""

    def __init__(self, *, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._hanging: dict[tuple[str, str], Future[Any]] = {}
        self._lock = threading.Lock()

    def report(self, record: Record, live: Live | None, doors: Doors) -> HealthReport:
        """The report of an extension as it stands."""
        if record.state is not State.LOADED or live is None:
            told = f"{record.failure.error_type}: {record.failure.message}" if record.failure else ""
            errors = {"load": told} if told else {}
            checks = {"load": UNHEALTHY}
            return HealthReport(extension_id=record.id, version=record.info.version, checks=checks, errors=errors)
        ours = self._answers(record.id, _platform(record, doors))
        checks = {**self._own(record.id, live), **ours}
        errors = self._reasons(record.id, [name for name, word in ours.items() if word != HEALTHY], doors)
        return HealthReport(extension_id=record.id, version=record.info.version, checks=checks, errors=errors)

    def _reasons(self, extension_id: str, sick: Sequence[str], doors: Doors) -> dict[str, str]:
        """Why the platform's own checks fail, where the worker side has told."""
        work = doors.work
        if work is None or not sick:
            return {}
        why = self._answers(extension_id, {"trouble": lambda: work.trouble(extension_id)})["trouble"]
        return dict.fromkeys(sick, why) if why and why != TIMED_OUT else {}

    def _own(self, extension_id: str, live: Live) -> dict[str, str]:
        found = self._answers(extension_id, {"health": live.extension.health})["health"]
        if not isinstance(found, Mapping):
            return {"health": found if isinstance(found, str) else UNHEALTHY}
        some = dict(list(found.items())[:MOST_CHECKS])
        functions = {str(name): check for name, check in some.items() if callable(check)}
        words = {str(name): check for name, check in some.items() if not callable(check)}
        answers = self._answers(extension_id, functions)
        return {name: _word(answer) for name, answer in {**words, **answers}.items()}

    def _answers(self, extension_id: str, checks: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
        """What each says, all asked at once; a word in place of what is late or raised."""
        deadline = time.monotonic() + self._seconds
        asked = {name: self._asked(extension_id, name, check) for name, check in checks.items()}
        return {name: _answer(extension_id, name, future, deadline) for name, future in asked.items()}

    def _asked(self, extension_id: str, name: str, check: Callable[[], Any]) -> Future[Any]:
        with self._lock:
            future = self._hanging.get((extension_id, name))
            if future is None or future.done():
                future = self._hanging[extension_id, name] = Future()
                work = threading.Thread(target=_ask, args=(check, future), name=f"health-{extension_id}", daemon=True)
                work.start()
        return future


def _ask(check: Callable[[], Any], future: Future[Any]) -> None:
    try:
        future.set_result(check())
    except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code: its failure is the answer
        future.set_exception(error)


def _answer(extension_id: str, name: str, future: Future[Any], deadline: float) -> Any:
    try:
        return future.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        return TIMED_OUT
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it raised, it is not well
        emit("extension.check_failed", extension=extension_id, check=name, error=error)
        return UNHEALTHY


def _word(answer: Any) -> str:
    if answer is None or answer is True:
        return HEALTHY
    if answer is False:
        return UNHEALTHY
    return str(answer)[:WORD_LENGTH]


def _platform(record: Record, doors: Doors) -> dict[str, Callable[[], str]]:
    """Checks of the work that the cluster does for the extension."""
    work, checks = doors.work, dict[str, Callable[[], str]]()
    if work is None:
        return checks
    if Capability.BACKGROUND_TASKS in record.grants:
        checks["background_tasks"] = lambda: work.health(record.id)
    if Capability.EVENTS_SUB in record.grants:
        checks["event_handlers"] = lambda: UNHEALTHY if work.troubles(record.id) else _at_work(record, work)
    return checks


def _at_work(record: Record, work: WorkDoor) -> str:
    """Whether there is a process for its handlers; of one that may have tasks, their check says so."""
    return HEALTHY if Capability.BACKGROUND_TASKS in record.grants else work.health(record.id)
