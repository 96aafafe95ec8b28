"""One run in the hands of one worker, from its claim to its settlement."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import random
from typing import Any

import orjson

from app.domain.access import limited
from app.domain.clock import SECOND, rfc3339
from app.domain.errors import NotFound
from app.domain.events import led_by, run_depth
from app.domain.execution import Claimed, Line, Settlement
from app.domain.json_text import to_json
from app.domain.pipelines.fan_out import Job
from app.domain.pipelines.model import SECRETS, OnUnknown, Step
from app.domain.pipelines.outcome import (
    Failed,
    GoOn,
    Succeeded,
    Tries,
    TryRunAgain,
    TryStepAgain,
    Waits,
    after_failure,
    run_timed_out,
    step_timed_out,
)
from app.domain.pipelines.plan import Plan, scope_of
from app.domain.pipelines.progress import Again, Progress, key_of
from app.domain.pipelines.unknown import decide, outcome_unknown
from app.domain.ports import Tools
from app.domain.runs import RunError
from app.domain.veil import Veil
from app.domain.waits import AnswerWait, Errand, Parking, StepCall, Wait, told
from app.services.desk import Desk
from app.services.fan_out import branched, each, gathered, through
from app.services.permitting import beyond_grant, over_budget, spent
from app.services.run_lines import RunLines
from app.services.steps import (
    LogLines,
    Pending,
    call,
    commits_itself,
    encode,
    holds,
    kept_item,
    lend,
    not_allowed,
    not_lent,
    render,
    unknown_tool,
)
from ordinaut import Caller, Tool

PENDING_LIMIT = 2 * 1024 * 1024
"""Bytes of outputs that may wait in memory for a commit."""


@dataclass(slots=True, eq=False)
class RunExecution:
    """A claimed run, its plan, how far it has come, and what its journal does not hold yet.

    Attributes:
        job: What of the plan is this run's to do.
        fresh: Whether a step with an effect has been called since the last commit.
        urgent: Whether one has been called at all: its settlement does not wait for company.
        cancelled: Somebody wants it stopped.
        stop_call: Tells a running tool to return; set with `cancelled` and when time is up.
    """

    run: Claimed
    plan: Plan
    progress: Progress
    job: Job
    desk: Desk
    tools: Tools
    lines: RunLines
    deadline: float
    scope: dict[str, Any]
    fresh: bool = False
    urgent: bool = False
    pending_bytes: int = 0
    cancelled: bool = False
    stop_call: bool = False
    stop_asked_at: float = 0.0

    @classmethod
    def begin(cls, run: Claimed, plan: Plan, progress: Progress, *, desk: Desk, tools: Tools) -> RunExecution:
        """Start, or take up where an earlier worker left off; LookupError: the plan is not the run's."""
        job = Job.of(run, plan)
        return cls(
            run=run,
            plan=plan,
            progress=progress,
            job=job,
            desk=desk,
            tools=tools,
            lines=RunLines(run),
            deadline=time.monotonic() + plan.timeout_seconds - run.active_us / SECOND,
            scope=scope_of(run, plan, progress.outputs) | job.seen(progress.items),
            cancelled=run.cancelled,
        )

    @property
    def step(self) -> Step | None:
        """The step under way."""
        return self.lines.step

    def proceed(self) -> Settlement:
        """Execute the steps that are left; how the run leaves this worker's hands."""
        done = self.progress.done
        for step in self.job.steps:
            if step.id in done:
                continue
            if (settled := self.interrupted(step)) is not None:
                return settled
            if (settled := self._execute(step)) is not None:
                return settled
        if self.cancelled:
            return self.settle_canceled()
        return self.lines.ended("succeeded", output=to_json(self.progress.last_output).decode())

    def interrupted(self, step: Step) -> Settlement | None:
        """Whether the run stops here, before this step or item."""
        if self.fresh and not commits_itself(step, self.tools):
            self.desk.checkpoint(self)
        if self.cancelled:
            return self.settle_canceled()
        if time.monotonic() >= self.deadline:
            return self.settle_failed(run_timed_out(self.plan.timeout_seconds, self.step), None)
        return None

    def _execute(self, step: Step) -> Settlement | None:
        """One step; None when the run goes on with the next."""
        if self.job.items is not None:
            return through(self, step, self.job.items)
        if not isinstance(settled := self.resumed(step, None), Pending):
            return settled
        if step.foreach is not None and step.id in self.progress.items:
            self.lines.about(step, None, self.progress.attempts[step.id], self.progress.began[step.id])
            return each(self, step, step.foreach)
        self.begin_attempt(step, None)
        verdict = holds(step.condition, self.scope, step)
        if verdict is False:
            self.lines.record("skipped")
            self.progress.skip(step)
            return None
        if isinstance(verdict, Failed):
            return self.failed(step, verdict)
        if step.foreach is not None:
            return each(self, step, step.foreach)
        if step.branches:
            return branched(self, step, None)
        return self.work(step)

    def begin_attempt(self, step: Step, item: int | None) -> None:
        """An attempt at a step, or at one item of it."""
        moment = datetime.now(UTC)
        self.scope["now"] = moment
        self.lines.about(step, item, self.progress.begin(step, item), rfc3339(moment))

    def work(self, step: Step) -> Settlement | None:
        arguments = self._rendered(step)
        return self.failed(step, arguments) if isinstance(arguments, Failed) else self._call(step, arguments)

    # A step that waits.

    def parked(self, step: Step, wait: Wait, *, errand: Errand | None = None, **given: Any) -> Settlement:
        lines = self.lines
        self.urgent = True  # whoever is to end the wait must find it
        lines.record("waiting", wait=told(wait), **given)
        parking = Parking(step_id=step.id, uses=step.uses, attempt=lines.attempt, wait=wait, item=lines.item)
        return lines.waiting(replace(parking, errand=errand))

    def resumed(self, step: Step, item: int | None) -> Settlement | Pending | None:
        """Take up a step whose wait has ended; Pending where there is none."""
        key = key_of(step, item)
        result = self.progress.resumed.get(key)
        if result is None:
            return Pending()
        began = self.progress.began.get(key, "")
        self.lines.about(step, item, self.progress.attempts[key], began)
        if (again := self.progress.again.get(key)) is not None:
            return self._call(step, again.arguments, again)
        if result.error is not None:
            return self.failed(step, Failed(replace(result.error, step_id=step.id), result.retryable))
        if step.branches or (step.foreach is not None and item is None):
            return gathered(self, step, item)
        outcome = encode(result.output, step, None)
        marks = self.progress.marks_of(key)
        return self.failed(step, outcome) if isinstance(outcome, Failed) else self.succeeded(step, outcome, **marks)

    # A step's call.

    def _rendered(self, step: Step) -> Any:
        """The step's arguments, with the secrets that it names and its agent may use; or Failed.

        Those that somebody has approved are kept: made anew they might come to something else.
        """
        permitted = self.progress.permitted.get(key_of(step, self.lines.item))
        if not step.secrets:
            return render(step, self.scope, self.tools) if permitted is None else permitted.arguments
        scope = self.scope if permitted is None else {**self.scope, "now": permitted.at}
        lent = lend(step, self.caller(), self.desk.secrets, self.tools)
        if isinstance(lent, Failed):
            return lent
        self.lines.veil = veil = self.lines.veil or Veil()
        veil.hide(lent.values())
        arguments = render(step, {**scope, SECRETS: lent}, self.tools)
        return veil.failed(arguments) if isinstance(arguments, Failed) else arguments

    def caller(self) -> Caller:
        """In whose name the run acts, with the scopes they hold now, as far as the pipeline's author held them."""
        return limited(self.desk.caller(self.plan.caller), self.plan.scopes)

    def _call(self, step: Step, arguments: Mapping[str, Any], back: Again | None = None) -> Settlement | None:
        """Call the step's tool, or take up a call that has waited; `back` is what is left of it."""
        try:
            tool = self.tools.get(step.uses)
        except NotFound as error:
            return self.failed(step, unknown_tool(error, step))
        if not isinstance(settled := self._kept_from(tool, step, arguments, back), Pending):
            return settled
        if not tool.pure and (self.desk.stopping or self.cancelled):
            return self.settle_canceled() if self.cancelled else self.settle_handed_back()
        follows = back is not None and back.follows
        # Looking after what it has begun is no call of its own.
        if not follows and (turned := self.desk.turn(self, step)) is not None:
            return turned
        if back is None and not isinstance(settled := over_budget(self, tool, step), Pending):
            return settled
        if not (tool.pure or follows) and (stopped := self._before_effect(step, arguments)) is not None:
            return stopped
        # What a call was given is written down once.
        given: dict[str, Any] = {"input": arguments} if back is None else {}
        return self._concluded(step, tool, self._invoke(tool, step, arguments, back), given)

    def _unsure(self, step: Step, arguments: Mapping[str, Any], verdict: OnUnknown) -> Settlement | None:
        """Nobody knows what came of the call, and it is not made again."""
        if verdict == "fail":
            return self.failed(step, outcome_unknown(step))
        return self.parked(step, AnswerWait(), input=arguments, asks=True)

    def _concluded(
        self,
        step: Step,
        tool: Tool,
        outcome: tuple[bytes, Any] | Failed | Waits,
        given: Mapping[str, Any],
    ) -> Settlement | None:
        told = given if tool.pure else {}  # of all others it is told before they begin
        match outcome:
            case Failed():
                return self.settle_canceled() if self.cancelled else self.failed(step, outcome, told)
            case Waits() if step.secrets:
                # What a run waits for is kept as it is, where others may read it.
                return self.failed(step, not_lent(step))
            case Waits():
                return self.parked(step, outcome.wait, errand=outcome.errand, **given, **outcome.kept)
            case _:
                return self.succeeded(step, outcome, **told)

    def _kept_from(
        self, tool: Tool, step: Step, arguments: Mapping[str, Any], back: Again | None
    ) -> Settlement | Pending | None:
        """What becomes of a step whose call may not be made; Pending where it may."""
        if (refused := not_allowed(tool, self.caller(), step)) is not None:
            return self.failed(step, refused)
        if key_of(step, self.lines.item) in self.progress.unknown:
            verdict = decide(step, tool, alone=self.run.part is None)
            if verdict != "retry":
                return self._unsure(step, arguments, verdict)
        # A call that has begun was allowed then: what it has done stands, and its answer is not thrown away.
        return Pending() if back is not None else beyond_grant(self, tool, step, arguments)

    def _before_effect(self, step: Step, arguments: Mapping[str, Any]) -> Settlement | None:
        """Commit that the call begins, unless the run stops here."""
        self.lines.record("running", input=arguments)
        self.desk.checkpoint(self)
        return self.settle_canceled() if self.cancelled else None

    def succeeded(self, step: Step, outcome: tuple[bytes, Any], **given: Any) -> Settlement | None:
        """The step, or the item, is done; the run goes on."""
        if self.lines.item is not None:
            shares = step.max_parallel if self.job.items is not None else 1
            outcome = kept_item(self.progress, step, outcome, shares=shares)
        text, value = outcome
        self.lines.record("succeeded", output=orjson.Fragment(text), **given)
        self.progress.finish(step, value, self.lines.item)
        self.pending_bytes += len(text)
        if self.pending_bytes > PENDING_LIMIT:
            # Large outputs wait neither for the next effect nor for company.
            self.urgent = True
            self.desk.checkpoint(self)
        return None

    def _invoke(
        self, tool: Tool, step: Step, arguments: Mapping[str, Any], back: Again | None
    ) -> tuple[bytes, Any] | Failed | Waits:
        deadline = min(time.monotonic() + step.timeout_seconds, self.deadline)
        request = StepCall(
            arguments=arguments,
            idempotency_key=self.job.key(step, self.lines.item),
            deadline=deadline,
            caller=self.caller(),
            log=LogLines(self.lines.add).bound(step.id, self.lines.place),
            should_stop=self._should_stop,
            has_secrets=bool(step.secrets),
            going_on=None if back is None else self.progress.taken_up(step, back, self.lines.item),
        )
        self.desk.began(self, deadline)
        try:
            with led_by(run_depth(self.run.event, self.run.depth)):
                outcome = call(tool, request, step, self.lines.veil)
        finally:
            self.desk.ended(self)
        if isinstance(outcome, Succeeded):
            spent(self, tool, step, outcome.output)
        self.fresh = not tool.pure
        self.urgent = self.urgent or self.fresh
        return outcome if isinstance(outcome, Waits) else self.lines.encoded(outcome, step, tool)

    def _should_stop(self) -> bool:
        return self.stop_call

    # What the run leaves behind. The keeper calls these too, for a run whose call will not end.

    def settle_canceled(self) -> Settlement:
        """Somebody wanted it stopped."""
        return self.lines.ended("canceled")

    def settle_handed_back(self) -> Settlement:
        """The worker is going away: another takes the run up at once, and no attempt is lost."""
        return self.lines.queued("handed_back", returned=True)

    def settle_timed_out(self) -> Settlement:
        """The call under way did not end in time and is being ended with its process."""
        step = self.step
        if step is None or time.monotonic() >= self.deadline:
            return self.settle_failed(run_timed_out(self.plan.timeout_seconds, self.step), step)
        settled = self.failed(step, step_timed_out(step))
        return settled or self.lines.queued("step_timed_out", delay=0.0, returned=True)

    def settle_failed(self, error: RunError, step: Step | None) -> Settlement:
        """The run has failed for good."""
        if step is not None:
            self.lines.record("failed", error=error.as_dict())
        return self.lines.ended("failed", error=error)

    def failed(self, step: Step, failed: Failed, given: Mapping[str, Any] | None = None) -> Settlement | None:
        """What follows from a failed step: the one place where this becomes a change of state."""
        lines = self.lines
        consequence = after_failure(
            failed,
            step=step,
            plan=self.plan,
            tries=Tries(self.progress.fail(step, lines.item), self.run.attempt, self.run.max_attempts),
            random=random,
        )
        error = failed.error.as_dict()
        extra = {"continued": True} if isinstance(consequence, GoOn) else {}
        lines.record("failed", error=error, **(given or {}), **extra)
        match consequence:
            case GoOn():
                # As a worker taking over would read it from the journal.
                self.progress.finish(step, orjson.loads(to_json({"error": error})), lines.item)
                return None
            case TryStepAgain(delay):
                return lines.queued("step_retry", delay=delay, returned=True)
            case TryRunAgain(delay):
                return lines.queued("run_retry", delay=delay, error=failed.error)
            case _:
                return lines.ended("failed", error=failed.error)

    def take_lines(self) -> list[Line]:
        """The lines to commit; they are the journal's from now on."""
        self.fresh, self.pending_bytes = False, 0
        return self.lines.take()
