"""A mail server on loopback (RFC 5321) with STARTTLS and AUTH, which refuses and misbehaves on request."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.fakes.certificates import Certificate

PASSWORD = "canary p@ss/word"


@dataclass
class Received:
    """A message that was taken."""

    sender: str
    recipients: list[str]
    content: bytes
    secure: bool
    user: str


@dataclass
class Manners:
    """How the server behaves.

    Attributes:
        replies: What it answers to a command instead of doing it: `{"RCPT bob@b.example": "550 no such user"}`, by the
            command and, for MAIL and RCPT, the address.
        silent: A command it never answers.
        drips: A command it answers with a byte now and then.
        dies: A command at which it hangs up.
    """

    tls: str = ""
    certificate: Certificate | None = None
    auth: bool = False
    replies: dict[str, str] = field(default_factory=dict)
    silent: str = ""
    drips: str = ""
    dies: str = ""


class SmtpServer(socketserver.ThreadingTCPServer):
    """`received` holds the messages, `commands` all that was said."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, manners: Manners) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.manners = manners
        self.received: list[Received] = []
        self.commands: list[str] = []
        self.release = threading.Event()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    def secure(self) -> ssl.SSLContext:
        """Its side of TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        assert self.manners.certificate
        context.load_cert_chain(self.manners.certificate.chain)
        return context


@contextmanager
def smtp_server(manners: Manners | None = None) -> Iterator[SmtpServer]:
    """A running server."""
    server = SmtpServer(manners or Manners())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Conversation(socketserver.StreamRequestHandler):
    server: SmtpServer

    def handle(self) -> None:
        """Until QUIT, or until somebody hangs up."""
        self._secure, self._user = False, ""
        self._sender, self._recipients = "", list[str]()
        with suppress(OSError):
            if self.server.manners.tls == "tls":
                self._encrypt()
            self._say(self.server.manners.replies.get("greeting", "220 fake ESMTP"))
            while self._turn():
                pass

    def finish(self) -> None:
        """Close the line, which may be another since it was encrypted."""
        with suppress(OSError):
            super().finish()
        self.request.close()

    def _turn(self) -> bool:
        line = self.rfile.readline(2000).decode().rstrip("\r\n")
        verb = line.split(" ")[0].upper()
        manners = self.server.manners
        self.server.commands.append(line.upper() if verb == "DATA" else line)
        if not line or verb in (manners.dies, "QUIT"):
            return False
        if verb == manners.silent:
            return self.server.release.wait(30)
        while verb == manners.drips and not self.server.release.wait(0.02):
            self.wfile.write(b"2")
        address = line.partition("<")[2].partition(">")[0]
        reply = manners.replies.get(f"{verb} {address}".strip())
        self._say(reply) if reply else self._answer(verb, line, address)
        return True

    def _answer(self, verb: str, line: str, address: str) -> None:
        match verb:
            case "EHLO":
                self._ehlo()
            case "STARTTLS":
                self._say("220 go ahead")
                self._encrypt()
            case "AUTH":
                self._auth(line)
            case "MAIL":
                self._sender, self._recipients = address, []
                self._say("250 ok")
            case "RCPT":
                self._recipients.append(address)
                self._say("250 ok")
            case "DATA":
                self._data()
            case _:
                self._say("502 what?")

    def _ehlo(self) -> None:
        manners = self.server.manners
        names = ["fake", "SIZE 10000000", "8BITMIME"]
        names += ["STARTTLS"] if manners.tls == "starttls" and not self._secure else []
        names += ["AUTH PLAIN"] if manners.auth else []
        for name in names[:-1]:
            self._say(f"250-{name}")
        self._say(f"250 {names[-1]}")

    def _auth(self, line: str) -> None:
        _, user, password = base64.b64decode(line.split(" ")[2]).decode().split("\0")
        self._user = user
        self._say("235 ok" if password == PASSWORD else f"535 {password} is wrong")

    def _data(self) -> None:
        self._say("354 go on")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        reply = self.server.manners.replies.get("content", "250 taken")
        if reply.startswith("250"):
            one = Received(self._sender, self._recipients, b"".join(lines), self._secure, self._user)
            self.server.received.append(one)
        self._say(reply)

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")

    def _encrypt(self) -> None:
        self.request = self.server.secure().wrap_socket(self.request, server_side=True)
        self._secure = True
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", 0)
