"""Secrets of agents: made once, shown once, kept as argon2id (RFC 9106)."""

from __future__ import annotations

import hashlib
import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

SECRET_LIMIT = 256
"""Characters that are looked at; longer ones are refused before anything is computed."""
SECRET_PREFIX = "ors_"  # noqa: S105 - what secrets begin with, so that scanners find leaked ones
KEY_PREFIX = "oat_"
AT_ONCE = 4
"""Hashes under way in one process: each takes 19 MiB."""


class AgentSecrets:
    """Makes and verifies; an unknown agent costs as much time as a wrong secret."""

    def __init__(self) -> None:
        # OWASP's second choice: 19 MiB, two passes. Our secrets have 256 random bits, so more would buy nothing.
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        self._dummy: str | None = None

    def make(self) -> tuple[str, str]:
        """A new secret and its hash."""
        secret = SECRET_PREFIX + secrets.token_urlsafe(32)
        return secret, self._hashed(secret)

    def matches(self, stored: str | None, secret: str) -> bool:
        """Whether `secret` is the one of the hash; without a hash it takes as long, and is not."""
        if len(secret) > SECRET_LIMIT:
            return False
        with self._slots:
            try:
                return self._hasher.verify(stored or self._stranger(), secret) and stored is not None
            except (Argon2Error, InvalidHashError):
                return False

    def _hashed(self, secret: str) -> str:
        with self._slots:
            return self._hasher.hash(secret)

    def _stranger(self) -> str:
        if self._dummy is None:
            self._dummy = self._hasher.hash(secrets.token_urlsafe(32))
        return self._dummy


def make_key() -> str:
    """A new API key: 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What is stored of a random token; a slow hash protects only what people choose."""
    return hashlib.sha256(token.encode()).hexdigest()
