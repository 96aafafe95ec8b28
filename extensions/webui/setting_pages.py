"""Settings: how the reader sees the page, what this installation is, and the way to everything on a small screen."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, request

from .shell import Shell, after
from .view import LANGUAGE, LANGUAGES, THEME, THEMES, ZONE, keep, one_of, zone_of, zones


def add_setting_pages(pages: Blueprint, shell: Shell) -> None:
    """Register them."""

    def shown(status: int = 200, zone: str | None = None) -> Response:
        values = {"themes": THEMES, "languages": LANGUAGES, "zones": zones(), "wrong_zone": zone}
        health = shell.context.api.get("/health").data
        return shell.page("webui/settings.html", place="settings", status=status, version=health["version"], **values)

    @pages.get("/settings")
    def settings() -> Response:
        """The wishes as they are."""
        return shown()

    @pages.post("/settings")
    def keep_settings() -> Response:
        """Keep the wishes that were sent, and go back to where the reader was."""
        zone = request.form.get("zone")
        if zone and zone_of(zone) is None:
            return shown(400, zone)
        answer = make_response(redirect(shell.home + after(), 303))
        for cookie, wish in (
            (THEME, one_of(THEMES, request.form.get("theme"))),
            (LANGUAGE, one_of(LANGUAGES, request.form.get("language"))),
            (ZONE, zone),
        ):
            if wish is not None:
                keep(answer, cookie, wish)
        return answer
