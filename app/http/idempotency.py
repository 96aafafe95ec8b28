"""The header `Idempotency-Key`, on every POST that somebody who is known sends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from flask import Response, request

from app.domain.errors import Unprocessable
from app.domain.idempotency import (
    HEADER,
    KEPT_HEADERS,
    LARGEST_ANSWER,
    REPLAYED,
    KeptAnswer,
    KeyedRequest,
    key_of,
)
from app.http.errors import answer_domain_error
from app.http.identity import identity
from app.http.services import services

Repeats = Literal["whole", "reserved", "secret", "never"]
"""How a POST honours a key.

`whole`: effect and answer are one transaction. `reserved`: its effects are not of one transaction, so that the key is
reserved before it. `secret`: as `whole`, but neither body nor answer leaves a trace. `never`: the key is not looked at.
"""


@dataclass(frozen=True, slots=True)
class Keyed:
    """A request under a key."""

    asked: KeyedRequest
    repeats: Repeats

    def answered(self, produce: Callable[[], Response]) -> Response:
        """The answer of `produce`, or the one given before."""
        made: list[Response] = []

        def answer() -> KeptAnswer:
            made.append(self._produced(produce))
            return _kept(made[0], secret=self.repeats == "secret")

        book = services().idempotency
        once = book.reserved if self.repeats == "reserved" else book.whole
        earlier = once(self.asked, answer)
        if earlier is None:
            return made[0]
        headers = {**earlier.headers, REPLAYED: "true"}
        return Response((earlier.body or "").encode(), earlier.status, headers)

    def _produced(self, produce: Callable[[], Response]) -> Response:
        """The answer; where effects are not of one transaction, a failure is one, too: the work was begun."""
        try:
            return produce()
        except Unprocessable as error:
            if self.repeats != "reserved":
                raise
            return answer_domain_error(error)


def keyed(repeats: Repeats) -> Keyed | None:
    """The current request with its key; None where there is none to be looked at.

    Raises:
        InvalidInput: it cannot be read.
    """
    if request.method != "POST" or repeats == "never" or HEADER not in request.headers:
        return None
    key = key_of(request.headers[HEADER])
    digest = "" if repeats == "secret" else sha256(request.get_data()).hexdigest()
    query = request.query_string.decode("latin-1")
    target = f"{request.method} {request.path}" + (f"?{query}" if query else "")
    return Keyed(KeyedRequest(agent=identity().agent_id, key=key, target=target, digest=digest), repeats)


def own_key() -> str | None:
    """A key for effects outside, the same whenever the caller sends this key; None without one."""
    if HEADER not in request.headers:
        return None
    text = f"{identity().agent_id}\n{key_of(request.headers[HEADER])}\n{request.path}"
    return f"api:{sha256(text.encode()).hexdigest()[:32]}"


def _kept(response: Response, *, secret: bool) -> KeptAnswer:
    body = response.get_data()
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    return KeptAnswer(response.status_code, headers, None if secret or len(body) > LARGEST_ANSWER else body.decode())
