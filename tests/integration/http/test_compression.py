"""Which answers are compressed, and for whom."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from app.http.compression import Compressed
from tests.integration.api.conftest import Api, make_settings, serving
from tests.servers import Databases

PAGE = "/ext/webui/tasks"
CSS = "/ext/webui/static/css/ui.css"


@pytest.fixture(scope="module")
def lasting(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One installation for all tests of this file."""
    folder: Path = tmp_path_factory.mktemp("compression")
    with serving(make_settings(databases.sqlite(folder / "ordinaut.db"), folder)) as api:
        yield api


def ask(api: Api, path: str, encoding: str = "gzip, deflate, br", method: str = "GET", **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.send(method, path, headers={"Accept-Encoding": encoding, **named}, buffered=True)


def zipped(answer: TestResponse) -> bool:
    return answer.headers.get("Content-Encoding") == "gzip"


ASKED = [
    # address, what is sent with it, and whether the answer is compressed
    (PAGE, {}, True),
    (PAGE, {"Sec_Fetch_Site": "same-origin"}, True),
    (PAGE, {"Sec_Fetch_Site": "none"}, True),
    (PAGE, {"Sec_Fetch_Site": "cross-site"}, False),
    (PAGE, {"Sec_Fetch_Site": "same-site"}, False),
    # A browser that does not say so, behind a proxy that ends TLS.
    (PAGE, {"X_Forwarded_Proto": "https"}, False),
    (PAGE, {"encoding": "identity"}, False),
    (PAGE, {"encoding": "br, gzip;q=0"}, False),
    (CSS, {"Sec_Fetch_Site": "cross-site"}, True),
    (CSS, {"Range": "bytes=0-99"}, False),
    ("/ext/webui/static/fonts/inter-latin-wght-normal.woff2", {}, False),
    ("/openapi.json", {}, False),
    ("/docs/swagger-ui.css", {}, True),
]


@pytest.mark.parametrize(("path", "sent", "expected"), ASKED)
def test_texts_are_compressed_where_nobody_learns_from_it(
    lasting: Api, path: str, sent: dict[str, str], expected: bool
) -> None:
    answer = ask(lasting, path, **sent)
    assert answer.status_code in (200, 206) and zipped(answer) == expected
    if expected:
        assert "Accept-Encoding" in answer.headers["Vary"] and "Accept-Ranges" not in answer.headers
        assert int(answer.headers["Content-Length"]) == len(answer.data) < len(gzip.decompress(answer.data)) / 2


def test_what_is_compressed_is_what_was_said(lasting: Api) -> None:
    plain, small = ask(lasting, CSS, "identity"), ask(lasting, CSS)
    assert gzip.decompress(small.data) == plain.data == gzip.decompress(ask(lasting, CSS).data)
    assert ask(lasting, CSS, If_None_Match=small.headers["ETag"]).status_code == 304
    assert ask(lasting, CSS, If_None_Match=plain.headers["ETag"]).status_code == 304


def test_what_shows_a_secret_once_and_what_streams_is_not(lasting: Api) -> None:
    headers = {"Accept-Encoding": "gzip", "Origin": "http://localhost"}
    made = lasting.send("POST", "/ext/webui/agents", data={"name": "zip", "scopes": "tasks:read"}, headers=headers)
    assert made.status_code == 201 and "ors_" in made.get_data(as_text=True) and not zipped(made)
    stream = lasting.send("GET", "/ext/webui/api/stream?topics=run.*", headers=headers)
    assert not zipped(stream) and stream.content_type.startswith("text/event-stream")
    stream.close()


def test_room_is_kept() -> None:
    kept = Compressed(room=100)
    for number in range(50):
        assert gzip.decompress(kept.of(str(number), b"%d" % number)) == b"%d" % number
    assert kept.of("49", b"other") == kept.of("49", b"another"), "what is kept is not made again"
    assert gzip.decompress(kept.of("0", b"anew")) == b"anew"
    assert gzip.decompress(kept.of("", b"a")) == b"a" and gzip.decompress(kept.of("", b"b")) == b"b"
