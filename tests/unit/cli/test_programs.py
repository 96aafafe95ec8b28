"""What the supervisor is made of: the Procfile, restarts, printed lines."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from app.cli.exits import CannotStart
from app.cli.printer import Printer
from app.cli.programs import GOOD_LIFE, Child, Program, describe, read_procfile
from tests.servers import REPOSITORY


def test_a_procfile_is_names_and_shell_commands(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("# what runs\n\nweb: serve --port $PORT\nmy-worker:  work && rest\n")
    programs = read_procfile(tmp_path / "Procfile")
    assert {name: program.command[2] for name, program in programs.items()} == {
        "web": "serve --port $PORT",
        "my-worker": "work && rest",
    }


def test_a_wrong_line_of_a_procfile_is_named(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: serve\nworker\n")
    with pytest.raises(CannotStart, match=r"Line 2 of .*Procfile is not `name: command`"):
        read_procfile(tmp_path / "Procfile")


def test_our_procfile_has_the_four_programs() -> None:
    assert list(read_procfile(REPOSITORY / "Procfile")) == ["release", "web", "worker", "beat"]


def test_pauses_double_up_to_half_a_minute() -> None:
    child = Child(Program("web", ("true",)))
    assert [child.ended(now=0.0) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_a_good_life_starts_the_count_again() -> None:
    child = Child(Program("web", ("true",)))
    child.ended(now=0.0)
    assert child.ended(now=GOOD_LIFE) == 0.5
    assert child.restart_at == GOOD_LIFE + 0.5


@pytest.mark.parametrize(("status", "words"), [(3, "ended with status 3"), (-9, "was ended by SIGKILL")])
def test_an_exit_status_in_words(status: int, words: str) -> None:
    assert describe(status) == words


def printed(*pieces: bytes, coloured: bool = False, muted: tuple[bytes, ...] = ()) -> bytes:
    """What a printer makes of the output of `web`."""
    with tempfile.TemporaryFile() as file:
        printer = Printer(file.fileno(), width=6, coloured=coloured, muted=muted)
        for piece in pieces:
            printer.feed("web", piece)
        printer.end("web")
        file.seek(0)
        return file.read()


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ((b"one\ntwo\n",), b"web    | one\nweb    | two\n"),
        # a line in pieces, and one without an end
        ((b"on", b"e\ntw", b"o"), b"web    | one\nweb    | two\n"),
        # letters of two bytes, cut in the middle
        ((b"sarcin\xc4", b"\x83\n"), "web    | sarcină\n".encode()),
        ((b"dos\r\n",), b"web    | dos\n"),
        ((b"quiet please\nloud\n",), b"web    | loud\n"),
    ],
)
def test_every_line_is_printed_after_its_name(pieces: tuple[bytes, ...], lines: bytes) -> None:
    assert printed(*pieces, muted=(b"quiet",)) == lines


def test_an_endless_line_is_cut() -> None:
    assert printed(b"x" * 70_000, b"y\n").count(b"web    | ") == 2


def test_names_may_be_coloured() -> None:
    assert printed(b"one\n", coloured=True) == b"\x1b[36mweb    | \x1b[0mone\n"


def test_a_reader_that_has_gone_away_stops_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    printer = Printer(writer, width=6, coloured=False)
    printer.line("web", "one")
    printer.line("web", "two")
    os.close(writer)
