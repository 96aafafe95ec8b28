"""Health on the wire."""

from __future__ import annotations

from typing import Literal

from app.schemas.fields import Spoken
from app.schemas.shown import Shown, UtcTime
from app.services.health import Health


class CheckOut(Shown):
    """What one check found."""

    status: Literal["healthy", "unhealthy"]
    latency_ms: float | None
    message: Spoken | None


class HealthOut(Shown):
    """How the platform is; `checks` is empty where none was asked for."""

    status: Literal["healthy", "degraded", "unhealthy"]
    timestamp: UtcTime
    version: str
    checks: dict[str, CheckOut]


def health_out(health: Health) -> HealthOut:
    """Health as it is answered."""
    return HealthOut.model_validate(health, from_attributes=True)
