"""Rate limits: one bucket for each caller, counted in Redis, in this process's memory while Redis is away."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Network, ip_address
from threading import local
from typing import Any

from flask import Flask, Response, current_app, g, request
from flask_limiter import Limiter, RateLimitExceeded, RequestLimit
from flask_limiter.util import get_remote_address
from limits import RateLimitItem, parse_many
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter

from app.domain.clock import rfc3339
from app.http.errors import RETRY_AFTER_SECONDS, ErrorAnswer, error_response
from app.http.identity import LOCAL, is_inner, known_caller
from app.http.oauth import RESOURCES

TIMEOUT_SECONDS = 0.3
"""How long a request waits for a frozen Redis before the limit is kept in memory."""
FRESH_SECONDS = 1.0
_SCHEME = "counted+"
_KEY = "ordinaut.limits"


class Spent(Exception):
    """A limit beside the general one is used up."""

    def __init__(self, item: RateLimitItem) -> None:
        super().__init__(str(item))
        self.item = item


class CountedRedis(RedisStorage):
    """Redis storage that brings count and remaining time in the round trip that counts.

    `limits` asks twice more for the headers; PERFORMANCE.md measures what that costs.
    """

    STORAGE_SCHEME = [f"{_SCHEME}{scheme}" for scheme in ("redis", "rediss", "unix")]  # noqa: RUF012 - limits' own
    _SCRIPT = """
        local count = redis.call('incrby', KEYS[1], ARGV[2])
        local left = redis.call('pttl', KEYS[1])
        if left < 0 then
            left = ARGV[1] * 1000
            redis.call('pexpire', KEYS[1], left)
        end
        return {count, left}
    """

    def __init__(self, uri: str, **options: Any) -> None:
        super().__init__(uri.removeprefix(_SCHEME), **options)
        self._count = self.get_connection().register_script(self._SCRIPT.encode())
        self._last = local()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, and remember for this thread what came back."""
        count, left = self._count([self.prefixed_key(key)], [expiry, amount])
        now = time.time()
        self._last.seen = (key, now, int(count), now + left / 1000)
        return int(count)

    def get(self, key: str) -> int:
        """The count: what this thread has just heard, else Redis's."""
        seen = self._seen(key)
        return seen[0] if seen else super().get(key)

    def get_expiry(self, key: str) -> float:
        """When the window ends, in seconds since 1970."""
        seen = self._seen(key)
        return seen[1] if seen else super().get_expiry(key)

    def _seen(self, key: str) -> tuple[int, float] | None:
        of_key, at, count, reset = getattr(self._last, "seen", ("", 0.0, 0, 0.0))
        return (count, reset) if of_key == key and time.time() - at < FRESH_SECONDS else None


class Purse:
    """Limits for one purpose, counted where the general ones are, in this process while Redis is away."""

    def __init__(self, limiter: Limiter, limits: str) -> None:
        self._limiter = limiter
        self._items = sorted(parse_many(limits))
        self._own = FixedWindowRateLimiter(MemoryStorage())

    def spend(self, purpose: str, key: str) -> None:
        """Count one more; raises Spent beyond the limit, and lets the headers tell of it."""
        for item in self._items:
            if not self._hit(item, purpose, key):
                self._limiter.context.view_rate_limit = RequestLimit(self._limiter, item, [purpose, key], True, True)
                raise Spent(item)

    def _hit(self, item: RateLimitItem, purpose: str, key: str) -> bool:
        try:
            return self._limiter.limiter.hit(item, purpose, key)
        except StorageError:
            return self._own.hit(item, purpose, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class StrictLimits:
    """Limits beside the general one, in Flask-Limiter's notation.

    Attributes:
        logins: For each address, and at each agent.
        named_calls: Calls of one tool by one assistant.
    """

    logins: str
    named_calls: str


@dataclass(frozen=True, slots=True)
class _Purses:
    logins: Purse
    named_calls: Purse


def count_login(agent: str | None) -> None:
    """Count an attempt to log in: of this address, and at this agent; the limit of logins is a strict one."""
    purse = _purses().logins
    purse.spend("login", f"address:{_address()}")
    if agent is not None:
        purse.spend("login", f"agent:{_hashed(agent)}")


def count_named_call() -> None:
    """Count a call of an assistant by what its headers name (MCP 2026-07-28): no body has to be read for that.

    The endpoint refuses a name that is not the body's. Clients of older versions send none, and have their tools'
    own limits.
    """
    name = request.headers.get("Mcp-Name")
    if request.path in RESOURCES and name and request.headers.get("Mcp-Method") == "tools/call":
        _purses().named_calls.spend("mcp", f"{_key()}:{_hashed(name)}")


def _purses() -> _Purses:
    found: _Purses = current_app.extensions[_KEY]
    return found


def _hashed(text: str) -> str:
    """Of what anybody may write anything in."""
    return sha256(text.encode()).hexdigest()[:32]


def configure_limits(
    app: Flask,
    *,
    limit: str,
    strict: StrictLimits,
    redis_url: str | None,
    ssl_cert_reqs: str = "required",
) -> Limiter:
    """Limit every caller to `limit` (Flask-Limiter's notation), on all views but those not `limited`.

    Views of extensions are views like any other: what has an endpoint is counted, before anybody asks who calls, so
    refused tokens count as well.
    """
    # Registered first, so that it runs last: the limiter writes Retry-After on every answer.
    app.after_request(_keep_retry_after_for_refusals)
    options: dict[str, Any] = {}
    if redis_url:
        options = {
            "socket_timeout": TIMEOUT_SECONDS,
            "socket_connect_timeout": TIMEOUT_SECONDS,
            "key_prefix": "ordinaut:limits",
            "wrap_exceptions": True,
        }
        if redis_url.startswith("rediss:"):
            options["ssl_cert_reqs"] = ssl_cert_reqs
    limiter = Limiter(
        _key,
        application_limits=[limit],
        headers_enabled=True,
        retry_after="delta-seconds",
        strategy="fixed-window",
        storage_uri=f"{_SCHEME}{redis_url}" if redis_url else "memory://",
        storage_options=options,
        in_memory_fallback_enabled=redis_url is not None,
        # Of requests that meet a dead Redis at once the first falls back; without this the others get 500.
        swallow_errors=redis_url is not None,
    )
    limiter.request_filter(_unlimited)
    limiter.init_app(app)

    app.extensions[_KEY] = _Purses(Purse(limiter, strict.logins), Purse(limiter, strict.named_calls))
    app.before_request(count_named_call)
    app.register_error_handler(RateLimitExceeded, lambda error: _too_many(limiter, error.limit.limit))
    app.register_error_handler(Spent, lambda error: _too_many(limiter, error.item))
    return limiter


def _unlimited() -> bool:
    if is_inner():
        return True
    view = current_app.view_functions.get(request.endpoint or "")
    declared = getattr(view, "__api__", None)
    return declared is not None and not declared.limited


def _key() -> str:
    one = known_caller()
    if one is None or one.agent_id == LOCAL:
        return f"address:{_address()}"
    return f"agent:{one.agent_id}"


def _address() -> str:
    """The client's address; of IPv6 the first 64 bits, since whoever has one address there has all that begin so."""
    text = get_remote_address()
    try:
        address = ip_address(text)
    except ValueError:
        return text
    if isinstance(address, IPv4Address) or address.ipv4_mapped:
        return text
    return str(IPv6Network((int(address) >> 64 << 64, 64)))


def _too_many(limiter: Limiter, item: RateLimitItem) -> Response:
    current = limiter.current_limit
    reset = current.reset_at if current else time.time()
    details = {
        "limit": item.amount,
        "window": f"{item.get_expiry()}s",
        "reset_at": rfc3339(datetime.fromtimestamp(int(reset), UTC)),
    }
    return error_response(ErrorAnswer(code="rate_limit_exceeded", details=details))


def _keep_retry_after_for_refusals(response: Response) -> Response:
    if response.status_code == 429 and "retry_after" in g:
        response.headers["Retry-After"] = g.retry_after
    elif response.status_code == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    elif response.status_code != 429:
        response.headers.pop("Retry-After", None)
    return response
