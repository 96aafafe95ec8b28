"""What an environment gives for each setting, and what it gives that no setting reads."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

from config.parsers import SettingsError
from config.setting import Setting


def text_of(setting: Setting, environ: Mapping[str, str]) -> tuple[str | None, str]:
    """The text given for a setting and its source; an empty variable counts as unset."""
    text = environ.get(setting.name, "").strip()
    file = environ.get(f"{setting.name}_FILE", "").strip() if setting.secret else ""
    if text and file:
        raise SettingsError(f"Both {setting.name} and {setting.name}_FILE are set; unset one of them.")
    if file:
        return _file_text(f"{setting.name}_FILE", file), "file"
    return (text, "environment") if text else (None, "default")


def _file_text(name: str, file: str) -> str:
    try:
        text = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"{name} names {file}, which cannot be read: {reason}.") from None
    if not text:
        raise SettingsError(f"{name} names {file}, which is empty; write the value into it.")
    return text


def unknown(settings: Sequence[Setting], environ: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence for each ORDINAUT_* variable that is not among the settings."""
    known = {setting.name for setting in settings} | {f"{s.name}_FILE" for s in settings if s.secret}
    strangers = sorted(name for name in environ if name.startswith("ORDINAUT_") and name not in known)
    return tuple(_unknown_sentence(name, known) for name in strangers)


def _unknown_sentence(name: str, known: set[str]) -> str:
    # Compared without the prefix, which would make all of ours look alike.
    by_ending = {ours.removeprefix("ORDINAUT_"): ours for ours in known}
    nearest = difflib.get_close_matches(name.removeprefix("ORDINAUT_"), by_ending, n=1, cutoff=0.6)
    hint = f" Did you mean {by_ending[nearest[0]]}?" if nearest else ""
    return f"{name} is not a setting of Ordinaut and is ignored.{hint}"
