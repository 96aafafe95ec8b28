"""What extensions are asked, how long they take and how often they fail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from app.domain.metrics import (
    EXTENSION_CONNECTIONS,
    EXTENSION_DURATION,
    EXTENSION_ERRORS,
    EXTENSION_REQUESTS,
    METHODS,
    OTHER,
    Labels,
    Series,
)
from app.services.meters import Meters

TOTALS = (EXTENSION_REQUESTS.name, EXTENSION_ERRORS.name, f"{EXTENSION_DURATION.name}_sum")
"""The samples that `extension_totals` adds up."""

MOST_TYPES = 50
"""Kinds of errors that one extension has in one process; what it invents beyond them is `OTHER`."""
LONGEST_TYPE = 100
ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "extension.failed": "(load)",
        "extension.startup_failed": "(startup)",
        "extension.handler_failed": "(handler)",
        "extension.task_crashed": "(background)",
        "extension.tool_crashed": "(tool)",
    }
)
"""Event of telemetry -> what stands for an endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionTotals:
    """An extension's requests since it was first asked, over all processes and machines."""

    requests_total: float = 0.0
    errors_total: float = 0.0
    latency_ms_sum: float = 0.0


class ExtensionMeters:
    """Records requests to extensions; `endpoint` is always the rule of a route, never a path."""

    def __init__(self, meters: Meters) -> None:
        self._requests = meters.counter(EXTENSION_REQUESTS)
        self._duration = meters.histogram(EXTENSION_DURATION)
        self._errors = meters.counter(EXTENSION_ERRORS)
        self._connections = meters.gauge(EXTENSION_CONNECTIONS)
        self._types: dict[str, set[str]] = {}

    def record_extension_request(
        self, extension: str, endpoint: str, method: str, status: int, seconds: float | None
    ) -> None:
        """An answered request; `seconds` is None for a stream, whose life says nothing about speed."""
        method = method if method in METHODS else OTHER
        self._requests.labels(extension, endpoint, method, status).inc()
        if seconds is not None:
            self._duration.labels(extension, endpoint, method).observe(seconds)

    def extension_error(self, extension: str, endpoint: str, error_type: str) -> None:
        """Something went wrong: the name of an exception's class, or an error code."""
        types = self._types.setdefault(extension, set())
        if error_type not in types and len(types) >= MOST_TYPES:
            error_type = OTHER
        types.add(error_type)
        self._errors.labels(extension, endpoint, error_type[:LONGEST_TYPE]).inc()

    def hear(self, event: str, facts: Mapping[str, Any]) -> None:
        """A subscriber of `app.telemetry`: what goes wrong where nobody asked for anything."""
        place = ELSEWHERE.get(event)
        if place is not None:
            self.extension_error(str(facts["extension"]), place, type(facts.get("error")).__name__)

    def connection_opened(self, extension: str, endpoint: str) -> None:
        """A stream or a WebSocket begins."""
        self._connections.labels(extension, endpoint).inc()

    def connection_closed(self, extension: str, endpoint: str) -> None:
        """It has ended, however."""
        self._connections.labels(extension, endpoint).dec()


def extension_totals(totals: Mapping[Series, float]) -> dict[str, ExtensionTotals]:
    """Extension -> its totals, out of the samples named by `TOTALS`."""
    requests, errors, seconds = (_by_extension(totals, name) for name in TOTALS)
    return {
        extension: ExtensionTotals(
            requests_total=requests.get(extension, 0.0),
            errors_total=errors.get(extension, 0.0),
            latency_ms_sum=round(seconds.get(extension, 0.0) * 1000, 3),
        )
        for extension in sorted({*requests, *errors, *seconds})
    }


def _by_extension(totals: Mapping[Series, float], name: str) -> dict[str, float]:
    sums: dict[str, float] = {}
    for extension, value in _of(totals, name):
        sums[extension] = sums.get(extension, 0.0) + value
    return sums


def _of(totals: Mapping[Series, float], wanted: str) -> Iterable[tuple[str, float]]:
    return ((_first(labels), value) for (name, labels), value in totals.items() if name == wanted)


def _first(labels: Labels) -> str:
    return labels[0][1]
