"""The address that `ordinaut up` prints leads to the page of the API."""

from __future__ import annotations

from tests.fakes.http_app import make_app


def test_the_root_leads_to_the_docs() -> None:
    answer = make_app().test_client().get("/")
    assert (answer.status_code, answer.headers["Location"]) == (303, "docs")
