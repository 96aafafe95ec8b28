"""Repeating runs, on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.domain.pipelines.unknown import Word
from app.domain.reruns import FAILED, DefinitionChoice, Mark
from app.schemas.fields import STRICT, Body, Name, Reason
from app.services.reruns import RerunRequest

_RERUN: Any = {"from": "fetch", "definition": "latest"}
_MARK: Any = {"status": "succeeded", "output": {"sent": 12}, "note": "Sent by hand, see ticket 4711"}


class RerunIn(Body):
    """Where to go on; an empty body will do."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [_RERUN]})

    from_: Name = Field(
        FAILED,
        alias="from",
        description="`failed`: the first step that has not been done; `start`: the first of all; or the id of a step",
    )
    definition: DefinitionChoice = Field(
        "original", description="The pipeline that the run kept, or the one its task has now"
    )

    def wish(self) -> RerunRequest:
        """The same for the service."""
        return RerunRequest(start=self.from_, definition=self.definition)


class MarkIn(Body):
    """What a step came to, and why you say so."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [_MARK]})

    status: Word = Field(description="`retry` and `failed` only where the run asks about the step")
    output: Annotated[Any, Field(description="What later steps see of it; null for a skipped one")] = None
    note: Reason = Field(description="For the run's journal and the audit log")

    def mark(self, step_id: str, by: str) -> Mark:
        """The same for the service."""
        return Mark(step_id=step_id, status=self.status, output=self.output, note=self.note, by=by)
