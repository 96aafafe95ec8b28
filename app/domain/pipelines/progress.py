"""How far a run has come: restored from its journal, moved on by its worker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.pipelines.model import Step
from app.domain.pipelines.unknown import Answer
from app.domain.runs import Record
from app.domain.waits import GoingOn, Resolution

SENT_AWAY = "tool_limit"
"""Why a run was queued again: a tool is over one of its limits."""

BUDGET = "budget"
"""The same: a budget is used up until its next window."""


class Progress:
    """Outputs so far and what each step has cost.

    A step that is done for each item of a list counts attempts and failures by item: see `key_of`.

    Attributes:
        outputs: What templates see as `steps`: by step id and by `save_as`.
        done: Ids of steps that are not run again.
        attempts: Attempts begun; the next one is numbered one higher.
        failures: Failed attempts within the run's present attempt.
        items: The list that a step goes through, by its id.
        results: Outputs of the items that are done, by step id and index.
        kept: Bytes of JSON that these take, by step id, once somebody has counted them.
        parts: Ids of the runs in which the work of a step, or of one item of it, goes on.
        began: When the present attempt of a step that waits began, as the journal has it.
        resumed: What came of a step's waiting.
        again: Steps that have waited and are not done: their tools are called again.
        unknown: Calls that began and whose end the journal does not know.
        asked: Calls about which somebody was asked, with who answered and why.
        beyond: Calls that go beyond the task's grant, while somebody is asked about them.
        permitted: The same once somebody has approved.
        sent_away: Whether the run comes back from waiting for its turn at a tool.
        last_output: Output of the last step that was not skipped: the run's own output in the end.
    """

    __slots__ = (
        "again",
        "asked",
        "attempts",
        "began",
        "beyond",
        "done",
        "failures",
        "items",
        "kept",
        "last_output",
        "outputs",
        "parts",
        "permitted",
        "results",
        "resumed",
        "sent_away",
        "unknown",
    )

    def __init__(self) -> None:
        self.outputs: dict[str, Any] = {}
        self.done: set[str] = set()
        self.attempts: dict[str, int] = {}
        self.failures: dict[str, int] = {}
        self.items: dict[str, Sequence[Any]] = {}
        self.results: dict[str, dict[int, Any]] = {}
        self.kept: dict[str, int] = {}
        self.parts: dict[str, Sequence[str]] = {}
        self.began: dict[str, str] = {}
        self.resumed: dict[str, Resolution] = {}
        self.again: dict[str, Again] = {}
        self.unknown: set[str] = set()
        self.asked: dict[str, Mapping[str, str]] = {}
        self.beyond: dict[str, Asked] = {}
        self.permitted: dict[str, Asked] = {}
        self.sent_away = False
        self.last_output: Any = None

    @classmethod
    def restored(cls, records: Iterable[Record], steps: Mapping[str, Step]) -> Progress:
        """What the journal tells of an earlier claim of the run."""
        progress = cls()
        progress.replay(records, steps)
        return progress

    def replay(self, records: Iterable[Record], steps: Mapping[str, Step]) -> None:
        """Go through what happened."""
        for record in records:
            if record.kind == "state":
                self.sent_away = record.body.get("reason") == SENT_AWAY
            if record.kind == "state" and record.body["status"] == "queued" and "error" in record.body:
                self.failures.clear()
            elif record.kind == "step" and record.body["id"] in steps:
                self._replay(steps[record.body["id"]], record.body)

    def _replay(self, step: Step, body: Mapping[str, Any]) -> None:
        item = body.get("item")
        key = key_of(step, item)
        self.attempts[key] = body["attempt"]
        self.unknown.discard(key)
        match body["status"]:
            case "running":
                self.unknown.add(key)
            case "succeeded":
                self.outputs.update(body.get("outputs", {}))
                self.finish(step, body.get("output"), item)
            case "skipped":
                self.skip(step)
            case "failed":
                self.fail(step, item)
                if body.get("continued"):
                    self.finish(step, {"error": body["error"]}, item)
            case "expanded":
                self.items[step.id] = body["items"]
                self.began[step.id] = body["started_at"]
            case "gathered":
                self.results.setdefault(step.id, {}).update({int(n): one for n, one in body["results"].items()})
            case "waiting":
                self._wait(key, body)
            case "resumed":
                self._resume(step, key, Resolution.of_body(body))

    def _wait(self, key: str, body: Mapping[str, Any]) -> None:
        self.began[key] = body["started_at"]
        if "parts" in body:
            self.parts[key] = body["parts"]
        if body.get("asks"):
            self.asked[key] = {}
        earlier = self.again.get(key)
        self._over(key)
        if "again" in body:
            # Only the first wait of a call tells what it was called with.
            arguments = body["input"] if earlier is None or "input" in body else earlier.arguments
            self.again[key] = Again(arguments, body["again"], body["follows"])
        if "beyond" in body:
            self.beyond[key] = Asked(body["beyond"], body["input"], body["started_at"])

    def _resume(self, step: Step, key: str, resolution: Resolution) -> None:
        beyond = self.beyond.pop(key, None)
        if beyond is not None and resolution.error is None:
            self.permitted[key] = beyond
            return
        if key not in self.asked:
            self.resumed[key] = resolution
            return
        answer = Answer.of(resolution)
        if (meant := answer.meant(step)) is None:
            del self.asked[key]
        else:
            self.resumed[key], self.asked[key] = meant, answer.mark

    def marks_of(self, key: str) -> dict[str, Any]:
        """What the record of a step's end says more where somebody answered for it."""
        mark = self.asked.get(key)
        return {"marked": mark} if mark else {}

    def begin(self, step: Step, item: int | None = None) -> int:
        """Count an attempt; its number, from 1."""
        key = key_of(step, item)
        self.attempts[key] = number = self.attempts.get(key, 0) + 1
        return number

    def finish(self, step: Step, output: Any, item: int | None = None) -> None:
        """The step, or one item of it, is done, with this output."""
        self._over(key_of(step, item))
        if item is not None:
            self.results.setdefault(step.id, {})[item] = output
            return
        self.done.add(step.id)
        self.outputs[step.id] = self.last_output = output
        if step.save_as is not None:
            self.outputs[step.save_as] = output

    def skip(self, step: Step) -> None:
        """The step is done without an output: `null` to later templates."""
        self.done.add(step.id)
        self.outputs[step.id] = None
        if step.save_as is not None:
            self.outputs[step.save_as] = None

    def fail(self, step: Step, item: int | None = None) -> int:
        """Count a failure; how many there have been in this attempt of the run."""
        key = key_of(step, item)
        self._over(key)
        self.failures[key] = count = self.failures.get(key, 0) + 1
        return count

    def taken_up(self, step: Step, back: Again, item: int | None) -> GoingOn:
        """What the tool of such a step gets."""
        return GoingOn(back.state, self.resumed[key_of(step, item)])

    def _over(self, key: str) -> None:
        self.resumed.pop(key, None)
        self.again.pop(key, None)


@dataclass(frozen=True, slots=True)
class Again:
    """A step whose tool is called again after its wait: with which arguments, and what it wants back.

    Attributes:
        follows: Whether it only looks after what it has begun: to do that twice has no further effect.
    """

    arguments: Mapping[str, Any]
    state: Mapping[str, Any]
    follows: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that somebody is asked about.

    Attributes:
        facts: What it is held against.
        arguments: All of them; secrets are hidden.
        at: What `now` was, RFC 3339.
    """

    facts: Any
    arguments: Mapping[str, Any]
    at: str


def key_of(step: Step, item: int | None) -> str:
    """Names a step, or one item of it: `fetch`, `fetch[3]`."""
    return step.id if item is None else f"{step.id}[{item}]"
