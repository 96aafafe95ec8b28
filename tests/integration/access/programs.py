"""Programs that ask people for rights, with the browsers of those people."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from flask.testing import FlaskClient

if TYPE_CHECKING:
    from tests.integration.access.conftest import Guarded

BACK = "http://127.0.0.1:3999/callback"
HERE = "http://localhost"
RESOURCE = f"{HERE}/ext/mcp_http/mcp"
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
WIRE = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


@dataclass
class Program:
    """A program that has registered, and the browser of whom it asks."""

    guarded: Guarded
    browser: FlaskClient
    id: str = ""
    secret: str | None = None

    def register(self, **metadata: Any) -> Program:
        """Register; public unless it says otherwise."""
        own = {
            "client_name": "Helper",
            "redirect_uris": [BACK],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            **metadata,
        }
        answer = self.guarded.api.post("/register", own, expect=201)
        self.id, self.secret = answer["client_id"], answer.get("client_secret")
        return self

    def ask(self, **changes: str) -> str:
        """The address that the browser is sent to."""
        asked = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": BACK,
            "scope": "tasks:read tasks:create",
            "state": "xyz",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "resource": RESOURCE,
            **changes,
        }
        return "/authorize?" + urlencode({name: value for name, value in asked.items() if value})

    def sign_in(self, address: str, agent: str, secret: str) -> Any:
        """Send the form of the page that asks who one is."""
        form = {"agent": agent, "secret": secret}
        return self.browser.post(address.replace("/authorize?", "/authorize/sign-in?"), data=form, headers=BROWSER)

    def decide(self, address: str, decision: str = "allow", granted: list[str] | None = None) -> Any:
        """Send the form of the page that asks, as it stands there, with these boxes ticked."""
        page = self.browser.get(address, headers=BROWSER).get_data(as_text=True)
        proof = re.search('name="proof" value="([0-9a-f]+)"', page)
        assert proof is not None, page
        boxes = re.findall('name="granted" value="([^"]+)"', page) if granted is None else granted
        form = {"proof": proof[1], "decision": decision, "granted": boxes}
        return self.browser.post(address, data=form, headers=BROWSER)

    def code(self, agent: str, **changes: str) -> str:
        """A code that somebody has agreed to."""
        address = self.ask(**changes)
        assert self.sign_in(address, agent, self.guarded.secrets[agent]).status_code == 303
        return told(self.decide(address))["code"]

    def tokens(self, expect: int = 200, **form: str) -> Any:
        """What the token endpoint answers."""
        known = {"client_id": self.id, **({"client_secret": self.secret} if self.secret else {})}
        answer = self.guarded.api.send("POST", "/token", data={**known, **form}, expect=expect)
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.get_json()

    def redeem(self, code: str, expect: int = 200, **changes: str) -> Any:
        """Tokens for a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": BACK,
            "code_verifier": VERIFIER,
            **changes,
        }
        return self.tokens(expect, **form)

    def call(self, token: str, path: str = "/ext/mcp_http/mcp", body: Any = None) -> Any:
        """A call at the endpoint of assistants."""
        return self.guarded.api.send(
            "POST", path, json=body or LIST, headers={**WIRE, "Authorization": f"Bearer {token}"}
        )


def told(answer: Any) -> dict[str, str]:
    """What stands in the address that a browser is sent back to."""
    assert answer.status_code == 302, answer.get_data(as_text=True)
    where = urlsplit(answer.headers["Location"])
    assert f"{where.scheme}://{where.netloc}{where.path}" == BACK
    return {name: values[0] for name, values in parse_qs(where.query).items()}
