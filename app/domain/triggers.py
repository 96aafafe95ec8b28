"""Which tasks an event starts: patterns and conditions found fast, and each task's own policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from app.domain.conditions import is_true
from app.domain.errors import InvalidInput
from app.domain.events import MAX_DEPTH, PLATFORM, Draft, TopicPattern
from app.domain.expression_text import ExpressionSyntax, unwrap
from app.domain.expressions import Expression, TemplateError, TemplateSyntaxError, compile_expression
from app.domain.grants import grant_hold
from app.domain.run_limits import crowd_reason, crowded
from app.domain.tasks import BY_EVENT, Outcome, Standing
from app.domain.texts import t

ROOTS = ("topic", "payload")
"""What the expression of a condition task sees."""


@dataclass(frozen=True, slots=True)
class TriggerRow:
    """An active `event` or `condition` task as the index reads it."""

    task_id: str
    kind: str
    expr: str


@lru_cache(maxsize=2048)
def event_condition(text: str) -> Expression:
    """The compiled expression of a condition task; a path that an event does not have is null to it.

    Raises:
        InvalidInput: at `/schedule_expr`.
    """
    try:
        expression = compile_expression(unwrap(text).strip(), strict=False)
    except (ExpressionSyntax, TemplateSyntaxError) as error:
        raise InvalidInput.at(
            "/schedule_expr", t("It is not a condition: {reason}", reason=error.message), error.hint
        ) from None
    for reference in expression.references:
        if reference.path[0] not in ROOTS:
            name = ascii(str(reference.path[0])[:80])
            message = t("A condition sees 'topic' and 'payload', not {name}", name=name)
            raise InvalidInput.at("/schedule_expr", message, t("Write payload.total > 100, say"))
    return expression


def _holds(expression: Expression, draft: Draft) -> bool:
    try:
        return is_true(expression.evaluate({"topic": draft.topic, "payload": draft.data}))
    except TemplateError:
        # An event of another shape than the author thought of is none that the condition holds for.
        return False


@dataclass(frozen=True, slots=True)
class _Condition:
    task_id: str
    expression: Expression
    families: frozenset[str]
    """Of the platform's topics, those that its text names; it is not evaluated for the others."""


@dataclass(frozen=True, slots=True)
class TriggerIndex:
    """The triggers there were at one version of them.

    What the platform tells of itself reaches only those that name its first segment: `**` and `*.failed` mean what
    agents publish, `run.**` means runs.

    Attributes:
        version: Rises whenever a trigger comes, goes or changes.
        interests: Patterns of durable readers that are not tasks.
        asked: The same as they were given.
        texts: Kind and expression of each task.
        families: First segments of the platform's topics that somebody names.
    """

    version: int = -1
    families: frozenset[str] = frozenset()
    interests: tuple[TopicPattern, ...] = ()
    by_topic: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    patterns: tuple[tuple[str, TopicPattern], ...] = ()
    conditions: tuple[_Condition, ...] = ()
    asked: tuple[str, ...] = ()
    texts: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, version: int, rows: Iterable[TriggerRow], interests: Iterable[str] = ()) -> TriggerIndex:
        """The index of these; what cannot be read any more triggers nothing."""
        rows, asked = tuple(rows), tuple(interests)
        by_topic: dict[str, tuple[str, ...]] = {}
        patterns: list[tuple[str, TopicPattern]] = []
        conditions: list[_Condition] = []
        for row in rows:
            try:
                if row.kind == "condition":
                    conditions.append(_Condition(row.task_id, event_condition(row.expr), _families(row.expr)))
                    continue
                pattern = TopicPattern.parse(row.expr, "/schedule_expr")
            except InvalidInput:
                continue
            if pattern.literals is None or pattern.excluded:
                patterns.append((row.task_id, pattern))
                continue
            for topic in set(pattern.literals):
                by_topic[topic] = (*by_topic.get(topic, ()), row.task_id)
        readers = _readable(asked)
        named = [pattern for _, pattern in patterns] + list(readers)
        families = {family for family in PLATFORM if any(pattern.names(family) for pattern in named)}
        families.update(topic.partition(".")[0] for topic in by_topic)
        families.update(family for one in conditions for family in one.families)
        return cls(
            version=version,
            families=frozenset(families) & frozenset(PLATFORM),
            interests=readers,
            by_topic=by_topic,
            patterns=tuple(patterns),
            conditions=tuple(conditions),
            asked=asked,
            texts={row.task_id: (row.kind, row.expr) for row in rows},
        )

    def may_hear(self, topic: str) -> bool:
        """Whether an event on a topic of the platform's might have to be stored, as far as its topic tells."""
        family = topic.partition(".")[0]
        return family in self.families and (
            topic in self.by_topic
            or any(one.names(family) and one.matches(topic) for one in self.interests)
            or any(one.names(family) and one.matches(topic) for _, one in self.patterns)
            or any(family in one.families for one in self.conditions)
        )

    def must_store(self, draft: Draft) -> bool:
        """Whether an event of the platform's has a durable reader."""
        family = draft.topic.partition(".")[0]
        if family not in self.families:
            return False
        return any(one.names(family) and one.matches(draft.topic) for one in self.interests) or bool(self.hits(draft))

    def hits(self, draft: Draft) -> tuple[str, ...]:
        """Ids of the tasks that the event is for, each once, in order of their ids."""
        family = draft.topic.partition(".")[0] if draft.of_platform else None
        found = set(self.by_topic.get(draft.topic, ()))
        found.update(
            task_id
            for task_id, pattern in self.patterns
            if (family is None or pattern.names(family)) and pattern.matches(draft.topic)
        )
        found.update(
            one.task_id
            for one in self.conditions
            if (family is None or family in one.families) and _holds(one.expression, draft)
        )
        if family is not None:
            # A task that its own runs and steps started would never come to rest.
            found.discard(str(draft.data.get("task_id")))
        return tuple(sorted(found))

    def still(self, task: TriggeredTask, draft: Draft) -> bool:
        """Whether the event that was for a task is for it as it stands: it may have been edited since."""
        text = (task.schedule_kind, task.schedule_expr or "")
        if text == self.texts.get(task.id):
            return True
        return task.schedule_kind in BY_EVENT and bool(TriggerIndex.of(0, [TriggerRow(task.id, *text)]).hits(draft))


def named_families(kind: str, expr: str) -> frozenset[str]:
    """First segments of the platform's topics that a trigger names; none for one that cannot be read."""
    return TriggerIndex.of(0, [TriggerRow("", kind, expr)]).families


def _readable(interests: Iterable[str]) -> tuple[TopicPattern, ...]:
    found = []
    for text in dict.fromkeys(interests):
        try:
            found.append(TopicPattern.parse(text))
        except InvalidInput:
            continue
    return tuple(found)


def _families(text: str) -> frozenset[str]:
    return frozenset(family for family in PLATFORM if f"{family}." in text)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggeredTask:
    """What of a task matters once an event is for it."""

    id: str
    definition_id: str
    schedule_kind: str
    schedule_expr: str | None
    priority: int
    max_retries: int
    overlap: str
    starts_at: datetime | None
    ends_at: datetime | None
    snoozed_until: datetime | None
    snooze_reason: str | None
    max_runs: int | None
    fired_count: int
    title: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
    """Only where a template is to be filled in from it."""
    concurrency_key: str | None = None
    concurrency_limit: int = 1
    depth: int = 0
    dedupe_key: str | None = None
    dedupe_window_seconds: int | None = None
    debounce_seconds: int | None = None
    debounce_max_wait_seconds: int | None = None
    grant_status: Standing | None = None
    granted_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of an event for one task, and why."""

    outcome: Outcome
    reason: str = ""


def decide(task: TriggeredTask, at: datetime, depth: int, *, busy: int) -> Decision | None:
    """Whether the event starts the task; None where the task does not know of it at all (outside its window).

    Args:
        at: When the event was published.
        depth: What the run would carry: one more than the event.
        busy: How many runs of the task are queued, running or waiting.
    """
    if (task.starts_at is not None and at < task.starts_at) or (task.ends_at is not None and at >= task.ends_at):
        return None
    if task.max_runs is not None and task.fired_count >= task.max_runs:
        return None
    if depth > MAX_DEPTH:
        reason = t("loop_detected: events have led to one another {times} times, the chain ends here", times=MAX_DEPTH)
        return Decision("dropped_limit", reason)
    if (hold := grant_hold(task.grant_status, task.granted_until, at)) is not None:
        return Decision("skipped_grant", hold)
    if task.snoozed_until is not None and at < task.snoozed_until:
        return Decision("skipped_snooze", task.snooze_reason or t("The task was snoozed"))
    if crowded(task.overlap, busy):
        return Decision("skipped_overlap", crowd_reason(task.overlap))
    return Decision("fired")
