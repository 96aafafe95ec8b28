"""Gzip for pages and texts, where the client takes it and nobody can learn from the length of the answer.

Whoever can make a browser ask for a page of ours, with words of their own in its address, and can see how many bytes
come back, could guess what else is on that page (BREACH). So a page is compressed only when the request comes from
a page of this very site or from the reader's own hand, as `Sec-Fetch-Site` says; browsers leave that header out over
plain HTTP, where whoever sees lengths sees the words themselves. Answers to anything but GET, which may show a secret
this once, are never compressed, nor is JSON, nor a stream of events.
"""

from __future__ import annotations

import gzip
from collections import OrderedDict
from threading import Lock

from flask import Flask, Response, request

TEXTS = frozenset({"text/css", "text/javascript", "application/javascript", "image/svg+xml"})
"""Files that are the same for everybody: their length tells nothing."""
PAGE = "text/html"
LEAST = 1024
"""Bytes below which it is not worth it."""
MOST = 4 * 1024 * 1024
LEVEL = 6
KEPT_BYTES = 8 * 1024 * 1024
OWN_SITE = frozenset({"same-origin", "none"})


class Compressed:
    """Files as they were compressed, the least used of which give way."""

    def __init__(self, *, room: int = KEPT_BYTES) -> None:
        self._room = room
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def of(self, tag: str, content: bytes) -> bytes:
        """The content, compressed; `tag` says which it is, and nothing is kept without one."""
        with self._lock:
            if tag in self._kept:
                self._kept.move_to_end(tag)
                return self._kept[tag]
        small = gzip.compress(content, LEVEL, mtime=0)
        if tag:
            with self._lock:
                self._kept[tag] = small
                while sum(map(len, self._kept.values())) > self._room:
                    self._kept.popitem(last=False)
        return small


def configure_compression(app: Flask) -> None:
    """Compress what is worth it, after everybody else has had the answer in hand."""
    kept = Compressed()

    def compress(response: Response) -> Response:
        if not _fits(response):
            return response
        response.vary.add("Accept-Encoding")
        file = response.mimetype in TEXTS
        if request.accept_encodings["gzip"] <= 0 or not (file or _asked_from_here()):
            return response
        tag = response.get_etag()[0] or "" if file else ""
        response.direct_passthrough = False
        response.set_data(kept.of(tag and f"{request.path} {tag}", response.get_data()))
        response.headers["Content-Encoding"] = "gzip"
        response.headers.pop("Accept-Ranges", None)
        if tag:
            # The same file in other bytes: as good, and not to be continued from the middle.
            response.set_etag(tag, weak=True)
        return response

    app.after_request(compress)


def _fits(response: Response) -> bool:
    length = response.content_length
    return (
        request.method == "GET"
        and response.status_code == 200
        and (response.mimetype in TEXTS or response.mimetype == PAGE)
        and "Content-Encoding" not in response.headers
        and "Set-Cookie" not in response.headers
        and length is not None
        and LEAST <= length <= MOST
    )


def _asked_from_here() -> bool:
    """Whether no other site has made the browser ask."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in OWN_SITE
    return not request.is_secure and request.headers.get("X-Forwarded-Proto", "http") == "http"
