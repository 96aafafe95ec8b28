"""What a task says about its runs side by side: the line they stand in, and the key they share with others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, Protocol

import orjson

from app.domain.clock import rfc3339
from app.domain.errors import Problem
from app.domain.json_text import to_json
from app.domain.runs import NewRun
from app.domain.templates import Template, TemplateError, TemplateSyntaxError, compile_template
from app.domain.texts import Text, t

ROOTS: Final = ("params", "task", "event", "run")
"""What the template of a key sees."""
LONGEST_KEY: Final = 200
"""Characters of a key as it is stored; a longer one is told apart by its digest."""
LONGEST_REASON: Final = 300
IN_LINE: Final = frozenset({"queue_one", "queue_all", "cancel_running"})
"""Values of `overlap` with which the runs of a task go one at a time."""
MOST_UNENDED: Final[Mapping[str, int]] = {"skip": 1, "queue_one": 2}
"""So many runs that have not ended keep the next occurrence off."""


class LimitedTask(Protocol):
    """What of a task matters here."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def payload(self) -> Mapping[str, Any]: ...
    @property
    def overlap(self) -> str: ...
    @property
    def concurrency_key(self) -> str | None: ...
    @property
    def concurrency_limit(self) -> int: ...
    @property
    def dedupe_key(self) -> str | None: ...
    @property
    def dedupe_window_seconds(self) -> int | None: ...


class Unfilled(Exception):
    """A key cannot be filled in for a run; says which and why in words short enough for the record of an occurrence."""

    def __init__(self, field: str, error: TemplateError) -> None:
        reason = error.message if len(error.message) <= LONGEST_REASON else error.message[: LONGEST_REASON - 1] + "…"
        self.message = t("'{field}' cannot be filled in: {reason}", field=field, reason=reason)
        super().__init__(self.message)


def limited(run: NewRun, task: LimitedTask) -> NewRun:
    """The run with the limits that its task sets, the keys filled in.

    Raises:
        Unfilled: a key cannot be filled in for this run.
    """
    # A backfill works beside the schedule, with a limit of its own.
    if task.overlap in IN_LINE and run.trigger != "backfill":
        run = replace(run, in_line=True, supersedes=task.overlap == "cancel_running")
    if (key := _filled("concurrency_key", task.concurrency_key, run, task)) is not None:
        run = replace(run, concurrency_key=key, concurrency_limit=task.concurrency_limit)
    if (key := _filled("dedupe_key", task.dedupe_key, run, task)) is not None:
        run = replace(run, dedupe_key=key, dedupe_window_seconds=task.dedupe_window_seconds or 0)
    return run


def taken(run: NewRun, task: LimitedTask) -> NewRun | Text:
    """The same, or why the run cannot be made."""
    try:
        return limited(run, task)
    except Unfilled as error:
        return error.message


def _filled(field: str, text: str | None, run: NewRun, task: LimitedTask) -> str | None:
    """A key for this run; None where the template gives nothing (null or no text): then it limits nothing."""
    if text is None:
        return None
    template = _compiled(text)
    try:
        value = template.render({} if template.is_constant else _scope(run, task))
    except TemplateError as error:
        raise Unfilled(field, error) from None
    key = value if isinstance(value, str) else "" if value is None else to_json(value).decode()
    # What no database takes as text.
    key = key.encode("utf-8", "replace").decode().replace("\0", "?")
    if len(key) <= LONGEST_KEY:
        return key or None
    digest = sha256(key.encode()).hexdigest()
    return f"{key[: LONGEST_KEY - len(digest) - 1]}…{digest}"


def crowded(overlap: str, unended: int) -> bool:
    """Whether an occurrence is skipped since so many runs of its task have not ended."""
    return unended >= MOST_UNENDED.get(overlap, unended + 1)


def crowd_reason(overlap: str) -> str:
    """Why it is skipped."""
    if overlap == "queue_one":
        return t("One run of the task was waiting for its turn already")
    return t("An earlier run of the task had not ended")


def key_problems(field: str, text: str | None) -> list[Problem]:
    """What is wrong with the template of a key, at the member `field` of a task."""
    if text is None:
        return []
    pointer = f"/{field}"
    try:
        template = _compiled(text)
    except TemplateSyntaxError as error:
        return [Problem(pointer, t("It is not a template: {reason}", reason=error.message), error.hint)]
    for reference in template.references:
        if reference.path[0] not in ROOTS:
            name = ascii(str(reference.path[0])[:80])
            message = t("A key sees 'params', 'task', 'event' and 'run', not {name}", name=name)
            return [Problem(pointer, message, t("Write api-${params.customer}, say"))]
    return []


@lru_cache(maxsize=1024)
def _compiled(text: str) -> Template:
    return compile_template(text)


def _scope(run: NewRun, task: LimitedTask) -> dict[str, Any]:
    return {
        "params": orjson.loads(to_json({**task.payload.get("params", {}), **(run.params or {})})),
        "task": {"id": task.id, "title": task.title},
        "event": run.event,
        "run": {
            "id": run.id,
            "trigger": run.trigger,
            "nominal_at": None if run.nominal_at is None else rfc3339(run.nominal_at),
            "scheduled_for": rfc3339(run.scheduled_for),
        },
    }
