"""The wire over Redis: one capped stream with the newest events under their own ids, one with announcements."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import orjson
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from app.domain.clock import rfc3339
from app.domain.errors import Unavailable
from app.domain.event_store import Heard
from app.domain.events import StoredEvent, position_of
from app.domain.json_text import to_json
from ordinaut import Event

EVENTS = "ordinaut:events"
LIVE = "ordinaut:live"
WANTED = "ordinaut:live:wanted"
"""Set while somebody listens to announcements."""
LIVE_LENGTH = 1000
WANTED_SECONDS = 5
COUNT = 200
FORGET_SECONDS = 2.0
"""After how long a silence of its own a reader no longer wants the announcements it has missed."""

_Streams = list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]


class RedisBus:
    """See `app.domain.event_store.EventBus`; connects when it is first used, and again after a fork.

    Args:
        length: About how many events the stream keeps.
        options: For `Redis.from_url`, such as `ssl_cert_reqs`.
    """

    def __init__(self, url: str, *, length: int, **options: Any) -> None:
        self._url = url
        self._length = length
        self._options = {
            # Nothing that waits for the wire may wait long.
            "socket_timeout": 2,
            "socket_connect_timeout": 1,
            "health_check_interval": 30,
            "retry": Retry(NoBackoff(), 1),
            # Valkey does not know them: asking costs a round trip with each connection.
            "maint_notifications_config": MaintNotificationsConfig(enabled=False),
            **options,
        }
        self._redis = Redis.from_url(url, **self._options)

    def top(self) -> int:
        """Position of the newest copy."""
        with _translated():
            newest: Any = self._redis.xrevrange(EVENTS, count=1)
        return position_of(newest[0][0].decode()) if newest else 0

    def append(self, events: Sequence[StoredEvent]) -> None:
        """Copy events in order; Redis refuses an id that is not above the newest, so none is there twice.

        All of them or none: were the first refused, by a Redis that is full, those after it would bar its way.
        """
        with _translated(), self._redis.pipeline(transaction=True) as pipeline:
            for stored in events:
                pipeline.xadd(EVENTS, _fields(stored.event), id=stored.event.id, maxlen=self._length)
            answers = pipeline.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, Exception) and not _known_already(answer):
                raise Unavailable("Redis did not take an event") from answer

    def announce(self, events: Sequence[Event]) -> None:
        """Tell whoever listens now."""
        text = to_json([_document(event) for event in events])
        with _translated():
            self._redis.xadd(LIVE, {"events": text}, maxlen=LIVE_LENGTH)

    def wanted(self) -> bool:
        """Whether anybody listens to announcements."""
        with _translated():
            return bool(self._redis.exists(WANTED))

    def reader(self) -> RedisReader:
        """A new ear, with a connection of its own."""
        return RedisReader(Redis.from_url(self._url, **{**self._options, "socket_timeout": 5}))


class RedisReader:
    """See `app.domain.event_store.BusReader`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._places: dict[str, str] = {}
        self._wanted_until = 0.0
        self._live_until = 0.0

    def wait(self, seconds: float, *, live: bool) -> Heard:
        """Sleep until something comes, at most so long."""
        try:
            with _translated():
                return self._wait(seconds, live)
        except Unavailable:
            # What came meanwhile is found in the store; announcements are lost.
            self._places.clear()
            self._wanted_until = 0.0
            raise

    def _wait(self, seconds: float, live: bool) -> Heard:
        fresh = not self._places
        if fresh:
            self._places = {key: self._newest(key) for key in (EVENTS, LIVE)}
        elif live and time.monotonic() > self._live_until:
            # What was announced while nobody here listened is nobody's news any more.
            self._places[LIVE] = self._newest(LIVE)
        if live:
            # Only now that the place is known: whatever is announced from here on is heard.
            self._live_until = time.monotonic() + FORGET_SECONDS
            self._want()
        if fresh:
            # Between the reader's last look and this one anything may have come.
            return Heard(stored=True)
        places: dict[Any, Any] = dict(self._places) if live else {EVENTS: self._places[EVENTS]}
        got: Any = self._redis.xread(places, count=COUNT, block=max(1, int(seconds * 1000)))
        self._live_until = time.monotonic() + FORGET_SECONDS if live else 0.0
        return self._heard(got or [])

    def _want(self) -> None:
        if time.monotonic() > self._wanted_until:
            self._redis.set(WANTED, 1, ex=WANTED_SECONDS)
            self._wanted_until = time.monotonic() + WANTED_SECONDS / 2

    def _newest(self, key: str) -> str:
        newest: Any = self._redis.xrevrange(key, count=1)
        return newest[0][0].decode() if newest else "0-0"

    def _heard(self, got: _Streams) -> Heard:
        stored, live = False, []
        for name, entries in got:
            self._places[name.decode()] = entries[-1][0].decode()
            if name.decode() == EVENTS:
                stored = True
            else:
                live += [event for _, fields in entries for event in _events(fields.get(b"events", b"[]"))]
        return Heard(stored=stored, live=live)

    def close(self) -> None:
        """Hang up."""
        self._redis.close()


def _fields(event: Event) -> dict[Any, Any]:
    return {
        "topic": event.topic,
        "data": to_json(event.data),
        "source": event.source,
        "depth": event.depth,
    }


def _document(event: Event) -> dict[str, Any]:
    return {
        "topic": event.topic,
        "data": event.data,
        "at": rfc3339(event.published_at),
        "source": event.source,
        "depth": event.depth,
    }


def _events(text: bytes) -> Iterator[Event]:
    """What an entry announces; one that cannot be read, from a newer or a foreign sender, is passed over."""
    try:
        for one in orjson.loads(text):
            yield Event(
                id="",
                topic=str(one["topic"]),
                data=one["data"],
                published_at=datetime.fromisoformat(one["at"]),
                source=str(one["source"]),
                depth=int(one["depth"]),
            )
    except (ValueError, TypeError, KeyError):
        return


def _known_already(answer: Exception) -> bool:
    return isinstance(answer, ResponseError) and "equal or smaller" in str(answer)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise Unavailable("Redis does not answer") from error
