"""`ordinaut agent`, `token`, `audit` and `secrets`: what they print, and the exit code of each no."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.cli.main import main
from config.settings import SETTINGS
from tests.servers import Databases


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, databases: Databases) -> Iterator[Path]:
    """A migrated installation of the test's own; the commands' logging does not outlive it."""
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
    monkeypatch.setenv("ORDINAUT_HOME", str(tmp_path))
    databases.sqlite(tmp_path / "ordinaut.db")
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield tmp_path
    root.handlers[:], root.level = handlers, level


def printed(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    """The JSON that a command prints."""
    assert main([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_the_first_admin_and_a_key_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    made = printed(capsys, "agent", "create", "ana")
    assert made["scopes"] == ["admin"] and made["agent_secret"].startswith("ors_")
    key = printed(capsys, "token", "create", "ana", "--scope", "tasks:read", "--days", "7")
    assert key["agent_id"] == made["agent_id"] and key["key"].startswith("oat_") and key["scopes"] == ["tasks:read"]
    again = printed(capsys, "agent", "renew", made["agent_id"])
    assert again["agent_secret"] != made["agent_secret"]


def test_agents_are_listed_changed_and_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    printed(capsys, "agent", "create", "ana", "--scope", "tasks:read", "--scope", "runs:read")
    assert main(["agent", "scopes", "ana", "--scope", "tasks:create"]) == 0
    assert main(["agent", "disable", "ana"]) == 0
    (one,) = printed(capsys, "agent", "list")["items"]
    assert (one["name"], one["status"], one["scopes"]) == ("ana", "disabled", ["tasks:create"])
    assert main(["agent", "enable", "ana"]) == 0
    assert main(["agent", "list"]) == 0
    assert "active    ana  tasks:create" in capsys.readouterr().out
    assert main(["agent", "delete", "ana"]) == 0
    assert printed(capsys, "agent", "list") == {"items": []}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["agent", "create", "ana"], 5, "already an agent"),
        (["agent", "create", "local"], 6, "reserved"),
        (["agent", "create", "x", "--scope", "nope"], 6, "no such scope"),
        (["agent", "delete", "nobody"], 3, "not found"),
        (["token", "create", "nobody"], 3, "not found"),
        (["token", "create", "ana", "--days", "0"], 2, "Invalid value"),
        (["agent", "scopes", "ana"], 2, "Missing option"),
    ],
)
def test_refusals_have_their_codes(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["agent", "create", "ana"])
    capsys.readouterr()
    assert main(words) == code
    assert said in capsys.readouterr().err


def test_the_audit_log_is_verified_to_the_row(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("ana", "bob", "eve"):
        main(["agent", "create", name])
    capsys.readouterr()
    good = printed(capsys, "audit", "verify")
    assert good["intact"] and good["rows"] == 3
    with closing(sqlite3.connect(home / "ordinaut.db")) as database, database:
        database.execute("DROP TRIGGER audit_never_changes")
        database.execute("UPDATE audit SET actor = 'nobody' WHERE number = 2")
    bad = printed(capsys, "audit", "verify", code=1)
    assert (bad["intact"], bad["broken_at"], bad["reason"]) == (False, 2, "it was changed")


def test_secrets_are_encrypted_anew(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["secrets", "rotate"]) == 0
    assert capsys.readouterr().out == "0 encrypted anew\n"


def test_without_a_schema_it_says_the_cure(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "ordinaut.db").unlink()
    assert main(["agent", "list"]) == 1
    assert "ordinaut db upgrade" in capsys.readouterr().err


def test_a_key_that_cannot_be_read_ends_the_start_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORDINAUT_AUTH", "jwt")
    monkeypatch.setenv("ORDINAUT_JWT_ALGORITHM", "ES256")
    monkeypatch.setenv("ORDINAUT_JWT_KEYS", "-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----")
    assert main(["web"]) == 6
    assert "private keys in PEM" in capsys.readouterr().err
