"""Webhooks in, on the wire."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.domain.hooks import OVERLAP_LIMIT, Hook
from app.domain.signatures import Preset, Scheme
from app.domain.texts import t
from app.schemas.fields import Body, Reason
from app.schemas.shown import Shown, UtcTime
from app.services.hooks import NewHook

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
HookTopic = Annotated[str, Field(min_length=1, max_length=200, description="Of the events that deliveries become")]
SecretRef = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")]
Tolerance = Annotated[
    int, Field(ge=10, le=3600, description="Seconds that the signed time may be off; `github` and `hmac` sign none")
]
Overlap = Annotated[
    int,
    Field(ge=0, le=int(OVERLAP_LIMIT.total_seconds()), description="Seconds that the secret before counts on"),
]
About = Annotated[Reason | Literal[""], Field(description="What it is for")]


class HookCreate(Body):
    """A new hook."""

    slug: Annotated[Slug | None, Field(description="Last part of its address; made up when left out")] = None
    preset: Annotated[Preset, Field(description="How the sender signs")] = "standard"
    topic: HookTopic
    secret_name: Annotated[
        SecretRef | None, Field(description="A stored secret, as the sender has it; left out, one is made")
    ] = None
    tolerance_seconds: Tolerance = 300
    description: About = ""
    signature_header: Annotated[
        HeaderName | None, Field(description="Of `hmac`: where the signature is; else X-Signature-256")
    ] = None
    id_header: Annotated[HeaderName | None, Field(description="Of `hmac`: where the id of the delivery is")] = None

    @model_validator(mode="after")
    def _headers_of_hmac(self) -> HookCreate:
        if self.preset != "hmac" and (self.signature_header or self.id_header):
            raise ValueError(t("signature_header and id_header are for the preset hmac"))
        return self


class HookPatch(Body):
    """What is to be different; what is left out stays."""

    topic: HookTopic = Field(default_factory=str)
    description: About = Field(default_factory=str)
    enabled: bool = Field(default_factory=bool)
    tolerance_seconds: Tolerance = Field(default_factory=int)


class HookRotate(Body):
    """Another secret."""

    secret_name: Annotated[SecretRef | None, Field(description="A stored secret; left out, one is made")] = None
    overlap_seconds: Overlap = 86_400


class HookOut(Shown):
    """A hook; its secret is never shown again."""

    slug: str
    path: Annotated[str, Field(description="Where deliveries go")]
    preset: str
    topic: str
    description: str
    enabled: bool
    tolerance_seconds: int
    signature_header: str | None
    id_header: str | None
    created_by: str
    created_at: UtcTime
    updated_at: UtcTime


class HookSecretOut(HookOut):
    """A hook with its secret, shown this once; null where a stored one is used."""

    secret: str | None


class ReceivedOut(Shown):
    """What became of a delivery."""

    success: bool
    event_id: Annotated[str, Field(description="The event it has become")]
    repeated: Annotated[bool, Field(description="It had come before, and nothing was done")]


def new_hook(body: HookCreate) -> NewHook:
    """What the body asks for."""
    return NewHook(
        slug=body.slug or os.urandom(12).hex(),
        scheme=Scheme(body.preset, body.tolerance_seconds, body.signature_header, body.id_header),
        topic=body.topic,
        description=body.description,
        secret_name=body.secret_name,
    )


def hook_members(hook: Hook) -> dict[str, object]:
    """What `HookOut` shows."""
    scheme = hook.scheme
    return {
        "slug": hook.slug,
        "path": f"/hooks/{hook.slug}",
        "preset": scheme.preset,
        "topic": hook.topic,
        "description": hook.description,
        "enabled": hook.enabled,
        "tolerance_seconds": scheme.tolerance,
        "signature_header": scheme.signature_header,
        "id_header": scheme.id_header,
        "created_by": hook.created_by,
        "created_at": hook.created_at,
        "updated_at": hook.updated_at,
    }


def hook_out(hook: Hook) -> HookOut:
    """The hook as it is answered."""
    return HookOut.model_validate(hook_members(hook))


def hook_secret_out(hook: Hook, secret: str | None) -> HookSecretOut:
    """The hook, this once with its secret."""
    return HookSecretOut.model_validate({**hook_members(hook), "secret": secret})
