"""Keys that a development installation makes for itself."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from config.parsers import SettingsError


def installation_key(home: Path, name: str) -> str:
    """The random key `name` of this installation; made when it is first asked for, readable by its owner only.

    Raises:
        SettingsError: the folder cannot be used, or others can read the key.
    """
    file = home / f"{name}.key"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not file.exists():
            _make(file)
        if file.stat().st_mode & 0o077:
            raise SettingsError(f"{file} can be read by others: `chmod 600` it, or delete it for a new key.")
        return file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise SettingsError(f"{file} cannot be used: {error.strerror}.") from None


def _make(file: Path) -> None:
    """Write beside it and link: of several processes that start at once one wins, and all read its key."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(secrets.token_hex(32) + "\n")
        try:
            os.link(draft, file)
        except FileExistsError:
            return
    finally:
        draft.unlink()
