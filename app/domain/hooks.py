"""Webhooks in: addresses where services tell of something, each of which becomes an event."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import parse_qsl

from app.domain.errors import InvalidInput
from app.domain.json_limits import check_json
from app.domain.paging import Page
from app.domain.ports import UnitOfWork
from app.domain.signatures import Incoming, Scheme

REMEMBERED = timedelta(hours=24)
"""How long the id of a delivery is known: the same one again has no effect."""
OVERLAP_LIMIT = timedelta(days=30)
"""How long an old secret may count beside a new one."""
FORM_FIELDS = 1000
_JSON = re.compile(r"application/(?:json|[a-z0-9.+-]+\+json)|text/json")
_FORM = "application/x-www-form-urlencoded"
_TOLD = frozenset(
    {
        "content-type",
        "user-agent",
        "webhook-id",
        "webhook-timestamp",
        "x-github-delivery",
        "x-github-event",
        "x-github-hook-id",
        "x-slack-request-timestamp",
        "x-slack-retry-num",
        "x-slack-retry-reason",
    }
)
_TELLING = ("-event", "-event-type", "-topic", "-delivery")
_LONGEST_HEADER = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """An address for one service.

    Attributes:
        slug: Its last segment: `POST /hooks/{slug}`.
        topic: Of the events it publishes.
        created_by: The agent in whose name it publishes.
    """

    id: str
    slug: str
    scheme: Scheme
    topic: str
    description: str
    enabled: bool
    created_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningSecret:
    """A secret that signs the deliveries of one hook or webhook: a value of its own, or the name of a stored one.

    Attributes:
        owner_id: Of the hook or webhook.
        sealed: The value, encrypted under this row's id; of a named one, as it is stored under the name.
        expires_at: When it counts no more: a newer one has taken its place.
    """

    id: str
    owner_id: str
    name: str | None = None
    sealed: str | None = field(default=None, repr=False)
    created_at: datetime
    expires_at: datetime | None = None

    @property
    def sealed_as(self) -> str:
        """What the encryption is bound to."""
        return self.name or self.id


class SigningSecretStore(Protocol):
    """Secrets of hooks and webhooks as they are encrypted, inside a unit of work."""

    def add(self, secret: SigningSecret) -> None: ...

    def of(self, owner_id: str, now: datetime) -> Sequence[SigningSecret]:
        """Those that count, newest first; `sealed` is None where the named secret is not there."""

    def retire(self, owner_id: str, at: datetime) -> None:
        """Let the newest count until then, and older ones no more."""

    def drop(self, owner_id: str) -> None:
        """Delete all of one owner."""

    def own(self) -> Sequence[SigningSecret]:
        """All that have a value of their own, to encrypt them anew."""

    def reseal(self, secret_id: str, sealed: str) -> None: ...


class HookStore(Protocol):
    """Hooks and what they remember, inside a unit of work."""

    def add(self, hook: Hook) -> None:
        """Store a new one; Conflict when the slug is taken."""

    def find(self, slug: str, *, lock: bool = False) -> Hook | None: ...

    def save(self, hook: Hook) -> None: ...

    def delete(self, hook_id: str) -> None:
        """Remove it with what it remembers."""

    def page(self, owner: str | None, *, limit: int, offset: int) -> Page[Hook]:
        """By slug: everybody's, or one agent's."""

    def earlier(self, hook_id: str, delivery_id: str) -> str | None:
        """Id of the event that this delivery has become."""

    def remember(self, hook_id: str, delivery_id: str, event_id: str, now: datetime) -> None: ...

    def forget(self, before: datetime, limit: int) -> int:
        """Delete what was remembered before then; how many."""


class HookUnit(UnitOfWork, Protocol):
    """A unit of work with the stores of hooks."""

    @property
    def hooks(self) -> HookStore: ...

    @property
    def signing_secrets(self) -> SigningSecretStore: ...


class HookUnits(Protocol):
    """Opens such units, see `app.domain.ports.UnitsOfWork`."""

    def __call__(self, *, read_only: bool = False) -> AbstractContextManager[HookUnit]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What became of a delivery.

    Attributes:
        event_id: Of the event it is.
        repeated: It had come before: nothing was done.
        challenge: What a service wants to hear back instead.
    """

    event_id: str = ""
    repeated: bool = False
    challenge: str | None = None


def event_data(scheme: Scheme, incoming: Incoming) -> dict[str, Any]:
    """The data of the event: the headers that say something, and the body as JSON, fields of a form, or text."""
    return {"headers": _told(scheme, incoming.headers), "body": _value(incoming)}


def _told(scheme: Scheme, headers: Mapping[str, str]) -> dict[str, str]:
    own = {name.lower() for name in (scheme.id_header,) if name}
    signature = (scheme.signature_header or "").lower()
    told = {
        name: value[:_LONGEST_HEADER].replace("\x00", "\ufffd")
        for name, value in headers.items()
        if name in _TOLD or name in own or name.endswith(_TELLING)
    }
    return {name: told[name] for name in sorted(told) if name != signature}


def _value(incoming: Incoming) -> Any:
    kind = incoming.header("content-type").partition(";")[0].strip().lower()
    if _JSON.fullmatch(kind):
        try:
            return check_json(incoming.body)
        except InvalidInput:
            return _text(incoming.body)
    return _form(incoming.body) if kind == _FORM else _text(incoming.body)


def _form(body: bytes) -> Any:
    text = _text(body)
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FORM_FIELDS)
    except ValueError:
        return text
    fields: dict[str, Any] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value.replace("\x00", "\ufffd"))
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace").replace("\x00", "\ufffd")
