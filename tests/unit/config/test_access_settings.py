"""Keys that are refused, and the one that development makes for itself."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from config.installation_keys import installation_key
from config.logging import HiddenValues
from config.settings import SettingsError, load

GOOD = "0f5c1d9a7b3e48d2a6c4f8e1b2d3c4a5f6e7d8c9b0a1f2e3d4c5b6a798877665"
JWT = {"ORDINAUT_AUTH": "jwt"}
LIVE = {"ORDINAUT_ENV": "production"}
PEM = "-----BEGIN PRIVATE KEY-----\\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({**LIVE, **JWT}, "In production ORDINAUT_AUTH=jwt needs ORDINAUT_JWT_KEYS. Make one with"),
        ({**JWT, "ORDINAUT_JWT_KEYS": "a1b2c3d4" * 3}, "each needs at least 32 bytes"),
        # what tutorials and the original of this kind of system ship
        ({**JWT, "ORDINAUT_JWT_KEYS": "dev-secret-key-change-in-production"}, "easily guessed"),
        ({**JWT, "ORDINAUT_JWT_KEYS": "change-me-change-me-change-me-change-me"}, "easily guessed"),
        ({**JWT, "ORDINAUT_JWT_KEYS": "your-256-bit-key-goes-here-0123456789"}, "easily guessed"),
        ({**JWT, "ORDINAUT_JWT_KEYS": "abababab" * 8}, "easily guessed"),
        ({**JWT, "ORDINAUT_JWT_KEYS": f"{GOOD},short"}, "each needs at least 32 bytes"),
        ({**JWT, "ORDINAUT_JWT_KEYS": " , "}, "keys of at least 32 random bytes"),
        ({"ORDINAUT_SECRET_KEYS": "short"}, "ORDINAUT_SECRET_KEYS has to be keys"),
        ({**JWT, "ORDINAUT_JWT_ALGORITHM": "none"}, "ORDINAUT_JWT_ALGORITHM has to be HS256 or ES256"),
        ({**JWT, "ORDINAUT_JWT_ALGORITHM": "ES256"}, "needs ORDINAUT_JWT_KEYS: a private key in PEM"),
        ({**JWT, "ORDINAUT_JWT_ALGORITHM": "ES256", "ORDINAUT_JWT_KEYS": GOOD}, "ORDINAUT_JWT_ALGORITHM=ES256"),
        # a public text must never be the secret of HS256
        ({**JWT, "ORDINAUT_JWT_KEYS": PEM}, "ORDINAUT_JWT_ALGORITHM=HS256"),
        ({**LIVE, "ORDINAUT_AUTH": "off", "ORDINAUT_REQUIRE_SCOPES": "1"}, "set ORDINAUT_TRUSTED_PROXIES on purpose"),
        ({"ORDINAUT_TRUSTED_PROXIES": "example.org"}, "ORDINAUT_TRUSTED_PROXIES has to be addresses"),
        ({"ORDINAUT_PROTECTED_ROUTES": "/tasks"}, "ORDINAUT_PROTECTED_ROUTES has to be some of /health"),
    ],
)
def test_doors_that_only_look_locked_do_not_start(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        load(environ)
    assert sentence in str(refusal.value)
    for name in ("ORDINAUT_JWT_KEYS", "ORDINAUT_SECRET_KEYS"):
        assert environ.get(name, "\0") not in str(refusal.value) or environ[name] == " , "


def test_keys_are_read_in_order_and_never_shown() -> None:
    settings = load({**LIVE, **JWT, "ORDINAUT_JWT_KEYS": f"{GOOD}, {GOOD[::-1]}", "ORDINAUT_SECRET_KEYS": GOOD})
    assert settings.jwt_keys == (GOOD, GOOD[::-1])
    assert settings.shown()["ORDINAUT_JWT_KEYS"] == settings.shown()["ORDINAUT_SECRET_KEYS"] == "***"
    assert GOOD not in repr(settings)


def test_several_keys_in_pem_are_told_apart() -> None:
    more = {"ORDINAUT_JWT_ALGORITHM": "ES256", "ORDINAUT_JWT_KEYS": f"{PEM}\n{PEM}"}
    keys = load({**JWT, **more}).jwt_keys
    assert keys is not None and len(keys) == 2 and keys[0].splitlines()[0] == "-----BEGIN PRIVATE KEY-----"


def test_trusted_proxies_and_protected_routes_are_read() -> None:
    given = {"ORDINAUT_TRUSTED_PROXIES": "10.0.0.5, fd00::/8", "ORDINAUT_PROTECTED_ROUTES": "/health,/docs"}
    settings = load(given)
    assert settings.trusted_proxies == ("10.0.0.5/32", "fd00::/8")
    assert settings.protected_routes == ("/health", "/docs")
    assert load({}).trusted_proxies == ("127.0.0.0/8", "::1/128")


def test_a_development_key_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    home, found = tmp_path / "new" / "home", []
    threads = [threading.Thread(target=lambda: found.append(installation_key(home, "jwt"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1 and len(found[0]) == 64
    assert (home / "jwt.key").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in home.iterdir()] == ["jwt.key"]
    assert installation_key(home, "secrets") != found[0]


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    installation_key(tmp_path, "jwt")
    (tmp_path / "jwt.key").chmod(0o644)
    with pytest.raises(SettingsError, match="can be read by others"):
        installation_key(tmp_path, "jwt")


def test_a_home_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot be used"):
        installation_key(tmp_path / "file", "jwt")


def test_hidden_values_are_masked_and_few() -> None:
    hidden = HiddenValues()
    hidden.hide(["abc", *(f"value-{number}!" for number in range(HiddenValues.LIMIT))])
    assert hidden.clean("abc value-7!") == "abc ***"
    hidden.hide(["one more"])
    assert hidden.clean("value-0! one more") == "value-0! ***"
