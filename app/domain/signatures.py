"""Signatures of webhooks: those we make (Standard Webhooks), and those that others send, by their presets.

Every one is an HMAC with SHA-256 (RFC 2104) over the bytes of the body as they came, with more before it where a
preset says so. Sources: standardwebhooks.com; GitHub, "Validating webhook deliveries"; Stripe, "Verify webhook
signatures manually"; Slack, "Verifying requests from Slack".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, get_args

import orjson

Preset = Literal["standard", "github", "stripe", "slack", "hmac"]
PRESETS: Final[tuple[Preset, ...]] = get_args(Preset)
PREFIX: Final = "whsec_"
SIGNATURE_HEADER: Final = "X-Signature-256"
"""Where the preset `hmac` looks when no other header was named."""
MOST_SIGNATURES: Final = 10
"""Signatures of one request that are looked at; while secrets are rotated there are two."""
LONGEST_ID: Final = 200
_DIGITS = re.compile(r"[0-9]{1,12}", re.ASCII)
_PRINTABLE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Scheme:
    """How the requests of one hook are signed.

    Attributes:
        tolerance: Seconds that the time a signature covers may be off; `github` and `hmac` sign no time.
        signature_header: Of the preset `hmac`: where the signature is, as hex or base64, with or without `sha256=`.
        id_header: Of the preset `hmac`: where the id of the delivery is, if anywhere.
    """

    preset: Preset
    tolerance: int = 300
    signature_header: str | None = None
    id_header: str | None = None


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as it came: names of headers in lower case, the body untouched."""

    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str:
        """What it holds; nothing where it is missing."""
        return self.headers.get(name.lower(), "")

    def member(self, name: str) -> str:
        """A text in the JSON object of the body; nothing where there is none."""
        try:
            document = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return ""
        value = document.get(name) if isinstance(document, dict) else None
        return value if isinstance(value, str) else ""


# Ours.


def secret_text(raw: bytes) -> str:
    """A secret as Standard Webhooks writes it: `whsec_` and base64."""
    return PREFIX + base64.b64encode(raw).decode()


def key_of(preset: Preset, secret: str) -> bytes:
    """The key that a secret stands for: base64 behind `whsec_` for `standard`, for the others its own bytes."""
    if preset == "standard":
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            pass  # a secret that somebody made up: its own bytes, as the senders that allow it do
    return secret.encode()


def signed_message(message_id: str, timestamp: int, body: bytes) -> bytes:
    """What a signature of Standard Webhooks is over."""
    return f"{message_id}.{timestamp}.".encode() + body


def signature_header(secrets: Sequence[str], message: bytes) -> str:
    """`webhook-signature`: one `v1,<base64>` for each secret, separated by blanks."""
    made = (_digest(key_of("standard", secret), message) for secret in secrets)
    return " ".join("v1," + base64.b64encode(one).decode() for one in made)


def signed_headers(message_id: str, body: bytes, secrets: Sequence[str], moment: int) -> dict[str, str]:
    """The three headers of a message by Standard Webhooks; `moment` is in seconds since 1970."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(moment),
        "webhook-signature": signature_header(secrets, signed_message(message_id, moment, body)),
    }


# Theirs.


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a request says of itself: the bytes that are signed, signatures, when, and the id of the delivery."""

    signed: bytes
    given: tuple[bytes, ...]
    sent_at: int | None = None
    delivery: str = ""


def delivery_of(scheme: Scheme, incoming: Incoming, secrets: Sequence[str], now: int) -> str | None:
    """The id of a delivery whose signature is good and fresh, else None.

    Signatures are computed and compared whatever else is wrong, so that the time it takes tells nothing.

    Args:
        secrets: Those that count; more than one while they are rotated.
        now: Seconds since 1970.
    """
    claim = _CLAIMS[scheme.preset](scheme, incoming)
    good = False
    for secret in secrets:
        made = _digest(key_of(scheme.preset, secret), claim.signed)
        for given in claim.given[:MOST_SIGNATURES] or (b"",):
            good |= hmac.compare_digest(made, given)
    if not good or (claim.sent_at is not None and abs(now - claim.sent_at) > scheme.tolerance):
        return None
    # Where a sender names no id, the same signed bytes are the same delivery.
    return _id(claim.delivery) or hashlib.sha256(claim.signed).hexdigest()


def challenge_of(scheme: Scheme, incoming: Incoming) -> str | None:
    """What Slack wants to hear back when it first meets an address (`url_verification`)."""
    if scheme.preset != "slack" or incoming.member("type") != "url_verification":
        return None
    return incoming.member("challenge")


def _standard(scheme: Scheme, incoming: Incoming) -> _Claim:
    given = (part.partition(",") for part in incoming.header("webhook-signature").split())
    identity, sent = incoming.header("webhook-id"), incoming.header("webhook-timestamp")
    return _Claim(
        f"{identity}.{sent}.".encode() + incoming.body,
        tuple(_from_base64(text) for version, _, text in given if version == "v1"),
        _seconds(sent),
        identity,
    )


def _github(scheme: Scheme, incoming: Incoming) -> _Claim:
    algorithm, _, text = incoming.header("x-hub-signature-256").partition("=")
    given = (_from_hex(text),) if algorithm == "sha256" else ()
    return _Claim(incoming.body, given, delivery=incoming.header("x-github-delivery"))


def _stripe(scheme: Scheme, incoming: Incoming) -> _Claim:
    parts = [part.strip().partition("=") for part in incoming.header("stripe-signature").split(",")]
    sent = next((value for name, _, value in parts if name == "t"), "")
    given = tuple(_from_hex(value) for name, _, value in parts if name == "v1")
    return _Claim(f"{sent}.".encode() + incoming.body, given, _seconds(sent), incoming.member("id"))


def _slack(scheme: Scheme, incoming: Incoming) -> _Claim:
    sent = incoming.header("x-slack-request-timestamp")
    version, _, text = incoming.header("x-slack-signature").partition("=")
    given = (_from_hex(text),) if version == "v0" else ()
    return _Claim(f"v0:{sent}:".encode() + incoming.body, given, _seconds(sent), incoming.member("event_id"))


def _hmac(scheme: Scheme, incoming: Incoming) -> _Claim:
    text = incoming.header(scheme.signature_header or SIGNATURE_HEADER).strip().removeprefix("sha256=")
    given = (_from_hex(text) or _from_base64(text),)
    return _Claim(incoming.body, given, delivery=incoming.header(scheme.id_header) if scheme.id_header else "")


_CLAIMS: Mapping[Preset, Callable[[Scheme, Incoming], _Claim]] = MappingProxyType(
    {"standard": _standard, "github": _github, "stripe": _stripe, "slack": _slack, "hmac": _hmac}
)


def _digest(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _seconds(text: str) -> int:
    """A moment in seconds since 1970; one long past where there is none."""
    return int(text) if _DIGITS.fullmatch(text) else 0


def _id(text: str) -> str:
    """The id as it is kept: one that is long or strange by its SHA-256."""
    if len(text) <= LONGEST_ID and (not text or _PRINTABLE.fullmatch(text)):
        return text
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
