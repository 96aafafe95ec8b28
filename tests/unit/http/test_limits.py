"""Who is counted, and where."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.fakes.http_app import FakeSettings, World, make_app

LIMIT = FakeSettings(rate_limit="2/minute")


def statuses(client: FlaskClient, forwarded: list[str], peer: str = "192.0.2.1") -> list[int]:
    """The answers to one request for each forwarded address."""
    return [
        client.get("/runs", headers={"X-Forwarded-For": address}, environ_overrides={"REMOTE_ADDR": peer}).status_code
        for address in forwarded
    ]


def test_headers_tell_what_is_left() -> None:
    answer = make_app(World(settings=LIMIT)).test_client().get("/runs")
    assert answer.headers["X-RateLimit-Limit"] == "2"
    assert answer.headers["X-RateLimit-Remaining"] == "1"
    assert int(answer.headers["X-RateLimit-Reset"]) > 1_700_000_000
    assert "Retry-After" not in answer.headers


def test_all_views_share_one_bucket() -> None:
    client = make_app(World(settings=LIMIT)).test_client()
    answers = [client.get(path).status_code for path in ("/runs", "/probes/tagged", "/probes/query")]
    assert answers == [200, 200, 429]


@pytest.mark.parametrize("path", ["/health/live", "/docs", "/openapi.json", "/docs/start.js"])
def test_probes_and_docs_are_never_limited(path: str) -> None:
    client = make_app(World(settings=FakeSettings(rate_limit="1/minute"))).test_client()
    answers = [client.get(path, buffered=True) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    assert "X-RateLimit-Limit" not in answers[0].headers


@pytest.mark.parametrize(
    ("hops", "forwarded", "expected"),
    [
        # nobody is believed: spoofed addresses change nothing
        (0, ["198.51.100.1", "198.51.100.2", "198.51.100.3"], [200, 200, 429]),
        # behind one proxy, which appends the true peer last
        (1, ["1.1.1.1, 198.51.100.9", "2.2.2.2, 198.51.100.9", "3.3.3.3, 198.51.100.9"], [200, 200, 429]),
        (1, ["198.51.100.1", "198.51.100.2", "198.51.100.3"], [200, 200, 200]),
    ],
)
def test_forwarded_addresses_are_believed_as_far_as_was_set(
    hops: int, forwarded: list[str], expected: list[int]
) -> None:
    settings = FakeSettings(rate_limit="2/minute", proxy_hops=hops)
    assert statuses(make_app(World(settings=settings)).test_client(), forwarded) == expected


@pytest.mark.parametrize(
    ("peers", "expected"),
    [
        # one line has all the addresses of its 64 bits
        (["2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2:ffff:ffff:ffff:ffff"], [200, 200, 429]),
        (["2001:db8:1:2::1", "2001:db8:1:3::1", "2001:db8:1:4::1"], [200, 200, 200]),
        # IPv4 on a socket of both kinds
        (["::ffff:192.0.2.1", "::ffff:192.0.2.2", "::ffff:192.0.2.3"], [200, 200, 200]),
    ],
)
def test_ipv6_is_counted_by_line(peers: list[str], expected: list[int]) -> None:
    client = make_app(World(settings=LIMIT)).test_client()
    assert [client.get("/runs", environ_overrides={"REMOTE_ADDR": peer}).status_code for peer in peers] == expected
