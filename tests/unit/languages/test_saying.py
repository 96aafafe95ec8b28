"""From a message to a reader's language: values, plurals, messages inside messages, and plain text led back."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.texts import all_of, any_of, joined, t, tn
from app.languages.catalogue import Catalogue, extension_catalogue, platform_catalogue
from app.languages.memory import Memory

INSIDE = t("the result is larger than {limit} characters", limit=7)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return platform_catalogue()


SAID = [
    # without values, and with
    (t("Task not found"), "Sarcina nu a fost găsită", "Задача не найдена"),
    (t("See task {id}", id=5), "Vedeți sarcina 5", "Смотрите задачу 5"),
    # a value that is a message is said in the same language
    (
        t("Step {step}: {error}", step="a", error=INSIDE),
        "Pasul a: rezultatul depășește lungimea permisă: 7",
        "Шаг a: результат длиннее допустимого: 7",
    ),
    # an exception stands for what it says
    (
        t("Step {step}: {error}", step="a", error=ValueError(INSIDE)),
        "Pasul a: rezultatul depășește lungimea permisă: 7",
        "Шаг a: результат длиннее допустимого: 7",
    ),
    (all_of(["a", "b", "c"]), "a, b și c", "a, b и c"),
    (any_of([t("a number"), t("a text")]), "un număr sau un text", "число или текст"),
    (joined(" {x} ", [t("a list"), "b"]), "o listă {x} b", "список {x} b"),
    # a value with braces is not filled in again
    (t("See task {id}", id="{id}"), "Vedeți sarcina {id}", "Смотрите задачу {id}"),
    ("", "", ""),
    ("nothing of ours", "nothing of ours", "nothing of ours"),
]


@pytest.mark.parametrize(("text", "romanian", "russian"), SAID)
def test_it_is_said(catalogue: Catalogue, text: str, romanian: str, russian: str) -> None:
    assert (catalogue.say(text, "ro"), catalogue.say(text, "ru")) == (romanian, russian)
    assert catalogue.say(text, "en") == str(text)
    # What was stored comes back as plain English.
    if " {x} " not in text and "," not in text and " or " not in text:
        assert (catalogue.say(str(text), "ro"), catalogue.say(str(text), "ru")) == (romanian, russian)


PLURALS = [
    # Romanian has "de" from 20 on, Russian goes by the last digit
    (1, "Sarcina și-a avut deja rularea", "У задачи уже был 1 запуск"),
    (2, "Sarcina a avut deja 2 rulări", "У задачи уже было 2 запуска"),
    (5, "Sarcina a avut deja 5 rulări", "У задачи уже было 5 запусков"),
    (11, "Sarcina a avut deja 11 rulări", "У задачи уже было 11 запусков"),
    (21, "Sarcina a avut deja 21 de rulări", "У задачи уже был 21 запуск"),
    (101, "Sarcina a avut deja 101 rulări", "У задачи уже был 101 запуск"),
]


@pytest.mark.parametrize(("count", "romanian", "russian"), PLURALS)
def test_numbers_take_the_right_form(catalogue: Catalogue, count: int, romanian: str, russian: str) -> None:
    text = tn("The task has had its run already", "The task has had {count} runs already", count)
    for said in (text, str(text)):
        assert (catalogue.say(said, "ro"), catalogue.say(said, "ru")) == (romanian, russian)


def test_an_extension_may_say_it_in_its_own_words(tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "ro.po").write_text(
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
        'msgid "Hello {name}"\nmsgstr "Salut {name}"\n\nmsgid "Task not found"\nmsgstr "Nu e"\n',
        encoding="utf-8",
    )
    own = extension_catalogue(tmp_path, catalogue)
    assert own.say(t("Hello {name}", name="Ana"), "ro") == "Salut Ana"
    assert own.say("Task not found", "ro") == "Nu e"
    # what it does not have is the platform's, and the platform keeps its own
    assert own.say("Run not found", "ro") == "Rularea nu a fost găsită"
    assert own.say("Task not found", "ru") == "Задача не найдена"
    assert catalogue.say("Task not found", "ro") == "Sarcina nu a fost găsită"


def test_texts_too_long_to_be_ours_are_not_kept() -> None:
    memory = Memory([("It did not answer within {seconds} s", None)])
    assert memory.recall("x" * 100_000) is None
    assert memory._remembered.cache_info().currsize == 0
    assert memory.recall("It did not answer within 3 s") is not None
