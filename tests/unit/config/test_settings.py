"""Settings: what is read, what is refused and with which sentence, and what is never shown."""

from __future__ import annotations

import ast
from dataclasses import fields
from pathlib import Path

import pytest

from config.settings import SETTINGS, Settings, SettingsError, load
from tests.servers import REPOSITORY

SECRET = "hunter2"


def test_every_setting_has_its_field_and_only_once() -> None:
    attributes = [setting.attribute for setting in SETTINGS]
    assert sorted([*attributes, "sources", "warnings"]) == sorted(field.name for field in fields(Settings))


def test_the_defaults_suit_a_developer() -> None:
    settings = load({})
    assert (settings.env, settings.host, settings.port) == ("development", "127.0.0.1", 8080)
    assert settings.home == REPOSITORY / "var"
    assert settings.sqlite_file == REPOSITORY / "var" / "ordinaut.db"
    assert settings.redis_url is None and settings.auth == "off" and settings.log_format == "pretty"


def test_a_dyno_is_production_behind_one_proxy() -> None:
    settings = load({"DYNO": "web.1", "ORDINAUT_AUTH": "off", "DATABASE_URL": "postgres://u:p@h/d", "PORT": "5000"})
    assert settings.production and settings.proxy_hops == 1 and settings.host == "0.0.0.0"
    assert settings.redis_ssl_cert_reqs == "none" and settings.log_format == "json"


@pytest.mark.parametrize(
    ("name", "text", "attribute", "value"),
    [
        ("PORT", " 5000 ", "port", 5000),
        # an empty variable counts as unset
        ("PORT", "", "port", 8080),
        ("ORDINAUT_LEASE_SECONDS", "1.5", "lease_seconds", 1.5),
        # words are read in any case
        ("LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("ORDINAUT_ALLOW_EPHEMERAL", "Yes", "allow_ephemeral", True),
        # Heroku's spelling, SQLAlchemy's old one and the full one are the same
        ("DATABASE_URL", "postgres://u:p@h:5/d?a=b", "database_url", "postgresql+psycopg://u:p@h:5/d?a=b"),
        ("DATABASE_URL", "postgresql://h/d", "database_url", "postgresql+psycopg://h/d"),
        ("DATABASE_URL", "postgresql+psycopg://h/d", "database_url", "postgresql+psycopg://h/d"),
        ("DATABASE_URL", "sqlite:////tmp/a b.db", "database_url", "sqlite:////tmp/a%20b.db"),
        ("REDIS_URL", "rediss://:p@h:6380/1", "redis_url", "rediss://:p@h:6380/1"),
        ("REDIS_URL", "unix:///tmp/v.sock", "redis_url", "unix:///tmp/v.sock"),
        # hosts in lower case, networks in canonical form, each once
        (
            "ORDINAUT_HTTP_ALLOWED_HOSTS",
            "DB.lan, 10.0.0.0/8,db.lan",
            "http_allowed_hosts",
            ("db.lan", "10.0.0.0/8"),
        ),
        ("ORDINAUT_HTTP_ALLOWED_HOSTS", "::1,fd00::/8", "http_allowed_hosts", ("::1", "fd00::/8")),
        # names, names with all below them, addresses as a Host header has them
        (
            "ORDINAUT_ALLOWED_HOSTS",
            "A.example,.b.example, [::1],a.example",
            "allowed_hosts",
            ("a.example", ".b.example", "[::1]"),
        ),
        (  # ports, as the HTTP tool's policy reads them
            "ORDINAUT_HTTP_ALLOWED_HOSTS",
            "Api.local:8443,10.0.0.0/8:80,[::1]:81",
            "http_allowed_hosts",
            ("api.local:8443", "10.0.0.0/8:80", "[::1]:81"),
        ),
        ("ORDINAUT_SMTP_URL", "smtp://u:p@h?starttls=1", "smtp_url", "smtp://u:p@h?starttls=1"),
        # a password in the clear goes no further than this machine
        ("ORDINAUT_SMTP_URL", "smtp://u:p@127.0.0.1:2525", "smtp_url", "smtp://u:p@127.0.0.1:2525"),
        ("ORDINAUT_SMTP_FROM", "Robot <a@b.example>", "smtp_from", "Robot <a@b.example>"),
        ("ORDINAUT_LLM_BASE_URL", "http://127.0.0.1:11434/v1/", "llm_base_url", "http://127.0.0.1:11434/v1"),
        ("ORDINAUT_RATE_LIMIT", "10 per 2 seconds;5/hour", "rate_limit", "10 per 2 seconds;5/hour"),
    ],
)
def test_values_are_read(name: str, text: str, attribute: str, value: object) -> None:
    assert getattr(load({name: text}), attribute) == value


def test_a_relative_sqlite_path_becomes_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert load({"DATABASE_URL": "sqlite:///x.db"}).sqlite_file == tmp_path / "x.db"


def test_a_home_with_odd_characters_survives_the_url(tmp_path: Path) -> None:
    home = tmp_path / "50% off? #1"
    assert load({"ORDINAUT_HOME": str(home)}).sqlite_file == home / "ordinaut.db"


REFUSED = [
    # wrong kinds; each sentence names the variable and what it takes
    ({"PORT": "x"}, "PORT has to be a whole number from 1 to 65535, not 'x'."),
    ({"PORT": "70000"}, "PORT has to be a whole number from 1 to 65535, not '70000'."),
    ({"PORT": "８０"}, "PORT has to be a whole number from 1 to 65535, not '８０'."),
    (
        {"ORDINAUT_POLL_SECONDS": "nan"},
        "ORDINAUT_POLL_SECONDS has to be a number from 0.01 to 60, not 'nan'.",
    ),
    ({"LOG_FORMAT": "xml"}, "LOG_FORMAT has to be json or pretty, not 'xml'."),
    ({"ORDINAUT_ALLOW_EPHEMERAL": "2"}, "ORDINAUT_ALLOW_EPHEMERAL has to be 1 or 0, not '2'."),
    ({"ORDINAUT_RATE_LIMIT": "many"}, "ORDINAUT_RATE_LIMIT has to be a limit such as `600/minute`"),
    (
        {"ORDINAUT_HTTP_ALLOWED_HOSTS": "10.0.0.1/8"},
        "ORDINAUT_HTTP_ALLOWED_HOSTS has to be host names and CIDR",
    ),
    ({"HOST": "a b"}, "HOST has to be a host name or an IP address, not 'a b'."),
    # databases that are not there for everybody, or not known
    ({"DATABASE_URL": "mysql://u:hunter2@h/d"}, "(SQLite and PostgreSQL are supported)"),
    ({"DATABASE_URL": "sqlite://"}, "a database in memory cannot be shared"),
    ({"DATABASE_URL": "sqlite:///:memory:"}, "a database in memory cannot be shared"),
    ({"DATABASE_URL": "postgresql://u:hunter2@h:port/d"}, "DATABASE_URL has to be"),
    ({"REDIS_URL": "http://:hunter2@h"}, "REDIS_URL has to be redis://"),
    ({"REDIS_URL": "redis://"}, "(it names no server)"),
    # services outside
    ({"ORDINAUT_SMTP_URL": "smtp://u:hunter2@h"}, "(a password needs smtps:// or ?starttls=1)"),
    ({"ORDINAUT_SMTP_URL": "smtp://h?tls=hunter2"}, "(of options it knows starttls=1)"),
    ({"ORDINAUT_SMTP_URL": "smtps://h?starttls=1"}, "(smtps:// is encrypted from the start)"),
    ({"ORDINAUT_SMTP_URL": "smtp://u:hunter2@:25"}, "ORDINAUT_SMTP_URL has to be smtps://"),
    ({"ORDINAUT_SMTP_URL": "mail.example"}, "ORDINAUT_SMTP_URL has to be smtps://"),
    ({"ORDINAUT_SMTP_FROM": "Robot"}, "ORDINAUT_SMTP_FROM has to be an address"),
    ({"ORDINAUT_SMTP_FROM": "Robot <a@b> c"}, "ORDINAUT_SMTP_FROM has to be an address"),
    ({"ORDINAUT_LLM_BASE_URL": "https://u:hunter2@h/v1"}, "(the key goes into ORDINAUT_LLM_API_KEY)"),
    ({"ORDINAUT_LLM_BASE_URL": "h/v1"}, "ORDINAUT_LLM_BASE_URL has to be an http or https URL"),
    ({"ORDINAUT_LLM_API_KEY": "hunter2 two"}, "ORDINAUT_LLM_API_KEY has to be a key of visible"),
    # an open door has to be opened on purpose
    ({"HOST": "0.0.0.0"}, "HOST=0.0.0.0 lets others in and ORDINAUT_AUTH is not set. Set ORDINAUT_AUTH=jwt"),
    ({"HOST": "::"}, "HOST=:: lets others in"),
    ({"HOST": "example.org"}, "HOST=example.org lets others in"),
    ({"ORDINAUT_ENV": "production"}, "In production ORDINAUT_AUTH has to be set on purpose."),
    ({"ORDINAUT_AUTH": "basic"}, "ORDINAUT_AUTH has to be off or jwt, not 'basic'."),
    # the disk of a dyno is deleted at each restart
    ({"DYNO": "web.1", "ORDINAUT_AUTH": "off"}, "SQLite cannot be used where DYNO is set"),
    # two sources for one secret
    ({"REDIS_URL": "redis://h", "REDIS_URL_FILE": "/x"}, "Both REDIS_URL and REDIS_URL_FILE are set"),
    ({"REDIS_URL_FILE": "/does/not/exist"}, "REDIS_URL_FILE names /does/not/exist, which cannot be read"),
]


@pytest.mark.parametrize(("environ", "sentence"), REFUSED)
def test_wrong_values_are_refused_with_the_cure(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        load(environ)
    assert sentence in str(refusal.value)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    "environ",
    [
        {"HOST": "0.0.0.0", "ORDINAUT_AUTH": "off"},
        {"HOST": "127.3.2.1"},
        {"HOST": "::1"},
        {"HOST": "localhost"},
        {"DYNO": "web.1", "ORDINAUT_AUTH": "off", "ORDINAUT_ALLOW_EPHEMERAL": "1"},
    ],
)
def test_what_is_safe_or_set_on_purpose_starts(environ: dict[str, str]) -> None:
    assert load(environ).auth == "off"


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"redis://:{SECRET}@h/0\n")
    settings = load({"REDIS_URL_FILE": str(tmp_path / "url")})
    assert settings.redis_url == f"redis://:{SECRET}@h/0"
    assert settings.sources["REDIS_URL"] == "file"


def test_an_empty_secret_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "url").touch()
    with pytest.raises(SettingsError, match="which is empty"):
        load({"REDIS_URL_FILE": str(tmp_path / "url")})


def test_printing_settings_shows_no_secret() -> None:
    settings = load({"REDIS_URL": f"redis://:{SECRET}@h/0", "DATABASE_URL": f"postgres://u:{SECRET}@h/d"})
    for text in (repr(settings), str(settings), str(settings.shown()), f"{settings}"):
        assert SECRET not in text and "u:***@h" in text


def test_a_stranger_is_warned_of_with_the_nearest_name() -> None:
    warnings = load({"ORDINAUT_HOEM": "x", "ORDINAUT_QQQQQQ": "x", "PATH": "x"}).warnings
    assert warnings == (
        "ORDINAUT_HOEM is not a setting of Ordinaut and is ignored. Did you mean ORDINAUT_HOME?",
        "ORDINAUT_QQQQQQ is not a setting of Ordinaut and is ignored.",
    )


def test_nothing_else_reads_the_environment() -> None:
    rooms = ("app", "config", "ordinaut", "workers", "migrations", "extensions")
    files = [file for room in rooms for file in (REPOSITORY / room).rglob("*.py")]
    readers = {file.relative_to(REPOSITORY).as_posix() for file in files if _reads_environment(file)}
    assert readers == {"config/settings.py"}


def _reads_environment(file: Path) -> bool:
    names = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os"}
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "os"]
    used |= {alias.name for node in imports for alias in node.names}
    return bool(used & names)
