"""The catalogues hold every message of the code, whole and with the same places for values."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from babel.messages.catalog import Catalog, Message

from app.languages.catalogue import DEFAULT, FOLDER, LANGUAGES, extension_catalogue, platform_catalogue
from scripts.collect_texts import collected, file_of, translated

EXTENSIONS = FOLDER.parent / "extensions"
OTHERS = tuple(language for language in LANGUAGES if language != DEFAULT)
PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@pytest.fixture(scope="module")
def messages() -> Catalog:
    return collected()


@pytest.fixture(scope="module", params=OTHERS)
def catalog(request: pytest.FixtureRequest) -> Catalog:
    return translated(request.param)


def forms(text: str | tuple[str, ...] | list[str] | None) -> list[str]:
    return [text] if isinstance(text, str) else list(text or ())


def each(catalog: Catalog) -> Iterator[Message]:
    return (message for message in catalog if message.id)


def test_every_message_of_the_code_is_translated_whole(catalog: Catalog, messages: Catalog) -> None:
    ours = {forms(message.id)[0]: message for message in each(catalog)}
    missing = [
        message.id
        for message in each(messages)
        if (found := ours.get(forms(message.id)[0])) is None or found.fuzzy or not all(forms(found.string))
    ]
    assert not missing, "python -m scripts.collect_texts adds them; then translate them"


def test_no_message_is_left_that_the_code_does_not_know(catalog: Catalog, messages: Catalog) -> None:
    known = {forms(message.id)[0] for message in each(messages)}
    assert not [message.id for message in each(catalog) if forms(message.id)[0] not in known]


def test_translations_have_the_places_of_the_message(catalog: Catalog) -> None:
    wrong = []
    for message in each(catalog):
        places = set(PLACE.findall(forms(message.id)[-1]))
        for number, form in enumerate(forms(message.string)):
            # The form for one alone may say it in words.
            spared = {"count"} if len(forms(message.string)) > 1 and number == 0 else set()
            if not places - spared <= set(PLACE.findall(form)) <= places:
                wrong.append((message.id, form))
    assert not wrong


PRINTED = "Creates a new scheduled task."
"""The founding document prints its translation without a full stop."""


def test_translations_end_as_the_message_does(catalog: Catalog) -> None:
    marks = ".?:…"
    wrong = [
        (message.id, form)
        for message in each(catalog)
        for form in forms(message.string)
        if message.id != PRINTED
        and (forms(message.id)[0][-1] in marks or form[-1] in marks)
        and forms(message.id)[0][-1] != form[-1]
    ]
    assert not wrong


@pytest.mark.parametrize("language", OTHERS)
def test_plurals_have_all_their_forms(language: str) -> None:
    catalog = translated(language)
    plurals = [message for message in each(catalog) if not isinstance(message.id, str)]
    assert plurals
    assert all(len(forms(message.string)) == catalog.num_plurals for message in plurals)


@pytest.mark.parametrize("language", OTHERS)
def test_the_file_says_which_language_it_is(language: str) -> None:
    text = file_of(language).read_text(encoding="utf-8")
    assert f'"Language: {language}\\n"' in text and "fuzzy" not in text


FOUNDING = [
    # (extension or the platform itself, English, Romanian); states of an extension
    ("", "loaded", "încărcat"),
    ("", "discovered", "descoperit"),
    ("", "failed", "eșuat"),
    ("", "disabled", "dezactivat"),
    # states of a task on the page, and of health checks
    ("webui", "active", "activ"),
    ("", "healthy", "sănătos"),
    # refusals
    ("", "Invalid request parameters", "Parametri de cerere invalizi"),
    ("", "Invalid cron expression", "Expresie cron invalidă"),
    ("", "Authentication required", "Autentificare necesară"),
    ("", "Insufficient permissions", "Permisiuni insuficiente"),
    ("", "Extension not found", "Extensia nu a fost găsită"),
    ("", "Extension execution failed", "Execuția extensiei a eșuat"),
    ("", "Rate limit exceeded", "Limita de rată depășită"),
    # help of metrics
    ("", "Total number of HTTP requests", "Numărul total de cereri HTTP"),
    ("", "Total number of task executions", "Numărul total de execuții sarcini"),
    ("", "Number of extension requests", "Numărul de cereri extensii"),
    # the tools and the demo
    ("mcp_http", "Creates a new scheduled task.", "Creează o sarcină programată nouă"),
    ("mcp_http", "Task created successfully", "Sarcină creată cu succes"),
    ("events_demo", "Event published successfully", "Eveniment publicat cu succes"),
]


@pytest.mark.parametrize(("extension", "english", "romanian"), FOUNDING)
def test_the_words_of_the_founding_document_are_exact(extension: str, english: str, romanian: str) -> None:
    platform = platform_catalogue()
    words = extension_catalogue(EXTENSIONS / extension / "locale", platform) if extension else platform
    assert words.say(english, "ro") == romanian
