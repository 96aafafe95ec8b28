"""Webhooks out, on the wire."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.domain.webhooks import Attempt, Webhook
from app.schemas.fields import Body
from app.schemas.hooks import About, Overlap
from app.schemas.shown import Shown, UtcTime
from app.services.webhooks import Told

Url = Annotated[str, Field(min_length=1, max_length=2000, description="Absolute http or https URL")]
Topics = Annotated[
    str, Field(min_length=1, max_length=2000, description="Pattern of the events it is told of, as in docs/events.md")
]


class WebhookCreate(Body):
    """A new webhook."""

    url: Url
    topics: Topics
    description: About = ""


class WebhookPatch(Body):
    """What is to be different; what is left out stays."""

    url: Url = Field(default_factory=str)
    topics: Topics = Field(default_factory=str)
    description: About = Field(default_factory=str)
    enabled: bool = Field(default_factory=bool)


class WebhookRotate(Body):
    """Another secret."""

    overlap_seconds: Overlap = 86_400


class WebhookOut(Shown):
    """A webhook; its secret is never shown again."""

    id: str
    url: str
    topics: str
    description: str
    enabled: bool
    trouble: Annotated[
        str | None, Field(description="Why it was switched off: `gone` (410), `failing`; null otherwise")
    ]
    failures: Annotated[int, Field(description="Attempts that have failed in a row")]
    failing_since: UtcTime | None
    created_by: str
    created_at: UtcTime
    updated_at: UtcTime


class WebhookSecretOut(WebhookOut):
    """A webhook with its secret, shown this once."""

    secret: str


class AttemptOut(Shown):
    """One attempt to deliver."""

    at: UtcTime
    ms: int
    status_code: Annotated[int | None, Field(description="Null where no answer came")]
    error: str | None
    excerpt: Annotated[str, Field(description="The beginning of the answer")]


class DeliveryOut(Shown):
    """One event on its way to one address."""

    id: str
    message_id: Annotated[str, Field(description="The `webhook-id`, the same on every attempt")]
    event_id: Annotated[str | None, Field(description="Null for a test")]
    topic: str
    status: Annotated[str, Field(description="`pending`, `delivered` or `failed`")]
    next_attempt_at: UtcTime | None
    created_at: UtcTime
    finished_at: UtcTime | None
    attempts: list[AttemptOut]


def webhook_members(webhook: Webhook) -> dict[str, object]:
    """What `WebhookOut` shows."""
    return {name: getattr(webhook, name) for name in WebhookOut.model_fields}


def webhook_out(webhook: Webhook) -> WebhookOut:
    """The webhook as it is answered."""
    return WebhookOut.model_validate(webhook_members(webhook))


def webhook_secret_out(webhook: Webhook, secret: str) -> WebhookSecretOut:
    """The webhook, this once with its secret."""
    return WebhookSecretOut.model_validate({**webhook_members(webhook), "secret": secret})


def delivery_out(told: Told) -> DeliveryOut:
    """The delivery as it is answered."""
    delivery, attempts = told
    return DeliveryOut(
        id=delivery.id,
        message_id=delivery.message_id,
        event_id=delivery.event_id,
        topic=delivery.topic,
        status=delivery.status,
        next_attempt_at=delivery.next_at,
        created_at=delivery.created_at,
        finished_at=delivery.finished_at,
        attempts=[_attempt_out(one) for one in attempts],
    )


def _attempt_out(attempt: Attempt) -> AttemptOut:
    return AttemptOut(
        at=attempt.at, ms=attempt.ms, status_code=attempt.status_code, error=attempt.error, excerpt=attempt.excerpt
    )
