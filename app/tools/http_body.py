"""The body of an answer: read to a limit, unpacked to the same limit, parsed when it is JSON."""

from __future__ import annotations

import http.client
import re
import zlib
from email.message import Message
from typing import Any

import orjson

from app.domain.texts import t
from ordinaut.tools import ToolFailed

_CHUNK = 65_536
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_JSON_TYPE = re.compile(r"application/(?:json|[a-z0-9.+-]+\+json)|text/json")
# Python also knows "encodings" that unpack archives or run for very long; only character sets are taken.
_CHARSETS = re.compile(r"(utf|iso|latin|ascii|us-ascii|windows|cp|gb|big5|euc|shift|koi8|mac)[a-z0-9_-]*")
_MAX_DEPTH = 64


class NotJson(ValueError):
    """The body says it is JSON and is not, or nests deeper than 64."""


def read_body(response: http.client.HTTPResponse, limit: int) -> bytes:
    """The whole body, unpacked, at most `limit` bytes both on the wire and after.

    Raises:
        ToolFailed: `response_too_large`, `invalid_response` (an encoding not asked for, a damaged one),
            `connect_error` (broken off before its end).
        http.client.HTTPException, OSError, ToolFailed: As reading the connection gives them.
    """
    if (response.length or 0) > limit:
        raise _too_large(limit)
    encoding = (response.getheader("Content-Encoding") or "identity").strip().lower()
    unpack = _Gunzip(limit) if encoding in ("gzip", "x-gzip") else None
    if unpack is None and encoding != "identity":
        raise _invalid(t("The answer is packed in a way that was not asked for"))
    body = bytearray()
    read = 0
    while chunk := response.read(_CHUNK):
        read += len(chunk)
        if read > limit:
            raise _too_large(limit)
        body += unpack.feed(chunk) if unpack else chunk
    if response.length:
        raise ToolFailed(t("The answer was broken off before its end"), type="connect_error")
    if unpack:
        unpack.finish()
    return bytes(body)


class _Gunzip:
    """Unpacks gzip members (RFC 1952) up to a limit: what a bomb would unfold to is never in memory."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._made = 0
        self._stream = zlib.decompressobj(_GZIP_WINDOW)
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        """What the next bytes unpack to."""
        made = bytearray()
        while data:
            if self._stream.eof:
                self._stream = zlib.decompressobj(_GZIP_WINDOW)
            self._begun = True
            try:
                piece = self._stream.decompress(data, self._limit - self._made + 1)
            except zlib.error:
                raise _invalid(t("The answer is damaged: it cannot be unpacked")) from None
            self._made += len(piece)
            if self._made > self._limit:
                raise _too_large(self._limit)
            made += piece
            data = self._stream.unused_data
        return bytes(made)

    def finish(self) -> None:
        """Make sure that the last member came to its end."""
        if self._begun and not self._stream.eof:
            raise _invalid(t("The answer is damaged: its packed form breaks off"))


def is_json(content_type: str) -> bool:
    """Whether a Content-Type names JSON: `application/json`, `application/problem+json; charset=utf-8`."""
    return _JSON_TYPE.fullmatch(content_type.partition(";")[0].strip().lower()) is not None


def parsed_json(body: bytes) -> Any:
    """The value of a JSON body in UTF-8.

    Raises:
        NotJson: It is not strict JSON (RFC 8259), or nests deeper than 64.
    """
    try:
        value = orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        raise NotJson(t("not JSON")) from None
    if _deeper_than(value, _MAX_DEPTH):
        raise NotJson(t("nested deeper than {limit}", limit=_MAX_DEPTH))
    return value


def text_of(body: bytes, content_type: str) -> str:
    """The body in its declared character set, else UTF-8; what does not fit, and NUL, becomes U+FFFD."""
    message = Message()
    message["Content-Type"] = content_type
    charset = str(message.get_param("charset") or "utf-8").lower()
    if not _CHARSETS.fullmatch(charset):
        charset = "utf-8"
    try:
        text = body.decode(charset, "replace")
    except LookupError:
        text = body.decode("utf-8", "replace")
    return text.replace("\x00", "\ufffd")


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(limit):
        members = (item.values() if isinstance(item, dict) else item for item in level)
        level = [inner for group in members for inner in group if isinstance(inner, (dict, list))]
        if not level:
            return False
    return bool(level)


def _too_large(limit: int) -> ToolFailed:
    return ToolFailed(
        t("The answer is larger than {limit} bytes", limit=limit),
        type="response_too_large",
        retryable=False,
        details={"limit_bytes": limit},
    )


def _invalid(message: str) -> ToolFailed:
    return ToolFailed(message, type="invalid_response")
