"""Prometheus metrics over HTTP: what the platform counts, in the format that scrapers read."""

from __future__ import annotations

from collections.abc import Mapping, Set

from flask import Blueprint, Response

from ordinaut import Capability, Extension, ExtensionContext, ExtensionInfo

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Observability(Extension):
    """Serves `GET /ext/observability/metrics`."""

    def __init__(self) -> None:
        self._context: ExtensionContext | None = None

    def info(self) -> ExtensionInfo:
        """Who it is."""
        return ExtensionInfo(
            id="observability",
            name="Observability",
            version="0.1.0",
            description="Prometheus metrics and monitoring",
        )

    def requested_capabilities(self) -> Set[Capability]:
        """Only an address."""
        return {Capability.ROUTES}

    def setup(self, context: ExtensionContext) -> Blueprint:
        """The one route."""
        self._context = context
        pages = Blueprint("observability", __name__)

        @pages.get("/metrics")
        def metrics() -> Response:
            response = Response(context.metrics.exposition(), content_type=CONTENT_TYPE)
            response.headers["Cache-Control"] = "no-store"
            return response

        return pages

    def health(self) -> Mapping[str, str]:
        """Whether there is something to show, with the totals that only the database knows."""
        text = self._context.metrics.exposition() if self._context else ""
        return {"metrics": "healthy" if "\nordinaut_database_up 1.0\n" in text else "unhealthy"}


def get_extension() -> Observability:
    """See `ordinaut.Extension`."""
    return Observability()
