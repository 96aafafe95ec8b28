"""The platform's own REST API in an extension's hands, called without a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAnswer:
    """What the API answers, refusals too.

    Attributes:
        status: HTTP status.
        data: The JSON of the body; the text of one that is none, None where there is no body.
        headers: By name in lower case, such as `etag`.
    """

    status: int
    data: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether it is no refusal."""
        return self.status < 400


class ApiContext(Protocol):
    """ROUTES: what the sender of the current request may do over REST, done for them.

    It has their scopes and nothing more, their language, and their name in the audit log; it counts against no
    rate limit, as their request has been counted. Outside of a request there is nobody to call for: RuntimeError.
    """

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> ApiAnswer:
        """Call a route of the platform, such as `GET`, `/tasks`, and get what it answers; a refusal is an answer.

        Args:
            query: Members that are None are left out, lists are repeated.
            json: The body; None for none.
            headers: Such as `If-Match` and `Idempotency-Key`.

        Raises:
            ValueError: The path is no address of the platform's own, or answers with a stream of events, which
                `context.events.listen` is for.
            RuntimeError: Nobody has sent a request.
        """

    def get(self, path: str, **query: Any) -> ApiAnswer:
        """GET with these query parameters."""
        return self.request("GET", path, query=query)

    def post(self, path: str, json: Any = None, **headers: str) -> ApiAnswer:
        """POST; headers are written with `_` in place of `-`: `Idempotency_Key="…"`."""
        return self.request("POST", path, json=json, headers=_named(headers))

    def put(self, path: str, json: Any = None, **headers: str) -> ApiAnswer:
        """PUT, as `post`."""
        return self.request("PUT", path, json=json, headers=_named(headers))

    def patch(self, path: str, json: Any = None, **headers: str) -> ApiAnswer:
        """PATCH, as `post`."""
        return self.request("PATCH", path, json=json, headers=_named(headers))

    def delete(self, path: str, **headers: str) -> ApiAnswer:
        """DELETE."""
        return self.request("DELETE", path, headers=_named(headers))


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
