"""Storing secrets, and lending them to the steps that name them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from app.domain.access import SecretName
from app.domain.clock import Clock
from app.domain.errors import InvalidInput
from app.domain.paging import Page
from app.domain.ports import UnitsOfWork
from app.domain.texts import t
from app.services.audit_trail import entry
from app.services.vault import Vault
from ordinaut import Caller

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


class SecretService:
    """The use cases of secrets. What is stored is never given back to a caller."""

    def __init__(
        self, *, units: UnitsOfWork, clock: Clock, vault: Vault, rotate_also: Callable[[], int] = lambda: 0
    ) -> None:
        self._units = units
        self._clock = clock
        self._vault = vault
        self._rotate_also = rotate_also

    def put(self, name: str, value: str, *, caller: Caller) -> bool:
        """Store or replace; whether it is new.

        Raises:
            InvalidInput: That is no name for a secret.
            Unavailable: There is no key to encrypt with.
        """
        if not _NAME.fullmatch(name):
            raise InvalidInput.at("/name", t("A secret's name has letters, digits and _, and begins with no digit"))
        sealed = self._vault.seal(name, value)
        now = self._clock.now()
        with self._units() as unit:
            new = unit.secrets.put(name, sealed, now, caller.agent_id)
            action = "secret.created" if new else "secret.replaced"
            unit.audit.add(entry(now, caller, action, name))
        return new

    def delete(self, name: str, *, caller: Caller) -> None:
        """Remove, or NotFound."""
        with self._units() as unit:
            unit.secrets.delete(name)
            unit.audit.add(entry(self._clock.now(), caller, "secret.deleted", name))

    def page(self, *, limit: int, offset: int) -> Page[SecretName]:
        """Names, in order."""
        with self._units(read_only=True) as unit:
            return unit.secrets.page(limit=limit, offset=offset)

    def values(self, names: Sequence[str]) -> Mapping[str, str]:
        """What they hold, for the call of a tool that is about to be made; those that do not exist are missing.

        Raises:
            Unprocessable: One cannot be decrypted.
        """
        with self._units(read_only=True) as unit:
            sealed = unit.secrets.sealed(names)
        return {name: self._vault.open(name, text) for name, text in sealed.items()}

    def rotate(self) -> int:
        """Encrypt everything anew with the newest key; how many were not."""
        with self._units() as unit:
            names = [one.name for one in unit.secrets.page(limit=1_000_000, offset=0).items]
            old = {name: text for name, text in unit.secrets.sealed(names).items() if not self._vault.is_current(text)}
            for name, text in old.items():
                unit.secrets.reseal(name, self._vault.seal(name, self._vault.open(name, text)))
        return len(old) + self._rotate_also()
