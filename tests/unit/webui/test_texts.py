"""What the page says is there in every language, and its numbers, nouns and dates are as the reader writes them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

from app.extension_host.voice import Voice
from app.languages.catalogue import LANGUAGES, Catalogue, platform_catalogue
from extensions.webui.definition import Unreadable, from_yaml
from extensions.webui.shell import SHEET
from extensions.webui.words import Words
from tests.servers import REPOSITORY

HOME = REPOSITORY / "extensions" / "webui"
OTHERS = tuple(language for language in LANGUAGES if language != "en")
KEYWORDS = ("_", "_n")
NOW = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)


@cache
def platform() -> Catalogue:
    return platform_catalogue()


@cache
def voice(language: str) -> Voice:
    return Voice(HOME, platform, lambda: language)


def told(language: str, now: datetime = NOW) -> Words:
    return Words(voice(language).say, now, ZoneInfo("Europe/Chisinau"), language)


def written(language: str) -> dict[Any, list[str]]:
    """The page's own messages, each with its forms in a language."""
    own = read_po(BytesIO((HOME / "locale" / f"{language}.po").read_bytes()), locale=language)
    assert own.num_plurals == 3
    return {one.id: [one.string] if isinstance(one.string, str) else list(one.string or ()) for one in own if one.id}


def literals() -> Iterator[Any]:
    """Everything that templates say in so many words: a message, or one and its plural."""
    for file in sorted((HOME / "templates").rglob("*.html")):
        with file.open("rb") as source:
            for _, _, message, _ in babel_extract(source, KEYWORDS, (), {}):
                if isinstance(message, str):
                    yield message
                elif message and isinstance(message[0], str):
                    yield message[:2] if isinstance(message[1], str) else message[0]


@pytest.mark.parametrize("language", OTHERS)
def test_everything_that_templates_say_is_translated(language: str) -> None:
    known = {one for one, forms in written(language).items() if all(forms)}
    base = platform().translations(language)
    said = set(literals())
    assert len(said) > 300 and any(isinstance(one, tuple) for one in said)
    assert [one for one in said - known if not isinstance(one, str) or base.gettext(one) == one] == []


@pytest.mark.parametrize("language", OTHERS)
def test_plurals_have_all_their_forms_and_places(language: str) -> None:
    plurals = {one: forms for one, forms in written(language).items() if isinstance(one, tuple)}
    assert len(plurals) >= 10
    assert [one for one, forms in plurals.items() if [form.count("{count}") for form in forms] != [1, 1, 1]] == []


COUNTS = (0, 1, 2, 5, 19, 20, 21, 101)
RUNS = {
    "en": "0 runs|1 run|2 runs|5 runs|19 runs|20 runs|21 runs|101 runs",
    "ro": "0 rulări|1 rulare|2 rulări|5 rulări|19 rulări|20 de rulări|21 de rulări|101 rulări",
    "ru": "0 запусков|1 запуск|2 запуска|5 запусков|19 запусков|20 запусков|21 запуск|101 запуск",
}
ASKED = {
    "en": "Repeat all 0 runs|Repeat 1 run|Repeat all 2 runs|Repeat all 5 runs|Repeat all 19 runs|Repeat all 20 runs|"
    "Repeat all 21 runs|Repeat all 101 runs",
    "ro": "Repetă toate cele 0 rulări|Repetă 1 rulare|Repetă toate cele 2 rulări|Repetă toate cele 5 rulări|"
    "Repetă toate cele 19 rulări|Repetă toate cele 20 de rulări|Repetă toate cele 21 de rulări|"
    "Repetă toate cele 101 rulări",
    "ru": "Повторить 0 запусков|Повторить 1 запуск|Повторить 2 запуска|Повторить 5 запусков|Повторить 19 запусков|"
    "Повторить 20 запусков|Повторить 21 запуск|Повторить 101 запуск",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_numbers_and_nouns_agree(language: str) -> None:
    said = [voice(language).say_count("{count} run", "{count} runs", count) for count in COUNTS]
    assert "|".join(said) == RUNS[language]
    said = [voice(language).say_count("Repeat {count} run", "Repeat all {count} runs", count) for count in COUNTS]
    assert "|".join(said) == ASKED[language]


WRITTEN = [
    # language, 1234567 runs, 1204.5, 0.25, 1.5 seconds, a day of this year and one of another
    ("en", "1,234,567 runs", "1,204.5", "0.2", "1.5 s", "3 May, 12:00", "3 May 2031, 12:00"),
    ("ro", "1.234.567 de rulări", "1.204,5", "0,2", "1,5 s", "3 mai, 12:00", "3 mai 2031, 12:00"),
    ("ru", "1 234 567 запусков", "1 204,5", "0,2", "1,5 с", "3 мая, 12:00", "3 мая 2031, 12:00"),
]


@pytest.mark.parametrize(("language", "runs", "number", "small", "length", "this_year", "another"), WRITTEN)
def test_numbers_and_dates_are_written_as_the_reader_writes_them(
    language: str, runs: str, number: str, small: str, length: str, this_year: str, another: str
) -> None:
    words = told(language)
    counted = voice(language).say_count("{count} run", "{count} runs", 1_234_567)
    assert re.sub(r"\s", " ", counted) == runs
    assert re.sub(r"\s", " ", words.number(1204.5)) == number and words.number(0.25) == small
    assert words.length(1.5) == length
    assert words.clock("2026-05-03T09:00:00Z") == this_year and words.clock("2031-05-03T09:00:00Z") == another


def spoken() -> Iterator[str]:
    """Everything in the code that reads like a sentence, and is no docstring."""
    for file in sorted(HOME.glob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) and id(node) not in told | parts else None
            if isinstance(text, str) and "\n" not in text and re.match(r"[A-Z]\S* \S|[A-Z][a-z]+$", text):
                yield text


NO_WORDS = {"Lax", "Python", "Web UI", "English", *(key for keys, _ in SHEET for key in keys)}
"""Names, and what is written on keys."""


@pytest.mark.parametrize("language", OTHERS)
def test_everything_that_the_code_says_is_translated(language: str) -> None:
    own, base = written(language), platform().translations(language)
    said = set(spoken()) - NO_WORDS
    assert len(said) > 100
    assert [one for one in said if one not in own and base.gettext(one) == one] == []


def test_where_a_text_cannot_be_read_is_told_in_the_readers_language() -> None:
    with pytest.raises(Unreadable) as refused:
        from_yaml("a: [x")
    told = {language: voice(language).say(str(refused.value)) for language in LANGUAGES}
    assert told["en"].startswith("line 1, column ") and told["ro"].startswith("rândul 1, coloana ")
    assert told["ru"].startswith("строка 1, столбец ")
