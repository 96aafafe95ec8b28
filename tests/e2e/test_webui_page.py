"""`/ext/webui/` in a real browser: nothing breaks its policy, and nothing is wider than the window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.browser import Page, chromium
from tests.e2e.conftest import Instance

LONG = "Raport despre încasările zilnice în Chișinău și Bălți, cu un titlu mai lung decât orice fereastră îngustă"


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """An empty page."""
    with chromium(tmp_path) as page:
        yield page


@pytest.fixture
def seen(ordinaut: Instance) -> str:
    """The page's address, with tasks and runs to show."""
    for title in (LONG, "Morning briefing"):
        schedule = {"schedule_kind": "cron", "schedule_expr": "30 8 * * 1-5", "timezone": "Europe/Chisinau"}
        ordinaut.run(ordinaut.task(title=title, **schedule))
    return f"http://127.0.0.1:{ordinaut.port}/ext/webui/"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390, 320])
def test_it_fits_and_keeps_its_policy(page: Page, seen: str, scheme: str, width: int, tmp_path: Path) -> None:
    page.send("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 800)
    page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.open(seen)
    page.wait_for("document.readyState === 'complete' && document.querySelectorAll('.tr .title').length >= 2")
    page.settle()
    page.screenshot(tmp_path / f"webui-{scheme}-{width}.png")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("getComputedStyle(document.body).fontFamily").startswith("Inter")
    # light paper has dark ink, and the other way round
    lightness = "parseFloat(getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/)[0])"
    assert (page.evaluate(lightness) > 0.5) == (scheme == "light")
    assert page.complaints == []
    home = seen.partition("/ext/")[0]
    assert [url for url in page.requests if not url.startswith((home, "data:", "about:"))] == []


def test_it_works_without_scripts(page: Page, seen: str) -> None:
    page.send("Emulation.setScriptExecutionDisabled", value=True)
    page.open(seen + "tasks?status=active")
    page.wait_for("document.querySelectorAll('.tabs a[aria-current]').length === 1")
    assert page.evaluate("document.querySelector('.tabs a[aria-current]').textContent").startswith("active")
