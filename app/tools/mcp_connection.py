"""One connection to a server, owned by the task that opens and closes it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import httpx2
import mcp_types as types
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from app.domain.mcp import Server
from app.domain.texts import t
from app.tools.mcp_failures import StatusTransport
from app.tools.mcp_remote_tasks import RemoteTasks
from ordinaut.tools import ToolFailed

END_SECONDS = 4.0
"""How long a server may take to end before its connection is cut."""


class Connection:
    """Opened by being made; every caller waits for `ready` and then uses `client`."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._client: Client | None = None
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()
        self._users = 0
        self._used_at = time.monotonic()
        self._owner = asyncio.create_task(self._own(), name=f"mcp {server.name}")

    @property
    def alive(self) -> bool:
        """Whether it may be used, or is about to be."""
        return not self._owner.done() and not self._over.is_set()

    @property
    def client(self) -> Client:
        """The SDK's; only after `ready`."""
        assert self._client is not None
        return self._client

    async def ready(self) -> None:
        """Wait until it is open; whatever kept it from opening is raised."""
        await asyncio.shield(self._ready)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Not idle, for as long as the block lasts; a connection that fails is not used again."""
        self._users += 1
        try:
            yield
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if getattr(error, "code", None) in _LOST:
                self._over.set()
            raise
        finally:
            self._users -= 1
            self._used_at = time.monotonic()

    def idle_for(self) -> float:
        """Seconds."""
        return 0.0 if self._users else time.monotonic() - self._used_at

    async def end(self) -> None:
        """Close it."""
        self._over.set()
        await asyncio.wait({self._owner}, timeout=END_SECONDS)
        if not self._owner.done():
            self._owner.cancel()
            await asyncio.wait({self._owner}, timeout=END_SECONDS)

    async def _own(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                await self._open(stack)
                self._ready.set_result(None)
                await self._over.wait()
        except asyncio.CancelledError:
            if not self._ready.done():
                self._ready.set_exception(ConnectionError("The connection was given up"))
            raise
        except Exception as error:  # noqa: BLE001 - a background loop: those who wait for it are told
            if not self._ready.done():
                self._ready.set_exception(error)

    async def _open(self, stack: AsyncExitStack) -> None:
        try:
            async with asyncio.timeout(self.server.connect_timeout_seconds):
                # Only over HTTP is a server still there when somebody else of us brings the answer; only since the
                # newest version it waits for one: those before would ask in the middle of a call.
                if self.server.url is None or not await self._entered(stack, elicitation_callback=_nobody):
                    await self._entered(stack)
        except TimeoutError as error:
            message = t("The server {server} did not open a connection in time", server=self.server.name)
            raise ToolFailed(message, type="connect_timeout") from error

    async def _entered(self, stack: AsyncExitStack, **more: Any) -> bool:
        """Open it; whether people can be asked through it, where `more` says so. Else it is closed again."""
        async with AsyncExitStack() as mine:
            client = Client(
                await self._target(mine),
                read_timeout_seconds=self.server.timeout_seconds,
                extensions=[RemoteTasks()],
                **more,
            )
            await mine.enter_async_context(client)
            if more and client.protocol_version not in MODERN_PROTOCOL_VERSIONS:
                return False
            self._client = client
            stack.push_async_exit(mine.pop_all())
        return True

    async def _target(self, stack: AsyncExitStack) -> Any:
        server = self.server
        if server.url is None:
            # What the command writes for people is not ours to keep: it may hold anything.
            void = stack.enter_context(os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
            parameters = StdioServerParameters(
                command=str(server.command), args=list(server.args), env=dict(server.env) or None, cwd=server.cwd
            )
            return stdio_client(parameters, errlog=void)
        timeout = httpx2.Timeout(server.connect_timeout_seconds, read=None)
        http = httpx2.AsyncClient(
            transport=StatusTransport(asks_for_tokens=bool(server.auth)),
            headers=dict(server.headers),
            timeout=timeout,
            auth=_auth(server),
        )
        return streamable_http_client(server.url, http_client=await stack.enter_async_context(http))


_LOST = frozenset({-32000})
"""CONNECTION_CLOSED."""


def _auth(server: Server) -> httpx2.Auth | None:
    if not server.auth:
        return None
    return ClientCredentialsOAuthProvider(
        str(server.url),
        _Memory(),
        server.auth["client_id"],
        server.auth["client_secret"],
        scope=server.auth.get("scope"),
        issuer=server.auth.get("issuer"),
    )


async def _nobody(context: Any, params: Any) -> types.ElicitResult:
    """Questions are seen where calls are made, see `app.tools.mcp_conversation`; that one is there says that we ask."""
    return types.ElicitResult(action="cancel")


class _Memory:
    """Tokens live as long as the connection."""

    def __init__(self) -> None:
        self._tokens: OAuthToken | None = None
        self._client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        """The ones that were got."""
        return self._tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keep these."""
        self._tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """Who we are there."""
        return self._client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Keep it."""
        self._client = client_info
