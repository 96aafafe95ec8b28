"""A call of a server's tool from its beginning, or from where it was left, to its answer or its next pause.

A server may answer with a task, which is followed; it may ask something, in a task or in place of an answer. What
takes long, and what people have to answer, comes back as `Unfinished`, where the call says that it may.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import mcp_types as types
from mcp import Client, MCPError
from mcp.shared.dispatcher import ProgressFnT

from app.domain.mcp import Question, RemoteCall, Server, Unfinished
from app.domain.texts import t
from app.tools.mcp_remote_tasks import Handle, TaskState, answer_task, cancel_task, get_task
from ordinaut.tools import ToolFailed

POLL_SECONDS = 1.0
SHORTEST_POLL, LONGEST_POLL = 0.05, 10.0
PATIENCE_SECONDS = 5.0
"""How long a worker waits for a task before its run waits without one."""
LONGEST_PAUSE = 60.0
FIRST_PAUSE = 2.0
_MISMATCH = -32020
"""HEADER_MISMATCH: a header that a tool wants of its arguments is not as it should be."""

Answer = types.CallToolResult | Unfinished


class Conversation:
    """One call; see the module. Its state is `{"task": id, "pause": seconds}` or `{"request": text}`."""

    def __init__(self, client: Client, server: Server, call: RemoteCall, progress: ProgressFnT) -> None:
        self._client = client
        self._server = server
        self._call = call
        self._progress = progress

    async def held(self) -> Answer:
        """The answer, or where it is to be taken up again."""
        state = self._call.state or {}
        if "task" in state:
            return await self._followed(state["task"], state)
        answers, request = dict(self._call.answers) or None, state.get("request")
        pause = SHORTEST_POLL
        while True:
            said = await self._sent(answers, request)
            match said:
                case types.CallToolResult():
                    return said
                case Handle():
                    return await self._followed(said.task_id, {"poll": said.poll_interval_ms})
                case types.InputRequiredResult():
                    if said.input_requests:
                        return self._asks(said.input_requests, {"request": said.request_state})
                    # It only wants to be asked again.
                    answers, request = None, said.request_state
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, POLL_SECONDS)

    async def _sent(self, answers: dict[str, Any] | None, request: str | None) -> types.Result:
        try:
            return await self._tried(answers, request)
        except MCPError as error:
            if error.code != _MISMATCH:
                raise
        # The list says which arguments go into headers too: ours is missing or old.
        await self._client.list_tools(cache_mode="refresh")
        return await self._tried(answers, request)

    async def _tried(self, answers: dict[str, Any] | None, request: str | None) -> types.Result:
        return await self._client.session.call_tool(
            self._call.tool,
            dict(self._call.arguments),
            self._call.seconds,
            self._progress,
            input_responses=_responses(answers),
            request_state=request,
            allow_input_required=True,
            allow_claimed=True,
        )

    # Tasks.

    async def _followed(self, task_id: str, before: Mapping[str, Any]) -> Answer:
        try:
            return await self._watched(task_id, before)
        except (asyncio.CancelledError, ToolFailed):
            # Nobody wants it any more, and over there it would go on.
            with suppress(Exception):
                async with asyncio.timeout(2):
                    await asyncio.shield(cancel_task(self._client, task_id))
            raise

    async def _watched(self, task_id: str, before: Mapping[str, Any]) -> Answer:
        given, answered = dict(self._call.answers), set(before.get("answered", ()))
        # One that was left alone before is looked at once, but for the first moments after an answer.
        patience = 0.0 if "pause" in before and not given else PATIENCE_SECONDS
        began, interval = time.monotonic(), before.get("poll")
        while True:
            state = await get_task(self._client, task_id)
            if (result := self._ended(state)) is not None:
                return result
            interval = state.poll_interval_ms or interval
            asked = {key: one for key, one in (state.asked or {}).items() if key not in answered}
            if answers := {key: given.pop(key) for key in asked.keys() & given.keys()}:
                await answer_task(self._client, task_id, answers)
                answered |= answers.keys()
                continue
            kept = {"task": task_id, "poll": interval, "answered": sorted(answered)}
            if state.status == "input_required" and asked:
                return self._asks(asked, kept, state)
            if self._call.may_pause and time.monotonic() - began >= patience:
                return _left_alone(kept, before.get("pause", FIRST_PAUSE), state)
            await asyncio.sleep(_poll_seconds(interval))

    def _ended(self, state: TaskState) -> types.CallToolResult | None:
        match state.status:
            case "completed":
                return types.CallToolResult.model_validate(state.result or {"content": []})
            case "failed":
                error = state.error or {}
                raise MCPError(error.get("code", types.INTERNAL_ERROR), str(error.get("message", "The task failed")))
            case "cancelled":
                message = t("{server} canceled the task", server=self._server.name)
                raise ToolFailed(message, type="canceled", retryable=False)
        return None

    # Questions.

    def _asks(
        self, asked: Mapping[str, types.InputRequest], kept: Mapping[str, Any], state: TaskState | None = None
    ) -> Unfinished:
        if not self._call.may_pause:
            message = t("{server} asks for input, which cannot be given here", server=self._server.name)
            raise ToolFailed(message, type="input_required", retryable=False)
        return Unfinished(
            state={**kept, "pause": FIRST_PAUSE},
            questions=tuple(self._question(key, one) for key, one in asked.items()),
            task_id=kept.get("task"),
            ends_at=None if state is None else state.ends_at,
        )

    def _question(self, key: str, asked: types.InputRequest) -> Question:
        match asked:
            case types.ElicitRequest(params=types.ElicitRequestFormParams() as form):
                return Question(key=key, message=form.message, schema=form.requested_schema)
            case types.ElicitRequest(params=types.ElicitRequestURLParams() as url):
                return Question(key=key, message=url.message, url=url.url)
        message = t("{server} asks for something that no person can give", server=self._server.name)
        raise ToolFailed(message, type="input_required", retryable=False)


def _left_alone(kept: Mapping[str, Any], pause: float, state: TaskState) -> Unfinished:
    seconds = max(pause, _poll_seconds(kept["poll"]))
    after = {**kept, "pause": min(LONGEST_PAUSE, 1.5 * seconds)}
    return Unfinished(state=after, pause_seconds=seconds, task_id=kept["task"], ends_at=state.ends_at)


def _poll_seconds(interval_ms: int | None) -> float:
    seconds = POLL_SECONDS if interval_ms is None else interval_ms / 1000
    return min(LONGEST_POLL, max(SHORTEST_POLL, seconds))


def _responses(answers: Mapping[str, Any] | None) -> types.InputResponses | None:
    return None if answers is None else {key: types.ElicitResult.model_validate(one) for key, one in answers.items()}
