"""`ordinaut up` with programs of the tests' own: order, restarts, and that nothing is left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.servers import REPOSITORY, free_port, wait_for

START = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from app.cli import main, up
real = up.up
up.up = lambda: real(Path(sys.argv[2]))
sys.exit(main.main(["up"]))
"""

SERVER = """
import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health/ready" else 404)
        self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


class Up:
    """One `ordinaut up` in a folder, with its output in a file."""

    def __init__(self, folder: Path, procfile: str, **environ: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.home = folder / "a home"
        self.port = free_port()
        (folder / "server.py").write_text(SERVER)
        (folder / "Procfile").write_text(procfile.replace("SERVER", f"python3 '{folder / 'server.py'}'"))
        env = {"PATH": os.environ["PATH"], "PORT": str(self.port), "ORDINAUT_HOME": str(self.home)}
        env["ORDINAUT_DRAIN_SECONDS"] = "1"
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.process = psutil.Popen(
                [sys.executable, "-c", START, str(REPOSITORY), str(folder / "Procfile")],
                env=env | environ,
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        self._seen: dict[int, psutil.Process] = {}

    @property
    def output(self) -> str:
        """What it printed so far."""
        return self._log.read_text(encoding="utf-8")

    def wait_for(self, text: str) -> None:
        """Return when `text` was printed."""
        wait_for(lambda: text in self.output, what=f"{text!r} in {self.output!r}")

    def family(self) -> list[psutil.Process]:
        """Every process it started that is alive, the guardian included."""
        if self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE:
            self._seen |= {child.pid: child for child in self.process.children(recursive=True)}
        return [one for one in self._seen.values() if alive(one)]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and wait; its exit code."""
        self.family()
        self.process.send_signal(number)
        return int(self.process.wait(20))

    def clean(self) -> None:
        """Leave nothing, whatever the test did."""
        for one in [*self.family(), self.process]:
            if one.is_running():
                one.kill()
        self.process.wait(10)


def alive(process: psutil.Process) -> bool:
    """Whether it runs; a zombie that process 1 has yet to collect does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


Start = Callable[..., Up]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts as many as a test wants."""
    started: list[Up] = []

    def one(procfile: str, name: str = "one", **environ: str) -> Up:
        started.append(Up(tmp_path / name, procfile, **environ))
        return started[-1]

    yield one
    for up in started:
        up.clean()


WEB = "web: SERVER\n"


def test_it_migrates_first_says_when_it_is_ready_and_stops_cleanly(start: Start) -> None:
    up = start("release: echo migrated\nworker: echo working; exec sleep 60\n" + WEB)
    up.wait_for(f"Ordinaut is ready: http://127.0.0.1:{up.port}/")
    assert up.output.index("release  | migrated") < up.output.index("worker   | working")
    assert up.stop() == 0
    assert not up.family()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_repeated_signals_change_nothing(start: Start, number: signal.Signals) -> None:
    up = start(WEB + "worker: trap 'sleep 0.5; echo drained; exit' TERM; echo up; while :; do sleep 0.05; done\n")
    up.wait_for("is ready")
    up.family()
    up.process.send_signal(number)
    up.process.send_signal(number)
    assert up.stop(number) == 0
    assert "drained" in up.output and not up.family()


def test_what_ignores_the_signal_is_killed_with_its_children(start: Start) -> None:
    up = start(WEB + "worker: trap '' TERM; sleep 99 & echo stubborn; while :; do sleep 1; done\n")
    up.wait_for("stubborn")
    up.wait_for("is ready")
    assert up.stop() == 0
    assert "worker did not end within 4.5 s and is killed" in up.output
    assert not up.family()


def test_a_program_that_ends_is_started_again(start: Start) -> None:
    up = start(WEB + "worker: echo born; exit 3\n")
    up.wait_for("worker ended with status 3; it is started again in 0.5 s")
    up.wait_for("it is started again in 1 s")
    assert up.output.count("worker   | born") >= 2
    assert up.stop() == 0


def test_what_a_dead_program_left_is_ended_before_its_next_life(start: Start) -> None:
    up = start(WEB + "worker: sleep 77 & exit 1\n")
    up.wait_for("it is started again in 1 s")
    left = [one for one in up.family() if one.name() == "sleep" and "77" in one.cmdline()]
    assert len(left) <= 1
    assert up.stop() == 0
    assert not up.family()


def test_valkey_comes_back_with_the_same_address_and_password(start: Start, tmp_path: Path) -> None:
    import redis

    up = start(WEB + f"worker: echo \"$REDIS_URL\" > '{tmp_path}/url'; echo known; exec sleep 60\n")
    up.wait_for("known")
    url = (tmp_path / "url").read_text().strip()
    with redis.Redis.from_url(url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    (valkey,) = (one for one in up.family() if "valkey" in one.name())
    valkey.kill()
    up.wait_for("valkey was ended by SIGKILL")
    wait_for(lambda: pings(url), what="Valkey to come back")
    up.family()
    secret = url.split(":")[2].split("@")[0]
    assert secret not in up.output
    assert not any(secret in word for one in up.family() for word in one.cmdline())
    assert up.stop() == 0 and not up.family()


def pings(url: str) -> bool:
    """Whether a Valkey answers there."""
    import redis

    try:
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_a_valkey_without_its_password_says_nothing(start: Start, tmp_path: Path) -> None:
    import redis

    up = start(WEB + f"worker: echo \"$REDIS_URL\" > '{tmp_path}/url'; echo known; exec sleep 60\n")
    up.wait_for("known")
    port = (tmp_path / "url").read_text().strip().rpartition(":")[2]
    with (
        redis.Redis.from_url(f"redis://127.0.0.1:{port}") as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()


def test_a_given_redis_is_used(start: Start) -> None:
    up = start(WEB + 'worker: echo "at $REDIS_URL"; exec sleep 60\n', REDIS_URL="redis://127.0.0.1:1/0")
    up.wait_for("at redis://127.0.0.1:1/0")
    assert not any("valkey" in one.name() for one in up.family())


def test_killing_the_supervisor_ends_everything(start: Start) -> None:
    up = start(WEB + "worker: trap 'echo > drained; exit' TERM; sleep 88 & while :; do sleep 0.05; done\n")
    up.wait_for("is ready")
    assert len(up.family()) >= 5
    up.stop(signal.SIGKILL)
    wait_for(lambda: not up.family(), seconds=20, what=f"{up.family()} to end")


def test_a_failing_release_starts_nothing(start: Start) -> None:
    up = start("release: echo no such table; exit 4\n" + WEB)
    assert up.process.wait(10) == 1
    assert "ordinaut: The release step failed with status 4" in up.output
    assert "is ready" not in up.output and not up.family()


def test_a_stop_during_the_release_is_a_clean_stop(start: Start) -> None:
    up = start("release: echo migrating; exec sleep 60\n" + WEB)
    up.wait_for("migrating")
    assert up.stop(signal.SIGINT) == 0
    assert not up.family()


def test_a_taken_port_is_said_in_one_sentence(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        up = start(WEB, PORT=str(port))
        assert up.process.wait(10) == 1
        assert up.output == (
            f"ordinaut: Cannot listen on 127.0.0.1 port {port}: Address already in use. "
            "Set PORT to another port, or stop what uses this one.\n"
        )


def test_two_share_a_machine_but_no_home(start: Start) -> None:
    one, two = start(WEB, "one"), start(WEB, "two")
    one.wait_for("is ready")
    two.wait_for("is ready")
    third = start(WEB, "three", ORDINAUT_HOME=str(one.home))
    assert third.process.wait(10) == 1
    assert f"Another `ordinaut up` (process {one.process.pid}) runs on {one.home}" in third.output
    assert one.stop() == 0 and two.stop() == 0


def test_a_wrong_setting_is_said_in_one_sentence(start: Start) -> None:
    up = start(WEB, HOST="0.0.0.0")
    assert up.process.wait(10) == 6
    assert up.output.startswith("ordinaut: HOST=0.0.0.0 lets others in") and up.output.count("\n") == 1


def test_programs_find_this_python_and_this_home(start: Start) -> None:
    up = start(WEB + 'worker: echo "$(command -v python3) $ORDINAUT_HOME"; exec sleep 60\n')
    up.wait_for(f"{Path(sys.executable).parent / 'python3'} {up.home}")


def test_the_supervisor_is_small(start: Start) -> None:
    up = start(WEB)
    up.wait_for("is ready")
    assert up.process.memory_info().rss < 20 * 1024 * 1024


@pytest.mark.parametrize("command", ["--help", "web --help", "db --help", "doctor --help", "--version"])
def test_the_command_works_beside_modules_with_our_names(command: str, tmp_path: Path) -> None:
    for name in ("app", "config", "workers", "ordinaut", "click"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "bin" / "ordinaut"), *command.split()],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "rdinaut" in done.stdout
