"""What `tasks.create` gives, made fit for the task service: JSON in, domain values out, an id a key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from app.domain.errors import InvalidInput, Problem
from app.domain.expectations import expectations
from app.domain.json_size import json_problem
from app.domain.texts import joined, t

_RUN_TIME = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}(?=-7)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_YEARS = range(1970, 9000)


def id_for(key: str) -> str:
    """The id of the task that a call under this key makes, in the form of a UUID version 7 (RFC 9562).

    Its time is that of the run whose id begins the key, so that lists by id keep their order.
    """
    digest = sha256(key.encode()).hexdigest()
    run_time = _RUN_TIME.match(key)
    time = run_time[0] if run_time else f"{digest[20:28]}-{digest[28:32]}"
    return f"{time}-7{digest[:3]}-{'89ab'[int(digest[3], 16) % 4]}{digest[4:7]}-{digest[7:19]}"


def task_fields(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """The fields that are right, and what is wrong with the others, beyond what the schema can tell."""
    fields = dict(arguments)
    problems: list[Problem] = []
    for name, read in _READERS.items():
        if fields.get(name) is None:
            continue
        try:
            fields[name] = read(fields[name])
        except InvalidInput as error:
            problems.extend(error.problems)
            del fields[name]
    return fields, problems


def _title(value: str) -> str:
    if _CONTROL.search(value) or not value.strip():
        raise InvalidInput.at("/title", t("'title' must not be blank or have control characters"))
    return value


def _payload(value: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(value) - {"params", "pipeline"})
    if unknown:
        raise InvalidInput.at(f"/payload/{unknown[0]}", t("'payload.{name}' is not a known field", name=unknown[0]))
    payload = {"params": value.get("params", {}), "pipeline": value.get("pipeline", [])}
    if not isinstance(payload["params"], dict):
        raise InvalidInput.at("/payload/params", t("'payload.params' must be an object"))
    if issue := json_problem(payload):
        raise InvalidInput.at("/payload", joined(" ", ["'payload'", issue]))
    return payload


def _tags(value: list[str]) -> tuple[str, ...]:
    tags = tuple(dict.fromkeys(value))
    if any(len(tag) > 50 or _CONTROL.search(tag) or not tag.strip() for tag in tags):
        raise InvalidInput.at("/tags", t("A tag must have 1-50 characters, none of them control characters"))
    return tags


def moment_at(name: str, value: str) -> datetime:
    """The instant that a text at the member `name` says, in UTC.

    Raises:
        InvalidInput: It is none, or has no offset.
    """
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        raise InvalidInput.at(
            f"/{name}", t("'{name}' must be a time such as 2026-11-24T08:30:00Z", name=name)
        ) from None
    if moment.tzinfo is None or moment.year not in _YEARS:
        raise InvalidInput.at(
            f"/{name}",
            t("'{name}' needs an offset and a year of {low}-{high}", name=name, low=_YEARS[0], high=_YEARS[-1]),
        )
    return moment.astimezone(UTC)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "title": _title,
    "payload": _payload,
    "tags": _tags,
    "starts_at": lambda value: moment_at("starts_at", value),
    "ends_at": lambda value: moment_at("ends_at", value),
    "expect": expectations,
}
