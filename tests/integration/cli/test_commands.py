"""The command line: exit codes, `doctor`, `db`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.cli.main import main
from config.settings import SETTINGS

NOBODY_LISTENS = "redis://:hunter2@127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home of the test's own, and nothing of the developer's settings."""
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
    monkeypatch.setenv("ORDINAUT_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--help"], 0, "Usage"),
        (["--version"], 0, "0.1.0"),
        (["nonsense"], 2, "No such command"),
        (["doctor", "--nonsense"], 2, "No such option"),
        (["db", "downgrade"], 2, "Missing argument"),
        ([], 2, "Usage"),
    ],
)
def test_exit_codes(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == code
    captured = capsys.readouterr()
    assert said in captured.out + captured.err


def test_a_wrong_setting_ends_any_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PORT", "http")
    assert main(["doctor"]) == 6
    assert capsys.readouterr().err == "ordinaut: PORT has to be a whole number from 1 to 65535, not 'http'.\n"


def report(capsys: pytest.CaptureFixture[str], code: int) -> dict[str, Any]:
    """What `ordinaut doctor --json` says."""
    assert main(["doctor", "--json"]) == code
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def test_doctor_shows_every_setting_and_where_it_came_from(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {one["name"]: one for one in report(capsys, 0)["settings"]}
    assert list(settings) == [setting.name for setting in SETTINGS]
    assert settings["PORT"] == {"name": "PORT", "value": "8080", "source": "default"}
    assert settings["ORDINAUT_HOME"] == {"name": "ORDINAUT_HOME", "value": str(home), "source": "environment"}


def test_doctor_hides_passwords_and_tells_who_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", NOBODY_LISTENS)
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:1/d")
    answer = report(capsys, 7)
    assert [check["ok"] for check in answer["checks"]] == [False, False]
    assert "hunter2" not in json.dumps(answer)


def test_doctor_in_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("REDIS_URL", NOBODY_LISTENS)
    assert main(["doctor"]) == 7
    text = capsys.readouterr().out
    assert "redis://:***@127.0.0.1:1/0  (environment)" in text and "BAD  redis:" in text


def test_doctor_finds_working_servers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], redis_url: str, database_url: str
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert [check["ok"] for check in report(capsys, 0)["checks"]] == [True, True]


def test_the_schema_goes_up_and_down(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str
) -> None:
    from config import logging

    # These run in this process, whose logging belongs to pytest.
    monkeypatch.setattr(logging, "configure", lambda _: None)
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert [main(["db", *words]) for words in (["check"], ["upgrade"], ["downgrade", "base"])] == [0, 0, 0]
    assert main(["db", "upgrade"]) == 0
    assert main(["db", "current"]) == 0
    assert "(head)" in capsys.readouterr().out


def test_the_folder_of_a_new_database_is_made(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    from config import logging

    monkeypatch.setattr(logging, "configure", lambda _: None)
    monkeypatch.setenv("ORDINAUT_HOME", str(home / "new" / "folder"))
    assert main(["db", "upgrade"]) == 0
    assert (home / "new" / "folder" / "ordinaut.db").exists()
