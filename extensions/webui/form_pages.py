"""Making and changing a task: one form, checked by the API itself, with what the schedule means beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import available_timezones

from flask import Blueprint, Response, request

from ordinaut import ApiAnswer

from .commands import copied
from .compare import compared
from .definition import Unreadable, as_yaml, from_yaml
from .policies import BACKOFFS, MISFIRES, OVERLAPS, STEPS
from .shell import Shell, problems_of

KINDS = (
    ("cron", "Cron"),
    ("rrule", "Recurrence rule"),
    ("once", "Once"),
    ("event", "On an event"),
    ("condition", "On a condition"),
    ("manual", "By hand"),
)
WRITTEN = (
    ("cron", "Minute, hour, day, month, weekday: 30 8 * * 1-5 is Monday to Friday at 08:30."),
    ("rrule", "A rule of RFC 5545: FREQ=MONTHLY;BYDAY=3FR;BYHOUR=9;BYMINUTE=0;BYSECOND=0 is the third Friday at nine."),
    ("once", "A moment of ISO 8601, such as 2030-01-31T09:00:00+02:00."),
    ("event", "A topic, or a pattern: shop.* is one word more, shop.** any number of them."),
    ("condition", "What has to hold of an event, in JMESPath: topic == 'shop.order.paid' && payload.total > `100`."),
    ("manual", "Nothing: somebody starts it, or another task does."),
)
"""What the expression of each kind looks like."""
PRESETS = (
    ("30 8 * * 1-5", "Weekdays at 08:30"),
    ("0 * * * *", "Every hour"),
    ("*/15 * * * *", "Every 15 minutes"),
    ("0 2 * * *", "Every night at 02:00"),
    ("0 9 1 * *", "On the first of the month"),
)
TEXTS = ("title", "description", "schedule_kind", "timezone", "overlap", "misfire", "backoff_strategy")
NUMBERS = ("priority", "max_retries", "timeout_seconds", "backoff_seconds", "concurrency_limit")
FIRST = (
    "- id: call\n  uses: http.request\n  with:\n    method: GET\n    url: https://api.example.com/report\n"
    "- id: note\n  uses: log.write\n  with:\n    message: 'Answered with ${steps.call.status}'\n"
)
NEW: Mapping[str, str] = {
    "title": "",
    "description": "",
    "schedule_kind": "cron",
    "schedule_expr": "30 8 * * 1-5",
    "timezone": "UTC",
    "pipeline": FIRST,
    "params": "",
    "tags": "",
    "overlap": "skip",
    "misfire": "last",
    "priority": "5",
    "max_retries": "3",
    "timeout_seconds": "3600",
    "backoff_strategy": "exponential_jitter",
    "backoff_seconds": "5",
    "pause_after_failures": "",
    "concurrency_key": "",
    "concurrency_limit": "1",
}
MOST_PREVIEWED = 100
NEXT = 5


@dataclass(frozen=True, slots=True)
class Preview:
    """A schedule as the platform reads it: in words, the next times, and the hours of a week in which it fires."""

    words: str
    next: list[Mapping[str, Any]]
    hours: frozenset[tuple[int, int]]
    issue: str = ""


def add_form_pages(pages: Blueprint, shell: Shell) -> None:
    """Register them."""
    api = shell.context.api

    @pages.get("/tasks/new")
    def new() -> Response:
        """An empty form, or one like the task in `?from=`."""
        if not shell.context.routes.caller().may("tasks:create"):
            return shell.lacking("tasks:create", place="tasks")
        source = request.args.get("from")
        found = api.get(f"/tasks/{quote(source, safe='')}") if source else None
        values = dict(NEW) if found is None or not found.ok else _values(found.data)
        return _form(shell, values, {}, source=source or "")

    @pages.post("/tasks/new")
    def create() -> Response:
        """Make the task, or show the form again with what is wrong beside each field."""
        return _sent(shell, None)

    @pages.get("/tasks/<task_id>/edit")
    def edit(task_id: str) -> Response:
        """The form with what the task is now."""
        if not shell.context.routes.caller().may("tasks:update"):
            return shell.lacking("tasks:update", place="tasks")
        found = api.get(f"/tasks/{task_id}")
        if not found.ok:
            return shell.refused(found, place="tasks")
        return _form(shell, _values(found.data), {}, task=found.data)

    @pages.post("/tasks/<task_id>/edit")
    def save(task_id: str) -> Response:
        """Save it, unless somebody else has meanwhile."""
        return _sent(shell, task_id)

    @pages.get("/schedule")
    def schedule() -> Response:
        """The part of the form that shows what a schedule means."""
        asked = {name: request.args.get(name, "") for name in ("schedule_kind", "schedule_expr", "timezone")}
        return shell.page("webui/preview.html", place="tasks", preview=previewed(shell, asked))


def _sent(shell: Shell, task_id: str | None) -> Response:
    values = {name: request.form.get(name, "") for name in NEW}
    try:
        body = _body(values)
    except Unreadable as error:
        wrong = {str(error.args[1]): shell.context.translate(str(error.args[0]))}
        return _form(shell, values, wrong, task=_named(task_id), status=400)
    if "preview" in request.form:
        return _form(shell, values, {}, task=_named(task_id))
    if task_id is None:
        done = shell.context.api.post("/tasks", _like(shell, request.form.get("from", ""), body))
    else:
        done = shell.context.api.patch(f"/tasks/{task_id}", body, If_Match=f'"{request.form.get("version", "")}"')
    if done.ok:
        return shell.done(f"/tasks/{done.data['id']}", "created" if task_id is None else "saved")
    if done.status == 412 and task_id is not None:
        return _conflict(shell, values, task_id)
    if done.status != 400:
        return shell.refused(done, place="tasks")
    return _form(shell, values, _problems(done), task=_named(task_id), status=400)


def _like(shell: Shell, source: str, body: dict[str, Any]) -> dict[str, Any]:
    """The body with what the form has no fields for as it is in the task that was duplicated."""
    found = shell.context.api.get(f"/tasks/{quote(source, safe='')}") if source else None
    if found is None or not found.ok or found.data["schedule_kind"] != body["schedule_kind"]:
        return body
    return {**{name: value for name, value in copied(found.data).items() if name not in body}, **body}


def _named(task_id: str | None) -> Mapping[str, Any] | None:
    return None if task_id is None else {"id": task_id, "version": request.form.get("version", "")}


def _conflict(shell: Shell, values: Mapping[str, str], task_id: str) -> Response:
    """What the reader wrote, over the version that stands now, and what differs between the two."""
    found = shell.context.api.get(f"/tasks/{task_id}")
    if not found.ok:
        return shell.refused(found, place="tasks")
    theirs = _values(found.data)
    # Browsers send the lines of a form with CR LF.
    mine = {name: values[name].replace("\r\n", "\n").strip() for name in NEW}
    names = [name for name in NEW if theirs[name].strip() != mine[name]]
    differing = [(name, compared(theirs[name].strip(), mine[name])) for name in names]
    return _form(shell, values, {}, task=found.data, status=409, differing=differing)


def _form(shell: Shell, values: Mapping[str, str], problems: Mapping[str, str], **more: Any) -> Response:
    status = more.pop("status", 200)
    shown = {"task": None, "differing": [], "source": request.form.get("from", ""), **more}
    return shell.page(
        "webui/form.html",
        place="tasks",
        status=status,
        values=values,
        problems=problems,
        preview=previewed(shell, values),
        kinds=KINDS,
        presets=PRESETS,
        written=WRITTEN,
        overlaps=OVERLAPS,
        misfires=MISFIRES,
        backoffs=BACKOFFS,
        step_policies=STEPS,
        zones=sorted(available_timezones()),
        **shown,
    )


def previewed(shell: Shell, values: Mapping[str, str]) -> Preview:
    """The schedule as the platform reads it; with the reason where it cannot."""
    body: dict[str, Any] = {
        "schedule_kind": values["schedule_kind"],
        "schedule_expr": values["schedule_expr"] or None,
        "timezone": values["timezone"] or "UTC",
        "count": MOST_PREVIEWED,
    }
    answer = shell.context.api.post("/schedules/preview", body)
    if not answer.ok:
        return Preview("", [], frozenset(), " · ".join(told for _, told in problems_of(answer)))
    times = [datetime.fromisoformat(one["local"]) for one in answer.data["occurrences"]]
    hours = frozenset((one.weekday(), one.hour) for one in times)
    return Preview(answer.data["description"], answer.data["occurrences"][:NEXT], hours)


def _values(task: Mapping[str, Any]) -> dict[str, str]:
    """A task as the form's fields have it."""
    plain = {name: "" if task.get(name) is None else str(task[name]) for name in NEW if name in task}
    payload = task["payload"]
    return {
        **NEW,
        **plain,
        "pipeline": as_yaml(payload["pipeline"]),
        "params": as_yaml(payload.get("params")),
        "tags": ", ".join(task["tags"]),
    }


def _body(values: Mapping[str, str]) -> dict[str, Any]:
    """The fields as the API takes them.

    Raises:
        Unreadable: `(message, field)`.
    """
    texts = {name: values[name] for name in TEXTS}
    numbers = {name: _number(values[name]) for name in NUMBERS}
    failures = values["pause_after_failures"].strip()
    limits = {
        "pause_after_failures": _number(failures) if failures else None,
        "concurrency_key": values["concurrency_key"].strip() or None,
    }
    payload = {"pipeline": _read(values, "pipeline") or [], "params": _read(values, "params") or {}}
    tags = [tag.strip() for tag in values["tags"].split(",") if tag.strip()]
    expr = values["schedule_expr"].strip() or None
    timed = values["schedule_kind"] not in ("event", "condition", "manual")
    if not timed:
        texts.pop("misfire")
    return {**texts, **numbers, **limits, "schedule_expr": expr, "tags": tags, "payload": payload}


def _number(text: str) -> int | str:
    return int(text) if text.strip().isdecimal() and len(text) < 10 else text


def _read(values: Mapping[str, str], name: str) -> Any:
    try:
        return from_yaml(values[name])
    except Unreadable as error:
        raise Unreadable(str(error), name) from error


def _problems(refusal: ApiAnswer) -> dict[str, str]:
    """Field of the form -> what is wrong there; several of one field stand below each other."""
    found: dict[str, str] = {}
    for path, what in problems_of(refusal):
        head, _, rest = path.partition(".")
        name = ("params" if rest.startswith("params") else "pipeline") if head == "payload" else head
        told = f"{rest.removeprefix('pipeline.')}: " if head == "payload" and rest else ""
        text = f"{told}{what}"
        found[name] = f"{found[name]} · {text}" if name in found else text
    return found
