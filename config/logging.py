"""Log lines: one an event, JSON or pretty, without secrets and without forged lines."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, TextIO

import structlog
from structlog.types import Processor

from config.parsers import scrub
from config.settings import Settings

Event = MutableMapping[str, Any]

HIDDEN = "***"
_SECRET_NAME = re.compile(r"authori[sz]ation|cookie|secret|token|passw|credential|(^|[_-])(api|private|signing)?key$")
_HARMLESS_NAMES = frozenset({"idempotency_key", "concurrency_key", "dedupe_key"})
_QUIET = {
    "amqp": logging.WARNING,
    "kombu": logging.WARNING,
    # Two lines for every message, arguments included; runs tell their own story.
    "celery.app.trace": logging.WARNING,
    "celery.worker.strategy": logging.WARNING,
    # Two lines for every message that an assistant sends.
    "mcp": logging.WARNING,
    # A line for each request to a server, with its whole address, in which there may be a key.
    "httpx2": logging.WARNING,
    "redis": logging.INFO,
    "urllib3": logging.INFO,
}


class HiddenValues:
    """Texts that no line of this process may hold, such as secrets that were lent to a step."""

    LIMIT = 1000
    SHORTEST = 4

    def __init__(self) -> None:
        self._values: dict[str, None] = {}

    def hide(self, values: Sequence[str]) -> None:
        """Mask these from now on; the oldest are forgotten beyond the limit."""
        for value in values:
            if len(value) >= self.SHORTEST:
                self._values[value] = None
        while len(self._values) > self.LIMIT:
            del self._values[next(iter(self._values))]

    def clean(self, text: str) -> str:
        """The text without them."""
        for value in tuple(self._values):
            if value in text:
                text = text.replace(value, HIDDEN)
        return text


hidden_values = HiddenValues()
"""Those of this process."""


def configure(settings: Settings, *, stream: TextIO | None = None) -> None:
    """Send structlog and the standard library's logging to `stream` (default: standard error).

    `structlog.contextvars.bind_contextvars(request_id=…, run_id=…)` puts ids on every later line.
    """
    shared = _shared_processors()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(settings)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(max(level, root.level))
    for sentence in settings.warnings:
        structlog.get_logger("config").warning(sentence)


def redact(_logger: object, _method: str, event: Event) -> Event:
    """Processor: hide what looks like a secret by its name, credentials in URLs, and line ends in texts."""
    return {name: _clean(name, value) for name, value in event.items()}


def _clean(name: str, value: object) -> object:
    lowered = name.lower()
    if lowered not in _HARMLESS_NAMES and _SECRET_NAME.search(lowered):
        return HIDDEN if value not in (None, "") else value
    if isinstance(value, str):
        # A CR or LF from outside would start a line that looks like ours (CWE-117).
        return hidden_values.clean(scrub(value)).replace("\r", "\\r").replace("\n", "\\n")
    if isinstance(value, Mapping):
        return {str(key): _clean(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean("", item) for item in value]
    return value


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        redact,
    ]


def _renderers(settings: Settings) -> list[Processor]:
    if settings.log_format == "json":
        return [
            structlog.processors.format_exc_info,
            _scrub_exception,
            structlog.processors.EventRenamer("msg"),
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ]
    return [
        structlog.processors.format_exc_info,
        _scrub_exception,
        structlog.dev.ConsoleRenderer(colors=False, timestamp_key="ts"),
    ]


def _scrub_exception(_logger: object, _method: str, event: Event) -> Event:
    if isinstance(event.get("exception"), str):
        event["exception"] = hidden_values.clean(scrub(event["exception"]))
    return event
