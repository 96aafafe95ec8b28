"""Events: what a topic is, which topics a pattern means, and how ids count."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from app.domain.clock import from_micros, rfc3339
from app.domain.errors import InvalidInput, LoopDetected
from app.domain.texts import t
from ordinaut import Event

TOPIC_LENGTH = 200
PATTERN_LENGTH = 2000
PATTERN_PARTS = 50
MAX_DEPTH = 8
"""A run that an event starts may be led to by so many events and runs, that event included."""
MAX_CHAIN = 16
"""So many may lead to a task that a run creates, or to a run that a run starts."""
PLATFORM = ("task", "run", "step", "extension", "approval", "budget", "grant", "incident", "webhook", "ordinaut")
"""First segments of the topics on which only the platform itself speaks."""
GAP = "ordinaut.gap"
"""Topic of the record that tells a reader of something it cannot have any more."""

_TOPIC = re.compile(r"[A-Za-z0-9_:-]+(?:\.[A-Za-z0-9_:-]+)*")
_SEGMENT = re.compile(r"[A-Za-z0-9_:-]+|\*")
_ID = re.compile(r"(0|[1-9][0-9]{0,12})-(0|[1-9][0-9]{0,6})", re.ASCII)
_SEQUENCE_BITS = 20
_SEQUENCE = (1 << _SEQUENCE_BITS) - 1
_HINT = t("Write segments joined by dots, such as shop.order.paid; `*` is one segment, `**` at the end is the rest")


def check_topic(topic: str, pointer: str = "/topic") -> str:
    """The topic itself, if it is one: letters, digits, `_`, `-` and `:` in segments joined by dots, at most 200 long.

    Raises:
        InvalidInput: at `pointer`.
    """
    if len(topic) > TOPIC_LENGTH or not _TOPIC.fullmatch(topic):
        hint = t("Write letters, digits, `_`, `-` and `:` in segments joined by dots, such as shop.order.paid")
        raise InvalidInput.at(pointer, t("It is not a topic, or has more than 200 characters"), hint)
    return topic


def check_free_topic(topic: str, pointer: str = "/topic") -> str:
    """A topic that anybody may publish on; see `PLATFORM` for those that are not.

    Raises:
        InvalidInput: at `pointer`.
    """
    family = check_topic(topic, pointer).partition(".")[0]
    if family in PLATFORM:
        text = t("Topics that begin with '{family}' are the platform's own", family=family)
        raise InvalidInput.at(pointer, text, t("Begin it with a word of your own"))
    return topic


@dataclass(frozen=True, slots=True)
class TopicPattern:
    """Which topics are meant.

    A pattern is a list, separated by commas or blanks. A part is a topic in which `*` stands for exactly one segment
    and a final `**` for all that follow, one or more. A part that begins with `!` takes topics out again, wherever
    it stands. A topic is meant if a part takes it in and none takes it out.
    """

    text: str
    included: tuple[tuple[str, ...], ...]
    excluded: tuple[tuple[str, ...], ...]

    @classmethod
    def parse(cls, text: str, pointer: str = "/topic") -> TopicPattern:
        """The pattern that a text means; equal texts may be answered with the same object.

        Raises:
            InvalidInput: at `pointer`, with a hint.
        """
        return _parse(text, pointer)

    def matches(self, topic: str) -> bool:
        """Whether the topic is meant."""
        return _matches(self, topic)

    def without_platform(self) -> TopicPattern:
        """The same, but for what the platform tells of itself."""
        return replace(self, excluded=(*self.excluded, *((family, "**") for family in PLATFORM)))

    @property
    def literals(self) -> tuple[str, ...] | None:
        """The only topics it can mean, where it has no wildcard; else None."""
        if any("*" in part or "**" in part for part in self.included):
            return None
        return tuple(".".join(part) for part in self.included)

    def names(self, family: str) -> bool:
        """Whether a part takes in topics by naming their first segment, not by a wildcard in its place."""
        return any(part[0] == family for part in self.included)


@lru_cache(maxsize=4096)
def _parse(text: str, pointer: str) -> TopicPattern:
    parts = text.replace(",", " ").split()
    if not parts or len(text) > PATTERN_LENGTH or len(parts) > PATTERN_PARTS:
        raise InvalidInput.at(pointer, t("A pattern has 1 to 50 parts and at most 2000 characters"), _HINT)
    included = tuple(_part(part, pointer) for part in parts if not part.startswith("!"))
    excluded = tuple(_part(part[1:], pointer) for part in parts if part.startswith("!"))
    if not included:
        raise InvalidInput.at(pointer, t("The pattern only takes topics out"), t("Begin it with `**,`"))
    return TopicPattern(text.strip(), included, excluded)


def _part(part: str, pointer: str) -> tuple[str, ...]:
    segments = tuple(part.split("."))
    rest = segments[:-1] if segments[-1] == "**" else segments
    if not all(_SEGMENT.fullmatch(segment) for segment in rest):
        raise InvalidInput.at(pointer, t("{part} is not a pattern of topics", part=ascii(part[:80])), _HINT)
    return segments


@lru_cache(maxsize=16384)
def _matches(pattern: TopicPattern, topic: str) -> bool:
    segments = topic.split(".")
    taken_in = any(_fits(part, segments) for part in pattern.included)
    return taken_in and not any(_fits(part, segments) for part in pattern.excluded)


def _fits(part: tuple[str, ...], segments: list[str]) -> bool:
    if part[-1] == "**":
        part = part[:-1]
        if len(segments) <= len(part):
            return False
    elif len(part) != len(segments):
        return False
    return all(wanted in ("*", given) for wanted, given in zip(part, segments, strict=False))


# Ids. In the store an id is one integer, its position: the milliseconds shifted by 20 bits, plus n.


def event_id(position: int) -> str:
    """`<milliseconds since 1970>-<n>`."""
    return f"{position >> _SEQUENCE_BITS}-{position & _SEQUENCE}"


def position_of(text: str, pointer: str = "/Last-Event-ID") -> int:
    """The position that an id stands for.

    Raises:
        InvalidInput: at `pointer`; the text is no id.
    """
    form = _ID.fullmatch(text)
    if form is None or int(form[1]) >= 1 << 43 or int(form[2]) > _SEQUENCE:
        raise InvalidInput.at(pointer, t("It is not the id of an event"), t("Ids look like 1692873600000-0"))
    return int(form[1]) << _SEQUENCE_BITS | int(form[2])


def position_at(moment_us: int) -> int:
    """The position before which every event was published earlier than the moment (microseconds since 1970)."""
    return moment_us // 1000 << _SEQUENCE_BITS


def published_us(position: int) -> int:
    """When the event at a position was published, in microseconds since 1970; one apart within a millisecond."""
    return (position >> _SEQUENCE_BITS) * 1000 + (position & _SEQUENCE)


# What is published, and what it leads to.

_depth: ContextVar[int | None] = ContextVar("ordinaut_event_depth", default=None)


def depth_here() -> int:
    """How many events and runs have led to what this thread or coroutine is doing."""
    return _depth.get() or 0


def led_here() -> bool:
    """Whether a run, or the handler of an event, is what this thread or coroutine does."""
    return _depth.get() is not None


def next_depth(least: int = 0) -> int:
    """The depth of a run or task that is made here, `least` at the least: 0 where a person or a program wants it.

    Raises:
        LoopDetected: it would be past `MAX_CHAIN`.
    """
    depth = max(least, depth_here() + 1 if led_here() else 0)
    if depth > MAX_CHAIN:
        text = t("Runs and events have led to one another {times} times: the chain ends here", times=MAX_CHAIN)
        raise LoopDetected(text, limit=MAX_CHAIN)
    return depth


@contextmanager
def led_by(depth: int) -> Iterator[None]:
    """Whatever is published, started or created inside the block has been led to by `depth` events and runs."""
    token = _depth.set(depth)
    try:
        yield
    finally:
        _depth.reset(token)


def run_depth(event: Mapping[str, Any] | None, least: int = 0) -> int:
    """How many events and runs have led to a run: `least`, or more by the document (`event_document`) of its event."""
    return least if event is None else max(least, int(event.get("depth", 0)) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event that is about to be published; see `ordinaut.Event`.

    Attributes:
        key: Publishing twice under one key gives one event.
    """

    topic: str
    data: Mapping[str, Any]
    source: str = ""
    depth: int = 0
    key: str | None = None

    @property
    def of_platform(self) -> bool:
        """Whether the platform tells of itself."""
        return self.topic.partition(".")[0] in PLATFORM

    def at(self, position: int) -> Event:
        """The event that it becomes."""
        return self._event(event_id(position), from_micros(published_us(position)))

    def unstored(self, moment: datetime) -> Event:
        """The same for what is told live and kept by nobody."""
        return self._event("", moment)

    def _event(self, identity: str, moment: datetime) -> Event:
        return Event(
            id=identity, topic=self.topic, data=self.data, published_at=moment, source=self.source, depth=self.depth
        )


@dataclass(frozen=True, slots=True)
class Allotment:
    """Positions that belong to one transaction, the version of the triggers as it found them, and when that was."""

    first: int
    version: int
    now: datetime


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event and its place."""

    position: int
    event: Event


@dataclass(frozen=True, slots=True)
class Published:
    """A stored event, the ids of the tasks that run because of it, and how many runs had waited for it."""

    event: Event
    triggered: tuple[str, ...] = ()
    woken: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Events after a place in the history.

    Attributes:
        last_id: Where to go on; past all events that were looked at, also those of other topics.
        more: Whether there may be more right away.
        gap: Whether history between the given place and the first event has been deleted.
    """

    events: tuple[Event, ...]
    last_id: str
    more: bool = False
    gap: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSummary:
    """A topic that has stored events."""

    topic: str
    events: int
    last_event_id: str
    last_published_at: datetime


def event_document(event: Event) -> dict[str, Any]:
    """The event as runs keep it and templates see it."""
    return {
        "id": event.id,
        "topic": event.topic,
        "payload": event.data,
        "published_at": rfc3339(event.published_at),
        "source": event.source,
        "depth": event.depth,
    }
