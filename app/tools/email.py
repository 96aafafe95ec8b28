"""`email.send`: a message by the operator's mail server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app.domain.texts import t
from app.tools.email_message import letter_of
from app.tools.email_server import Context, MailServer, hand_over
from app.tools.http_connection import Watch, tls_context
from ordinaut.tools import Tool, ToolCall, ToolFailed

_LINE = "^[^\\x00-\\x1f\\x7f]*$"
_ADDRESS = {"type": "string", "minLength": 3, "maxLength": 400}
_KNOWN_HEADERS = (
    "in-reply-to|references|list-id|list-unsubscribe|list-unsubscribe-post|auto-submitted|importance|x-[a-z0-9-]{1,60}"
)
_CONTENT_TYPE = "^(application|audio|font|image|model|text|video)/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,100}$"


def _people(least: int, most: int, meaning: str) -> dict[str, Any]:
    many = {"type": "array", "minItems": least, "maxItems": most, "items": _ADDRESS}
    return {"anyOf": [_ADDRESS, many], "description": meaning}


_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["to", "subject"],
    "properties": {
        "to": _people(
            1, 100, "`ann@example.com`, `Ann <ann@example.com>`, or a list of these; 100 with `cc` and `bcc`."
        ),
        "cc": _people(0, 100, "Who gets a copy."),
        "bcc": _people(0, 100, "Who gets a copy that the others do not see."),
        "subject": {"type": "string", "maxLength": 500, "pattern": _LINE, "description": "One line."},
        "text": {"type": "string", "maxLength": 500_000, "description": "The message as plain text."},
        "html": {
            "type": "string",
            "maxLength": 500_000,
            "description": "The message as HTML, instead of `text` or beside it.",
        },
        "reply_to": _people(0, 10, "Where answers go."),
        "headers": {
            "type": "object",
            "maxProperties": 20,
            "propertyNames": {"pattern": f"^(?i:{_KNOWN_HEADERS})$"},
            "additionalProperties": {"type": "string", "maxLength": 2000, "pattern": _LINE},
            "description": "In-Reply-To, References, List-Id, List-Unsubscribe, Auto-Submitted, Importance, X-….",
        },
        "attachments": {
            "type": "array",
            "maxItems": 20,
            "description": "Files, 1 MiB in all.",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["filename", "content"],
                "properties": {
                    "filename": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": 200,
                        "pattern": "^[^\\x00-\\x1f\\x7f/\\\\]+$",
                    },
                    "content": {"type": "string", "maxLength": 1_400_000},
                    "content_type": {
                        "type": "string",
                        "pattern": _CONTENT_TYPE,
                    },
                },
            },
        },
    },
}
_OUTPUT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["message_id", "recipients"],
    "properties": {
        "message_id": {"type": "string", "description": "The Message-ID: the same on every attempt of the step."},
        "recipients": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Addresses the server took it for.",
        },
    },
}
_EXAMPLE: dict[str, Any] = {
    "to": ["Ann <ann@example.com>", "bob@example.com"],
    "subject": "Orders of the day",
    "text": "42 orders, 990 lei.",
    "attachments": [{"filename": "orders.csv", "content_type": "text/csv", "content": "b3JkZXJzCjQyCg=="}],
}


def email_send_tool(server: MailServer | None, *, context: Context = tls_context) -> Tool:
    """`email.send`; without a server it says what is missing.

    Args:
        server: The operator's; None where none is set.
        context: How certificates are verified; tests bring their own authority.
    """

    def run(call: ToolCall) -> dict[str, Any]:
        if server is None:
            message = t("No mail can be sent: the operator has to set ORDINAUT_SMTP_URL and ORDINAUT_SMTP_FROM")
            raise ToolFailed(message, type="not_configured", retryable=False)
        letter = letter_of(call, server.sender, datetime.now(UTC))
        hand_over(server, letter, Watch(call.deadline, call.should_stop), context)
        return {"message_id": letter.message_id, "recipients": list(letter.recipients)}

    return Tool(
        name="email.send",
        description=t("Sends a message by the mail server of this installation: to all recipients, or to none."),
        schema=_SCHEMA,
        output_schema=_OUTPUT_SCHEMA,
        run=run,
        open_world=True,
        examples=(_EXAMPLE,),
    )
