"""One run in the hands of one worker, from its claim to its settlement."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import random
from typing import Any, Literal, Protocol

import orjson

from app.domain.access import limited
from app.domain.clock import SECOND, from_micros, rfc3339
from app.domain.errors import NotFound
from app.domain.events import led_by, run_depth
from app.domain.execution import Claimed, Line, Settlement
from app.domain.json_text import to_json
from app.domain.pipelines.model import SECRETS, Step
from app.domain.pipelines.outcome import Failed, GoOn, Tries, TryRunAgain, TryStepAgain, after_failure
from app.domain.pipelines.plan import Plan
from app.domain.pipelines.progress import Progress
from app.domain.ports import Tools
from app.domain.runs import RunError
from app.domain.texts import t
from app.domain.veil import Veil
from app.services.steps import LogLines, call, encode, holds, lend, not_allowed, render
from ordinaut import Caller, Tool, ToolCall

PENDING_LIMIT = 2 * 1024 * 1024
"""Bytes of outputs that may wait in memory for a commit."""


def micros() -> int:
    """Now, by this machine's clock: for records only, never compared with another machine's."""
    return time.time_ns() // 1000


class Desk(Protocol):
    """What a run asks of the worker that executes it."""

    def checkpoint(self, execution: RunExecution) -> None:
        """Commit the lines gathered so far; raises LeaseLost when the run is no longer ours."""

    def began(self, execution: RunExecution, deadline: float) -> None:
        """A call starts that must have ended by `deadline` (monotonic)."""

    def ended(self, execution: RunExecution) -> None:
        """The call has ended, in time."""

    def caller(self, agent_id: str) -> Caller:
        """The agent in whose name a run acts."""

    def secrets(self, names: Sequence[str]) -> Mapping[str, str]:
        """The values of secrets."""

    @property
    def stopping(self) -> bool:
        """Whether the worker is going away."""


@dataclass(slots=True, eq=False)
class RunExecution:
    """A claimed run, its plan, how far it has come, and what its journal does not hold yet.

    Attributes:
        fresh: Whether a step with an effect has been called since the last commit.
        urgent: Whether one has been called at all: its settlement does not wait for company.
        cancelled: Somebody wants it stopped.
        veil: Hides the secrets that were lent to a step; None while there were none.
        stop_call: Tells a running tool to return; set with `cancelled` and when time is up.
    """

    run: Claimed
    plan: Plan
    progress: Progress
    desk: Desk
    tools: Tools
    lines: list[Line]
    began_at: float
    deadline: float
    fresh: bool = False
    urgent: bool = False
    pending_bytes: int = 0
    cancelled: bool = False
    stop_call: bool = False
    stop_asked_at: float = 0.0
    step: Step | None = None
    attempt: int = 0
    step_began: str = ""
    veil: Veil | None = None

    @classmethod
    def begin(cls, run: Claimed, plan: Plan, progress: Progress, *, desk: Desk, tools: Tools) -> RunExecution:
        """Start, or take up where an earlier worker left off."""
        now = time.monotonic()
        return cls(
            run=run,
            plan=plan,
            progress=progress,
            desk=desk,
            tools=tools,
            lines=[(micros(), "state", {"status": "running", "attempt": run.attempt})],
            began_at=now,
            deadline=now + plan.timeout_seconds - run.active_us / SECOND,
            cancelled=run.cancelled,
        )

    def proceed(self) -> Settlement:
        """Execute the steps that are left; how the run leaves this worker's hands."""
        scope = self._scope()
        done = self.progress.done
        for step in self.plan.steps:
            if step.id in done:
                continue
            if (settled := self._interrupted(step)) is not None:
                return settled
            if (settled := self._execute(step, scope)) is not None:
                return settled
        if self.cancelled:
            return self.settle_canceled()
        return self._settled("succeeded", output=to_json(self.progress.last_output).decode())

    def _scope(self) -> dict[str, Any]:
        run, plan = self.run, self.plan
        return {
            "params": {**plan.params, **run.params} if run.params else plan.params,
            "steps": self.progress.outputs,
            "now": None,
            "task": {"id": run.task_id, "title": plan.title},
            "run": {
                "id": run.id,
                "attempt": run.attempt,
                "trigger": run.trigger,
                "nominal_at": None if run.nominal_at is None else rfc3339(from_micros(run.nominal_at)),
                "scheduled_for": rfc3339(from_micros(run.scheduled_for)),
            },
            "event": run.event,
        }

    def _interrupted(self, step: Step) -> Settlement | None:
        """Whether the run stops here, before this step."""
        if self.fresh and not self._commits_itself(step):
            self.desk.checkpoint(self)
        if self.cancelled:
            return self.settle_canceled()
        if time.monotonic() >= self.deadline:
            return self.settle_failed(self._run_timed_out(), None)
        return None

    def _commits_itself(self, step: Step) -> bool:
        """Whether a commit comes right before this step's call anyway: it holds the end of the last one as well."""
        try:
            return not self.tools.get(step.uses).pure
        except NotFound:
            return False

    def _execute(self, step: Step, scope: dict[str, Any]) -> Settlement | None:
        """One step; None when the run goes on with the next."""
        self.step, self.attempt = step, self.progress.begin(step)
        scope["now"] = moment = datetime.now(UTC)
        self.step_began = rfc3339(moment)
        verdict = holds(step.condition, scope, step)
        if verdict is False:
            self._record("skipped")
            self.progress.skip(step)
            return None
        if isinstance(verdict, Failed):
            return self._failed(step, verdict)
        arguments = self._rendered(step, scope)
        if isinstance(arguments, Failed):
            return self._failed(step, arguments)
        return self._call(step, arguments)

    def _rendered(self, step: Step, scope: dict[str, Any]) -> Any:
        """The step's arguments, with the secrets that it names and its agent may use; or Failed."""
        if not step.secrets:
            return render(step, scope, self.tools)
        lent = lend(step, self._caller(), self.desk.secrets, self.tools)
        if isinstance(lent, Failed):
            return lent
        self.veil = self.veil or Veil()
        self.veil.hide(lent.values())
        arguments = render(step, {**scope, SECRETS: lent}, self.tools)
        return self.veil.failed(arguments) if isinstance(arguments, Failed) else arguments

    def _caller(self) -> Caller:
        """In whose name the run acts, with the scopes they hold now, as far as the pipeline's author held them."""
        return limited(self.desk.caller(self.plan.caller), self.plan.scopes)

    def _call(self, step: Step, arguments: Mapping[str, Any]) -> Settlement | None:
        tool = self.tools.get(step.uses)
        if (refused := not_allowed(tool, self._caller(), step)) is not None:
            return self._failed(step, refused)
        if tool.pure:
            given: dict[str, Any] = {"input": arguments}
        elif self.desk.stopping:
            self.progress.attempts[step.id] -= 1
            return self.settle_handed_back()
        else:
            given = {}
            self._record("running", input=arguments)
            self.desk.checkpoint(self)
            if self.cancelled:
                return self.settle_canceled()
        outcome = self._invoke(tool, step, arguments)
        if isinstance(outcome, Failed):
            return self.settle_canceled() if self.cancelled else self._failed(step, outcome, given)
        text, value = outcome
        self._record("succeeded", output=orjson.Fragment(text), **given)
        self.progress.finish(step, value)
        self.pending_bytes += len(text)
        if self.pending_bytes > PENDING_LIMIT:
            # Large outputs wait neither for the next effect nor for company.
            self.urgent = True
            self.desk.checkpoint(self)
        return None

    def _invoke(self, tool: Tool, step: Step, arguments: Mapping[str, Any]) -> tuple[bytes, Any] | Failed:
        deadline = min(time.monotonic() + step.timeout_seconds, self.deadline)
        request = ToolCall(
            arguments=arguments,
            idempotency_key=f"{self.run.id}:{step.id}",
            deadline=deadline,
            caller=self._caller(),
            log=LogLines(self._add).bound(step.id),
            should_stop=self._should_stop,
        )
        self.desk.began(self, deadline)
        try:
            with led_by(run_depth(self.run.event)):
                outcome = call(tool, request, step, self.veil)
        finally:
            self.desk.ended(self)
        self.fresh = not tool.pure
        self.urgent = self.urgent or self.fresh
        return self._veiled(outcome if isinstance(outcome, Failed) else self._encoded(outcome.output, step, tool))

    def _encoded(self, output: Any, step: Step, tool: Tool) -> tuple[bytes, Any] | Failed:
        return encode(output if self.veil is None else self.veil.clean(output), step, tool)

    def _veiled(self, outcome: tuple[bytes, Any] | Failed) -> tuple[bytes, Any] | Failed:
        """The outcome without secrets; what only JSON could read, such as a dataclass, is looked at once more."""
        if self.veil is None:
            return outcome
        if isinstance(outcome, Failed):
            return self.veil.failed(outcome)
        value = self.veil.clean(orjson.loads(outcome[0]))
        return orjson.dumps(value), value

    def _should_stop(self) -> bool:
        return self.stop_call

    # What the run leaves behind. The keeper calls these too, for a run whose call will not end.

    def settle_canceled(self) -> Settlement:
        """Somebody wanted it stopped."""
        return self._settled("canceled")

    def settle_handed_back(self) -> Settlement:
        """The worker is going away: another takes the run up at once, and no attempt is lost."""
        return self._queued("handed_back", returned=True)

    def settle_timed_out(self) -> Settlement:
        """The call under way did not end in time and is being ended with its process."""
        step = self.step
        if step is None or time.monotonic() >= self.deadline:
            return self.settle_failed(self._run_timed_out(), step)
        message = t("Step {step} did not end within {seconds} s", step=step.id, seconds=f"{step.timeout_seconds:g}")
        settled = self._failed(step, Failed(RunError(type="timeout", message=message, step_id=step.id)))
        return settled or self._queued("step_timed_out", delay=0.0, returned=True)

    def _run_timed_out(self) -> RunError:
        message = t("The run did not end within {seconds} s", seconds=self.plan.timeout_seconds)
        return RunError(type="run_timeout", message=message, step_id=self.step.id if self.step else None)

    def settle_failed(self, error: RunError, step: Step | None) -> Settlement:
        """The run has failed for good."""
        if step is not None:
            self._record("failed", error=error.as_dict())
        return self._settled("failed", error=error)

    def _failed(self, step: Step, failed: Failed, given: Mapping[str, Any] | None = None) -> Settlement | None:
        """What follows from a failed step: the one place where this becomes a change of state."""
        consequence = after_failure(
            failed,
            step=step,
            plan=self.plan,
            tries=Tries(self.progress.fail(step), self.run.attempt, self.run.max_attempts),
            random=random,
        )
        error = failed.error.as_dict()
        extra = {"continued": True} if isinstance(consequence, GoOn) else {}
        self._record("failed", error=error, **(given or {}), **extra)
        match consequence:
            case GoOn():
                self.progress.finish(step, {"error": error})
                return None
            case TryStepAgain(delay):
                return self._queued("step_retry", delay=delay, returned=True)
            case TryRunAgain(delay):
                return self._queued("run_retry", delay=delay, error=failed.error)
            case _:
                return self._settled("failed", error=failed.error)

    def _record(self, status: str, **facts: Any) -> None:
        step = self.step
        if step is None:
            return
        body: dict[str, Any] = {
            "id": step.id,
            "uses": step.uses,
            "status": status,
            "attempt": self.attempt,
            "started_at": self.step_began,
            **facts,
        }
        if status != "running":
            body["finished_at"] = rfc3339(datetime.now(UTC))
        self._add("step", body)

    def _add(self, kind: str, body: dict[str, Any]) -> None:
        self.lines.append((micros(), kind, body if self.veil is None else self.veil.clean(body)))

    def take_lines(self) -> list[Line]:
        """The lines to commit; they are the journal's from now on."""
        lines, self.lines, self.fresh, self.pending_bytes = self.lines, [], False, 0
        return lines

    def _queued(
        self, reason: str, *, delay: float | None = None, returned: bool = False, error: RunError | None = None
    ) -> Settlement:
        """Back to the queue: for `delay` seconds nobody takes it; without one it keeps its place."""
        body: dict[str, Any] = {"status": "queued", "attempt": self.run.attempt, "reason": reason}
        delay_us = None if delay is None else int(delay * SECOND)
        if delay_us is not None:
            body["available_at"] = rfc3339(from_micros(micros() + delay_us))
        if error is not None:
            body["error"] = error.as_dict()
        self._add("state", body)
        return Settlement(
            run=self.run,
            status="queued",
            delay_us=delay_us,
            returned=returned,
            active_us=self._active_us(),
            lines=self.take_lines(),
        )

    def _settled(
        self,
        status: Literal["succeeded", "failed", "canceled"],
        *,
        error: RunError | None = None,
        output: str | None = None,
    ) -> Settlement:
        body: dict[str, Any] = {"status": status, "attempt": self.run.attempt}
        if error is not None:
            body["error"] = error.as_dict()
        self._add("state", body)
        return Settlement(
            run=self.run,
            status=status,
            error=None if error is None else to_json(error.as_dict()).decode(),
            output=output,
            active_us=self._active_us(),
            lines=self.take_lines(),
        )

    def _active_us(self) -> int:
        return int((time.monotonic() - self.began_at) * SECOND)
