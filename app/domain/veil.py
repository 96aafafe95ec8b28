"""Keeping lent secrets out of everything that is written down."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, quote_plus

from app.domain.pipelines.outcome import Failed

MASK = "***"
SHORTEST = 4
"""Characters: a shorter secret is masked only where it is the whole text, or ordinary words would be full of holes."""


class Veil:
    """Replaces the values of secrets in JSON data, also as they look in URLs, in JSON text and in base64."""

    def __init__(self) -> None:
        self._whole: set[str] = set()
        self._parts: tuple[str, ...] = ()

    def hide(self, values: Iterable[str]) -> None:
        """Hide these values too, from now on."""
        self._whole.update(values)
        looks = {form for value in self._whole if len(value) >= SHORTEST for form in forms(value)}
        # The longest first: one secret may be a part of another.
        self._parts = tuple(sorted(looks, key=len, reverse=True))

    def clean(self, value: Any) -> Any:
        """The value with every secret in it masked; what holds none comes back as it is."""
        if isinstance(value, str):
            return self._cleaned(value)
        if isinstance(value, Mapping):
            return {self.clean(key): self.clean(member) for key, member in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.clean(member) for member in value]
        return value

    def failed(self, outcome: Failed) -> Failed:
        """The failure, told without secrets."""
        error = outcome.error
        return replace(
            outcome,
            error=replace(error, message=self._cleaned(error.message), details=self.clean(error.details)),
        )

    def error(self, error: BaseException) -> BaseException:
        """What may be logged of an exception: its kind, its words, and where it came from."""
        told = RuntimeError(f"{type(error).__name__}: {self._cleaned(str(error))}")
        return told.with_traceback(error.__traceback__)

    def _cleaned(self, text: str) -> str:
        if text in self._whole:
            return MASK
        for part in self._parts:
            if part in text:
                text = text.replace(part, MASK)
        return text


def forms(value: str) -> Iterable[str]:
    """How a secret looks in texts: as it is, in JSON, in URLs and in base64."""
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield quote(value)
    yield quote(value, safe="")
    yield quote_plus(value)
    # In a longer text base64 shifts with its place: only whole values are known, as in `Authorization: Basic`.
    yield base64.b64encode(value.encode()).decode().rstrip("=")
    yield base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")
