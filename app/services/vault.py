"""Encryption of secrets at rest: AES-256-GCM, bound to the secret's name, with keys that can be rotated."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.domain.errors import Unavailable, Unprocessable
from app.domain.texts import t

_VERSION = "v1"
_NONCE = 12


class Vault:
    """Seals and opens; the first key seals, all open."""

    def __init__(self, keys: Sequence[str]) -> None:
        made = [(hashlib.sha256(b"vault" + key.encode()).hexdigest()[:8], derived(key, b"secrets")) for key in keys]
        self._keys: Mapping[str, AESGCM] = {name: AESGCM(key) for name, key in made}

    def seal(self, name: str, value: str) -> str:
        """The value of the secret `name`, encrypted; `v1:<key id>:<base64>`.

        Raises:
            Unavailable: This installation has no key.
        """
        for key_id, key in self._keys.items():
            nonce = os.urandom(_NONCE)
            sealed = nonce + key.encrypt(nonce, value.encode(), name.encode())
            return f"{_VERSION}:{key_id}:{base64.b64encode(sealed).decode()}"
        raise Unavailable(t("Secrets cannot be kept: this installation has no ORDINAUT_SECRET_KEYS"))

    def open(self, name: str, sealed: str) -> str:
        """The value.

        Raises:
            Unprocessable: The key it was sealed with is not there any more, or the row was tampered with.
        """
        version, key_id, data = sealed.split(":", 2)
        key = self._keys.get(key_id) if version == _VERSION else None
        if key is None:
            raise Unprocessable(t("The key that encrypted this secret is not among ORDINAUT_SECRET_KEYS"), name=name)
        raw = base64.b64decode(data)
        try:
            return key.decrypt(raw[:_NONCE], raw[_NONCE:], name.encode()).decode()
        except InvalidTag:
            raise Unprocessable(t("This secret was changed in the database and cannot be read"), name=name) from None

    def is_current(self, sealed: str) -> bool:
        """Whether it was sealed with the newest key."""
        return sealed.split(":", 2)[1] == next(iter(self._keys), "")


def derived(key: str, purpose: bytes) -> bytes:
    """32 bytes for one purpose (RFC 5869): one leaked key opens one door."""
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"ordinaut " + purpose).derive(key.encode())
