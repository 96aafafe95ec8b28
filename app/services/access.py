"""The services of access, put together: they share one memory of who is who."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.domain.audit_chain import Seal
from app.domain.clock import Clock
from app.domain.ports import UnitsOfWork
from app.services.agent_secrets import AgentSecrets
from app.services.agents import AgentService
from app.services.audit import AuditService
from app.services.auth import AuthService
from app.services.secrets import SecretService
from app.services.vault import Vault, derived


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessServices:
    """Who may do what."""

    auth: AuthService
    agents: AgentService
    audit: AuditService
    secrets: SecretService


def audit_seal(secret_keys: Sequence[str]) -> Seal:
    """The seal of the audit log, made of the installation's keys."""
    return Seal(tuple(derived(key, b"audit") for key in secret_keys))


def make_access(
    *,
    units: UnitsOfWork,
    clock: Clock,
    secret_keys: Sequence[str],
    refresh_seconds: int,
    rotate_also: Callable[[], int] = lambda: 0,
) -> AccessServices:
    """The services of access over one database; `rotate_also` encrypts anew what others keep encrypted."""
    agent_secrets = AgentSecrets()
    auth = AuthService(units=units, clock=clock, agent_secrets=agent_secrets, refresh_seconds=refresh_seconds)
    return AccessServices(
        auth=auth,
        agents=AgentService(units=units, clock=clock, agent_secrets=agent_secrets, changed=auth.forget),
        audit=AuditService(units=units, seal=audit_seal(secret_keys)),
        secrets=SecretService(units=units, clock=clock, vault=Vault(secret_keys), rotate_also=rotate_also),
    )
