"""Extensions on the wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import Field

from app.domain.texts import Text, t
from app.extension_host.health import HEALTHY, TIMED_OUT, UNHEALTHY, HealthReport
from app.extension_host.registry import Record, State
from app.extension_host.status import Overview
from app.schemas.shown import Shown, UtcTime
from ordinaut import Capability

Say = Callable[[str], str]
Describe = Callable[[Record], str]
STATES: Mapping[State, Text] = MappingProxyType(
    {
        State.DISCOVERED: t("discovered"),
        State.LOADED: t("loaded"),
        State.FAILED: t("failed"),
        State.DISABLED: t("disabled"),
    }
)
WORDS: Mapping[str, Text] = MappingProxyType(
    {HEALTHY: t("healthy"), UNHEALTHY: t("unhealthy"), TIMED_OUT: t("timed out")}
)


WORK_CRASHED = "WorkCrashed"
"""The `error_type` of an extension whose process on the worker side ends again and again."""


class ExtensionInfoOut(Shown):
    """Who an extension is."""

    id: str = Field(examples=["observability"])
    name: str
    version: str = Field(examples=["0.1.0"])
    description: str


class ExtensionMetricsOut(Shown):
    """What it has been asked, over all processes and machines."""

    requests_total: float
    errors_total: float
    latency_ms_sum: float


class ExtensionErrorOut(Shown):
    """Why it is not there, or not at work."""

    error_type: str = Field(examples=["ImportError"])
    message: str


class ExtensionOut(Shown):
    """An extension as it stands."""

    state: str = Field(description="discovered, loaded, failed or disabled, in the reader's language")
    info: ExtensionInfoOut
    capabilities: list[str] = Field(description="What it was granted", examples=[["ROUTES"]])
    loaded_ms: int | None = Field(description="Milliseconds that import and setup took")
    metrics: ExtensionMetricsOut
    error: ExtensionErrorOut | None = Field(
        default=None, description="Only of one that has failed, or whose worker side has (`WorkCrashed`)"
    )


class ExtensionStatusOut(Shown):
    """All extensions."""

    extensions: dict[str, ExtensionOut]
    discovery_sources: list[str] = Field(description="Those that gave something")
    total_extensions: int
    loaded_extensions: int
    failed_extensions: int


class ExtensionHealthOut(Shown):
    """How an extension is."""

    status: str = Field(description="healthy or unhealthy, in the reader's language")
    timestamp: UtcTime
    version: str = Field(examples=["1.0.0"])
    checks: dict[str, str] = Field(description="healthy; any other word is unhealthy")
    errors: dict[str, str] | None = Field(default=None, description="Why, of checks that say so; only where one does")


class ExtensionGrantsOut(Shown):
    """What an extension asked for, and what became of it."""

    granted: list[str] = Field(examples=[["ROUTES", "STATIC"]])
    refused: list[str] = Field(description="Asked for, and not allowed by manifest or operator", examples=[["TOOLS"]])
    unused: list[str] = Field(description="Allowed, and not asked for", examples=[["EVENTS_PUB"]])


def grants_out(record: Record) -> dict[str, Any]:
    """The record's capabilities as `ExtensionGrantsOut` describes them."""
    kinds = {"granted": record.grants, "refused": record.refused, "unused": record.allowed - record.grants}
    return {kind: [one.value for one in Capability if one in held] for kind, held in kinds.items()}


def status_out(overview: Overview, say: Say, described: Describe) -> dict[str, Any]:
    """The overview as `ExtensionStatusOut` describes it, its words by `say` and `described`."""
    states = [record.state for record in overview.records]
    whole = ExtensionStatusOut(
        extensions={record.id: _extension_out(record, overview, say, described) for record in overview.records},
        discovery_sources=list(overview.sources),
        total_extensions=len(states),
        loaded_extensions=states.count(State.LOADED),
        failed_extensions=states.count(State.FAILED),
    ).model_dump(mode="json")
    for extension in whole["extensions"].values():
        if extension["error"] is None:
            del extension["error"]
    return whole


def health_out(report: HealthReport, say: Say) -> dict[str, Any]:
    """The report as `ExtensionHealthOut` describes it, its words by `say`."""
    whole = ExtensionHealthOut(
        status=say(WORDS[HEALTHY if report.healthy else UNHEALTHY]),
        timestamp=report.at,
        version=report.version,
        checks={name: say(WORDS.get(word, word)) for name, word in report.checks.items()},
        errors=dict(report.errors) or None,
    )
    return whole.model_dump(mode="json", exclude_none=True)


def _extension_out(record: Record, overview: Overview, say: Say, described: Describe) -> ExtensionOut:
    info, totals = record.info, overview.totals.get(record.id)
    return ExtensionOut(
        state=say(STATES[record.state]),
        info=ExtensionInfoOut(id=info.id, name=info.name, version=info.version, description=say(info.description)),
        capabilities=[one.value for one in Capability if one in record.grants],
        loaded_ms=record.loaded_ms,
        metrics=ExtensionMetricsOut(
            requests_total=totals.requests_total if totals else 0.0,
            errors_total=totals.errors_total if totals else 0.0,
            latency_ms_sum=totals.latency_ms_sum if totals else 0.0,
        ),
        error=_error_out(record, overview, say),
    )


def _error_out(record: Record, overview: Overview, say: Say) -> ExtensionErrorOut | None:
    if record.state is State.FAILED and record.failure is not None:
        return ExtensionErrorOut(error_type=record.failure.error_type, message=say(record.failure.message))
    why = overview.crashes.get(record.id)
    if why is None or record.state is State.DISABLED:
        return None
    return ExtensionErrorOut(error_type=WORK_CRASHED, message=why)
