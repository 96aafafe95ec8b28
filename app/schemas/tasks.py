"""Tasks on the wire, on their way in."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict

from app.domain.durations import PATTERN, seconds_of
from app.domain.expectations import LONGEST_SECONDS
from app.domain.json_size import json_problem
from app.domain.tasks import Overlap, ScheduleKind, TaskFilter
from app.domain.texts import joined, t
from app.schemas.fields import STRICT, Body, Expr, Key, Moment, Name, PageQuery, Prose, Query, Reason, Tag, Zone

Kind = ScheduleKind
Status = Literal["active", "paused", "canceled", "completed"]
Seconds = Annotated[int, Field(ge=0, le=86_400)]
Amount = Annotated[int, Field(ge=1, le=1_000_000_000)]

READ_ONLY = frozenset(
    {
        *("id", "created_at", "updated_at", "version", "next_run", "next_run_effective", "last_run"),
        *("description_text", "snoozed_until", "snooze_reason", "drift", "grant_status", "granted_until"),
    }
)
"""What `GET` gives and `PUT` may carry back: it is not looked at."""

_EXAMPLE: JsonDict = {
    "title": "Morning briefing",
    "schedule_kind": "cron",
    "schedule_expr": "30 8 * * 1-5",
    "timezone": "Europe/Chisinau",
    "payload": {
        "params": {"city": "Chisinau"},
        "pipeline": [
            {
                "id": "weather",
                "uses": "http.request",
                "with": {"method": "GET", "url": "https://api.example.com/weather?city=${params.city}"},
            }
        ],
    },
    "tags": ["morning"],
}


class PayloadIn(Body):
    """What a task does: its pipeline, and the params that the pipeline reads."""

    params: dict[str, Any] = Field(default_factory=dict)
    pipeline: list[Any] = Field(default_factory=list, description="Steps in order; see /schemas/pipeline.json")


def _length(value: Any) -> int:
    seconds = seconds_of(value)
    if seconds is None or not 1 <= seconds <= LONGEST_SECONDS:
        raise ValueError(t("it must be a length of time from 1 second to 366 days, such as 900, 15m or PT15M"))
    return seconds


Length = Annotated[
    int,
    BeforeValidator(_length),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": LONGEST_SECONDS},
                {"type": "string", "pattern": PATTERN, "examples": ["15m"]},
            ]
        }
    ),
]


ToolName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,58}$", examples=["send_report"])]


class ExpectIn(Body):
    """What a task is to do in time; an incident is opened when it does not. See docs/alerts.md."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"minProperties": 1, "examples": [{"start_within": "15m"}]})

    start_within: Length | None = Field(None, description="How late a run may begin")
    finish_within: Length | None = Field(None, description="How long after its scheduled time a run may end")
    no_success_for: Length | None = Field(None, description="How long it may go without a success")

    @model_validator(mode="after")
    def _something(self) -> ExpectIn:
        if not self.lengths():
            raise ValueError(t("it names no expectation; send null to expect nothing"))
        return self

    def lengths(self) -> dict[str, int]:
        """Kind -> seconds, of those that are given."""
        return self.model_dump(exclude_none=True)


class TaskFields(Body):
    """The members of a task that clients may set. What is wrong with them is kept, not raised.

    A body with mistakes gives an instance whose `invalid` is set and which holds the members without any, so
    that mistakes in the schedule and the pipeline can be reported in the same answer.
    """

    description: Prose = ""
    schedule_expr: Expr | None = Field(
        None, description="Cron, RRULE, ISO 8601 text, topic pattern or condition; null for manual tasks"
    )
    timezone: Zone = Field("UTC", description="IANA name")
    payload: PayloadIn = Field(default_factory=PayloadIn)
    status: Status = "active"
    priority: Annotated[int, Field(ge=1, le=9)] = Field(5, description="1 goes first")
    max_retries: Annotated[int, Field(ge=0, le=10)] = 3
    backoff_strategy: Literal["exponential_jitter", "linear", "fixed"] = "exponential_jitter"
    backoff_seconds: Annotated[int, Field(ge=0, le=3600)] = 5
    timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] = 3600
    overlap: Overlap = Field("skip", description="What to do when it is due while a run of it has not ended")
    concurrency_key: Key | None = Field(
        None, description="Runs with the same key, of whichever tasks, share a limit; a template may be filled in"
    )
    concurrency_limit: Annotated[int, Field(ge=1, le=1000)] = Field(
        1, description="How many runs with the key may be at work at the same time"
    )
    dedupe_key: Key | None = Field(
        None,
        description="A run with the key of one accepted within the window is not made; a template may be filled in",
    )
    dedupe_window_seconds: Annotated[int, Field(ge=1, le=31_536_000)] | None = None
    debounce_seconds: Annotated[int, Field(ge=1, le=86_400)] | None = Field(
        None, description="How long events must have stopped before they start a run, for the last of them"
    )
    debounce_max_wait_seconds: Annotated[int, Field(ge=1, le=604_800)] | None = Field(
        None, description="After the first of such events it runs even if they do not stop"
    )
    expect: ExpectIn | None = Field(None, description="What it is to do in time")
    misfire: Literal["last", "skip", "all"] = "last"
    misfire_grace_seconds: Seconds = 60
    catchup_window_seconds: Annotated[int, Field(ge=0, le=31_536_000)] = 86_400
    catchup_max: Annotated[int, Field(ge=1, le=1000)] = 10
    jitter_seconds: Seconds = 0
    starts_at: Moment | None = Field(None, description="Nothing fires before this moment")
    ends_at: Moment | None = Field(None, description="Nothing fires at or after this moment")
    max_runs: Amount | None = None
    pause_after_failures: Annotated[int, Field(ge=1, le=1000)] | None = None
    tags: Annotated[list[Tag], Field(max_length=20)] = Field(default_factory=list)
    created_by: Name | None = Field(None, description="Agent id; the caller when left out")
    external_id: Name | None = Field(None, description="What you call it; unique among the tasks of its agent")
    expose_as_tool: ToolName | None = Field(
        None, description="Assistants may call it as `task_<this>`; unique among the tasks of its agent"
    )
    params_schema: dict[str, Any] | None = Field(
        None, description="JSON Schema (2020-12) that the params of a run asked for by hand have to fit"
    )

    ignored: ClassVar[frozenset[str]] = frozenset()
    _invalid: ValidationError | None = PrivateAttr(default=None)

    @property
    def invalid(self) -> ValidationError | None:
        """What was wrong with the body."""
        return self._invalid

    def fields(self) -> dict[str, Any]:
        """The members that were given and are right, as `TaskService` takes them."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        if "payload" in given:
            given["payload"] = given["payload"].model_dump()
        if given.get("expect") is not None:
            given["expect"] = given["expect"].lengths()
        if "tags" in given:
            given["tags"] = tuple(given["tags"])
        if given.get("created_by", ...) is None:
            del given["created_by"]
        return given

    @model_validator(mode="wrap")
    @classmethod
    def _keep_mistakes(cls, data: Any, handler: ModelWrapValidatorHandler[TaskFields]) -> TaskFields:
        if not isinstance(data, dict):
            return handler(data)
        offered = {key: value for key, value in data.items() if key not in cls.ignored}
        try:
            return handler(offered)
        except ValidationError as error:
            return cls._salvaged(offered, error)

    @classmethod
    def _salvaged(cls, offered: dict[str, Any], error: ValidationError) -> TaskFields:
        wrong = {str(one["loc"][0]) for one in error.errors(include_url=False, include_input=False) if one["loc"]}
        right = {key: value for key, value in offered.items() if key in cls.model_fields and key not in wrong}
        # Patch requires nothing, so a patch of the members that are right has no mistakes.
        instance = cls.model_construct(**dict(TaskPatch.model_validate(right).given()))
        instance._invalid = error
        return instance

    def given(self) -> dict[str, Any]:
        """The members that were given, validated and as they stand in the model."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    @field_validator("payload")
    @classmethod
    def _fits(cls, payload: PayloadIn) -> PayloadIn:
        if issue := json_problem(payload.model_dump()):
            raise ValueError(joined(" ", [t("it"), issue]))
        return payload

    @field_validator("tags")
    @classmethod
    def _unique(cls, tags: list[str]) -> list[str]:
        if len(set(tags)) != len(tags):
            raise ValueError(t("a tag must not be there twice"))
        return tags


class TaskCreate(TaskFields):
    """A new task."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [_EXAMPLE]})

    title: Name
    schedule_kind: Kind


class TaskReplace(TaskCreate):
    """All of a task.

    Members left out go back to their defaults, but for `status`, `created_by` and `external_id`, which stay.

    The read-only members of an answer may be sent back; they are ignored.
    """

    ignored: ClassVar[frozenset[str]] = READ_ONLY


def _as_patch(schema: dict[str, Any]) -> None:
    """A patch has no defaults: what it leaves out stays."""
    for member in schema["properties"].values():
        member.pop("default", None)
    schema["examples"] = [{"schedule_expr": "0 9 * * *"}]


class TaskPatch(TaskFields):
    """Some members of a task; null is for those that may be null. `payload` is replaced as a whole."""

    model_config = ConfigDict(**STRICT, json_schema_extra=_as_patch)

    title: Name = Field(default_factory=str)
    schedule_kind: Kind = Field(default_factory=lambda: "manual")


class PreviewQuery(Query):
    """Whether to store the task, or only to show what would be stored."""

    preview: bool = False


class TaskListQuery(PageQuery):
    """Which tasks."""

    status: list[Status] | None = Field(None, description="One or more, joined by commas")
    created_by: Name | None = None
    schedule_kind: Kind | None = None
    q: Name | None = Field(None, description="Part of the title or the description, in any case")
    tag: Tag | None = None
    external_id: Name | None = None
    expose_as_tool: ToolName | None = None
    exposed: bool = Field(False, description="Only those that assistants may call")
    drifted: bool | None = Field(None, description="Whether a step no longer fits the tools of its MCP server")

    def where(self) -> TaskFilter:
        """The same as the domain has it."""
        return TaskFilter(
            status=tuple(self.status or ()),
            created_by=self.created_by,
            schedule_kind=self.schedule_kind,
            q=self.q,
            tag=self.tag,
            external_id=self.external_id,
            expose_as_tool=self.expose_as_tool,
            exposed=self.exposed,
            drifted=self.drifted,
        )


class RunNowIn(Body):
    """A run by hand; an empty body will do."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={"examples": [{"params": {"city": "Cahul"}, "idempotency_key": "2026-11-24"}]},
    )

    params: dict[str, Any] | None = Field(None, description="Laid over the task's own params")
    idempotency_key: Name | None = Field(None, description="Asking twice under one key gives one run")


class SnoozeIn(Body):
    """A pause that ends by itself: exactly one of `delay_seconds` and `until`, a week at most."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"delay_seconds": 3600, "reason": "On holiday"}]}
    )

    delay_seconds: Annotated[int, Field(ge=1, le=604_800)] | None = None
    until: Moment | None = None
    reason: Reason | None = None


class NoBody(Body):
    """Nothing, or an empty object."""
