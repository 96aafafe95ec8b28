"""In whose name a run acts: the scopes of its task's agent today, and the secrets they may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from app.domain.veil import forms
from ordinaut import Caller
from ordinaut.callers import ADMIN


class Behalf:
    """See `app.domain.execution.Behalf`.

    Args:
        caller: Looks an agent up; None while `ORDINAUT_AUTH=off`, when everybody may do everything.
        secrets: Looks secrets up.
        lent: Told of every value that is handed out, in all its looks, so that the process's own log can mask it.
    """

    def __init__(
        self,
        *,
        caller: Callable[[str], Caller] | None,
        secrets: Callable[[Sequence[str]], Mapping[str, str]],
        lent: Callable[[Sequence[str]], None],
    ) -> None:
        self._caller = caller
        self._secrets = secrets
        self._lent = lent

    def caller(self, agent_id: str) -> Caller:
        """The agent with the scopes it holds now."""
        return Caller(agent_id, frozenset({ADMIN})) if self._caller is None else self._caller(agent_id)

    def secrets(self, names: Sequence[str]) -> Mapping[str, str]:
        """The values of these secrets; those that do not exist are missing."""
        values = self._secrets(names)
        self._lent(tuple(dict.fromkeys(form for value in values.values() for form in forms(value))))
        return values


def _no_secrets(names: Sequence[str]) -> Mapping[str, str]:
    return {}


def open_behalf() -> Behalf:
    """For a worker without access control and without secrets."""
    return Behalf(caller=None, secrets=_no_secrets, lent=lambda values: None)
