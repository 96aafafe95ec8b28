"""What an extension says, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.domain.texts import t, tn
from app.languages.catalogue import DEFAULT, Catalogue, extension_catalogue
from app.languages.numbers import Number

LOCALE = "locale"
"""The folder of `ro.po` and `ru.po` in an extension's own."""


class Voice:
    """The messages of one extension, over the platform's.

    Args:
        folder: The extension's; None for one without.
        base: Gives the platform's messages.
        language: Of the reader.

    Raises:
        ValueError: One of the extension's catalogues is no .po file.
    """

    def __init__(self, folder: Path | None, base: Callable[[], Catalogue], language: Callable[[], str]) -> None:
        own = None if folder is None else folder / LOCALE
        self._own = extension_catalogue(own, base()) if own is not None and own.is_dir() else None
        self._base = base
        self._language = language

    def say(self, message: str, **values: object) -> str:
        """The message, `{name}` in it replaced by the value of that name."""
        return self._said(t(message, **values) if values else message)

    def say_count(self, one: str, many: str, count: int, **values: object) -> str:
        """The message for this count, which is `{count}` in it, written as the reader's language writes numbers."""
        return self._said(tn(one, many, Number(count, self._language()), **values))

    def _said(self, text: str) -> str:
        language = self._language()
        return str(text) if language == DEFAULT else (self._own or self._base()).say(text, language)
