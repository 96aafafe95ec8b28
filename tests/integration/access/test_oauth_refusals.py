"""Programs that ask for what they may not have, or say of themselves what will not do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from app.domain.errors import InvalidInput
from tests.integration.access.programs import BACK, BROWSER, HERE, VERIFIER, Program, told


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        # OAuth 2.1 has no request without PKCE, and none with a challenge that is the verifier
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"scope": "openid profile"}, "invalid_scope"),
        ({"resource": "https://elsewhere.example/mcp"}, "invalid_target"),
    ],
)
def test_what_is_wrong_goes_back_to_the_program(known: Program, changes: dict[str, str], error: str) -> None:
    # A stranger's address is a link on a page until somebody has signed in.
    stranger = known.guarded.api.client.get(known.ask(**changes), headers=BROWSER)
    assert stranger.status_code == 400 and f'href="{BACK}?error={error}' in stranger.get_data(as_text=True)
    known.sign_in(known.ask(), "ana", known.guarded.secrets["ana"])
    answer = told(known.browser.get(known.ask(**changes), headers=BROWSER))
    assert (answer["error"], answer["state"], answer["iss"]) == (error, "xyz", HERE)


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": ""},
        {"client_id": "unknown"},
        {"redirect_uri": "https://attacker.example/callback"},
        {"redirect_uri": "http://127.0.0.1:3999/other"},
        {"redirect_uri": "http://127.0.0.1:3999/callback?x=1"},
    ],
)
def test_a_browser_is_sent_nowhere_that_nobody_vouches_for(known: Program, changes: dict[str, str]) -> None:
    page = known.browser.get(known.ask(**changes), headers=BROWSER)
    assert page.status_code == 400 and "Location" not in page.headers
    assert "cannot be let in" in page.get_data(as_text=True)
    told = known.browser.get(known.ask(**changes)).get_json()
    assert {"error", "error_description", "message", "details", "request_id"} <= told.keys()


def test_a_program_of_this_machine_may_use_any_port(known: Program) -> None:
    page = known.browser.get(known.ask(redirect_uri="http://127.0.0.1:50123/callback"), headers=BROWSER)
    assert page.status_code == 200


@pytest.mark.parametrize(
    ("metadata", "error", "at"),
    [
        ({"redirect_uris": []}, "invalid_redirect_uri", "redirect_uris"),
        ({"redirect_uris": ["http://elsewhere.example/cb"]}, "invalid_redirect_uri", "redirect_uris.0"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri", "redirect_uris.0"),
        ({"redirect_uris": ["https://a.example/#x"]}, "invalid_redirect_uri", "redirect_uris.0"),
        ({"redirect_uris": ["ms-msdt:x"]}, "invalid_redirect_uri", "redirect_uris.0"),
        ({"redirect_uris": ["https://a;report-uri/x"]}, "invalid_redirect_uri", "redirect_uris.0"),
        ({"redirect_uris": ["https://user@a.example/"]}, "invalid_redirect_uri", "redirect_uris.0"),
        ({"redirect_uris": [5]}, "invalid_redirect_uri", "redirect_uris.0"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata", "token_endpoint_auth_method"),
        ({"grant_types": ["implicit"]}, "invalid_client_metadata", "grant_types"),
        ({"response_types": ["token"]}, "invalid_client_metadata", "response_types"),
        ({"client_name": "x" * 201}, "invalid_client_metadata", "client_name"),
        ({"client_name": "line\nbreak"}, "invalid_client_metadata", "client_name"),
    ],
)
def test_a_registration_that_will_not_do(known: Program, metadata: dict[str, Any], error: str, at: str) -> None:
    own = {"redirect_uris": [BACK], "token_endpoint_auth_method": "none", **metadata}
    answer = known.guarded.api.post("/register", own, expect=400)
    assert (answer["error"], answer["details"]["field"]) == (error, at)


def test_schemes_of_programs_on_a_desk_are_taken(known: Program) -> None:
    answer = known.guarded.api.post("/register", {"redirect_uris": ["cursor://tools/oauth"]}, expect=201)
    assert answer["redirect_uris"] == ["cursor://tools/oauth"] and answer["client_secret"]
    known.guarded.api.post("/register", [], expect=400)


def test_a_verifier_has_to_fit_and_so_has_the_address(program: Program) -> None:
    code = program.code("ana")
    assert program.redeem(code, 400, code_verifier="w" * 50)["error"] == "invalid_grant"
    assert program.redeem(code, 400, redirect_uri="http://127.0.0.1:1/callback")["error"] == "invalid_grant"
    assert program.redeem(code, 400, resource="https://elsewhere.example/mcp")["error"] == "invalid_target"
    program.redeem(code)


def test_the_address_may_be_left_out_where_there_is_one(program: Program) -> None:
    code = program.code("ana", redirect_uri="")
    # OAuth 2.1 has no redirect_uri in the request for tokens: PKCE binds the code.
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    tokens = program.tokens(200, **form)
    refused = program.tokens(
        400, grant_type="refresh_token", refresh_token=tokens["refresh_token"], resource="https://elsewhere.example/"
    )
    assert refused["error"] == "invalid_target"


@pytest.mark.parametrize("header", ["Basic /w==", "Basic ŧ", "Basic x"])
@pytest.mark.parametrize("path", ["/token", "/revoke"])
def test_a_garbled_header_is_a_wrong_client(known: Program, path: str, header: str) -> None:
    form = {"grant_type": "client_credentials", "token": "x"}
    headers = {"Authorization": header.encode().decode("latin-1")}
    answer = known.guarded.api.send("POST", path, data=form, headers=headers, expect=401)
    assert answer.get_json()["error"] == "invalid_client"


def test_nul_is_nothing_for_a_database(program: Program) -> None:
    for path in ("/token", "/revoke"):
        form = {"grant_type": "refresh_token", "client_id": "a\x00b", "refresh_token": "x", "token": "x"}
        answer = program.guarded.api.send("POST", path, data=form, expect=400)
        assert answer.get_json()["error"] == "invalid_request"
    assert program.sign_in(program.ask(), "a\x00b", "x").status_code == 401


def test_a_place_is_named_only_where_it_is_known(program: Program) -> None:
    false = Program(program.guarded, program.guarded.api.client).register(redirect_uris=["myapp://claude.ai/cb"])
    address = false.ask(redirect_uri="myapp://claude.ai/cb")
    false.sign_in(address, "ana", program.guarded.secrets["ana"])
    page = false.browser.get(address, headers=BROWSER).get_data(as_text=True)
    assert "Your answer goes to a program on this computer:" in page


def test_the_oldest_that_nobody_lets_in_makes_room(program: Program) -> None:
    program.redeem(program.code("ana"))
    with patch("app.services.oauth.MOST_CLIENTS", 3):
        others = [Program(program.guarded, program.guarded.api.client).register() for _ in range(3)]
    found = [program.guarded.services.oauth.client(one.id) is not None for one in (program, *others)]
    assert found == [True, False, True, True]
    with patch("app.services.oauth.MOST_CLIENTS", 1):
        program.guarded.services.oauth.used(others[1].id)
        program.guarded.services.oauth.used(others[2].id)
        program.guarded.api.post("/register", {"redirect_uris": [BACK]}, expect=409)


class TestDocuments:
    """A program whose id is the address of its own document."""

    ADDRESS = "https://helper.example/oauth/client.json"

    @pytest.fixture
    def document(self) -> dict[str, Any]:
        return {
            "client_id": self.ADDRESS,
            "client_name": "Documented",
            "redirect_uris": [BACK],
            "grant_types": ["authorization_code", "refresh_token"],
        }

    @pytest.fixture
    def reads(self, document: dict[str, Any]) -> Iterator[list[str]]:
        read: list[str] = []

        def answer(_self: object, address: str) -> object:
            read.append(address)
            if address != self.ADDRESS:
                raise InvalidInput.at("/client_id", "No JSON document can be read at the address of this program")
            return document

        with patch("app.tools.client_documents.WebDocuments.read", answer):
            yield read

    def test_it_needs_no_registration(self, program: Program, reads: list[str]) -> None:
        program.id = self.ADDRESS
        address = program.ask()
        page = program.browser.get(address, headers=BROWSER).get_data(as_text=True)
        assert "Documented" in page and self.ADDRESS in page
        tokens = program.redeem(program.code("ana"))
        assert program.call(tokens["access_token"]).status_code == 200
        assert reads == [self.ADDRESS]

    def test_nothing_is_kept_of_who_was_never_let_in(self, known: Program, reads: list[str]) -> None:
        known.browser.get(known.ask(client_id=self.ADDRESS), headers=BROWSER)
        assert reads and known.guarded.services.oauth.client(self.ADDRESS) is None

    def test_an_outage_of_its_host_locks_nobody_out(
        self, program: Program, reads: list[str], document: dict[str, Any]
    ) -> None:
        program.id = self.ADDRESS
        tokens = program.redeem(program.code("ana"))
        document["client_id"] = "something went wrong"
        with patch("app.services.oauth.DOCUMENT_LIFETIME", timedelta(0)):
            again = program.tokens(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
            assert "Documented" in program.browser.get(program.ask(), headers=BROWSER).get_data(as_text=True)
        assert program.call(again["access_token"]).status_code == 200

    def test_a_document_has_to_name_itself(self, program: Program, reads: list[str], document: dict[str, Any]) -> None:
        document["client_id"] = "https://other.example/oauth/client.json"
        page = program.browser.get(program.ask(client_id=self.ADDRESS), headers=BROWSER)
        assert page.status_code == 400 and "must name it" in page.get_data(as_text=True)

    def test_what_cannot_be_read_is_no_program(self, known: Program, reads: list[str]) -> None:
        page = known.browser.get(known.ask(client_id="https://elsewhere.example/c.json"), headers=BROWSER)
        assert page.status_code == 400 and reads

    def test_this_machine_is_no_address_for_documents(self, known: Program) -> None:
        page = known.browser.get(known.ask(client_id="https://127.0.0.1/client.json"), headers=BROWSER)
        assert page.status_code == 400


def test_secrets_do_not_travel_in_the_open(known: Program) -> None:
    far = {"base_url": "http://ordinaut.example.org"}
    page = known.browser.get(known.ask(), headers=BROWSER, **far)
    assert page.status_code == 400 and "https" in page.get_data(as_text=True)
    answer = known.browser.post("/token", data={"grant_type": "client_credentials"}, **far)
    assert (answer.status_code, answer.get_json()["error"]) == (400, "insecure_transport")
