"""A definition made ready to run: compiled once, used by every run that keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.pipelines.model import Step, parse_pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run of one definition does and how hard it tries.

    Attributes:
        timeout_seconds: For the whole run, time in the queue not counted.
        scopes: What its runs may hold at most, since its author held no more; None for all that the agent holds.
        pause_after_failures: The task is paused when so many of its runs have failed in a row.
    """

    title: str
    caller: str
    steps: tuple[Step, ...]
    params: Mapping[str, Any]
    timeout_seconds: int
    backoff_strategy: str
    backoff_seconds: float
    pause_after_failures: int | None
    scopes: tuple[str, ...] | None = None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Plan:
        """Compile a stored definition; see `app.domain.tasks.Definition`."""
        payload, scopes = document["payload"], document.get("scopes")
        return cls(
            title=document["title"],
            caller=document["created_by"],
            steps=parse_pipeline(payload.get("pipeline", [])).steps,
            params=payload.get("params", {}),
            timeout_seconds=document["timeout_seconds"],
            backoff_strategy=document["backoff_strategy"],
            backoff_seconds=document["backoff_seconds"],
            pause_after_failures=document["pause_after_failures"],
            scopes=None if scopes is None else tuple(scopes),
        )
