"""By which names the installation may be called."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.fakes.http_app import FakeSettings, World, make_app


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return make_app(World(settings=FakeSettings(allowed_hosts=("a.example", ".b.example", "[::1]")))).test_client()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        # exact names, with any port and in any case
        ("a.example", 404),
        ("A.example:8443", 404),
        # a name with a dot before it stands for all below it as well
        ("b.example", 404),
        ("deep.below.b.example:80", 404),
        ("[::1]:8080", 404),
        ("below.a.example", 400),
        ("notb.example", 400),
        ("a.example.evil.test", 400),
        ("a.example@evil.test", 400),
        ("127.0.0.1", 400),
    ],
)
def test_only_the_names_that_were_set_are_answered_to(client: FlaskClient, host: str, status: int) -> None:
    assert client.get("/nowhere", headers={"Host": host}).status_code == status


def test_the_refusal_names_the_header(client: FlaskClient) -> None:
    body = client.get("/runs", headers={"Host": "evil.test"}).get_json()
    assert (body["error"], body["details"]["field"]) == ("bad_request", "Host")
    assert "evil" not in str(body)


def test_a_proxy_s_word_for_the_host_counts_only_where_proxies_are_believed() -> None:
    for hops, status in ((0, 400), (1, 404)):
        settings = FakeSettings(allowed_hosts=("a.example",), proxy_hops=hops)
        client = make_app(World(settings=settings)).test_client()
        headers = {"Host": "10.0.0.7", "X-Forwarded-Host": "a.example"}
        assert client.get("/nowhere", headers=headers).status_code == status


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
def test_probes_may_ask_by_address(client: FlaskClient, path: str) -> None:
    assert client.get(path, headers={"Host": "10.0.0.7:8080"}).status_code == 200


def test_without_the_setting_any_name_will_do() -> None:
    assert make_app().test_client().get("/nowhere", headers={"Host": "anything.test"}).status_code == 404
