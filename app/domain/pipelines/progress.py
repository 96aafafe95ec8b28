"""How far a run has come: restored from its journal, moved on by its worker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from app.domain.pipelines.model import Step
from app.domain.runs import Record


class Progress:
    """Outputs so far and what each step has cost.

    Attributes:
        outputs: What templates see as `steps`: by step id and by `save_as`.
        done: Ids of steps that are not run again.
        attempts: Attempts begun, by step id; the next one is numbered one higher.
        failures: Failed attempts within the run's present attempt, by step id.
        last_output: Output of the last step that was not skipped: the run's own output in the end.
    """

    __slots__ = ("attempts", "done", "failures", "last_output", "outputs")

    def __init__(self) -> None:
        self.outputs: dict[str, Any] = {}
        self.done: set[str] = set()
        self.attempts: dict[str, int] = {}
        self.failures: dict[str, int] = {}
        self.last_output: Any = None

    @classmethod
    def restored(cls, records: Iterable[Record], steps: Mapping[str, Step]) -> Progress:
        """What the journal tells of an earlier claim of the run."""
        progress = cls()
        for record in records:
            if record.kind == "state" and record.body["status"] == "queued" and "error" in record.body:
                progress.failures.clear()
            elif record.kind == "step" and record.body["id"] in steps:
                progress._replay(steps[record.body["id"]], record.body)
        return progress

    def _replay(self, step: Step, body: Mapping[str, Any]) -> None:
        self.attempts[step.id] = body["attempt"]
        if body["status"] == "succeeded":
            self.finish(step, body.get("output"))
        elif body["status"] == "skipped":
            self.skip(step)
        elif body["status"] == "failed":
            self.fail(step)
            if body.get("continued"):
                self.finish(step, {"error": body["error"]})

    def begin(self, step: Step) -> int:
        """Count an attempt; its number, from 1."""
        self.attempts[step.id] = number = self.attempts.get(step.id, 0) + 1
        return number

    def finish(self, step: Step, output: Any) -> None:
        """The step is done, with this output."""
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

    def fail(self, step: Step) -> int:
        """Count a failure; how many the step has had in this attempt of the run."""
        self.failures[step.id] = count = self.failures.get(step.id, 0) + 1
        return count
