"""The built-in extensions say the same things in every language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from app.languages.catalogue import DEFAULT, FOLDER, LANGUAGES

OTHERS = [language for language in LANGUAGES if language != DEFAULT]
FOLDERS = sorted(path for path in (FOLDER.parent / "extensions").glob("*/locale") if path.is_dir())
PLACE = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")


def messages(file: Path) -> dict[str, str]:
    with file.open("rb") as source:
        catalog = read_po(source, locale=file.stem, abort_invalid=True)
    assert not [message.id for message in catalog if message.fuzzy and message.id]
    return {str(message.id): str(message.string) for message in catalog if message.id}


def test_there_are_some() -> None:
    assert len(FOLDERS) >= 2


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_every_language_has_every_message_with_its_places(folder: Path) -> None:
    found = {language: messages(folder / f"{language}.po") for language in OTHERS}
    assert len({frozenset(one) for one in found.values()}) == 1
    for one in found.values():
        assert not [english for english, told in one.items() if not told]
        assert not [english for english, told in one.items() if set(PLACE.findall(english)) != set(PLACE.findall(told))]
