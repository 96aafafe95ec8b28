"""Writes pictures of every page of a running installation: `bin/shots FOLDER [URL]`, to be looked at by people."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Browser, BrowserContext, sync_playwright

CHROMIUM = "/usr/bin/chromium"
HOME = "/ext/webui"
PATHS = (
    *("/", "/tasks", "/tasks/new", "/runs", "/approvals", "/events", "/tools", "/tools/http.request"),
    *("/extensions", "/extensions/observability", "/webhooks", "/incidents", "/agents", "/secrets", "/audit"),
    *("/health", "/settings", "/workers"),
)
THEMES = ("light", "dark")
WIDTHS = (1440, 390)
SECONDS = 10


def main() -> int:
    """Take them all; the newest run, task and approval stand for the others."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "shots")
    url = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8080"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [*PATHS, *_newest(url)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for theme in THEMES:
            for width in WIDTHS:
                context = _opened(browser, theme, width)
                _taken(context, url, paths, folder, f"{theme}-{width}")
        browser.close()
    print(f"{len(paths) * len(THEMES) * len(WIDTHS)} pictures are in {folder}")
    return 0


def _newest(url: str) -> Iterator[str]:
    for noun in ("runs", "tasks", "approvals"):
        items = requests.get(f"{url}/{noun}", params={"limit": 1}, timeout=SECONDS).json()["items"]
        yield from (f"/{noun}/{one['id']}" for one in items)


def _opened(browser: Browser, theme: Any, width: int) -> BrowserContext:
    return browser.new_context(color_scheme=theme, viewport={"width": width, "height": 900}, locale="en")


def _taken(context: BrowserContext, url: str, paths: list[str], folder: Path, suffix: str) -> None:
    page = context.new_page()
    for path in paths:
        page.goto(url + HOME + path, wait_until="domcontentloaded")
        page.evaluate("document.fonts.ready")
        name = path.strip("/").replace("/", "-") or "overview"
        page.screenshot(path=folder / f"{name}-{suffix}.png", full_page=True)
    context.close()


if __name__ == "__main__":
    raise SystemExit(main())
