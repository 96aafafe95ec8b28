"""The client's side of a call: what it hears while something works for it, and what it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.server.connection import allowed_log_levels
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPError
from mcp_types import MISSING_REQUIRED_CLIENT_CAPABILITY

from ordinaut import Dialog, ExtensionContext, InputNeeded, ToolFailed

SINCE = "2026-07-28"
"""The first version in which an answer can be a question."""
STATE_SECONDS = 600.0
KINDS: Mapping[str, str] = {
    "elicitation/create": "elicitation",
    "sampling/createMessage": "sampling",
    "roots/list": "roots",
}
"""What is asked -> the capability of a client that can answer it."""
LEVELS: frozenset[str] = frozenset({"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"})
Context = ServerRequestContext[Any, Any]
Send = Callable[[], Awaitable[None]]


class Dialogs:
    """How this server talks with clients.

    Args:
        name: Of the server; what was sealed for another one is none of ours.
    """

    def __init__(self, context: ExtensionContext, name: str) -> None:
        keys = list(dict.fromkeys(context.keys("request state")))  # one that is written twice is one key
        self._sealing = bool(keys)
        security = (
            # Every web process opens what another one has sealed, for the agent that it was sealed for.
            RequestStateSecurity(
                keys=keys, ttl=STATE_SECONDS, bind_principal=lambda _: context.routes.caller().agent_id
            )
            if keys
            else RequestStateSecurity.ephemeral()
        )
        self.boundary = RequestStateBoundary(security, default_audience=name)

    async def held(
        self, asked: Context, params: types.InputResponseRequestParams, work: Callable[[Dialog], Any]
    ) -> Any:
        """What `work` gives, done in a thread, or the question that it has; the client hears of it meanwhile.

        Raises:
            MCPError: It asks what the client has not said it can answer.
            ToolFailed: It has a question that cannot be asked here.
        """
        try:
            return await _worked(asked, params, work)
        except InputNeeded as needed:
            return self._question(asked, needed)

    def _question(self, asked: Context, needed: InputNeeded) -> types.InputRequiredResult:
        if asked.protocol_version < SINCE:
            raise ToolFailed(
                "It has a question, which a client of this version of the protocol cannot be asked",
                type="input_required",
                retryable=False,
            ) from needed
        kinds = {KINDS.get(str(one.get("method")), "") for one in needed.questions.values()}
        if missing := sorted(kinds - _can_answer(asked)):
            data = {"requiredCapabilities": {kind: {} for kind in missing}}
            raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "Missing required client capability", data) from needed
        if needed.state is not None and not self._sealing:
            message = "It has a question with a state to keep, for which ORDINAUT_SECRET_KEYS must be set"
            raise ToolFailed(message, type="unavailable", retryable=False) from needed
        told = {"inputRequests": needed.questions, "requestState": needed.state}
        return types.InputRequiredResult.model_validate(told)


async def _worked(asked: Context, params: types.InputResponseRequestParams, work: Callable[[Dialog], Any]) -> Any:
    loop, news = asyncio.get_running_loop(), asyncio.Queue[Send | None]()

    def tell(send: Send) -> None:
        with suppress(RuntimeError):  # the loop is closed: the client has left, and nobody wants to hear it
            loop.call_soon_threadsafe(news.put_nowait, send)

    dialog = Dialog(
        can_answer=frozenset(_can_answer(asked)),
        answers={name: _plain(one) for name, one in (params.input_responses or {}).items()},
        state=params.request_state,
        on_progress=lambda done, total, message: tell(partial(asked.session.report_progress, done, total, message)),
        on_log=lambda level, message: tell(partial(_log, asked, level, message)),
    )
    # In a thread, so that the loop goes on to hear of a client that leaves; it keeps the request in sight.
    working = asyncio.ensure_future(asyncio.to_thread(work, dialog))
    working.add_done_callback(lambda _: news.put_nowait(None))
    try:
        while (send := await news.get()) is not None:
            await send()
        return working.result()
    finally:
        working.cancel()
        await asyncio.wait({working})


async def _log(asked: Context, level: str, message: str) -> None:
    level = level if level in LEVELS else "info"
    # Before 2026-07-28 a session had a level; there are no sessions here, so details are kept back from all of them.
    if level not in allowed_log_levels(asked.protocol_version, asked.meta) or (
        level == "debug" and asked.protocol_version < SINCE
    ):
        return
    params = types.LoggingMessageNotificationParams.model_validate({"level": level, "data": message})
    await asked.session.send_notification(
        types.LoggingMessageNotification(params=params), related_request_id=asked.request_id
    )


def _can_answer(asked: Context) -> set[str]:
    capabilities = asked.session.client_capabilities
    if capabilities is None or asked.protocol_version < SINCE:
        return set()
    return {kind for kind in KINDS.values() if getattr(capabilities, kind) is not None}


def _plain(answer: Any) -> Any:
    return answer if isinstance(answer, dict) else answer.model_dump(by_alias=True, mode="json", exclude_none=True)
