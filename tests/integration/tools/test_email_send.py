"""email.send against a real mail server on loopback."""

from __future__ import annotations

import base64
from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest

from app.tools.email import email_send_tool
from app.tools.email_server import MailServer
from ordinaut.tools import Tool
from tests.fakes.certificates import Certificate, certificate
from tests.fakes.smtp_server import PASSWORD, Manners, SmtpServer, smtp_server
from tests.fakes.tool_calls import tool_call
from tests.integration.tools.conftest import failure

MAIL = {"to": "ann@a.example", "subject": "Hello", "text": "Good morning"}
ENCODED = "canary%20p%40ss%2Fword"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("tls"))


def tool_for(server: SmtpServer, url: str = "smtp://127.0.0.1:{port}", own: Certificate | None = None) -> Tool:
    mail = MailServer.parse(url.format(port=server.port), "Ordinaut <robot@ordinaut.example>")
    return email_send_tool(mail, context=own.trusted) if own else email_send_tool(mail)


def read(server: SmtpServer) -> EmailMessage:
    message = message_from_bytes(server.received[-1].content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_message_arrives_whole() -> None:
    attached = {"filename": "notă.csv", "content_type": "text/csv", "content": base64.b64encode(b"a;b\n").decode()}
    mail = {
        "to": ["Ann Țara <ann@a.example>", "bob@münchen.example"],
        "cc": "cy@c.example",
        "bcc": ["dan@d.example", "ann@a.example"],
        "subject": "Salutări ✓",
        "text": ".\nBună dimineața\n",
        "html": "<p>Bună</p>",
        "reply_to": "desk@a.example",
        "headers": {"X-Order": "42", "In-Reply-To": "<1@a.example>"},
        "attachments": [attached],
    }
    with smtp_server() as server:
        answer = tool_for(server).run(tool_call(mail))
        envelope, message = server.received[0], read(server)
    everybody = ["ann@a.example", "bob@xn--mnchen-3ya.example", "cy@c.example", "dan@d.example"]
    assert (envelope.sender, envelope.recipients) == ("robot@ordinaut.example", everybody)
    assert answer == {"message_id": message["Message-ID"], "recipients": everybody}
    assert (message["From"], message["Subject"]) == ("Ordinaut <robot@ordinaut.example>", "Salutări ✓")
    assert (message["To"], message["Cc"]) == ("Ann Țara <ann@a.example>, bob@xn--mnchen-3ya.example", "cy@c.example")
    assert b"dan@d.example" not in envelope.content
    assert (message["Reply-To"], message["X-Order"]) == ("desk@a.example", "42")
    parts = {part.get_content_type(): part for part in message.walk()}
    assert parts["text/plain"].get_content().replace("\r\n", "\n") == ".\nBună dimineața\n"
    assert parts["text/html"].get_content().strip() == "<p>Bună</p>"
    assert (parts["text/csv"].get_filename(), parts["text/csv"].get_content()) == ("notă.csv", "a;b\n")


def test_a_repeat_has_the_same_message_id() -> None:
    with smtp_server() as server:
        tool = tool_for(server)
        ids = [tool.run(tool_call(MAIL))["message_id"] for _ in range(2)]
    assert len(server.received) == 2
    assert ids[0] == ids[1] and ids[0].endswith("@ordinaut.example>")


@pytest.mark.parametrize(
    ("tls", "url"),
    [
        ("tls", "smtps://ann:{password}@localhost:{{port}}"),
        ("starttls", "smtp://ann:{password}@localhost:{{port}}?starttls=1"),
    ],
)
def test_credentials_go_over_an_encrypted_line(own: Certificate, tls: str, url: str) -> None:
    with smtp_server(Manners(tls=tls, certificate=own, auth=True)) as server:
        tool_for(server, url.format(password=ENCODED), own).run(tool_call(MAIL))
    assert (server.received[0].secure, server.received[0].user) == (True, "ann")
    assert not any(PASSWORD in command for command in server.commands)


@pytest.mark.parametrize(
    ("url", "tls", "trusted", "says"),
    [
        ("smtps://localhost:{port}", "tls", False, "self-signed certificate"),
        ("smtp://localhost:{port}?starttls=1", "starttls", False, "self-signed certificate"),
        # a good certificate of somebody else
        ("smtps://127.0.0.1:{port}", "tls", True, "ip address mismatch"),
        # a server, or somebody on the way, who says that there is no encryption
        ("smtp://localhost:{port}?starttls=1", "", True, "no encryption"),
    ],
)
def test_no_mail_without_a_trusted_line(own: Certificate, url: str, tls: str, trusted: bool, says: str) -> None:
    with smtp_server(Manners(tls=tls, certificate=own)) as server:
        failed = failure(tool_for(server, url, own if trusted else None), MAIL)
    assert (failed.type, failed.retryable) == ("tls_error", False)
    assert says in failed.message.lower()
    assert not server.received


@pytest.mark.parametrize(("auth", "reply"), [(True, {}), (False, {}), (True, {"AUTH": "535 canary wrong is wrong"})])
def test_a_refused_login_repeats_no_password(auth: bool, reply: dict[str, str]) -> None:
    with smtp_server(Manners(auth=auth, replies=reply)) as server:
        failed = failure(tool_for(server, "smtp://ann:canary%20wrong@127.0.0.1:{port}"), MAIL)
    assert (failed.type, failed.retryable) == ("login_refused", False)
    assert "canary" not in f"{failed.message} {failed.details}"


@pytest.mark.parametrize(
    ("replies", "kind", "retryable"),
    [
        ({"greeting": "421 busy"}, "message_refused", True),
        ({"greeting": "554 go away"}, "message_refused", False),
        ({"MAIL robot@ordinaut.example": "550 who?"}, "message_refused", False),
        ({"MAIL robot@ordinaut.example": "451 later"}, "message_refused", True),
        ({"RCPT ann@a.example": "550 5.1.1 no such user"}, "recipients_refused", False),
        ({"RCPT ann@a.example": "450 greylisted"}, "recipients_refused", True),
        # one of them for good: another attempt would end the same
        ({"RCPT ann@a.example": "450 later", "RCPT bob@b.example": "550 no"}, "recipients_refused", False),
        ({"RCPT ann@a.example": "421 closing"}, "message_refused", True),
        ({"DATA": "452 full"}, "message_refused", True),
        ({"content": "554 spam"}, "message_refused", False),
        ({"content": "451 later"}, "message_refused", True),
        ({"greeting": "SSH-2.0-OpenSSH_9"}, "message_refused", True),
    ],
)
def test_a_no_is_told_and_sends_nothing(replies: dict[str, str], kind: str, retryable: bool) -> None:
    with smtp_server(Manners(replies=replies)) as server:
        failed = failure(tool_for(server), {**MAIL, "cc": "bob@b.example"})
    assert (failed.type, failed.retryable) == (kind, retryable)
    assert not server.received


def test_refused_recipients_are_named() -> None:
    with smtp_server(Manners(replies={"RCPT bob@b.example": "550 5.1.1 no such user"})) as server:
        failed = failure(tool_for(server), {**MAIL, "cc": "bob@b.example"})
    refused = {"address": "bob@b.example", "code": 550, "message": "5.1.1 no such user"}
    assert failed.details == {"recipients": [refused]}
    assert "bob@b.example" in failed.message


@pytest.mark.parametrize(
    ("manners", "kind"),
    [
        (Manners(dies="MAIL"), "connect_error"),
        (Manners(dies="EHLO"), "connect_error"),
        (Manners(silent="DATA"), "timeout"),
        # a byte now and then does not outlast the deadline
        (Manners(drips="RCPT"), "timeout"),
    ],
)
def test_a_server_that_fails_is_tried_again(manners: Manners, kind: str) -> None:
    with smtp_server(manners) as server:
        failed = failure(tool_for(server), MAIL, seconds=1)
    assert (failed.type, failed.retryable) == (kind, True)


def test_nobody_listening_is_tried_again() -> None:
    with smtp_server() as server:
        tool = tool_for(server)
    failed = failure(tool, MAIL)
    assert (failed.type, failed.retryable) == ("connect_error", True)


def test_how_a_conversation_ends_after_the_message_is_of_no_matter() -> None:
    with smtp_server(Manners(silent="QUIT")) as server:
        assert tool_for(server).run(tool_call(MAIL, seconds=1))["recipients"] == ["ann@a.example"]


def test_a_run_that_is_stopped_stops_the_conversation() -> None:
    with smtp_server(Manners(silent="DATA")) as server:
        stop: Callable[[], bool] = lambda: "DATA" in server.commands  # noqa: E731
        failed = failure(tool_for(server), MAIL, seconds=20, should_stop=stop)
    assert (failed.type, failed.retryable) == ("stopped", True)


def test_without_a_server_it_says_what_is_missing() -> None:
    failed = failure(email_send_tool(None), dict[str, Any](MAIL))
    assert (failed.type, failed.retryable) == ("not_configured", False)
    assert "ORDINAUT_SMTP_URL" in failed.message
