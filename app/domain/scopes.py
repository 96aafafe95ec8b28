"""The one table of what a caller may hold; every route and every tool names one of these."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from app.domain.errors import InvalidInput, Problem
from app.domain.texts import t

PUBLIC: Final = "public"
"""Of a route: anybody, unless the operator protects it."""
SIGNED_IN: Final = "signed_in"
"""Of a route: whoever has shown who they are, whatever they hold."""
OF_EXTENSION: Final = "of_extension"
"""Of a route: what the routes of the extension that its address names take."""
USE_SECRETS: Final = "secrets:use"
READ_ALL: Final = "tasks:read:all"
DECIDE: Final = "approvals:decide"
INVOKE: Final = "tools:invoke"
"""What tools take that have no scope of their own."""

SCOPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "admin": t("everything, also what belongs to others"),
        "tasks:read": t("see one's own tasks and their occurrences"),
        READ_ALL: t("see the tasks and runs of every agent"),
        "tasks:create": t("create tasks"),
        "tasks:update": t("change, pause, resume, snooze and cancel one's own tasks"),
        "tasks:delete": t("delete one's own tasks"),
        "tasks:run": t("run one's own tasks now"),
        "runs:read": t("see the runs of one's own tasks"),
        "runs:cancel": t("cancel the runs of one's own tasks"),
        "events:publish": t("publish events"),
        "events:read": t("read events"),
        "webhooks:read": t("see one's own webhooks, in and out, and what became of deliveries"),
        "webhooks:manage": t("create, change and delete one's own webhooks"),
        DECIDE: t("answer approvals, accept and refuse grants"),
        "budgets:manage": t("see, set and delete budgets"),
        "agents:read": t("see agents and their API keys"),
        "agents:create": t("create agents"),
        "agents:update": t("change agents, give them new secrets and API keys"),
        "agents:delete": t("delete agents"),
        "audit:read": t("read the audit log"),
        USE_SECRETS: t("use `${secrets.NAME}` in the pipelines of one's own tasks"),
        "secrets:manage": t("list, store and delete secrets; nobody ever reads one"),
        "tools:read": t("ask the tools `list_tools` and `get_tool` what there is to call"),
        INVOKE: t("call tools directly"),
    }
)
"""Scope -> what it allows. Beside these there is `ext:<id>:<name>` for each extension."""

_EXTENSION = re.compile(r"ext:[a-z][a-z0-9_]{0,63}:[a-z][a-z0-9_.-]{0,63}")
HEADER_LIMIT: Final = 4096
"""Characters of `X-Scopes` that are read."""


def routes_of(extension_id: str) -> str:
    """The scope that an extension's routes take: `ext:<id>:routes`."""
    return f"ext:{extension_id}:routes"


def known(scope: str) -> bool:
    """Whether there is such a scope; exact and case-sensitive, without wildcards."""
    return scope in SCOPES or _EXTENSION.fullmatch(scope) is not None


def checked(scopes: Iterable[str], at: str = "/scopes") -> frozenset[str]:
    """The scopes as a set.

    Raises:
        InvalidInput: naming each one that does not exist.
    """
    given = list(scopes)
    strangers = [
        Problem(f"{at}/{place}", t("There is no such scope"), t("Scopes are listed in docs/access.md"))
        for place, scope in enumerate(given)
        if not known(scope)
    ]
    if strangers:
        raise InvalidInput(strangers)
    return frozenset(given)


def claimed(header: str | None) -> frozenset[str] | None:
    """What `X-Scopes` names, separated by commas; None without the header, nothing from one that is too long."""
    if header is None:
        return None
    if len(header) > HEADER_LIMIT:
        return frozenset()
    return frozenset(word for part in header.split(",") if (word := part.strip()))
