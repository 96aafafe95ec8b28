"""What a run in execution adds to its journal, and the settlements that take it there."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from app.domain.clock import SECOND, from_micros, rfc3339
from app.domain.execution import Claimed, Line, Settlement
from app.domain.json_text import to_json
from app.domain.pipelines.model import Step
from app.domain.pipelines.outcome import Failed, Succeeded
from app.domain.runs import RunError
from app.domain.veil import Veil
from app.domain.waits import Parking
from app.services.steps import encode
from ordinaut import Tool


def micros() -> int:
    """Now, by this machine's clock: for records only, never compared with another machine's."""
    return time.time_ns() // 1000


class RunLines:
    """The lines that the journal does not hold yet.

    Attributes:
        veil: Hides the secrets that were lent to a step; None while there were none.
        within: The item around the run's steps, see `app.domain.pipelines.fan_out.Job`.
        step, item, attempt, began: What step records are about: the attempt under way.
    """

    __slots__ = ("_began_at", "_lines", "_run", "attempt", "began", "item", "step", "veil", "within")

    def __init__(self, run: Claimed) -> None:
        self._run = run
        self._began_at = time.monotonic()
        self._lines: list[Line] = [(micros(), "state", {"status": "running", "attempt": run.attempt})]
        self.veil: Veil | None = None
        self.within: str = (run.part or {}).get("within", "")
        self.step: Step | None = None
        self.item: int | None = None
        self.attempt = 0
        self.began = ""

    def about(self, step: Step, item: int | None, attempt: int, began: str) -> None:
        """Records are about this attempt from now on."""
        self.step, self.item, self.attempt, self.began = step, item, attempt, began

    @property
    def place(self) -> dict[str, Any]:
        """What records and log lines say more of a step that is done for items: which item, and which around it."""
        item = {} if self.item is None else {"item": self.item}
        return {**item, "within": self.within} if self.within else item

    def record(self, status: str, **facts: Any) -> None:
        """A record of the step; nothing before the first."""
        if self.step is None:
            return
        body: dict[str, Any] = {
            "id": self.step.id,
            "uses": self.step.uses,
            "status": status,
            "attempt": self.attempt,
            "started_at": self.began,
            **facts,
        }
        body |= self.place
        if status in ("succeeded", "failed", "skipped"):
            body["finished_at"] = rfc3339(datetime.now(UTC))
        self.add("step", body)

    def add(self, kind: str, body: dict[str, Any]) -> None:
        """Any line."""
        self._lines.append((micros(), kind, body if self.veil is None else self.veil.clean(body)))

    def encoded(self, outcome: Succeeded | Failed, step: Step, tool: Tool) -> tuple[bytes, Any] | Failed:
        """The output as JSON and as later steps see it, without secrets."""
        veil = self.veil
        if isinstance(outcome, Failed):
            return outcome if veil is None else veil.failed(outcome)
        if veil is None:
            return encode(outcome.output, step, tool)
        # What only JSON could read, such as a dataclass, is looked at once more.
        first = encode(veil.clean(outcome.output), step, tool)
        if isinstance(first, Failed):
            return veil.failed(first)
        value = veil.clean(orjson.loads(first[0]))
        return orjson.dumps(value), value

    def take(self) -> list[Line]:
        """The lines to commit; they are the journal's from now on."""
        lines, self._lines = self._lines, []
        return lines

    def queued(
        self, reason: str, *, delay: float | None = None, returned: bool = False, error: RunError | None = None
    ) -> Settlement:
        """Back to the queue: for `delay` seconds nobody takes it; without one it keeps its place."""
        body: dict[str, Any] = {"status": "queued", "attempt": self._run.attempt, "reason": reason}
        delay_us = None if delay is None else int(delay * SECOND)
        if delay_us is not None:
            body["available_at"] = rfc3339(from_micros(micros() + delay_us))
        if error is not None:
            body["error"] = error.as_dict()
        self.add("state", body)
        return Settlement(
            run=self._run,
            status="queued",
            delay_us=delay_us,
            returned=returned,
            active_us=self._active_us(),
            lines=self.take(),
        )

    def waiting(self, parking: Parking) -> Settlement:
        """Out of the worker's hands until what it waits for has come; this costs no attempt."""
        body = {"status": "waiting", "attempt": self._run.attempt, "reason": parking.wait.kind}
        body["step_id"] = parking.step_id
        self.add("state", body)
        return Settlement(
            run=self._run,
            status="waiting",
            returned=True,
            active_us=self._active_us(),
            lines=self.take(),
            parking=parking,
        )

    def ended(
        self,
        status: Literal["succeeded", "failed", "canceled"],
        *,
        error: RunError | None = None,
        output: str | None = None,
    ) -> Settlement:
        """The run has ended."""
        body: dict[str, Any] = {"status": status, "attempt": self._run.attempt}
        if error is not None:
            body["error"] = error.as_dict()
        self.add("state", body)
        return Settlement(
            run=self._run,
            status=status,
            error=None if error is None else to_json(error.as_dict()).decode(),
            output=output,
            active_us=self._active_us(),
            lines=self.take(),
        )

    def _active_us(self) -> int:
        return int((time.monotonic() - self._began_at) * SECOND)
