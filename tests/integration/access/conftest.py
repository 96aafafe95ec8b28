"""The whole application with `ORDINAUT_AUTH=jwt`, and agents to call it as."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog

from app.domain.access import COMMAND_LINE
from app.services.catalog import Services
from config import logging as log
from tests.integration.access.programs import Program
from tests.integration.api.conftest import Api, make_settings, serving
from tests.servers import Databases

KEY = "0f5c1d9a7b3e48d2a6c4f8e1b2d3c4a5f6e7d8c9b0a1f2e3d4c5b6a798877665"
OLD_KEY = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f91"


@dataclass
class Guarded:
    """An application that asks who is calling."""

    api: Api
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def services(self) -> Services:
        """Its use cases."""
        found: Services = self.api.app.extensions["ordinaut"]
        return found

    def agent(self, name: str, *scopes: str) -> str:
        """The id of a new agent."""
        agent, secret = self.services.agents.create(name, scopes=scopes, description="", caller=COMMAND_LINE)
        self.secrets[name] = secret
        return agent.id

    def login(self, name: str, **more: Any) -> dict[str, Any]:
        """Tokens of an agent made here."""
        body = {"agent_id": name, "agent_secret": self.secrets[name], **more}
        tokens: dict[str, Any] = self.api.post("/agents/auth/token", body)
        return tokens

    def headers(self, name: str, **more: Any) -> dict[str, str]:
        """What a request of this agent carries."""
        return bearer(self.login(name, **more)["access_token"])

    def new(self, name: str, *scopes: str) -> dict[str, str]:
        """What a request of a new agent carries."""
        self.agent(name, *scopes)
        return self.headers(name)


def bearer(token: str) -> dict[str, str]:
    """The header of a token or a key."""
    return {"Authorization": f"Bearer {token}"}


def guarded_settings(database_url: str, home: Path, **more: str) -> Any:
    """Settings with tokens, and a limit on logins that tests do not meet."""
    given = {
        "ORDINAUT_AUTH": "jwt",
        "ORDINAUT_JWT_KEYS": KEY,
        "ORDINAUT_SECRET_KEYS": OLD_KEY,
        "ORDINAUT_LOGIN_RATE_LIMIT": "100000/minute",
    }
    return make_settings(database_url, home, **{**given, **more})


@pytest.fixture
def guarded(database_url: str, tmp_path: Path) -> Iterator[Guarded]:
    """On SQLite and on PostgreSQL."""
    with serving(guarded_settings(database_url, tmp_path)) as api:
        yield Guarded(api)


@pytest.fixture(scope="module")
def lasting(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """One on SQLite for all tests of a module, which leave each other alone."""
    folder = tmp_path_factory.mktemp("guarded")
    with serving(guarded_settings(databases.sqlite(folder / "ordinaut.db"), folder)) as api:
        yield Guarded(api)


@pytest.fixture
def ana(guarded: Guarded) -> dict[str, str]:
    """She has tasks, and may decide."""
    return guarded.new("ana", "tasks:create", "tasks:run", "runs:read", "approvals:decide", "tools:invoke")


@pytest.fixture
def bob(guarded: Guarded) -> dict[str, str]:
    """He may decide, and nothing else."""
    return guarded.new("bob", "approvals:decide")


@pytest.fixture
def lines(tmp_path: Path, sqlite_url: str) -> Iterator[io.StringIO]:
    """Everything the process logs, as in production."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    out = io.StringIO()
    log.configure(guarded_settings(sqlite_url, tmp_path, LOG_FORMAT="json", LOG_LEVEL="DEBUG"), stream=out)
    yield out
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def program(guarded: Guarded) -> Program:
    """A public one, on SQLite and on PostgreSQL."""
    guarded.agent("ana", "tasks:read", "tasks:create", "runs:read", "tools:read")
    return Program(guarded, guarded.api.client).register()


@pytest.fixture(scope="module")
def known(lasting: Guarded) -> Program:
    """One for tests that leave nothing behind."""
    lasting.agent("ana", "tasks:read", "tasks:create", "runs:read")
    return Program(lasting, lasting.api.client).register()
