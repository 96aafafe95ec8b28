"""Filters of lists that a reader has named: kept in a cookie by the browser, apart for each who signs in with it."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from flask import Blueprint, Response, request

from ordinaut import ApiAnswer

from .asked import Asked
from .board import Narrowed
from .shell import Shell
from .view import YEAR

COOKIE = "ordinaut_filters"
LONGEST_NAME = 40
MOST = 12
"""Filters of one list."""
MOST_BYTES = 3800
"""Browsers drop a cookie of more than 4096 bytes without a word."""
Canonical = Callable[[Mapping[str, str]], str]
LISTS: Mapping[str, Canonical] = {
    "runs": lambda given: Asked.of(given).query().rstrip("&"),
    "tasks": lambda given: Narrowed.of(given).query().rstrip("&"),
}
"""The lists that can be narrowed, and how what an address asks of each is written."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One that was named.

    Attributes:
        query: What narrows the list, as its address has it; only what the list knows.
    """

    name: str
    query: str


def saved(agent: str, place: str) -> list[Filter]:
    """What this reader has named on this list; a cookie that holds something else holds nothing."""
    rows = _all().get(agent, {}).get(place, [])
    found = {name: Filter(name, _canonical(place, query)) for name, query in rows if 0 < len(name) <= LONGEST_NAME}
    return [one for one in found.values() if one.query][:MOST]


def add_filters(pages: Blueprint, shell: Shell) -> None:
    """Register them."""

    @pages.post("/filters/<any(runs, tasks):place>")
    def keep_filter(place: str) -> Response:
        """Name what narrows a list; one of that name is replaced."""
        name, query = request.form.get("name", "").strip(), _canonical(place, request.form.get("query", ""))
        if not query or not 0 < len(name) <= LONGEST_NAME:
            return _refused(shell, place, "A filter needs a name of at most 40 characters, and something to narrow by")
        agent = shell.context.routes.caller().agent_id
        others = [one for one in saved(agent, place) if one.name != name]
        written = _written(agent, place, [*others, Filter(name, query)])
        if len(others) >= MOST or len(written) > MOST_BYTES:
            return _refused(shell, place, "There is no room for one more filter; forget another one first")
        return _kept(shell, shell.done(f"/{place}?{query}", "filter_kept"), written)

    @pages.post("/filters/<any(runs, tasks):place>/forget")
    def forget_filter(place: str) -> Response:
        """Forget one."""
        agent, name = shell.context.routes.caller().agent_id, request.form.get("name", "")
        left = [one for one in saved(agent, place) if one.name != name]
        return _kept(shell, shell.done(f"/{place}", "filter_forgotten"), _written(agent, place, left))


def _canonical(place: str, query: str) -> str:
    return LISTS[place](dict(parse_qsl(query[:1000])))


def _refused(shell: Shell, place: str, message: str) -> Response:
    return shell.refused(ApiAnswer(status=400, data={"message": shell.context.translate(message)}), place=place)


def _kept(shell: Shell, answer: Response, value: str) -> Response:
    path = f"{shell.home}/"
    answer.set_cookie(COOKIE, value, max_age=YEAR, path=path, secure=request.is_secure, httponly=True, samesite="Lax")
    return answer


def _written(agent: str, place: str, filters: Sequence[Filter]) -> str:
    """The cookie with these filters in the place of those that were there; of other readers, as they are."""
    everybody = _all()
    mine = {**everybody.get(agent, {}), place: [[one.name, one.query] for one in filters]}
    text = json.dumps({**everybody, agent: mine}, ensure_ascii=False, separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode()


def _all() -> dict[str, dict[str, list[tuple[str, str]]]]:
    """Agent -> list -> name and query of each filter."""
    try:
        told = json.loads(urlsafe_b64decode(request.cookies.get(COOKIE, "")))
        return {
            str(agent): {
                place: [(str(name), str(query)) for name, query in rows]
                for place, rows in lists.items()
                if place in LISTS
            }
            for agent, lists in told.items()
        }
    except (NotBase64, ValueError, TypeError, AttributeError):
        return {}
