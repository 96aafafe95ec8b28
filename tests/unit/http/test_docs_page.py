"""The documentation page brings everything along."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
from flask.testing import FlaskClient

from app.blueprints.docs import FOLDER
from tests.fakes.http_app import make_app


@pytest.fixture
def client() -> FlaskClient:
    return make_app().test_client()


def test_the_page_runs_under_a_policy_without_inline_scripts(client: FlaskClient) -> None:
    answer = client.get("/docs", buffered=True)
    assert answer.content_type == "text/html; charset=utf-8"
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"<script>|<style|style=| on\w+=|https?://", answer.text)


def test_everything_it_names_is_served(client: FlaskClient) -> None:
    named = re.findall(r'(?:src|href)="([^"]+)"', client.get("/docs", buffered=True).text)
    assert len(named) == 6
    for path in named:
        assert client.get(f"/{path}", buffered=True).status_code == 200, path


@pytest.mark.parametrize("name", ["VENDOR.json", "index.html", "..%2ffactory.py", "nothing.js"])
def test_nothing_else_is_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/docs/{name}").status_code == 404


def test_scripts_have_their_type(client: FlaskClient) -> None:
    answer = client.get("/docs/start.js", buffered=True)
    assert answer.content_type == "text/javascript; charset=utf-8"


def test_vendored_files_are_as_they_came() -> None:
    for vendored in json.loads((FOLDER / "vendor" / "VENDOR.json").read_text()):
        assert vendored.keys() == {"name", "version", "licence", "source", "files"}
        for name, digest in vendored["files"].items():
            assert hashlib.sha256((FOLDER / "vendor" / name).read_bytes()).hexdigest() == digest, name
