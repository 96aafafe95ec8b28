"""What answers are made of."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema

from app.domain.clock import rfc3339


class Shown(BaseModel):
    """What a view answers."""

    model_config = ConfigDict(frozen=True)


UtcTime = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-24T08:30:00Z"]}),
]
"""A moment as answers write it: RFC 3339 in UTC with `Z`."""
