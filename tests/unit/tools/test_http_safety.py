"""Requests of tools reach the public internet and what the operator admits, nothing else."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Sequence

import pytest

from app.tools.http_safety import (
    HttpPolicy,
    is_public,
    parse_target,
    safe_addresses,
    system_addresses,
)
from ordinaut.tools import ToolFailed


def _addresses(url: str, *answer: str, policy: str = "") -> tuple[str, ...]:
    return safe_addresses(HttpPolicy.parse(policy), parse_target(url), resolve=lambda host, port: answer, seconds=2)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),  # "this host"
        ("10.1.1.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),  # metadata services
        ("100.64.1.1", False),  # carrier-grade NAT
        ("192.0.0.8", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fd00::1", False),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("2001:db8::1", False),
        ("100::1", False),
        ("5f00::1", False),
        ("::127.0.0.1", False),  # the old compatible form
        ("::ffff:169.254.169.254", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::7f00:1", False),  # NAT64 of 127.0.0.1
        ("64:ff9b::808:808", True),
        ("64:ff9b:1::1", False),
        ("2002:7f00:1::", False),  # 6to4 of 127.0.0.1
        ("2001:0:7f00:1::", False),  # Teredo by way of 127.0.0.1
    ],
)
def test_public_means_unicast_on_the_internet(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://0/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://127.1/",
        "http://017700000001/",
        "http://[::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fd00::1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://100.64.0.1/",
        "http://localhost/",
        "http://localhost./",
        "http://LOCALHOST/",
    ],
)
def test_private_places_are_refused_however_they_are_written(url: str) -> None:
    with pytest.raises(ToolFailed) as caught:
        safe_addresses(HttpPolicy(), parse_target(url), resolve=system_addresses, seconds=5)
    assert (caught.value.type, caught.value.retryable) == ("address_refused", False)
    assert "ORDINAUT_HTTP_ALLOWED_HOSTS" in caught.value.message


@pytest.mark.parametrize(
    ("url", "answer", "policy", "admitted"),
    [
        ("http://a.example/", ["8.8.8.8"], "", True),
        ("http://metadata.google.internal/", ["169.254.169.254"], "", False),
        # one bad address among good ones is enough
        ("http://a.example/", ["8.8.8.8", "127.0.0.1"], "", False),
        ("https://a.example:8443/", ["8.8.8.8"], "", True),
        ("http://a.example:22/", ["8.8.8.8"], "", False),
        ("http://a.example:6379/", ["8.8.8.8"], "", False),
        ("http://a.example:6379/", ["8.8.8.8"], "a.example:6379", True),
        ("http://a.example/", ["10.0.0.1"], "a.example", True),
        ("http://a.example:9/", ["10.0.0.1"], "A.Example.", True),
        ("http://a.example:9/", ["10.0.0.1"], "a.example:8", False),
        # a name does not admit its sub-domains or its neighbours
        ("http://x.a.example/", ["10.0.0.1"], "a.example", False),
        ("http://a.example.evil.example/", ["10.0.0.1"], "a.example", False),
        ("http://a.example/", ["10.9.9.9"], "10.0.0.0/8", True),
        ("http://a.example/", ["10.9.9.9", "192.168.0.1"], "10.0.0.0/8", False),
        ("http://[::ffff:10.1.2.3]/", [], "10.0.0.0/8", True),
        ("http://[::1]:9000/", [], "[::1]:9000", True),
        ("http://[::1]:9001/", [], "[::1]:9000", False),
        ("http://127.0.0.1/", [], "localhost", False),
    ],
)
def test_the_operator_admits_names_and_networks(url: str, answer: Sequence[str], policy: str, admitted: bool) -> None:
    if admitted:
        assert _addresses(url, *answer, policy=policy)
        return
    with pytest.raises(ToolFailed) as caught:
        _addresses(url, *answer, policy=policy)
    assert caught.value.type == "address_refused"


@pytest.mark.parametrize("entry", ["http://a", "a b", "10.0.0.0/33", "a:0", "a:70000", "[::1", "a/b", "*"])
def test_a_bad_entry_of_the_allow_list_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match=r"port|host name"):
        HttpPolicy.parse(f"good.example, {entry}")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "//a.example/",
        "ftp://a.example/",
        "file:///etc/passwd",
        "gopher://a.example/",
        "http:/a.example",
        "http:///x",
        "http://user:canary@a.example/",
        "http://a.example@127.0.0.1/",
        "http://a.example\\@127.0.0.1/",
        "http://a.example/ x",
        "http://a.example/\r\nX: y",
        "http://a.example:0/",
        "http://a.example:99999/",
        "http://a_b c/",
        "http://①②⑦.⓪.⓪.①/",
        "http://a.example/" + "x" * 8192,
    ],
)
def test_urls_that_can_be_read_in_two_ways_are_refused(url: str) -> None:
    with pytest.raises(ToolFailed) as caught:
        parse_target(url)
    assert (caught.value.type, caught.value.retryable) == ("invalid_url", False)
    assert "canary" not in caught.value.message


def test_a_url_is_normalised() -> None:
    target = parse_target("HTTP://Bücher.Example.:8080/a/../ü?q=ü#part")
    assert target.url == "http://xn--bcher-kva.example:8080/%C3%BC?q=%C3%BC"
    assert parse_target("https://[::1]:443/").netloc == "[::1]"


@pytest.mark.parametrize("answer", [[], ["not-an-address"], ["1.2.3.4%eth0"]])
def test_a_resolver_without_addresses_is_a_connect_error(answer: Sequence[str]) -> None:
    with pytest.raises(ToolFailed) as caught:
        _addresses("http://a.example/", *answer)
    assert caught.value.type == "connect_error"


def test_a_resolver_that_hangs_is_left_behind() -> None:
    done = threading.Event()

    def resolve(host: str, port: int) -> Sequence[str]:
        done.wait(10)
        return ()

    try:
        with pytest.raises(ToolFailed) as caught:
            safe_addresses(HttpPolicy(), parse_target("http://a.example/"), resolve=resolve, seconds=0.05)
    finally:
        done.set()
    assert caught.value.type == "timeout"
