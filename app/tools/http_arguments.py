"""From the arguments of `http.request` to the request that goes out."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from app.domain.texts import t
from app.tools.http_client import HttpRequest
from ordinaut import __version__
from ordinaut.tools import ToolCall, ToolFailed

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# Framing and routing are the tool's own: letting a caller set them is how requests are smuggled.
_MANAGED = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_MAX_REQUEST_BODY = 1_048_576


def request_of(call: ToolCall) -> HttpRequest:
    """The request the arguments describe.

    Raises:
        ToolFailed: `invalid_arguments`; the message names the argument and repeats no value.
    """
    arguments = call.arguments
    method = arguments.get("method", "GET")
    body, content_type = _body(arguments)
    defaults = {
        "Accept": "application/json, */*;q=0.8",
        "Accept-Encoding": "gzip",
        "User-Agent": f"Ordinaut/{__version__}",
        **({"Content-Type": content_type} if content_type else {}),
        **({} if method in _SAFE_METHODS else {"Idempotency-Key": call.idempotency_key}),
    }
    own = dict(_headers(arguments.get("headers") or {}))
    credentials = _authorization(arguments.get("auth"))
    if credentials and any(name.lower() == "authorization" for name in own):
        raise _invalid(t("`auth` and the header Authorization cannot both be given"))
    given = {name.lower() for name in own}
    headers = {name: value for name, value in defaults.items() if name.lower() not in given}
    expect = arguments.get("expect_status", "2xx")
    return HttpRequest(
        method=method,
        url=_with_query(arguments["url"], arguments.get("query") or {}),
        headers={**headers, **own, **credentials},
        body=body,
        follow=arguments.get("follow_redirects", True),
        expected=lambda status: expects(expect, status),
    )


def expects(expect: Any, status: int) -> bool:
    """Whether a status is among those expected: `204`, `"2xx"`, `"200-204"`, or a list of these."""
    if isinstance(expect, list):
        return any(expects(one, status) for one in expect)
    if isinstance(expect, int):
        return status == expect
    if expect.endswith("xx"):
        return status // 100 == int(expect[0])
    low, _, high = expect.partition("-")
    return int(low) <= status <= int(high)


def secrets_of(request: HttpRequest, arguments: Mapping[str, Any]) -> list[str]:
    """What of a request must not come back in a message: credentials, the longest first."""
    auth = arguments.get("auth") or {}
    found = [auth.get("password"), auth.get("token")]
    for name, value in request.headers.items():
        if is_secret_name(name):
            found.extend([value, value.partition(" ")[2]])
    return sorted({secret for secret in found if secret and len(secret) >= 4}, key=len, reverse=True)


def is_secret_name(name: str) -> bool:
    """Whether a header of this name carries a credential; `Idempotency-Key` does not."""
    return name.lower() != "idempotency-key" and _SECRET_NAME.search(name.lower()) is not None


_SECRET_NAME = re.compile(r"authoriz|authentication-info|cookie|token|secret|password|key|signature|session")


def _body(arguments: Mapping[str, Any]) -> tuple[bytes | None, str]:
    if "json" in arguments and "body" in arguments:
        raise _invalid(t("`json` and `body` cannot both be given"))
    if "json" in arguments:
        try:
            body = orjson.dumps(arguments["json"])
        except orjson.JSONEncodeError:
            raise _invalid(t("`json` cannot be written as JSON")) from None
        kind = "application/json"
    elif "body" in arguments:
        body, kind = arguments["body"].encode("utf-8", "replace"), "text/plain; charset=utf-8"
    else:
        return None, ""
    if len(body) > _MAX_REQUEST_BODY:
        raise _invalid(t("The request is larger than {limit} bytes", limit=_MAX_REQUEST_BODY))
    return body, kind


def _headers(headers: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for name, value in headers.items():
        text = str(value).lower() if isinstance(value, bool) else str(value).strip(" \t")
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(text):
            raise _invalid(t("The header {name} has a name or a value that HTTP does not allow", name=f"{name[:80]!r}"))
        if name.lower() in _MANAGED:
            raise _invalid(t("The header {name} is set by the tool", name=name))
        if name.lower() in seen:
            raise _invalid(t("The header {name} is given twice", name=name))
        seen.add(name.lower())
        yield name, text


def _authorization(auth: Mapping[str, str] | None) -> dict[str, str]:
    if not auth:
        return {}
    if auth["type"] == "basic":
        pair = f"{auth['username']}:{auth['password']}".encode("utf-8", "replace")
        return {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}
    if not re.fullmatch(r"[\x21-\x7e]+", auth["token"]):
        raise _invalid(t("`auth.token` has characters that HTTP does not allow"))
    return {"Authorization": f"Bearer {auth['token']}"}


def _with_query(url: str, query: Mapping[str, Any]) -> str:
    pairs = [
        (name, _scalar(value))
        for name, values in query.items()
        for value in (values if isinstance(values, list) else [values])
        if value is not None
    ]
    if not pairs:
        return url
    base = url.partition("#")[0]
    joint = "" if base.endswith(("?", "&")) else "&" if "?" in base else "?"
    return f"{base}{joint}{urlencode(pairs, errors='replace')}"


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _invalid(message: str) -> ToolFailed:
    return ToolFailed(message, type="invalid_arguments", retryable=False)
