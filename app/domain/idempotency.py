"""Requests that carry an `Idempotency-Key`: asking again under one key has no second effect."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from app.domain.errors import Conflict, InvalidInput, StillInProgress, Unprocessable
from app.domain.texts import t

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
KEPT: Final = timedelta(hours=24)
"""How long an answer is kept."""
LOCKED: Final = timedelta(seconds=60)
"""How long a request may work outside of the database before its key counts as that of a dead process."""
LONGEST_KEY: Final = 255
LARGEST_ANSWER: Final = 512 * 1024
"""Bytes; of a larger answer only status and headers are kept."""
KEPT_HEADERS: Final = ("Content-Type", "Content-Language", "ETag", "Location")
_BARE = re.compile(r"[\x21\x23-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedRequest:
    """What was asked under a key.

    Attributes:
        target: Method and address, with the query.
        digest: SHA-256 of the body in hex; empty where the body may hold a secret.
    """

    agent: str
    key: str
    target: str
    digest: str


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer to be given again; without a body where that holds a secret or is too large."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """A key as it is stored.

    Attributes:
        holder: Who works on it, or has: one try of one process.
        locked_at: When that try began; None once there is an answer.
    """

    request: KeyedRequest
    holder: str
    created_at: datetime
    locked_at: datetime | None = None
    answer: KeptAnswer | None = None


class KeyStore(Protocol):
    """Keys, inside a unit of work."""

    def lock(self, request: KeyedRequest) -> bool:
        """Hold the key until the unit ends; False while another unit holds it."""

    def get(self, request: KeyedRequest) -> KeyRow | None:
        """What is known of the request's key."""

    def put(self, row: KeyRow) -> None:
        """Store it in place of whatever is known of its key."""

    def answered(self, row: KeyRow) -> bool:
        """Store the answer of the try that holds the key; False when it holds it no longer."""

    def release(self, row: KeyRow) -> None:
        """Forget the key, if this try still holds it."""

    def purge(self, before: datetime, limit: int) -> int:
        """Forget so many keys from before that moment."""


class KeyUnit(Protocol):
    """A unit of work with keys."""

    @property
    def keys(self) -> KeyStore: ...


class Whole(Protocol):
    """Several units of work as one transaction."""

    def abandon(self) -> None:
        """Let none of them stand."""


class KeyUnits(Protocol):
    """Opens units of work, alone or as parts of a whole."""

    def __call__(self, *, read_only: bool = False) -> AbstractContextManager[KeyUnit]: ...

    def whole(self) -> AbstractContextManager[Whole]:
        """Until the block ends, the units of this thread are one transaction, which then is committed."""


def key_of(header: str) -> str:
    """The key that a header carries: a quoted string (RFC 9651, section 3.3.3) or the bare text.

    Raises:
        InvalidInput: it is empty, too long, or has other characters than printable ASCII.
    """
    text = header.strip(" \t")
    if quoted := _QUOTED.fullmatch(text):
        key = re.sub(r"\\(.)", r"\1", quoted[1])
    elif _BARE.fullmatch(text):
        key = text
    else:
        key = ""
    if not 1 <= len(key) <= LONGEST_KEY:
        raise InvalidInput.at(
            f"/{HEADER}",
            t("The header {header} must have 1 to {most} printable ASCII characters", header=HEADER, most=LONGEST_KEY),
        )
    return key


def earlier_answer(row: KeyRow | None, request: KeyedRequest, now: datetime) -> KeptAnswer | None:
    """The answer that stands under the request's key; None when it may be carried out.

    Raises:
        Unprocessable: the key stands for another request.
        StillInProgress: a process works on it.
    """
    if row is None or row.created_at <= now - KEPT:
        return None
    if row.request != request:
        text = t("The {header} was used for another request", header=HEADER)
        raise Unprocessable(text, field=HEADER)
    if row.answer is not None:
        return row.answer
    if row.locked_at is not None and row.locked_at > now - LOCKED:
        raise StillInProgress(field=HEADER)
    return None


def told_again(answer: KeptAnswer) -> KeptAnswer:
    """The answer, if it was kept whole.

    Raises:
        Conflict: its body was not kept.
    """
    if answer.body is None:
        details: dict[str, Any] = {"field": HEADER, "status": answer.status}
        if "Location" in answer.headers:
            details["location"] = answer.headers["Location"]
        raise Conflict(t("The request was carried out before, and its answer is not kept"), **details)
    return answer
