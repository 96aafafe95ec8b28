"""The official client finds, registers, asks and calls by itself; a person signs in and agrees in a real browser."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from tests.e2e.browser import Page, chromium
from tests.e2e.conftest import Instance
from tests.fakes.http_target import http_target
from tests.servers import REPOSITORY

SCOPES = ("tasks:read", "tasks:create", "tasks:run", "runs:read")


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One installation with tokens and two web processes: what one begins the other goes on with."""
    one = Instance(tmp_path_factory.mktemp("oauth") / "var", WEB_CONCURRENCY="2", ORDINAUT_AUTH="jwt").start()
    try:
        yield one
        assert one.stop() == 0, one.output
    finally:
        one.clean()


@pytest.fixture(scope="module")
def secret(instance: Instance) -> str:
    """The secret of the agent `ana`."""
    scopes = [word for scope in SCOPES for word in ("--scope", scope)]
    command = [sys.executable, str(REPOSITORY / "bin" / "ordinaut"), "agent", "create", "ana", *scopes, "--json"]
    done = subprocess.run(command, env={"ORDINAUT_HOME": str(instance.home)}, capture_output=True, check=True)
    return str(json.loads(done.stdout)["agent_secret"])


@pytest.fixture
def back() -> Iterator[str]:
    """Where the program waits for the browser to come back."""
    with http_target() as target:
        yield target.url("/echo")


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """A real browser."""
    with chromium(tmp_path) as page:
        yield page


class Shelf:
    """Where the client keeps what it was given."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Person:
    """Signs in and agrees, in the browser; the program hears where the browser was sent in the end."""

    def __init__(self, page: Page, secret: str, untick: str | None = None) -> None:
        self._page = page
        self._secret = secret
        self.untick = untick
        self._answer: AuthorizationCodeResult | None = None
        self.asked = 0

    async def sent(self, address: str) -> None:
        """The program opens the browser there."""
        self.asked += 1
        await asyncio.to_thread(self._decide, address)

    async def answered(self) -> AuthorizationCodeResult:
        """What came back."""
        assert self._answer is not None
        return self._answer

    def _decide(self, address: str) -> None:
        page = self._page
        page.open(address)
        page.wait_for("location.pathname === '/authorize' && document.readyState === 'complete'")
        if page.evaluate("!!document.querySelector('[name=secret]')"):
            page.evaluate("document.querySelector('[name=agent]').value = 'ana'")
            page.evaluate(f"document.querySelector('[name=secret]').value = {json.dumps(self._secret)}")
            page.evaluate("document.querySelector('button').click()")
            page.wait_for("!!document.querySelector('[name=decision]')")
        if self.untick:
            box = json.dumps(f"[value='{self.untick}']")
            page.evaluate(f"document.querySelector({box}).click()")
        page.evaluate("document.querySelector('[value=allow]').click()")
        page.wait_for("location.search.includes('code=')")
        url = page.evaluate("location.href")
        answer = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        self._answer = AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer["iss"])


def test_a_client_gets_rights_and_more_when_it_needs_them(
    instance: Instance, secret: str, page: Page, back: str
) -> None:
    person = Person(page, secret, untick="tasks:create")
    shelf = Shelf()
    metadata = OAuthClientMetadata.model_validate(
        {
            "client_name": "Helper",
            "redirect_uris": [back],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        }
    )
    address = f"http://127.0.0.1:{instance.port}/mcp"
    provider = OAuthClientProvider(
        server_url=address,
        client_metadata=metadata,
        storage=shelf,
        redirect_handler=person.sent,
        callback_handler=person.answered,
    )

    async def talk() -> None:
        async with (
            httpx2.AsyncClient(auth=provider, timeout=60) as http,
            Client(streamable_http_client(address, http_client=http)) as client,
        ):
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert "list_tasks" in names and "create_task" not in names
            # It needs more now, says so, and the person agrees this time.
            person.untick = None
            made = await client.call_tool("create_task", {"title": "By a program", "schedule": "0 9 * * *"})
            assert not made.is_error, made.content

    asyncio.run(asyncio.wait_for(talk(), 120))
    assert person.asked == 2
    # The program's own server has no icon to show, and hangs up; our pages have nothing to complain of.
    assert set(page.complaints) <= {"Failed to load resource: net::ERR_EMPTY_RESPONSE"}
    assert shelf.tokens is not None and set((shelf.tokens.scope or "").split()) == set(SCOPES)
