"""`/docs` in a real browser: it shows the API, lets requests be tried, and asks nobody else for anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.browser import Page, chromium
from tests.e2e.conftest import Instance
from tests.servers import wait_for


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """An empty page."""
    with chromium(tmp_path) as page:
        yield page


def scroll_to(page: Page, place: str) -> None:
    """Scroll from the top until the page has drawn it."""
    page.wait_for("document.querySelectorAll('.opblock').length > 0")
    page.evaluate("scrollTo(0, 0)")

    def there() -> bool:
        page.evaluate("scrollBy(0, innerHeight / 2)")
        return bool(page.evaluate(f"document.querySelector('{place}') != null"))

    wait_for(there, seconds=60, what=f"{place} to be drawn")
    page.evaluate(f"document.querySelector('{place}').scrollIntoView({{block: 'center'}})")
    page.settle()


def test_it_shows_every_operation_and_keeps_its_policy(ordinaut: Instance, page: Page, tmp_path: Path) -> None:
    here = f"http://127.0.0.1:{ordinaut.port}/"
    page.open(here + "docs")
    page.wait_for("document.querySelectorAll('.opblock').length > 0")
    described = ordinaut.call("GET", "/openapi.json")
    operations = sum(len(methods) for methods in described["paths"].values())
    seen = set[str]()

    def whole() -> bool:
        # It draws what is in sight, and takes the rest away again: so it is as quick with a thousand operations.
        seen.update(page.evaluate("[...document.querySelectorAll('.opblock')].map(one => one.id)"))
        page.evaluate("scrollBy(0, innerHeight / 2)")
        return len(seen) == operations

    wait_for(whole, seconds=60, what=f"{operations} operations to be shown")
    assert page.evaluate("document.querySelector('.info .title').innerText").startswith("Ordinaut")
    scroll_to(page, "#operations-tasks-create_task")
    page.evaluate("document.querySelector('#operations-tasks-create_task .opblock-summary-control').click()")
    page.wait_for("document.querySelector('#operations-tasks-create_task .opblock-body') != null")
    page.evaluate("document.querySelector('#operations-tasks-create_task').scrollIntoView()")
    page.settle()
    page.screenshot(tmp_path / "docs.png")
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith((here, "data:"))] == []


def test_a_request_can_be_tried_there(ordinaut: Instance, page: Page) -> None:
    page.open(f"http://127.0.0.1:{ordinaut.port}/docs#/health/get_liveness")
    block = "document.querySelector('#operations-health-get_liveness')"
    page.wait_for(f"{block}?.querySelector('.execute') != null")
    page.settle()
    page.evaluate(f"{block}.querySelector('.execute').click()")
    status = f"{block}?.querySelector('.live-responses-table .response .response-col_status')"
    page.wait_for(f"{status}?.innerText.startsWith('200')")
    page.settle()
    assert page.complaints == []
