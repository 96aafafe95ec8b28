"""The keys of tokens: the first signs, all verify, each known by a `kid` made of the key itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt import InvalidTokenError

from app.domain.texts import t
from config.parsers import SettingsError


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key that signs and the one that checks; they are the same for HS256."""

    kid: str
    signing: str = field(repr=False)
    verifying: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of one algorithm, the newest first."""

    algorithm: str
    keys: Mapping[str, TokenKey]

    @classmethod
    def of(cls, algorithm: str, texts: Sequence[str]) -> KeyRing:
        """From the texts of `ORDINAUT_JWT_KEYS`; SettingsError for one that is no key."""
        made = [_hmac_key(text) if algorithm == "HS256" else _elliptic_key(text) for text in texts]
        return cls(algorithm, MappingProxyType({key.kid: key for key in made}))

    @property
    def newest(self) -> TokenKey:
        """The one that signs."""
        return next(iter(self.keys.values()))

    def verifying(self, header: Mapping[str, Any]) -> str:
        """The key for a token with this header.

        Raises:
            InvalidTokenError: The key is not ours, or the token names another algorithm (RFC 8725, 3.1).
        """
        key = self.keys.get(str(header.get("kid")))
        if key is None or header.get("alg") != self.algorithm:
            raise InvalidTokenError(t("The key of this token is not known"))
        return key.verifying


def _hmac_key(text: str) -> TokenKey:
    return TokenKey(_kid(text.encode()), text, text)


def _elliptic_key(text: str) -> TokenKey:
    try:
        private = serialization.load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError):
        raise SettingsError("ORDINAUT_JWT_KEYS has to hold private keys in PEM, without a password.") from None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise SettingsError("ORDINAUT_JWT_KEYS has to hold keys of the curve P-256 for ES256.")
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return TokenKey(_kid(public), text, public.decode())


def _kid(key: bytes) -> str:
    return hashlib.sha256(b"kid" + key).hexdigest()[:12]
