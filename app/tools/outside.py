"""The tools that speak to services of the operator."""

from __future__ import annotations

from app.tools.email import email_send_tool
from app.tools.email_server import MailServer
from app.tools.llm import LanguageModel, llm_complete_tool
from ordinaut.tools import Tool


def outside_tools(*, mail: MailServer | None = None, model: LanguageModel | None = None) -> list[Tool]:
    """One of each, for a `ToolRegistry`; those whose service is not there say so when they are called.

    Args:
        mail: What `email.send` hands messages to.
        model: What `llm.complete` asks.
    """
    return [email_send_tool(mail), llm_complete_tool(model)]
