"""What a delivery becomes."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.hooks import event_data
from app.domain.signatures import Incoming, Scheme

BODIES: list[tuple[str, bytes, Any]] = [
    ("application/json", b'{"a": [1]}', {"a": [1]}),
    ("application/vnd.github+json; charset=utf-8", b"[]", []),
    # What cannot be kept as JSON is kept as it was written.
    ("application/json", b"{broken", "{broken"),
    ("application/json", b'{"a": 1, "a": 2}', '{"a": 1, "a": 2}'),
    ("application/x-www-form-urlencoded", b"a=1&b=2&b=%00", {"a": "1", "b": ["2", "\ufffd"]}),
    ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 1001), "&".join(["a=1"] * 1001)),
    ("text/plain", b"caf\xc3\xa9 \xff\x00", "café \ufffd\ufffd"),
    ("", b"", ""),
]


@pytest.mark.parametrize(("kind", "body", "value"), BODIES)
def test_a_body_is_json_a_form_or_text(kind: str, body: bytes, value: Any) -> None:
    assert event_data(Scheme("hmac"), Incoming({"content-type": kind}, body))["body"] == value


def test_only_headers_that_say_something_are_kept() -> None:
    scheme = Scheme("hmac", signature_header="Shop-Delivery", id_header="Shop-Id")
    sent = {
        "content-type": "text/plain",
        "x-github-event": "push",
        "shop-topic": "orders" * 200,
        "shop-id": "7",
        "shop-delivery": "the signature",
        "authorization": "Bearer x",
        "cookie": "a=b",
    }
    told = event_data(scheme, Incoming(sent, b""))["headers"]
    assert list(told) == ["content-type", "shop-id", "shop-topic", "x-github-event"]
    assert len(told["shop-topic"]) == 500
