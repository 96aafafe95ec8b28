"""Handing a message to the mail server (RFC 5321), all of it or nothing, in the time there is."""

from __future__ import annotations

import io
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email.headerregistry import Address
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from app.domain.texts import t
from app.tools.email_message import Letter, mailbox
from app.tools.http_connection import Watch, WatchedReader
from ordinaut.tools import ToolFailed

_CONNECT_SECONDS = 10.0
_QUIT_SECONDS = 2.0
_EXCERPT = 300
_MASK = "[redacted]"
_HIDDEN_FROM = 4
_PORTS = {"smtps": 465, "smtp": 25}
_SUBMISSION = 587

Context = Callable[[], ssl.SSLContext]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail goes and as whom; `security` is `tls`, `starttls` or empty."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    security: str = ""
    sender: Address

    @classmethod
    def parse(cls, url: str, sender: str) -> MailServer:
        """Read ORDINAUT_SMTP_URL and ORDINAUT_SMTP_FROM, which the settings have checked."""
        split = urlsplit(url)
        starttls = "starttls" if split.query == "starttls=1" else ""
        return cls(
            host=split.hostname or "",
            port=split.port or (_SUBMISSION if starttls else _PORTS[split.scheme]),
            user=unquote(split.username or ""),
            password=unquote(split.password or ""),
            security="tls" if split.scheme == "smtps" else starttls,
            sender=mailbox(sender),
        )

    @property
    def where(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"


def hand_over(server: MailServer, letter: Letter, watch: Watch, context: Context) -> None:
    """Give the letter to the server for all its recipients; refused for one, it goes to none.

    Raises:
        ToolFailed: `connect_error`, `tls_error`, `timeout`, `stopped`, `login_refused`, `recipients_refused` or
            `message_refused`.
    """
    session = _Session(server, watch)
    try:
        session.greet(context)
        session.deliver(letter)
    except OSError as error:
        # What smtplib raises is an OSError too.
        raise _failure(error, server) from error
    finally:
        session.close()


class _Session(smtplib.SMTP):
    """A conversation whose every wait is under the watch."""

    def __init__(self, server: MailServer, watch: Watch) -> None:
        # Any name will do here, and saves looking up this machine's own.
        super().__init__(local_hostname="localhost")
        self._server = server
        self._watch = watch

    def greet(self, context: Context) -> None:
        """Connect, encrypt and log in, as far as the server's URL asks for it."""
        address = (self._server.host, self._server.port)
        self.sock = socket.create_connection(address, self._watch.remaining(_CONNECT_SECONDS))
        self.local_hostname = _literal(self.sock.getsockname()[0])
        if self._server.security == "tls":
            self._encrypt(context)
        self._expect(220, self.getreply())
        self.ehlo_or_helo_if_needed()
        if self._server.security == "starttls":
            self._start_tls(context)
        if self._server.user:
            self.login(self._server.user, self._server.password)

    def deliver(self, letter: Letter) -> None:
        """MAIL, RCPT for each, DATA, QUIT."""
        size = [f"size={len(letter.content)}"] if self.has_extn("size") else []
        self._expect(250, self.mail(self._server.sender.addr_spec, size))
        refused = list(self._refused(letter.recipients))
        if refused:
            raise _recipients_refused(self._server, refused)
        self._expect(250, self.data(letter.content))
        # The message is with the server now: how the conversation ends is of no matter.
        with suppress(OSError, ToolFailed):
            self._watch = replace(self._watch, deadline=min(self._watch.deadline, time.monotonic() + _QUIT_SECONDS))
            self.docmd("QUIT")

    def _refused(self, recipients: Sequence[str]) -> Iterator[dict[str, Any]]:
        for recipient in recipients:
            code, text = self.rcpt(recipient)
            if code == 421:
                raise smtplib.SMTPResponseException(code, text)
            if code not in (250, 251):
                yield {"address": recipient, "code": code, "message": _said(text, self._server)}

    def _start_tls(self, context: Context) -> None:
        if not self.has_extn("starttls"):
            message = t("{where} offers no encryption (STARTTLS)", where=self._server.where)
            raise ToolFailed(message, type="tls_error", retryable=False)
        self._expect(220, self.docmd("STARTTLS"))
        self._encrypt(context)
        # What was said in the clear does not count any more (RFC 3207 section 4.2).
        self.ehlo_resp = self.helo_resp = None
        self.esmtp_features = {}
        self.ehlo_or_helo_if_needed()

    def _encrypt(self, context: Context) -> None:
        sock = cast(socket.socket, self.sock)
        sock.settimeout(self._watch.remaining(_CONNECT_SECONDS))
        self.sock = context().wrap_socket(sock, server_hostname=self._server.host)
        self.file = None

    def _expect(self, code: int, reply: tuple[int, bytes]) -> None:
        if reply[0] != code:
            raise smtplib.SMTPResponseException(*reply)

    def send(self, s: Any) -> None:
        """Send bytes, no longer than the watch allows."""
        if self.sock:
            self.sock.settimeout(self._watch.remaining())
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        """The server's next reply, read in short waits."""
        if self.sock and self.file is None:
            reader = WatchedReader(self.sock, self.sock.makefile("rb"), lambda: self._watch)
            self.file = io.BufferedReader(reader)
        return super().getreply()


def _literal(address: str) -> str:
    """The address as EHLO names a client without a name (RFC 5321 section 4.1.3)."""
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _recipients_refused(server: MailServer, refused: list[dict[str, Any]]) -> ToolFailed:
    names = ", ".join(one["address"] for one in refused)
    return ToolFailed(
        t("{where} refuses {names}; nobody was sent the message", where=server.where, names=names),
        type="recipients_refused",
        retryable=all(one["code"] < 500 for one in refused),
        details={"recipients": refused},
    )


def _failure(error: OSError, server: MailServer) -> ToolFailed:
    where = server.where
    if isinstance(error, (smtplib.SMTPAuthenticationError, smtplib.SMTPNotSupportedError)):
        # Without what the server said: some repeat the credentials.
        code = getattr(error, "smtp_code", 0)
        return ToolFailed(
            t("{where} does not accept the user and password of ORDINAUT_SMTP_URL", where=where),
            type="login_refused",
            retryable=400 <= code < 500,
            details={"code": code},
        )
    if isinstance(error, smtplib.SMTPResponseException):
        return _refused(error, server)
    if isinstance(error, ssl.SSLError):
        certificate = isinstance(error, ssl.SSLCertVerificationError)
        said = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.reason or ""
        reason = said.replace("_", " ").lower()
        return ToolFailed(
            t("No secure connection to {where}: {reason}", where=where, reason=reason),
            type="tls_error",
            retryable=not certificate,
        )
    if isinstance(error, TimeoutError):
        return ToolFailed(t("{where} did not answer in time", where=where), type="timeout")
    reason = error.strerror or t("no connection")
    return ToolFailed(t("Cannot talk to {where}: {reason}", where=where, reason=reason), type="connect_error")


def _refused(error: smtplib.SMTPResponseException, server: MailServer) -> ToolFailed:
    said = _said(error.smtp_error, server)
    return ToolFailed(
        t("{where} does not take the message: {code} {said}", where=server.where, code=error.smtp_code, said=said),
        type="message_refused",
        retryable=error.smtp_code < 500,
        details={"code": error.smtp_code, "message": said},
    )


def _said(text: bytes | str, server: MailServer) -> str:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    if len(server.password) >= _HIDDEN_FROM:
        said = said.replace(server.password, _MASK)
    return " ".join(said.replace("\x00", "\ufffd").split())[:_EXCERPT]
