"""Agents and their API keys on the wire."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.domain.access import Agent, ApiKey
from app.domain.clock import rfc3339
from app.schemas.auth import Scopes
from app.schemas.fields import Body, Moment, Name, Reason
from app.schemas.shown import Shown

AgentName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._ @-]*$")]
Description = Annotated[Reason | Literal[""], Field(description="What it is for")]


class AgentCreate(Body):
    """A new agent."""

    name: AgentName
    scopes: Scopes = Field(default_factory=list)
    description: Description = ""


class AgentPatch(Body):
    """What is to be different; what is left out stays."""

    name: AgentName = Field(default_factory=str)
    scopes: Scopes = Field(default_factory=list)
    description: Description = Field(default_factory=str)
    status: Literal["active", "disabled"] = Field(default_factory=lambda: "active")


class AgentOut(Shown):
    """An agent; its secret is never shown again."""

    id: str
    name: str
    description: str
    scopes: list[str]
    status: str
    created_at: str
    updated_at: str


class CredentialsOut(AgentOut):
    """An agent with its secret, shown this once."""

    agent_id: str
    agent_secret: str


class MeOut(Shown):
    """Who is asking."""

    agent_id: str
    name: str
    scopes: list[str] = Field(description="What this request holds")


class KeyCreate(Body):
    """A new API key."""

    name: Annotated[Name, Field(max_length=100)]
    scopes: Annotated[Scopes | None, Field(description="Those that the agent has today when left out")] = None
    expires_at: Annotated[Moment | None, Field(description="Never when left out")] = None


class KeyOut(Shown):
    """An API key; the key itself is never shown again."""

    id: str
    agent_id: str
    name: str
    scopes: list[str]
    created_at: str
    expires_at: str | None
    revoked_at: str | None


class NewKeyOut(KeyOut):
    """An API key, shown this once: send it as `Authorization: Bearer oat_…`."""

    key: str


class KeysOut(Shown):
    """An agent's API keys, newest first."""

    items: list[KeyOut]


def agent_members(agent: Agent) -> dict[str, object]:
    """What `AgentOut` shows."""
    return {
        "id": agent.id,
        "name": agent.name,
        "description": agent.description,
        "scopes": list(agent.scopes),
        "status": agent.status,
        "created_at": rfc3339(agent.created_at),
        "updated_at": rfc3339(agent.updated_at),
    }


def agent_out(agent: Agent) -> AgentOut:
    """The agent as it is answered."""
    return AgentOut.model_validate(agent_members(agent))


def credentials_out(agent: Agent, secret: str) -> CredentialsOut:
    """The agent with its secret."""
    return CredentialsOut.model_validate({**agent_members(agent), "agent_id": agent.id, "agent_secret": secret})


def key_members(key: ApiKey) -> dict[str, object]:
    """What `KeyOut` shows."""
    return {
        "id": key.id,
        "agent_id": key.agent_id,
        "name": key.name,
        "scopes": list(key.scopes),
        "created_at": rfc3339(key.created_at),
        "expires_at": None if key.expires_at is None else rfc3339(key.expires_at),
        "revoked_at": None if key.revoked_at is None else rfc3339(key.revoked_at),
    }


def key_out(key: ApiKey) -> KeyOut:
    """The key as it is answered."""
    return KeyOut.model_validate(key_members(key))


def new_key_out(key: ApiKey, raw: str) -> NewKeyOut:
    """The key, this once with itself."""
    return NewKeyOut.model_validate({**key_members(key), "key": raw})
