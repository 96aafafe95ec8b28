"""The secrets of webhooks in both directions: made, encrypted, retired and opened."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta

from app.domain.errors import InvalidInput, Unprocessable
from app.domain.hooks import HookUnit, HookUnits, SigningSecret
from app.domain.ids import new_id
from app.domain.signatures import secret_text
from app.domain.texts import t
from app.services.vault import Vault

SECRET_BYTES = 32


class SigningSecrets:
    """All that is done with them, inside somebody's unit of work."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def give(self, unit: HookUnit, owner_id: str, now: datetime, *, name: str | None = None) -> str | None:
        """Give a hook or webhook its secret: the stored one of that name, else a new one, which is returned once.

        Raises:
            InvalidInput: at `/secret_name`: there is no such secret.
            Unavailable: there is no key to encrypt with.
        """
        if name is not None and name not in unit.secrets.sealed([name]):
            raise InvalidInput.at("/secret_name", t("There is no such secret"), t("Store it with PUT /secrets/NAME"))
        identity = new_id()
        made = secret_text(os.urandom(SECRET_BYTES)) if name is None else None
        sealed = None if made is None else self._vault.seal(identity, made)
        secret = SigningSecret(id=identity, owner_id=owner_id, name=name, sealed=sealed, created_at=now)
        unit.signing_secrets.add(secret)
        return made

    def replace(
        self, unit: HookUnit, owner_id: str, now: datetime, *, overlap: timedelta, name: str | None = None
    ) -> str | None:
        """The same in place of an older one, which counts for `overlap` longer."""
        unit.signing_secrets.retire(owner_id, now + overlap)
        return self.give(unit, owner_id, now, name=name)

    def opened(self, found: Sequence[SigningSecret]) -> list[str]:
        """Their values; one that cannot be read is left out, and the others count on."""
        values: list[str] = []
        for secret in found:
            try:
                values += [] if secret.sealed is None else [self._vault.open(secret.sealed_as, secret.sealed)]
            except Unprocessable:
                continue
        return values

    def rotate(self, units: HookUnits) -> int:
        """Encrypt everything anew with the newest key; how many were not."""
        with units() as unit:
            old = [one for one in unit.signing_secrets.own() if not self._vault.is_current(one.sealed or "")]
            for one in old:
                value = self._vault.open(one.sealed_as, one.sealed or "")
                unit.signing_secrets.reseal(one.id, self._vault.seal(one.sealed_as, value))
        return len(old)
