"""One run in the hands of one worker, from its claim to its settlement."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
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
from app.domain.pipelines.fan_out import Job, branch_parts, gather, item_parts
from app.domain.pipelines.model import ITEM_NAMES, SECRETS, Step
from app.domain.pipelines.outcome import Failed, GoOn, Tries, TryRunAgain, TryStepAgain, Waits, after_failure
from app.domain.pipelines.plan import Plan, scope_of
from app.domain.pipelines.progress import Progress, key_of
from app.domain.pipelines.unknown import decide, outcome_unknown
from app.domain.ports import Tools
from app.domain.runs import NewRun, RunError
from app.domain.templates import Template
from app.domain.texts import t
from app.domain.veil import Veil
from app.domain.waits import AnswerWait, Parking, PartsWait, Wait, told
from app.services.desk import Desk
from app.services.run_lines import RunLines
from app.services.steps import LogLines, call, encode, holds, lend, listed, not_allowed, not_lent, render
from ordinaut import Caller, Tool, ToolCall

PENDING_LIMIT = 2 * 1024 * 1024
"""Bytes of outputs that may wait in memory for a commit."""


class Pending:
    """There is nothing to take up yet."""


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
        return cls(
            run=run,
            plan=plan,
            progress=progress,
            job=Job.of(run, plan),
            desk=desk,
            tools=tools,
            lines=RunLines(run),
            deadline=time.monotonic() + plan.timeout_seconds - run.active_us / SECOND,
            scope=scope_of(run, plan, progress.outputs),
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
            if (settled := self._interrupted(step)) is not None:
                return settled
            if (settled := self._execute(step)) is not None:
                return settled
        if self.cancelled:
            return self.settle_canceled()
        return self.lines.ended("succeeded", output=to_json(self.progress.last_output).decode())

    def _interrupted(self, step: Step) -> Settlement | None:
        """Whether the run stops here, before this step or item."""
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
            return not (step.branches or step.foreach) and not self.tools.get(step.uses).pure
        except NotFound:
            return False

    def _execute(self, step: Step) -> Settlement | None:
        """One step; None when the run goes on with the next."""
        if self.job.items is not None:
            return self._through(step, self.job.items)
        if not isinstance(settled := self._resumed(step, None), Pending):
            return settled
        if step.foreach is not None and step.id in self.progress.items:
            self.lines.about(step, None, self.progress.attempts[step.id], self.progress.began[step.id])
            return self._each(step, step.foreach)
        self._begin(step, None)
        verdict = holds(step.condition, self.scope, step)
        if verdict is False:
            self.lines.record("skipped")
            self.progress.skip(step)
            return None
        if isinstance(verdict, Failed):
            return self._failed(step, verdict)
        if step.branches:
            return self._parted(step, branch_parts(self.run, step))
        if step.foreach is not None:
            return self._each(step, step.foreach)
        return self._work(step)

    def _begin(self, step: Step, item: int | None) -> None:
        """An attempt at a step, or at one item of it."""
        moment = datetime.now(UTC)
        self.scope["now"] = moment
        self.lines.about(step, item, self.progress.begin(step, item), rfc3339(moment))

    def _work(self, step: Step) -> Settlement | None:
        arguments = self._rendered(step)
        return self._failed(step, arguments) if isinstance(arguments, Failed) else self._call(step, arguments)

    # A step for each item of a list.

    def _each(self, step: Step, foreach: Template) -> Settlement | None:
        """The list is made once; it is gone through here, or by several runs side by side."""
        items = self.progress.items.get(step.id)
        if items is None:
            found = listed(step, foreach, self.scope)
            if isinstance(found, Failed):
                return self._failed(step, found)
            self.progress.items[step.id] = items = found
            self.progress.began[step.id] = self.lines.began
            self.lines.record("expanded", items=items)
        done = self.progress.results.get(step.id, {})
        left = [index for index in range(len(items)) if index not in done]
        if step.max_parallel > 1 and len(left) > 1:
            return self._parted(step, item_parts(self.run, step, left))
        if (settled := self._through(step, left)) is not None:
            return settled
        return self._listed(step, len(items))

    def _listed(self, step: Step, count: int) -> Settlement | None:
        """All items are done: their outputs are the step's, in order."""
        done = self.progress.results.get(step.id, {})
        outcome = encode([done[index] for index in range(count)], step, None)
        if isinstance(outcome, Failed):
            return self._failed(step, outcome)
        self.lines.about(step, None, self.progress.attempts[step.id], self.progress.began[step.id])
        return self._succeeded(step, outcome)

    def _through(self, step: Step, indices: Sequence[int]) -> Settlement | None:
        """These items, one after another; each that is done is recorded."""
        items, done = self.progress.items[step.id], self.progress.results.setdefault(step.id, {})
        for index in indices:
            if index in done:
                continue
            if self.job.items is not None and self.desk.sibling_failed(self.run):
                return self.settle_canceled()
            if (settled := self._interrupted(step) or self._item(step, index, items[index])) is not None:
                return settled
        for name in ITEM_NAMES:
            self.scope.pop(name, None)
        return None

    def _item(self, step: Step, index: int, item: Any) -> Settlement | None:
        if not isinstance(settled := self._resumed(step, index), Pending):
            return settled
        self.scope.update(item=item, index=index)
        self._begin(step, index)
        return self._work(step)

    def _parted(self, step: Step, parts: Sequence[NewRun]) -> Settlement:
        """The work goes on in runs of its own, and this one waits for them."""
        return self._parked(step, PartsWait(parts=tuple(parts)))

    # A step that waits.

    def _parked(self, step: Step, wait: Wait, **given: Any) -> Settlement:
        lines = self.lines
        self.urgent = True  # whoever is to end the wait must find it
        lines.record("waiting", wait=told(wait), **given)
        parking = Parking(step_id=step.id, uses=step.uses, attempt=lines.attempt, wait=wait, item=lines.item)
        return lines.waiting(parking)

    def _resumed(self, step: Step, item: int | None) -> Settlement | Pending | None:
        """Take up a step whose wait has ended; Pending where there is none."""
        key = key_of(step, item)
        result = self.progress.resumed.get(key)
        if result is None:
            return Pending()
        began = self.progress.began.get(key, "")
        self.lines.about(step, item, self.progress.attempts[key], began)
        if result.error is not None:
            return self._failed(step, Failed(replace(result.error, step_id=step.id), result.retryable))
        if step.branches or (step.foreach is not None and item is None):
            return self._gathered(step)
        outcome = encode(result.output, step, None)
        marks = self.progress.marks_of(key)
        return self._failed(step, outcome) if isinstance(outcome, Failed) else self._succeeded(step, outcome, **marks)

    def _gathered(self, step: Step) -> Settlement | None:
        """All parts have ended: what they came to."""
        parts = self.desk.parts(self.run.id, step.id)
        gathered = gather(step, parts, self.plan)
        results = self.progress.results.setdefault(step.id, {})
        results.update(gathered.results)
        if gathered.error is not None:
            if gathered.results:
                self.lines.record("gathered", results={str(index): one for index, one in gathered.results.items()})
            return self._failed(step, Failed(replace(gathered.error, step_id=step.id), False))
        if step.branches:
            self.progress.outputs.update(gathered.outputs)
            outcome = encode(gathered.branches, step, None)
            if isinstance(outcome, Failed):
                return self._failed(step, outcome)
            return self._succeeded(step, outcome, outputs=gathered.outputs)
        return self._listed(step, len(self.progress.items[step.id]))

    # A step's call.

    def _rendered(self, step: Step) -> Any:
        """The step's arguments, with the secrets that it names and its agent may use; or Failed."""
        if not step.secrets:
            return render(step, self.scope, self.tools)
        lent = lend(step, self._caller(), self.desk.secrets, self.tools)
        if isinstance(lent, Failed):
            return lent
        self.lines.veil = veil = self.lines.veil or Veil()
        veil.hide(lent.values())
        arguments = render(step, {**self.scope, SECRETS: lent}, self.tools)
        return veil.failed(arguments) if isinstance(arguments, Failed) else arguments

    def _caller(self) -> Caller:
        """In whose name the run acts, with the scopes they hold now, as far as the pipeline's author held them."""
        return limited(self.desk.caller(self.plan.caller), self.plan.scopes)

    def _call(self, step: Step, arguments: Mapping[str, Any]) -> Settlement | None:
        tool = self.tools.get(step.uses)
        if (refused := not_allowed(tool, self._caller(), step)) is not None:
            return self._failed(step, refused)
        if key_of(step, self.lines.item) in self.progress.unknown:
            verdict = decide(step, tool, alone=self.run.part is None)
            if verdict == "fail":
                return self._failed(step, outcome_unknown(step))
            if verdict == "ask":
                return self._parked(step, AnswerWait(), input=arguments, asks=True)
        given: dict[str, Any] = {"input": arguments} if tool.pure else {}
        settled = self.desk.turn(self, step) or (None if tool.pure else self._before_effect(step, arguments))
        if settled is not None:
            return settled
        outcome = self._invoke(tool, step, arguments)
        match outcome:
            case Failed():
                return self.settle_canceled() if self.cancelled else self._failed(step, outcome, given)
            case Waits(wait):
                # What a run waits for is kept as it is, where others may read it.
                return self._failed(step, not_lent(step)) if step.secrets else self._parked(step, wait, input=arguments)
            case _:
                return self._succeeded(step, outcome, **given)

    def _before_effect(self, step: Step, arguments: Mapping[str, Any]) -> Settlement | None:
        """Commit that the call begins, unless the run stops here."""
        if self.desk.stopping:
            self.progress.attempts[key_of(step, self.lines.item)] -= 1
            return self.settle_handed_back()
        self.lines.record("running", input=arguments)
        self.desk.checkpoint(self)
        return self.settle_canceled() if self.cancelled else None

    def _succeeded(self, step: Step, outcome: tuple[bytes, Any], **given: Any) -> Settlement | None:
        """The step, or the item, is done; the run goes on."""
        text, value = outcome
        self.lines.record("succeeded", output=orjson.Fragment(text), **given)
        self.progress.finish(step, value, self.lines.item)
        self.pending_bytes += len(text)
        if self.pending_bytes > PENDING_LIMIT:
            # Large outputs wait neither for the next effect nor for company.
            self.urgent = True
            self.desk.checkpoint(self)
        return None

    def _invoke(self, tool: Tool, step: Step, arguments: Mapping[str, Any]) -> tuple[bytes, Any] | Failed | Waits:
        deadline = min(time.monotonic() + step.timeout_seconds, self.deadline)
        request = ToolCall(
            arguments=arguments,
            idempotency_key=f"{self.job.root}:{key_of(step, self.lines.item)}",
            deadline=deadline,
            caller=self._caller(),
            log=LogLines(self.lines.add).bound(step.id),
            should_stop=self._should_stop,
        )
        self.desk.began(self, deadline)
        try:
            with led_by(run_depth(self.run.event, self.run.depth)):
                outcome = call(tool, request, step, self.lines.veil)
        finally:
            self.desk.ended(self)
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
            return self.settle_failed(self._run_timed_out(), step)
        message = t("Step {step} did not end within {seconds} s", step=step.id, seconds=f"{step.timeout_seconds:g}")
        settled = self._failed(step, Failed(RunError(type="timeout", message=message, step_id=step.id)))
        return settled or self.lines.queued("step_timed_out", delay=0.0, returned=True)

    def _run_timed_out(self) -> RunError:
        message = t("The run did not end within {seconds} s", seconds=self.plan.timeout_seconds)
        return RunError(type="run_timeout", message=message, step_id=self.step.id if self.step else None)

    def settle_failed(self, error: RunError, step: Step | None) -> Settlement:
        """The run has failed for good."""
        if step is not None:
            self.lines.record("failed", error=error.as_dict())
        return self.lines.ended("failed", error=error)

    def _failed(self, step: Step, failed: Failed, given: Mapping[str, Any] | None = None) -> Settlement | None:
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
