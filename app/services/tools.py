"""Looking at tools, calling one directly, and checking pipelines against them."""

from __future__ import annotations

import contextvars
import threading
import time
from asyncio import CancelledError
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import orjson

from app.domain.budgets import Spender
from app.domain.errors import Forbidden, InvalidInput, Problem, RateLimited, Unavailable, Unprocessable
from app.domain.ids import new_id
from app.domain.json_size import json_problem
from app.domain.permissions import touches_nothing
from app.domain.pipelines.json_schema import pipeline_schema
from app.domain.pipelines.validate import Report, validate_pipeline
from app.domain.ports import Tools
from app.domain.texts import joined, t
from app.domain.tool_limits import Holder, Turns
from app.domain.waits import Parked
from app.services.spending import Spending
from app.services.tool_turns import NoLimits, refusal
from app.telemetry import emit
from ordinaut import Caller, Tool, ToolCall, ToolFailed

MAX_SECONDS = 25.0
"""Longest direct call: routers in front of the web process give up at 30 s."""
GRACE_SECONDS = 5.0
"""For so much longer a call whose thread does not end counts as under way."""
MAX_OUTPUT = 1_048_576
MAX_LOGS = 1_000
MAX_CALLS = 8
"""Direct calls at once in one process; pipelines are the place for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What a direct call gave. `output` is JSON data; `logs` are `(level, message)` in order."""

    tool: str
    output: Any
    elapsed_ms: int
    logs: tuple[tuple[str, str], ...]


class ToolService:
    """The use cases of tools."""

    def __init__(self, *, tools: Tools, turns: Turns | None = None, spending: Spending | None = None) -> None:
        self._tools = tools
        self._turns = turns or NoLimits()
        self._spending = spending
        self._slots = threading.BoundedSemaphore(MAX_CALLS)
        self._schema: tuple[tuple[str, ...], bytes] | None = None

    def list(self) -> Sequence[Tool]:
        """Every tool, by name."""
        return self._tools.all()

    def get(self, name: str) -> Tool:
        """The tool, or NotFound."""
        return self._tools.get(name)

    def invoke(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        caller: Caller,
        timeout: float = MAX_SECONDS,
        key: str | None = None,
    ) -> Invocation:
        """Call a tool outside of any run and wait for its answer, `timeout` seconds at most.

        Args:
            key: What the tool and those it calls know a repetition by; a new one where none is given.

        Raises:
            NotFound: there is no such tool.
            Forbidden: the caller does not hold the tool's scope.
            InvalidInput: the arguments do not fit its schema; pointers begin with `/arguments`.
            Unprocessable: the tool failed or was too slow; `details` are `{type, retryable, details}`.
            RateLimited: the tool is over one of its limits, or a budget is used up.
            Unavailable: too many direct calls are under way.
        """
        tool = self._tools.get(name)
        if not caller.may(tool.scope):
            raise Forbidden(required_scopes=[tool.scope], granted_scopes=sorted(caller.scopes))
        self._check(name, arguments)
        timeout = min(timeout, MAX_SECONDS)
        logs: list[tuple[str, str]] = []
        began = time.monotonic()
        call = _call(arguments, caller, began + timeout, logs)
        call = call if key is None else replace(call, idempotency_key=key)
        left = self._entered(tool, call, timeout)
        output = _answer(_started(tool, call, left), timeout)
        self._spent(tool, caller, output)
        elapsed = round((time.monotonic() - began) * 1000)
        return Invocation(tool=name, output=output, elapsed_ms=elapsed, logs=tuple(logs[:MAX_LOGS]))

    def _entered(self, tool: Tool, call: ToolCall, timeout: float) -> Callable[[], None]:
        """A place for the call; the function gives it back."""
        if not self._slots.acquire(blocking=False):
            raise Unavailable(t("Too many tools are being called directly; try again shortly"))
        key = call.idempotency_key
        try:
            away = self._turns.take(tool.name, Holder(id=key, seconds=timeout + GRACE_SECONDS))
            if away is not None:
                raise refusal(tool.name, away)
        except BaseException:
            self._slots.release()
            raise

        def left() -> None:
            self._slots.release()
            self._turns.leave(tool.name, key)

        try:
            self._spend(tool, call)
        except BaseException:
            left()
            raise
        return left

    def _spend(self, tool: Tool, call: ToolCall) -> None:
        if self._spending is None or touches_nothing(tool):
            return
        spent = self._spending.begin(Spender(agent_id=call.caller.agent_id, tool=tool.name))
        if spent is not None:
            raise RateLimited(spent.message, budget=spent.budget.name, retry_after_seconds=round(spent.seconds))

    def _spent(self, tool: Tool, caller: Caller, output: Any) -> None:
        """Count what a call took that has succeeded: its answer is not withheld where it cannot be counted."""
        if self._spending is None or touches_nothing(tool):
            return
        try:
            self._spending.end(Spender(agent_id=caller.agent_id, tool=tool.name), output)
        except Unavailable as error:
            emit("budget.not_counted", tool=tool.name, agent_id=caller.agent_id, error=error)

    def validate_pipeline(self, pipeline: Any, params: Mapping[str, Any] | None) -> Report:
        """Every problem of a pipeline, at `/pipeline…`. Without params, references to them pass."""
        return validate_pipeline(pipeline, tools=self._tools, params=params, at="/pipeline")

    def pipeline_schema(self) -> bytes:
        """JSON Schema 2020-12 of a pipeline, as UTF-8 JSON; built anew only when the tools have changed."""
        names = tuple(self._tools.names())
        kept = self._schema
        if kept is None or kept[0] != names:
            schema = pipeline_schema((tool.name, tool.schema) for tool in self._tools.all())
            kept = self._schema = (names, orjson.dumps(schema))
        return kept[1]

    def _check(self, name: str, arguments: Mapping[str, Any]) -> None:
        if issue := json_problem(arguments):
            raise InvalidInput.at("/arguments", joined(" ", ["'arguments'", issue]))
        problems = self._tools.argument_problems(name, arguments)
        if problems:
            raise InvalidInput([Problem("/arguments" + one.pointer, one.message, one.hint) for one in problems])


def _call(arguments: Mapping[str, Any], caller: Caller, deadline: float, logs: list[tuple[str, str]]) -> ToolCall:
    return ToolCall(
        arguments=arguments,
        idempotency_key=f"{new_id()}:invoke",
        deadline=deadline,
        caller=caller,
        log=lambda level, message: logs.append((level, message)),
        should_stop=lambda: time.monotonic() >= deadline,
    )


def _started(tool: Tool, call: ToolCall, left: Callable[[], None]) -> Future[Any]:
    """The tool at work in a thread of its own, which gives its place back whenever it ends."""
    answer: Future[Any] = Future()

    def work() -> None:
        try:
            tell = partial(answer.set_result, tool.run(call))
        except Exception as error:  # noqa: BLE001 - a step boundary: whatever a tool raises reaches its caller
            tell = partial(answer.set_exception, error)
        except (SystemExit, KeyboardInterrupt, GeneratorExit, CancelledError) as error:
            # Raised again by whoever waits, it would end the process.
            tell = partial(answer.set_exception, RuntimeError(f"{tool.name} raised {type(error).__name__}"))
        try:
            left()  # first: who has the answer may call again
        finally:
            tell()

    context = contextvars.copy_context()
    # A daemon, so that a tool which hangs does not keep the process from ending.
    threading.Thread(target=context.run, args=(work,), name=f"tool-{tool.name}", daemon=True).start()
    return answer


def _answer(answer: Future[Any], timeout: float) -> Any:
    try:
        output = answer.result(timeout)
    except ToolFailed as error:
        details = error.details
        raise Unprocessable(error.message, type=error.type, retryable=error.retryable, details=details) from error
    except Parked as parked:
        message = t("Only a step of a pipeline can wait for its answer")
        raise Unprocessable(message, type="only_in_pipelines", retryable=False, details={}) from parked
    except TimeoutError as error:
        if answer.done():
            raise
        raise Unprocessable(
            t("The tool did not answer within {seconds} seconds", seconds=f"{timeout:g}"),
            type="timeout",
            retryable=True,
            details={},
        ) from error
    if issue := json_problem(output, MAX_OUTPUT):
        text = joined(" ", [t("The tool's output"), issue])
        raise Unprocessable(text, type="invalid_output", retryable=False, details={})
    return output
