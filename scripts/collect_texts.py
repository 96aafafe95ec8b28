"""Brings locale/<language>/LC_MESSAGES/ordinaut.po up to date with the messages in the code.

Run `python -m scripts.collect_texts` after writing or changing a message, then translate the entries that are empty;
a test fails while one is missing. Messages are what `t` and `tn` are called with, the docstrings of the errors of the
domain, and the descriptions of the built-in extensions.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from app.languages.catalogue import DEFAULT, DOMAIN, FOLDER, LANGUAGES

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("app", "extensions", "ordinaut", "workers")
ERRORS = ROOT / "app" / "domain" / "errors.py"
KEYWORDS = {"t": None, "tn": (1, 2)}
HEAD = """# The messages of Ordinaut in {name}.
msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plural}\\n"

"""


def collected() -> Catalog:
    """Every message in the code, untranslated."""
    catalog = Catalog(domain=DOMAIN, project="Ordinaut", fuzzy=False)
    for file in sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py")):
        place = file.relative_to(ROOT).as_posix()
        for _, message, _, _ in extract_from_file("python", file, keywords=KEYWORDS):
            catalog.add(message, locations=[(place, 0)])
    for manifest in sorted((ROOT / "extensions").glob("*/extension.json")):
        description = json.loads(manifest.read_text(encoding="utf-8"))["description"]
        catalog.add(description, locations=[(manifest.relative_to(ROOT).as_posix(), 0)])
    for title in error_titles():
        catalog.add(title, locations=[(ERRORS.relative_to(ROOT).as_posix(), 0)])
    return catalog


def error_titles() -> Iterator[str]:
    """The default messages of the domain's errors: the first lines of their docstrings."""
    for node in ast.parse(ERRORS.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name != "Problem":
            yield (ast.get_docstring(node) or "").split("\n")[0]


def file_of(language: str) -> Path:
    """Where the messages of a language are kept."""
    return FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def translated(language: str) -> Catalog:
    """The messages of a language as they stand."""
    file = file_of(language)
    if not file.exists():
        return Catalog(domain=DOMAIN, locale=language, project="Ordinaut", fuzzy=False)
    with file.open("rb") as source:
        return read_po(source, locale=language, domain=DOMAIN)


def write(catalog: Catalog, language: str) -> None:
    """Keep the messages of a language, in one order and without dates, so that changes are easy to read."""
    body = BytesIO()
    write_po(body, catalog, width=120, sort_output=True, include_lineno=False, omit_header=True)
    head = HEAD.format(name=Locale.parse(language).english_name, language=language, plural=catalog.plural_forms)
    file_of(language).write_text(head + body.getvalue().decode(), encoding="utf-8")


def main() -> None:
    """Add what is new to every language and drop what is gone."""
    template = collected()
    for language in LANGUAGES:
        if language == DEFAULT:
            continue
        catalog = translated(language)
        catalog.update(template, no_fuzzy_matching=True)
        catalog.obsolete.clear()
        write(catalog, language)


if __name__ == "__main__":
    main()
