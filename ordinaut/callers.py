"""On whose behalf something is done."""

from __future__ import annotations

from dataclasses import dataclass

ADMIN = "admin"
"""The scope that holds every other."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An agent and what it may do.

    Attributes:
        agent_id: Its id; `local` for everybody while `ORDINAUT_AUTH=off`.
        scopes: Exact names such as `tasks:create` or `ext:shop:routes`; `admin` holds every other.
    """

    agent_id: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether it holds `scope`."""
        return scope in self.scopes or ADMIN in self.scopes
