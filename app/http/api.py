"""The decorator that makes a function a view of the API: read, call, present, and describe for OpenAPI."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

from flask import Response, request
from pydantic import BaseModel

from app.domain.scopes import PUBLIC
from app.http.idempotency import Repeats, keyed
from app.http.identity import require
from app.http.json import dump
from app.http.reading import body_reader, query_reader
from ordinaut.callers import ADMIN

JSON = "application/json"
READ = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Answer:
    """Content with a status and headers of its own; `status=None` keeps the one the view declared."""

    content: Any = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawBody:
    """A body of any type, which the view reads itself.

    Attributes:
        description: What it may be.
        headers: Name -> meaning of headers that may come with it.
        example: One that is in JSON.
    """

    description: str
    headers: Mapping[str, str] = field(default_factory=dict)
    example: Any = None


class Declared(TypedDict, total=False):
    """What a view may declare to `api`.

    `errors` are the statuses it refuses with beyond 400, 401, 403, 413, 415, 429, 500 and 503; `media` is the
    type of its answer where that is not JSON; `limited=False` says that rate limits leave it alone; `also` names
    further statuses that answer with `returns`; `preview` is what `?preview=true` answers instead, with 200;
    `scope` is what a caller must hold, see `app.domain.scopes`: `public` for a route that is open to all,
    `signed_in` for one that takes no scope. A route that names none is the administrators' alone. `repeats` is how a
    POST honours `Idempotency-Key`, see `app.http.idempotency`. `raw` describes a body that is not validated here.
    """

    body: type[BaseModel]
    raw: RawBody
    query: type[BaseModel]
    returns: Any
    status: int
    tags: tuple[str, ...]
    errors: tuple[int, ...]
    media: str
    limited: bool
    also: tuple[int, ...]
    preview: type[BaseModel]
    scope: str
    repeats: Repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a view declared, as `fn.__api__` holds it."""

    body: type[BaseModel] | None = None
    raw: RawBody | None = None
    query: type[BaseModel] | None = None
    returns: Any = None
    status: int = 200
    tags: tuple[str, ...] = ()
    errors: tuple[int, ...] = ()
    media: str = JSON
    limited: bool = True
    also: tuple[int, ...] = ()
    preview: type[BaseModel] | None = None
    scope: str = ""
    repeats: Repeats = "whole"
    summary: str = ""
    description: str = ""


def api(**declared: Unpack[Declared]) -> Callable[[Callable[..., Any]], Callable[..., Response]]:
    """Ask who is calling, validate what comes in, present what goes out, and keep the declaration for OpenAPI.

    The view is called with its path parameters and, where declared, `body=` and `query=`. Its docstring's
    first line is the summary, the rest the description.
    """

    def decorate(view: Callable[..., Any]) -> Callable[..., Response]:
        summary, _, description = (view.__doc__ or "").strip().partition("\n")
        description = " ".join(description.split())
        operation = Operation(**declared, summary=summary.rstrip("."), description=description)
        read_query = query_reader(operation.query)
        read_body = body_reader(operation.body) if operation.body else None

        @functools.wraps(view)
        def answer(**arguments: Any) -> Response:
            require(operation.scope or ADMIN)
            asked = None if operation.scope == PUBLIC else keyed(operation.repeats)
            query = read_query()
            if operation.query:
                arguments["query"] = query
            if read_body:
                arguments["body"] = read_body()

            def produce() -> Response:
                return present(view(**arguments), operation.status)

            return produce() if asked is None else asked.answered(produce)

        answer.__api__ = operation  # type: ignore[attr-defined]
        return answer

    return decorate


def present(content: Any, status: int) -> Response:
    """A view's answer as a response; a read with an entity tag the client already has becomes 304."""
    if isinstance(content, Response):
        return content
    given = content if isinstance(content, Answer) else Answer(content)
    response = Response(_bytes(given.content), given.status or status, given.headers, content_type=JSON)
    if request.method in READ and "ETag" in response.headers:
        response.make_conditional(request)
    return response


def _bytes(content: Any) -> bytes:
    if content is None:
        return b""
    if isinstance(content, BaseModel):
        return content.model_dump_json(by_alias=True).encode()
    return dump(content)
