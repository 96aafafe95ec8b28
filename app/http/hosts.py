"""By which names this installation may be called."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flask import Flask, request

from app.domain.errors import InvalidInput
from app.domain.texts import t

PROBED = frozenset({"/health", "/health/live", "/health/ready"})
"""Platforms ask these by an address that nobody could name beforehand."""
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:\d{1,5})?", re.IGNORECASE | re.ASCII)


def configure_hosts(app: Flask, *, allowed: Sequence[str]) -> None:
    """Refuse requests under any other name than these; `.example.org` is that name and all below it."""
    if not allowed:
        return

    def refuse_other_names() -> None:
        if request.path not in PROBED and not is_one_of(request.host, allowed):
            hint = t("The names it may be called by are in ORDINAUT_ALLOWED_HOSTS")
            raise InvalidInput.at("/Host", t("This installation is not called by that name"), hint)

    app.before_request(refuse_other_names)


def is_one_of(host: str, allowed: Sequence[str]) -> bool:
    """Whether a `Host`, with or without a port, is a name that is allowed; these are in lower case."""
    form = _HOST.fullmatch(host)
    name = form[1].lower() if form else ""
    return any(name == one or (one.startswith(".") and f".{name}".endswith(one)) for one in allowed)
