"""A worker's hands: claim runs in batches, execute them one after another, settle them together.

One `Executor` lives in each pool process. Whoever calls `drain` works, one at a time: a doorbell in the main thread or
the poller's thread. The keeper (see `keeper.py`) watches from a thread of its own.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import random
from typing import Any, TypeVar

from app.domain.errors import LeaseLost, Unavailable
from app.domain.event_store import Witness
from app.domain.execution import Behalf, Checkpoint, Claimed, Exchange, RunLedger, Settlement
from app.domain.json_text import to_json
from app.domain.pipelines.fan_out import PartEnd
from app.domain.pipelines.model import Step
from app.domain.pipelines.plan import Plan
from app.domain.pipelines.progress import Progress
from app.domain.ports import RunQueue, Tools
from app.domain.runs import RunError
from app.domain.texts import t
from app.domain.tool_limits import Holder, Turns
from app.services.allowances import Allowances
from app.services.behalf import open_behalf
from app.services.run_execution import RunExecution
from app.services.run_lines import micros
from app.services.tool_turns import NoLimits, sent_away
from app.telemetry import emit
from ordinaut import Caller

T = TypeVar("T")
BATCH = 20
BATCH_SECONDS = 0.05
"""A claim takes what this worker is likely to begin within this time."""
PLANS = 512
CASCADE_SECONDS = 0.02
SIBLING_SECONDS = 0.5
"""How long a part of a run may go on after another has failed."""


class Abandoned(Exception):
    """The database has been away for so long that the leases may have passed on: nothing we hold is ours."""


class TaskGone(Exception):
    """The task was deleted, and its runs with it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Times that rule a worker, in seconds."""

    lease: float = 30.0
    drain: float = 20.0
    poll: float = 1.0
    grace: float = 1.0

    @property
    def give_up(self) -> float:
        """How long after the last renewal the leases can still be trusted."""
        return self.lease * 0.8


class Executor:
    """Claims, executes and settles runs for one owner; see the module.

    Attributes:
        gate: Held for every visit to the ledger and every change of what is held; the keeper acts under it too, so
            it never meets a commit half done.
        execution: The run being executed, and with it, while a call is under way, the call's deadline and start
            (`time.monotonic()`).
        allowances: What calls are held against; None where nobody needs a grant and nothing is counted.
        waiting: Claimed and not begun.
        renewed_at: When the oldest lease in hand was last extended (`time.monotonic()`).
    """

    def __init__(
        self,
        *,
        owner: str,
        ledger: RunLedger,
        tools: Tools,
        queue: RunQueue,
        pace: Pace,
        on_failure: Callable[[str, int], None],
        witness: Witness | None = None,
        behalf: Behalf | None = None,
        turns: Turns | None = None,
        allowances: Allowances | None = None,
    ) -> None:
        self.owner = owner
        self.ledger = ledger
        self.pace = pace
        self.allowances = allowances
        self.gate = threading.RLock()
        self.execution: RunExecution | None = None
        self.call_deadline: float | None = None
        self.call_began = 0.0
        self.renewed_at = time.monotonic()
        self.waiting: deque[Claimed] = deque()
        self._stopping: Callable[[], bool] = bool
        self._tools = tools
        self._queue = queue
        self._on_failure = on_failure
        self._witness = witness
        self._behalf = behalf or open_behalf()
        self._turns = turns or NoLimits()
        self._busy = threading.Lock()
        self._settled: list[Settlement] = []
        self._plans: OrderedDict[str, Plan] = OrderedDict()
        self._mean = 0.01
        self._rang_at = 0.0
        self._siblings_of = ""
        self._siblings_at = 0.0
        self._sibling_failed = False

    def stop_when(self, stopping: Callable[[], bool]) -> None:
        """Take no more runs and start no more effects once `stopping()` is true."""
        self._stopping = stopping

    @property
    def stopping(self) -> bool:
        """Whether this worker is going away."""
        return self._stopping()

    def held(self) -> list[str]:
        """Ids of the runs in hand; call it under the gate."""
        mine = [run.id for run in self.waiting] + [one.run.id for one in self._settled]
        return mine if self.execution is None else [self.execution.run.id, *mine]

    def drain(self) -> int:
        """Work until nothing is left to claim; how many runs passed through."""
        with self._busy:
            count = 0
            try:
                self._visit(want=self._want())
                while (run := self._next()) is not None:
                    self._execute(run)
                    count += 1
            except Abandoned:
                emit("worker.abandoned", owner=self.owner, runs=len(self.held()))
                self._drop_everything()
            except BaseException:
                # What nobody foresaw must not leave runs in hand, where the keeper would renew them for ever.
                self._drop_everything()
                raise
            return count

    def _next(self) -> Claimed | None:
        with self.gate:
            if self.stopping:
                self.hand_back_waiting()
            if not self.waiting:
                self._visit(want=self._want())
            return self.waiting.popleft() if self.waiting else None

    def _want(self) -> int:
        return 0 if self.stopping else max(1, min(BATCH, int(BATCH_SECONDS / self._mean)))

    def _execute(self, run: Claimed) -> None:
        began = time.monotonic()
        if run.part is not None:
            self.hand_back_waiting()  # its siblings, mostly: they are meant to run beside it
        with self.gate:
            try:
                self.execution = execution = self._begin(run)
            except TaskGone:
                return
            except (LookupError, TypeError, ValueError) as error:
                self._settled.append(_unreadable(run, error))
                return
        settlement: Settlement | None = None
        try:
            settlement = execution.proceed()
        except LeaseLost:
            emit("run.lost", run_id=run.id, owner=self.owner)
        finally:
            # Also when something unforeseen passes through: a run left in hand would have its lease renewed for ever.
            with self.gate:
                self.execution = None
                self._settled.extend([settlement] if settlement else ())
        if settlement and execution.urgent:
            self._visit(want=0 if self.waiting else self._want())
        self._mean += (time.monotonic() - began - self._mean) * 0.2

    def _begin(self, run: Claimed) -> RunExecution:
        plan = self._plan(run.definition_id)
        progress = self._inherited(run.part, plan) if run.part else Progress()
        if run.journal_length:
            progress.replay(self.insist(lambda: self.ledger.journal(run.id)), plan.every)
        return RunExecution.begin(run, plan, progress, desk=self, tools=self._tools)

    def _inherited(self, part: Mapping[str, Any], plan: Plan) -> Progress:
        """What a part knows from the runs above it, which wait for it and do not move."""
        progress, (loop, *_) = Progress(), part.get("loop", [""])
        for run_id in part["above"]:
            records = self.insist(partial(self.ledger.journal, run_id))
            above = Progress.restored(records, plan.every)
            progress.outputs.update(above.outputs)
            wanted = above.items.keys() & {part["step"], loop}
            progress.items.update({step_id: above.items[step_id] for step_id in wanted})
        return progress

    def _plan(self, definition_id: str) -> Plan:
        plan = self._plans.get(definition_id)
        if plan is None:
            document = self.insist(lambda: self.ledger.definition(definition_id))
            if not document:
                raise TaskGone(definition_id)
            self._plans[definition_id] = plan = Plan.of(document)
            if len(self._plans) > PLANS:
                self._plans.popitem(last=False)
        return plan

    # The desk of a run in execution.

    def checkpoint(self, execution: RunExecution) -> None:
        """Commit what the run has to say before it goes on."""
        with self.gate:
            answer = self._visit(checkpoint=Checkpoint(execution.run, execution.take_lines()))
        if execution.run.id not in answer.accepted:
            raise LeaseLost(run_id=execution.run.id)
        execution.cancelled = execution.cancelled or execution.run.id in answer.cancelled

    def turn(self, execution: RunExecution, step: Step) -> Settlement | None:
        """Whether the run has to wait for its turn at the step's tool."""
        run, progress = execution.run, execution.progress
        holder = Holder(id=run.id, fence=run.fence, again=progress.sent_away)
        progress.sent_away = False
        away = self.insist(lambda: self._turns.take(step.uses, holder))
        return None if away is None else sent_away(execution, step, away)

    def began(self, execution: RunExecution, deadline: float) -> None:
        """A call starts: from here to `ended` the keeper may end this process."""
        with self.gate:
            self.call_deadline, self.call_began = deadline, time.monotonic()

    def ended(self, execution: RunExecution) -> None:
        """The call has ended."""
        with self.gate:
            self.call_deadline = None
        if execution.step is not None:
            self._turns.leave(execution.step.uses, execution.run.id)

    def caller(self, agent_id: str) -> Caller:
        """The agent in whose name a run acts, with the scopes it holds now."""
        return self.insist(lambda: self._behalf.caller(agent_id))

    def secrets(self, names: Sequence[str]) -> Mapping[str, str]:
        """The values of secrets."""
        return self.insist(lambda: self._behalf.secrets(names))

    def parts(self, run_id: str, step_id: str, ids: Sequence[str] = ()) -> Sequence[PartEnd]:
        """The runs in which the work of a step went on."""
        return [one for one in self.insist(lambda: self.ledger.parts(run_id, ids)) if one.part["step"] == step_id]

    def sibling_failed(self, run: Claimed) -> bool:
        """Whether another part of the same step has failed; asked anew once in a while."""
        now = time.monotonic()
        if self._siblings_of != run.id or now - self._siblings_at >= SIBLING_SECONDS:
            self._siblings_of, self._siblings_at = run.id, now
            self._sibling_failed = self.insist(lambda: self.ledger.part_failed(run.parent_run_id or ""))
        return self._sibling_failed

    # Visits to the ledger.

    def _visit(self, *, want: int = 0, checkpoint: Checkpoint | None = None) -> Exchange:
        with self.gate:
            settle = tuple(self._settled)
            if not (settle or want or checkpoint):
                return Exchange(frozenset(), frozenset(), ())
            asked_at, answer = self.insist(lambda: self._exchanged(settle, checkpoint, want))
            self._settled.clear()
            if not self.held():
                self.renewed_at = asked_at
            self.waiting.extend(answer.claimed)
            if self._witness is not None:
                self._witness.committed(settle, checkpoint, answer)
        self._announce(settle, answer)
        if (want or answer.opened) and len(answer.claimed) == want:
            self._pass_on()
        return answer

    def _exchanged(
        self, settle: Sequence[Settlement], checkpoint: Checkpoint | None, want: int
    ) -> tuple[float, Exchange]:
        """The answer, and a moment at which its leases had not begun: they count from within the exchange."""
        asked_at = time.monotonic()
        return asked_at, self.ledger.exchange(self.owner, settle=settle, checkpoint=checkpoint, want=want)

    def _announce(self, settled: Sequence[Settlement], answer: Exchange) -> None:
        for one in settled:
            known = one.run.id in answer.accepted
            emit("run.settled" if known else "run.fenced", settlement=one, owner=self.owner)
            plan = self._plans.get(one.run.definition_id)
            whole = one.run.part is None
            if known and whole and one.status == "failed" and plan is not None and plan.pause_after_failures:
                self._tell_failure(one.run.task_id, plan.pause_after_failures)

    def _tell_failure(self, task_id: str, limit: int) -> None:
        try:
            self._on_failure(task_id, limit)
        except Unavailable as error:
            # The next failure asks again; other runs' commits must not suffer from it.
            emit("task.not_paused", task_id=task_id, error=error)

    def _pass_on(self) -> None:
        """There is more than we took: wake another worker, who will wake another in turn."""
        now = time.monotonic()
        if now - self._rang_at >= CASCADE_SECONDS:
            self._rang_at = now
            self._queue.ring()

    def insist(self, ask: Callable[[], T]) -> T:
        """Ask until the database answers or our leases may have passed on."""
        pause = 0.05
        while True:
            try:
                return ask()
            except Unavailable:
                if time.monotonic() - self.renewed_at > self.pace.give_up:
                    raise Abandoned from None
                time.sleep(pause * (0.5 + random()))
                pause = min(pause * 2, 1.0)

    def _drop_everything(self) -> None:
        with self.gate:
            self.execution = None
            self.call_deadline = None
            self.waiting.clear()
            self._settled.clear()
            self.renewed_at = time.monotonic()

    # For the keeper and for a worker that stops; each is called under the gate.

    def hand_back_waiting(self) -> None:
        """Give back what has not been begun, so that another worker need not wait for this one."""
        with self.gate:
            back = [Settlement(run=run, status="queued", returned=True) for run in self.waiting]
            if back:
                self.waiting.clear()
                self._settled.extend(back)
                self._visit()
                self._queue.ring(len(back))

    def settle_current(self, settlement: Settlement) -> None:
        """Settle the run whose call will not end, and everything else in hand."""
        with self.gate:
            self.execution = None
            self._settled.append(settlement)
            self._visit()

    def wait_idle(self, seconds: float) -> bool:
        """Wait until no drain is under way; False when that took too long."""
        idle = self._busy.acquire(timeout=seconds)
        if idle:
            self._busy.release()
        return idle


def _unreadable(run: Claimed, cause: Exception) -> Settlement:
    """A run whose definition this code cannot read has failed, and says so."""
    message = t("The definition it was queued with cannot be read ({kind})", kind=type(cause).__name__)
    error = RunError(type="invalid_definition", message=message).as_dict()
    line = (micros(), "state", {"status": "failed", "attempt": run.attempt, "error": error})
    return Settlement(run=run, status="failed", error=to_json(error).decode(), lines=[line])
