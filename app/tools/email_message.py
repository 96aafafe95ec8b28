"""From the arguments of `email.send` to the message that goes out (RFC 5322)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from hashlib import sha256
from typing import Any

from app.domain.texts import t
from ordinaut.tools import ToolCall, ToolFailed

MAX_ATTACHED = 1_048_576
"""Bytes of all attachments of a message, unpacked."""
MAX_RECIPIENTS = 100

# 7bit: not every server between here and there takes more.
_POLICY = SMTP.clone(cte_type="7bit")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]")
_MAILBOX = re.compile(r"(?:(?P<name>[^<>@]*)<(?P<inside>[^<>]+)>|(?P<plain>[^<>]+))")
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_LISTS = ("to", "cc", "bcc", "reply_to")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message and its envelope; `content` is what DATA carries, without the names in `bcc`."""

    message_id: str
    recipients: tuple[str, ...]
    content: bytes


def letter_of(call: ToolCall, sender: Address, now: datetime) -> Letter:
    """The letter that the arguments describe.

    The same step makes the same Message-ID on every attempt, so that a repeat is known as one.

    Raises:
        ToolFailed: `invalid_arguments`; the message names the argument.
    """
    arguments = call.arguments
    people = {name: list(_people(name, arguments.get(name, []))) for name in _LISTS}
    recipients = dict.fromkeys(one.addr_spec for name in _LISTS[:3] for one in people[name])
    if len(recipients) > MAX_RECIPIENTS:
        raise _invalid(t("A message goes to at most {limit} recipients", limit=MAX_RECIPIENTS))
    message = EmailMessage(_POLICY)
    message["From"] = sender
    for name, header in (("to", "To"), ("cc", "Cc"), ("reply_to", "Reply-To")):
        if people[name]:
            message[header] = people[name]
    message["Subject"] = _line("subject", arguments["subject"])
    message["Date"] = now
    message["Message-ID"] = f"<{sha256(call.idempotency_key.encode()).hexdigest()[:40]}@{sender.domain}>"
    _add_headers(message, arguments.get("headers", {}))
    _add_body(message, arguments)
    _attach(message, arguments.get("attachments", []))
    return Letter(message_id=message["Message-ID"], recipients=tuple(recipients), content=message.as_bytes())


def mailbox(text: str) -> Address:
    """`ann@example.com` or `Ann <ann@example.com>`; names of domains may have any letters.

    Raises:
        ValueError: It is neither.
    """
    match = _MAILBOX.fullmatch(text.strip())
    if match is None or _CONTROL.search(text):
        raise ValueError
    local, at, domain = (match["inside"] or match["plain"]).strip().rpartition("@")
    ascii_domain = domain.encode("idna").decode("ascii")
    if not at or len(local) > 64 or not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(ascii_domain):
        raise ValueError
    return Address((match["name"] or "").strip().strip('"'), local, ascii_domain)


def _people(name: str, given: str | Sequence[str]) -> Iterator[Address]:
    for text in [given] if isinstance(given, str) else given:
        try:
            yield mailbox(text)
        except ValueError:
            shown = f"{text[:80]!r}"
            raise _invalid(t("'{field}' has {address}, which is no mail address", field=name, address=shown)) from None


def _add_headers(message: EmailMessage, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if name in message:
            raise _invalid(t("The header {name} is given twice", name=name))
        message[name] = _line(f"headers.{name}", value)
    if "Auto-Submitted" not in message:
        # Keeps holiday replies from answering a program (RFC 3834 section 5).
        message["Auto-Submitted"] = "auto-generated"


def _add_body(message: EmailMessage, arguments: Mapping[str, Any]) -> None:
    text, html = arguments.get("text"), arguments.get("html")
    if text is None and html is None:
        raise _invalid(t("Give `text`, `html` or both"))
    if text is not None:
        message.set_content(text)
    if html is not None:
        put = message.set_content if text is None else message.add_alternative
        put(html, subtype="html")


def _attach(message: EmailMessage, attachments: Sequence[Mapping[str, str]]) -> None:
    left = MAX_ATTACHED
    for number, one in enumerate(attachments):
        try:
            content = base64.b64decode(one["content"], validate=True)
        except (binascii.Error, ValueError):
            raise _invalid(t("'{field}' is not Base64", field=f"attachments.{number}.content")) from None
        left -= len(content)
        if left < 0:
            raise _invalid(t("The attachments are larger than {limit} bytes", limit=MAX_ATTACHED))
        main, _, sub = one.get("content_type", "application/octet-stream").partition("/")
        name = _line(f"attachments.{number}.filename", one["filename"])
        message.add_attachment(content, maintype=main, subtype=sub, filename=name)


def _line(field: str, text: str) -> str:
    """The text, which must not begin a header of its own."""
    if _CONTROL.search(text):
        raise _invalid(t("'{field}' has a line break or another control character", field=field))
    return text


def _invalid(message: str) -> ToolFailed:
    return ToolFailed(message, type="invalid_arguments", retryable=False)
