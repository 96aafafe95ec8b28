"""Who is asking."""

from __future__ import annotations

from flask import g, has_request_context

LOCAL = "local"
"""The one caller there is while `ORDINAUT_AUTH=off`."""


def caller() -> str:
    """Id of the agent that sent the current request."""
    return str(g.get("caller", LOCAL)) if has_request_context() else LOCAL
