"""Catalogues of translated messages, read from .po files once; and the way from a `Text` to a reader's language."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

from app.domain.schedules.shape import Moment, Shape
from app.domain.texts import Text
from app.languages.memory import Memory
from app.languages.romanian import in_romanian
from app.languages.russian import in_russian

LANGUAGES = ("en", "ro", "ru")
DEFAULT = "en"
TELLERS: Mapping[str, Callable[[Shape | Moment], str]] = {"ro": in_romanian, "ru": in_russian}
"""Schedules are told, not looked up: each language has an order and endings of its own."""
FOLDER = Path(__file__).resolve().parent.parent.parent / "locale"
DOMAIN = "ordinaut"


class Messages(Translations):
    """The messages of one file, which also knows what they are in English."""

    def __init__(self, compiled: BytesIO, *, patterns: Sequence[tuple[str, str | None]]) -> None:
        super().__init__(compiled)
        self.patterns = tuple(patterns)


class Catalogue:
    """What every message is in every language; one that is missing is said in English.

    Args:
        translations: Language -> its messages; English needs none.
    """

    def __init__(self, translations: Mapping[str, Messages]) -> None:
        self._translations = dict(translations)
        self._memory = Memory(pattern for found in self._translations.values() for pattern in found.patterns)

    def translations(self, language: str) -> NullTranslations:
        """The messages of a language, in the form that gettext has them."""
        return self._translations.get(language) or NullTranslations()

    def say(self, text: str, language: str) -> str:
        """The text in this language.

        Plain English, such as what was stored or went through something that knows no `Text`, is led back to the
        message that it is; what is none of ours stays as it is.
        """
        found = self._translations.get(language)
        if found is None or not text:
            return str(text)
        told = text if isinstance(text, Text) and text.values else self._memory.recall(str(text))
        if told is None:
            return str(text)
        values = {name: self._value(value, language) for name, value in told.values.items()}
        if told.plural is None:
            pattern = found.gettext(told.pattern)
        else:
            pattern = found.ngettext(told.pattern, told.plural, _count(values))
        return str(pattern.format_map(values) if values else pattern)

    def over(self, base: Catalogue) -> Catalogue:
        """A catalogue that looks here first and then into `base`."""
        for language, translations in self._translations.items():
            fallback = base._translations.get(language)
            if fallback is not None:
                translations.add_fallback(fallback)
                translations.patterns += fallback.patterns
        return Catalogue({**base._translations, **self._translations})

    def _value(self, value: Any, language: str) -> Any:
        if isinstance(value, (Shape, Moment)):
            return TELLERS[language](value)
        return self.say(value, language) if isinstance(value, Text) else value


def platform_catalogue(folder: Path = FOLDER) -> Catalogue:
    """The platform's own messages, from `locale/<language>/LC_MESSAGES/ordinaut.po`."""
    return Catalogue(
        {
            language: read(folder / language / "LC_MESSAGES" / f"{DOMAIN}.po", language)
            for language in LANGUAGES
            if language != DEFAULT
        }
    )


def extension_catalogue(folder: Path, base: Catalogue) -> Catalogue:
    """An extension's messages, from `<folder>/<language>.po` where there are any, over the platform's own."""
    files = {language: folder / f"{language}.po" for language in LANGUAGES if language != DEFAULT}
    return Catalogue({language: read(file, language) for language, file in files.items() if file.is_file()}).over(base)


def read(file: Path, language: str) -> Messages:
    """The messages of one .po file, without its fuzzy ones.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not a .po file in UTF-8.
    """
    compiled = BytesIO()
    with file.open("rb") as source:
        catalog = read_po(source, locale=language, abort_invalid=True)
    write_mo(compiled, catalog)
    compiled.seek(0)
    return Messages(compiled, patterns=[_pattern(message.id) for message in catalog if message.id])


def _pattern(id_: str | tuple[str, ...] | list[str]) -> tuple[str, str | None]:
    return (id_, None) if isinstance(id_, str) else (id_[0], id_[1])


def _count(values: Mapping[str, Any]) -> int:
    count = str(values.get("count", 1))
    return int(count) if count.isdigit() else 1
