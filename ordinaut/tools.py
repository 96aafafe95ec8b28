"""What a tool is: a name, a JSON Schema for its arguments, and a function that does the work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ordinaut.callers import Caller
from ordinaut.dialog import Dialog


class ToolFailed(Exception):
    """The tool could not do what it was asked to.

    Args:
        message: One sentence for the person who reads the run.
        type: Stable snake_case name of the kind of failure; `retry_on` of a step matches it.
        retryable: False when another try with the same arguments cannot end differently.
        details: JSON-serialisable facts (status codes, sizes); never secrets.
    """

    def __init__(
        self,
        message: str,
        *,
        type: str = "tool_failed",
        retryable: bool = True,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.type = type
        self.retryable = retryable
        self.details = dict(details or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call of a tool, as the tool sees it.

    Attributes:
        arguments: Rendered arguments, already valid against the tool's schema.
        idempotency_key: `<run id>:<step id>`, the same on every attempt; send it along with every effect.
        deadline: `time.monotonic()` by which the tool must have answered; later, its process is ended.
        caller: The agent on whose behalf the call is made, with the scopes it holds now.
        log: `log(level, message)` writes a line into the run's log.
        should_stop: True once the run is cancelled or its worker is going away: return or raise soon.
        dialog: What can be told and asked of whoever called; nobody listens to a step of a pipeline.
    """

    arguments: Mapping[str, Any]
    idempotency_key: str
    deadline: float
    caller: Caller
    log: Callable[[str, str], None]
    should_stop: Callable[[], bool]
    dialog: Dialog = field(default_factory=Dialog)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool that pipelines, REST and assistants can call.

    Attributes:
        name: Dotted address, e.g. `http.request`.
        description: One or two sentences.
        schema: JSON Schema 2020-12 of the arguments; `type: object`.
        run: Does the work and returns a JSON-serialisable value, or raises `ToolFailed`.
        output_schema: JSON Schema of the returned value, where it is known.
        pure: Touches nothing outside the run, so its record needs no commit of its own.
        idempotent: A repeated call with the same arguments has no further effect.
        read_only: Changes nothing anywhere; an assistant may call it unasked.
        destructive: May undo or end something that cannot be had back. A call in which the worker was lost is then
            asked about and not made again, unless the tool is `idempotent` too.
        open_world: Reaches beyond this installation.
        scope: What a caller must hold to call it.
        expose_to_mcp: Whether assistants find it in their list of tools over MCP; the use cases of the platform are
            there anyway. Each tool there costs every conversation some of its room.
        mcp_name: The name they find it under, in place of the dotted one, which not every client takes: letters,
            digits and `_`.
        returns_content: It returns `{"content": [block, …]}` with blocks of MCP: text, image, audio, resource.
            Assistants see them as they are, steps as data. `data` beside `content` is the structured answer.
        starts_run: It starts a run and returns at least `{"run_id": …}`. An assistant that knows tasks gets the run
            as a task, any other waits for its end; the run's output is the answer, in the form of this tool.
        tasks_only: A client that knows no tasks is refused, as the run takes too long to be waited for.
        examples: Argument objects for the reference page; each is valid against `schema`.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    run: Callable[[ToolCall], Any]
    output_schema: Mapping[str, Any] | None = None
    pure: bool = False
    idempotent: bool = False
    scope: str = "tools:invoke"
    read_only: bool = False
    destructive: bool = False
    open_world: bool = False
    expose_to_mcp: bool = False
    mcp_name: str = ""
    returns_content: bool = False
    starts_run: bool = False
    tasks_only: bool = False
    examples: tuple[Mapping[str, Any], ...] = field(default=())
