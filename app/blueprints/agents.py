"""`/agents`: who may call, and their API keys."""

from __future__ import annotations

from flask import Blueprint, url_for

from app.domain.access import LOCAL
from app.http.api import Answer, api
from app.http.identity import identity
from app.http.services import services
from app.schemas.agents import (
    AgentCreate,
    AgentOut,
    AgentPatch,
    CredentialsOut,
    KeyCreate,
    KeysOut,
    MeOut,
    NewKeyOut,
    agent_out,
    credentials_out,
    key_out,
    new_key_out,
)
from app.schemas.fields import PageQuery
from app.schemas.paging import PageOut, page_out

bp = Blueprint("agents", __name__, url_prefix="/agents")
TAGS = ("agents",)
SHOWN_ONCE = {"Cache-Control": "no-store"}


@bp.get("")
@api(query=PageQuery, returns=PageOut[AgentOut], tags=TAGS, scope="agents:read")
def list_agents(query: PageQuery) -> PageOut[AgentOut]:
    """List agents by name."""
    return page_out(services().agents.page(limit=query.limit, offset=query.offset), agent_out)


@bp.post("")
@api(
    body=AgentCreate,
    returns=CredentialsOut,
    status=201,
    tags=TAGS,
    errors=(409,),
    scope="agents:create",
    repeats="secret",
)
def create_agent(body: AgentCreate) -> Answer:
    """Create an agent.

    `agent_secret` is in this answer and nowhere else. Scopes that the caller lacks cannot be given away.
    """
    agent, secret = services().agents.create(
        body.name, scopes=body.scopes, description=body.description, caller=identity()
    )
    headers = {"Location": url_for("agents.get_agent", agent_id=agent.id), **SHOWN_ONCE}
    return Answer(credentials_out(agent, secret), headers=headers)


@bp.get("/me")
@api(returns=MeOut, tags=TAGS, scope="signed_in")
def get_me() -> MeOut:
    """Tell who is asking, and what this request holds."""
    one = identity()
    name = one.agent_id if one.agent_id == LOCAL.agent_id else services().agents.get(one.agent_id).name
    return MeOut(agent_id=one.agent_id, name=name, scopes=sorted(one.scopes))


@bp.get("/<agent_id>")
@api(returns=AgentOut, tags=TAGS, errors=(404,), scope="agents:read")
def get_agent(agent_id: str) -> AgentOut:
    """Get an agent."""
    return agent_out(services().agents.get(agent_id))


@bp.patch("/<agent_id>")
@api(body=AgentPatch, returns=AgentOut, tags=TAGS, errors=(404, 409), scope="agents:update")
def patch_agent(agent_id: str, body: AgentPatch) -> AgentOut:
    """Change an agent.

    Scopes taken away, and `disabled`, count everywhere within 5 s.
    """
    changed = services().agents.change(agent_id, body.model_dump(exclude_unset=True), caller=identity())
    return agent_out(changed)


@bp.delete("/<agent_id>")
@api(status=204, tags=TAGS, errors=(404, 409), scope="agents:delete")
def delete_agent(agent_id: str) -> None:
    """Delete an agent with its keys and sessions.

    Its tasks stay; they go on without its scopes, and an admin can change or delete them.
    """
    services().agents.delete(agent_id, caller=identity())


@bp.post("/<agent_id>/credentials")
@api(returns=CredentialsOut, tags=TAGS, errors=(404,), scope="agents:update", repeats="secret")
def renew_credentials(agent_id: str) -> Answer:
    """Give an agent a new secret.

    It is shown this once. The old secret and every token made with it count no more; API keys stay.
    """
    agent, secret = services().agents.renew_secret(agent_id, caller=identity())
    return Answer(credentials_out(agent, secret), headers=SHOWN_ONCE)


@bp.get("/<agent_id>/keys")
@api(returns=KeysOut, tags=TAGS, errors=(404,), scope="agents:read")
def list_keys(agent_id: str) -> KeysOut:
    """List an agent's API keys, newest first."""
    return KeysOut(items=[key_out(key) for key in services().agents.keys(agent_id)])


@bp.post("/<agent_id>/keys")
@api(
    body=KeyCreate, returns=NewKeyOut, status=201, tags=TAGS, errors=(404, 409), scope="agents:update", repeats="secret"
)
def create_key(agent_id: str, body: KeyCreate) -> Answer:
    """Create an API key.

    `key` is in this answer and nowhere else: `Authorization: Bearer oat_…`.
    """
    key, raw = services().agents.create_key(
        agent_id, body.name, scopes=body.scopes, expires_at=body.expires_at, caller=identity()
    )
    headers = {"Location": url_for("agents.list_keys", agent_id=agent_id), **SHOWN_ONCE}
    return Answer(new_key_out(key, raw), headers=headers)


@bp.delete("/<agent_id>/keys/<key_id>")
@api(status=204, tags=TAGS, errors=(404,), scope="agents:update")
def revoke_key(agent_id: str, key_id: str) -> None:
    """Revoke an API key; it counts no more anywhere within 5 s."""
    services().agents.revoke_key(agent_id, key_id, caller=identity())
