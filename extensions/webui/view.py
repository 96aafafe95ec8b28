"""How a reader wants to see the page: theme, language and clocks, kept in cookies of their browser and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from flask import Response, request

THEMES = (("auto", "As the system"), ("light", "Light"), ("dark", "Dark"))
LANGUAGES = (("", "As the browser asks"), ("en", "English"), ("ro", "Română"), ("ru", "Русский"))
YEAR = 31_536_000
THEME, LANGUAGE, ZONE = "ordinaut_theme", "ordinaut_language", "ordinaut_zone"
"""Cookies. The platform reads the one of the language, for its own sentences and those of every extension."""
BROWSER_ZONE = "ordinaut_browser_zone"
"""What the browser's own clocks go by; the page's script tells it, since no header does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One reader's wishes.

    Attributes:
        theme: `auto`, `light` or `dark`.
        language: Code of a language; empty where the browser's wish counts.
        zone: By which times are told.
        own_zone: Whether the reader has chosen it, rather than the browser.
    """

    theme: str
    language: str
    zone: ZoneInfo
    own_zone: bool

    @property
    def next_theme(self) -> str:
        """What a press on the button makes of it."""
        names = [name for name, _ in THEMES]
        return names[(names.index(self.theme) + 1) % len(names)]


def read_view() -> View:
    """The wishes that came with the current request; what is not known counts as not said."""
    chosen = zone_of(request.cookies.get(ZONE, ""))
    return View(
        theme=one_of(THEMES, request.cookies.get(THEME)) or "auto",
        language=one_of(LANGUAGES, request.cookies.get(LANGUAGE)) or "",
        zone=chosen or zone_of(request.cookies.get(BROWSER_ZONE, "")) or ZoneInfo("UTC"),
        own_zone=chosen is not None,
    )


def keep(answer: Response, name: str, value: str) -> None:
    """Have the browser remember a wish for a year; an empty one is forgotten."""
    if value:
        answer.set_cookie(name, value, max_age=YEAR, path="/", secure=request.is_secure, httponly=True, samesite="Lax")
    else:
        answer.delete_cookie(name, path="/")


def one_of(choices: tuple[tuple[str, str], ...], value: str | None) -> str | None:
    """The value, if it is one of the choices."""
    return value if value in [name for name, _ in choices] else None


@lru_cache(maxsize=1)
def zones() -> tuple[str, ...]:
    """Every zone there is, by name."""
    return tuple(sorted(available_timezones()))


def zone_of(name: str) -> ZoneInfo | None:
    """The zone of that name, if there is one."""
    return ZoneInfo(name) if name in zones() else None
