"""Streams of server-sent events (the HTML standard), followed through lost connections without gap or repeat."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.cli.exits import TIMED_OUT, UNREACHABLE
from app.cli.remote.connection import Call, Connection
from app.cli.remote.refusals import Refused, Stopped

TRIES = 10
"""So often in a row a stream is opened in vain before the command gives up."""
LONGEST_PAUSE = 5.0
SILENCE_SECONDS = 45.0
"""Servers say something at least every ten seconds."""
_FULL = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Message:
    """One event of a stream."""

    event: str
    data: str
    id: str = ""


def messages(pieces: Iterable[bytes]) -> Iterator[Message]:
    """The events in a stream that is cut anywhere; one that is not finished is none."""
    fields: dict[str, str] = {}
    for line in _lines(pieces):
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name == "data" and "data" in fields else value
        elif "data" in fields:
            yield Message(fields.get("event", "message"), fields["data"], fields.get("id", ""))
            fields = {}
        else:
            fields = {}


def follow(connection: Connection, path: str, query: Mapping[str, Any], last_id: str = "") -> Iterator[Message]:
    """Events as they come, for ever: a lost connection is made again, after the last id that was seen.

    Raises:
        Refused: The server does not give the stream.
        Stopped: It cannot be reached any more.
    """
    failures = 0
    while True:
        try:
            for message in _opened(connection, Call(path=path, query=query, headers=_headers(last_id))):
                failures = 0
                last_id = message.id or last_id
                yield message
        except Stopped as error:
            failures += 1
            if failures >= TRIES or not _passing(error):
                raise
        time.sleep(min(LONGEST_PAUSE, 0.2 * 2**failures))


def _opened(connection: Connection, call: Call) -> Iterator[Message]:
    with connection.stream(replace(call, seconds=SILENCE_SECONDS)) as pieces:
        yield from messages(pieces)


def _headers(last_id: str) -> dict[str, str]:
    return {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}


def _passing(error: Stopped) -> bool:
    if isinstance(error, Refused):
        return error.status in _FULL
    return error.exit_code in (UNREACHABLE, TIMED_OUT)


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line.removesuffix(b"\r").decode("utf-8", "replace") for line in lines)
