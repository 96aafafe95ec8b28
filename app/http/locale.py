"""The reader's language: as they once said, else by `Accept-Language`, else the installation's own.

Flask-Babel is known here alone.
"""

from __future__ import annotations

from babel.support import NullTranslations
from flask import Flask, Response, current_app, g, has_app_context, has_request_context, request
from flask_babel import Babel, Domain

from app.languages.catalogue import DEFAULT, LANGUAGES, Catalogue, platform_catalogue

EXTENSION = "ordinaut_languages"
"""The key in `Flask.extensions`."""
COOKIE = "ordinaut_language"
"""Holds the code of the language that a reader has chosen on a page; any page may set it."""
VARIES = ("Accept-Language", "Cookie")
_ALIASES = {"mo": "ro", "mol": "ro"}
"""Codes that browsers in Moldova still send for Romanian."""


class Languages:
    """What the application speaks.

    Args:
        default: The language of readers who ask for none that we speak.
    """

    def __init__(self, *, catalogue: Catalogue, default: str) -> None:
        self.catalogue = catalogue
        self.default = default

    def chosen(self) -> str:
        """What the reader has chosen, else the best of ours by `Accept-Language` (RFC 9110, section 12.5.4)."""
        if (wish := request.cookies.get(COOKIE)) in LANGUAGES:
            return wish
        if "Accept-Language" not in request.headers:
            return self.default
        for asked, quality in request.accept_languages:
            head = asked.replace("_", "-").split("-", 1)[0].lower()
            if asked == "*" and quality:
                return self.default
            if quality and (found := _ALIASES.get(head, head)) in LANGUAGES:
                return found
        return self.default


def configure_locale(app: Flask, *, default: str, catalogue: Catalogue | None = None) -> None:
    """Read the catalogues, and say on every answer which language it is in and that others may differ."""
    languages = Languages(catalogue=catalogue or platform_catalogue(), default=default)
    app.extensions[EXTENSION] = languages
    babel = Babel(app, default_locale=default, locale_selector=language)
    # Flask-Babel reads compiled files by itself; its own functions and templates get what we have read.
    babel.domain_instance = _Domain(domain="ordinaut")
    app.after_request(_tell)


def language() -> str:
    """`en`, `ro` or `ru`: that of the current request, or the installation's outside of one."""
    if not has_request_context():
        return _languages().default if has_app_context() else DEFAULT
    if "language" not in g:
        g.language = _languages().chosen()
    return str(g.language)


def speak(text: str) -> str:
    """The text in the reader's language."""
    chosen = language()
    return str(text) if chosen == DEFAULT else _languages().catalogue.say(text, chosen)


def catalogue() -> Catalogue:
    """The platform's messages."""
    return _languages().catalogue


def _languages() -> Languages:
    found = current_app.extensions[EXTENSION]
    assert isinstance(found, Languages)
    return found


class _Domain(Domain):  # type: ignore[misc]
    """Flask-Babel's door to the catalogues."""

    def get_translations(self) -> NullTranslations:
        """The messages of the current language."""
        return _languages().catalogue.translations(language())


def say_nothing() -> None:
    """The answer to the current request has no words in it that depend on the reader."""
    g.wordless = True


def _tell(response: Response) -> Response:
    if g.get("wordless", False):
        return response
    response.headers.setdefault("Content-Language", language())
    if "Vary" in response.headers:
        response.vary.update(VARIES)
    else:
        response.headers["Vary"] = ", ".join(VARIES)
    return response
