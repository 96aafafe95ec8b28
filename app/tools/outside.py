"""The tools that speak to services of the operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.tools.email import email_send_tool
from app.tools.email_server import MailServer
from app.tools.http_safety import HttpPolicy
from app.tools.llm import LanguageModel, llm_complete_tool
from app.tools.webhooks import Secrets, webhook_send_tool
from ordinaut.tools import Tool


def _none(names: Sequence[str]) -> Mapping[str, str]:
    return {}


def outside_tools(
    *,
    mail: MailServer | None = None,
    model: LanguageModel | None = None,
    http_policy: HttpPolicy | None = None,
    secrets: Secrets = _none,
) -> list[Tool]:
    """One of each, for a `ToolRegistry`; those whose service is not there say so when they are called.

    Args:
        http_policy: What `webhook.send` may reach beyond the public internet.
        secrets: Looks up what it signs with.
        mail: What `email.send` hands messages to.
        model: What `llm.complete` asks.
    """
    return [email_send_tool(mail), llm_complete_tool(model), webhook_send_tool(http_policy or HttpPolicy(), secrets)]
