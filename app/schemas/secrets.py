"""Secrets on the wire: values come in and never go out."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.domain.access import SecretName
from app.domain.clock import rfc3339
from app.schemas.fields import Body
from app.schemas.shown import Shown

LONGEST = 65_536


class SecretIn(Body):
    """The value of a secret."""

    value: Annotated[str, Field(min_length=1, max_length=LONGEST)]


class SecretOut(Shown):
    """All that is ever shown of a secret."""

    name: str
    created_at: str
    updated_at: str
    updated_by: str


class StoredOut(Shown):
    """What was done."""

    success: bool
    name: str
    created: bool


def secret_out(secret: SecretName) -> SecretOut:
    """The name as it is answered."""
    return SecretOut(
        name=secret.name,
        created_at=rfc3339(secret.created_at),
        updated_at=rfc3339(secret.updated_at),
        updated_by=secret.updated_by,
    )
