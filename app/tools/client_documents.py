"""Reads what programs say of themselves on the web: only where requests of tools may go, and no redirects."""

from __future__ import annotations

import time

import orjson

from app.domain.errors import InvalidInput
from app.domain.texts import t
from app.tools.http_client import HttpClient, HttpRequest
from app.tools.http_connection import Watch
from app.tools.http_safety import HttpPolicy
from ordinaut.tools import ToolFailed

SECONDS = 5.0
MOST_BYTES = 65_536


class WebDocuments:
    """See `app.domain.oauth.ClientDocuments`."""

    def __init__(self, policy: HttpPolicy) -> None:
        self._client = HttpClient(policy=policy, max_body=MOST_BYTES)

    def read(self, address: str) -> object:
        """The JSON document at an address."""
        wanted = HttpRequest(method="GET", url=address, headers={"Accept": "application/json"}, follow=False)
        try:
            answer = self._client.send(wanted, Watch(time.monotonic() + SECONDS, lambda: False))
            if answer.status != 200:
                raise _none(address)
            return orjson.loads(answer.body)
        except (ToolFailed, orjson.JSONDecodeError) as error:
            raise _none(address) from error


def _none(address: str) -> InvalidInput:
    return InvalidInput.at("/client_id", t("No JSON document can be read at the address of this program"))
