"""Counts requests: ours by route, and what prometheus-flask-exporter measures of their duration and status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from flask import Flask, Request, Response, request
from prometheus_client import CollectorRegistry
from prometheus_flask_exporter import PrometheusMetrics

from app.domain.metrics import HTTP_DURATION, METHODS, UNMATCHED
from app.http.errors import say
from app.http.identity import is_inner
from app.http.streams import EVENT_STREAM

PREFIX = "ordinaut"
LONGEST_ENDPOINT = 200
ABSENT = "<extension_id>"
"""In the rules of addresses below extensions that are not there."""


class RequestMetrics(Protocol):
    """What is needed of `app.services.metrics.MetricsService`."""

    @property
    def registry(self) -> CollectorRegistry: ...

    def record_request(self, method: str, endpoint: str) -> None: ...

    def speak(self, say: Callable[[str], str]) -> None: ...


def configure_metrics(app: Flask, metrics: RequestMetrics) -> None:
    """Count every answer, refusals and unknown addresses included."""
    metrics.speak(say)
    PrometheusMetrics(
        app,
        path=None,
        group_by=endpoint,
        defaults_prefix=PREFIX,
        buckets=HTTP_DURATION.buckets,
        registry=metrics.registry,
    )

    # After the exporter's own, hence called before it.
    @app.after_request
    def count(response: Response) -> Response:
        # Not the proxy, which would look for the request at each of its members.
        asked: Request = request._get_current_object()  # type: ignore[attr-defined]
        if is_inner():
            asked.prom_do_not_track = True  # type: ignore[attr-defined]
            return response
        route = endpoint(asked)
        metrics.record_request(asked.method, route)
        if made_up(asked, route, response) or lasts(asked, response):
            # What carries this mark the exporter leaves alone.
            asked.prom_do_not_track = True  # type: ignore[attr-defined]
        return response


def made_up(asked: Request, route: str, response: Response) -> bool:
    """Whether the request says nothing about us: to addresses and with methods that its sender invented."""
    return asked.method not in METHODS or (route == UNMATCHED and response.status_code < 500)


def endpoint(asked: Request) -> str:
    """The rule of the request's route, such as `/tasks/<task_id>`; never the path, which anybody may invent."""
    rule = asked.url_rule
    if rule is None or ABSENT in rule.rule:
        return UNMATCHED
    return rule.rule[:LONGEST_ENDPOINT]


def lasts(asked: Request, response: Response) -> bool:
    """Whether it is a stream or a WebSocket, whose duration is how long somebody wanted to listen."""
    if response.is_streamed and (response.content_type or "").startswith(EVENT_STREAM):
        return True
    return str(asked.environ.get("HTTP_UPGRADE", "")).lower() == "websocket"
