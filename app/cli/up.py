"""`ordinaut up`: the Procfile's programs on one machine, with a Valkey and a database of their own."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.cli.embedded_valkey import MUTED, EmbeddedValkey
from app.cli.exits import CannotStart
from app.cli.guardian import Guardian
from app.cli.printer import Printer
from app.cli.programs import Program, read_procfile
from app.cli.supervisor import OWN_NAME, Supervisor
from config.settings import SETTINGS, Settings, environment, load

REPOSITORY = Path(__file__).resolve().parent.parent.parent
_SPARE_SECONDS = 3.5
"""What a process may take beyond ORDINAUT_DRAIN_SECONDS; with Valkey's end it makes 25 s by default."""


def up(procfile: Path = REPOSITORY / "Procfile") -> int:
    """Run until SIGTERM or Ctrl-C; 0 after a clean stop. Raises CannotStart and SettingsError."""
    settings = load()
    with _only_one(settings.home) as lock:
        _refuse_taken_port(settings.host, settings.port)
        programs = read_procfile(procfile)
        release = programs.pop("release", None)
        grace = settings.drain_seconds + _SPARE_SECONDS
        supervisor = Supervisor(
            env=(env := _environment(settings)),
            folder=REPOSITORY,
            printer=_printer([*programs, "release", "valkey"]),
            guardian=Guardian(grace=int(grace), keep_open=[lock]),
            grace=grace,
        )
        with supervisor:
            if settings.redis_url is None:
                env["REDIS_URL"] = _serve_valkey(supervisor, settings.home / "valkey")
            if release is not None and not supervisor.stopping:
                _release(supervisor, release)
            if not supervisor.stopping:
                supervisor.keep(
                    list(programs.values()),
                    until_ready=lambda: "web" not in programs or _ready(settings),
                    ready=f"Ordinaut is ready: {_address(settings)} (data in {settings.home})",
                )
    return 0


@contextmanager
def _only_one(home: Path) -> Iterator[int]:
    """Hold the lock of the home folder; yields its descriptor."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(home / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CannotStart(f"ORDINAUT_HOME={home} cannot be used: {error.strerror}.") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(descriptor, 20).decode(errors="replace").strip()
        os.close(descriptor)
        raise CannotStart(
            f"Another `ordinaut up` (process {holder}) runs on {home} or is still stopping; "
            "stop it, or set ORDINAUT_HOME to another folder."
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _refuse_taken_port(host: str, port: int) -> None:
    """Raise CannotStart unless the web process will be able to listen there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror:
        raise CannotStart(f"HOST={host} is no address of this machine.") from None
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise CannotStart(
            f"Cannot listen on {host} port {port}: {reason}. Set PORT to another port, or stop what uses this one."
        ) from None


def _environment(settings: Settings) -> dict[str, str]:
    """What the programs get: this interpreter's folder first on the PATH, paths that hold from any folder."""
    env = environment()
    env["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), env.get("PATH", os.defpath)])
    env["PYTHONUNBUFFERED"] = "1"
    env["ORDINAUT_HOME"] = str(settings.home)
    if settings.sources["DATABASE_URL"] == "environment":
        env["DATABASE_URL"] = settings.database_url
    for name in (f"{setting.name}_FILE" for setting in SETTINGS if setting.secret):
        if env.get(name):
            env[name] = os.path.abspath(env[name])
    return env


def _printer(names: list[str]) -> Printer:
    coloured = os.isatty(1) and not environment().get("NO_COLOR")
    return Printer(1, width=max(map(len, [*names, OWN_NAME])), coloured=coloured, muted=MUTED)


def _serve_valkey(supervisor: Supervisor, folder: Path) -> str:
    """Start the embedded Valkey; its URL."""
    for _ in range(3):
        # Between choosing a free port and using it somebody else may take it: then try another.
        valkey = EmbeddedValkey.at(folder)
        try:
            if supervisor.serve(valkey.program, ready=valkey.answers, seconds=10) or supervisor.stopping:
                return valkey.url
        except OSError as error:
            raise CannotStart(f"The embedded Valkey cannot run here ({error}); set REDIS_URL.") from None
    raise CannotStart("The embedded Valkey does not start; its lines above say why.")


def _release(supervisor: Supervisor, program: Program) -> None:
    status = supervisor.finish(program)
    if status and not supervisor.stopping:
        raise CannotStart(f"The release step failed with status {status}; its lines above say why.")


def _address(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://[{host}]:{settings.port}/" if ":" in host else f"http://{host}:{settings.port}/"


def _ready(settings: Settings) -> bool:
    """Whether /health/ready answers 200 within a second. By hand: an HTTP library is 8 MB."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    request = f"GET /health/ready HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((host, settings.port), 1) as connection:
            connection.sendall(request.encode())
            return connection.recv(64).startswith((b"HTTP/1.1 200", b"HTTP/1.0 200"))
    except OSError:
        return False
