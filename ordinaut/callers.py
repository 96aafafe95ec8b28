"""On whose behalf something is done."""

from __future__ import annotations

from dataclasses import dataclass, field

ADMIN = "admin"
"""The scope that holds every other."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An agent and what it may do.

    Attributes:
        agent_id: Its id; `local` for everybody while `ORDINAUT_AUTH=off`.
        scopes: Exact names such as `tasks:create` or `ext:shop:routes`; `admin` holds every other.
        narrowed: Whether these are not all that the agent holds: pipelines written now may do no more later on.
    """

    agent_id: str
    scopes: frozenset[str]
    narrowed: bool = field(default=False, compare=False)

    def may(self, scope: str) -> bool:
        """Whether it holds `scope`."""
        return scope in self.scopes or ADMIN in self.scopes
