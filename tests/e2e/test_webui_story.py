"""A newcomer with nothing but the page, in a real browser: from the first task to the repaired run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.conftest import PATIENCE, Instance
from tests.e2e.node import installed
from tests.fakes.http_target import HttpTarget
from tests.servers import wait_for

AXE = Path(__file__).parent / "axe"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PLAIN = (
    *("", "tasks", "runs", "approvals", "events", "tools", "tools/http.request", "extensions", "health", "tasks/new"),
    *("agents", "audit", "webhooks", "incidents", "settings", "workers", "find?q=log", "extensions/observability"),
    *("secrets", "runs?status=failed&since=24h", "tasks?q=a"),
)
"""Pages that are about nothing in particular."""
MORE = ("edit", "stats", "history")
WIDTHS = (320, 390, 768, 1440)
CALL = "- id: call\n  uses: http.request\n  with: {{method: GET, url: '{url}'}}\n"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield one
        one.close()


@pytest.fixture
def page(browser: Browser, ordinaut: Instance) -> Iterator[Page]:
    """A tab whose console stays silent: what breaks the page's policy would be told there."""
    context = browser.new_context(base_url=f"http://127.0.0.1:{ordinaut.port}", locale="en")
    context.set_default_timeout(PATIENCE * 1000)
    one = context.new_page()
    complaints: list[str] = []
    one.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    one.on("pageerror", lambda error: complaints.append(str(error)))
    yield one
    context.close()
    told = [line for line in complaints if "status of 40" not in line]
    assert told == []


def write(page: Page, text: str) -> None:
    """Put a text into the editor, as a paste does: what `fill` does makes elements with styles of their own."""
    editor = page.get_by_label("Pipeline, as YAML or JSON")
    expect(editor).to_have_attribute("contenteditable", "true")
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(text)


def test_a_newcomer_plans_runs_mends_and_repeats(page: Page, ordinaut: Instance, target: HttpTarget) -> None:
    page.goto("/ext/webui/")
    page.get_by_role("link", name="New task").first.click()
    page.get_by_label("Title").fill("Weekday report")
    page.get_by_label("Time zone").fill("Europe/Chisinau")
    page.get_by_label("Expression").fill("30 25 * * 1-5")
    expect(page.locator("#preview")).to_contain_text("hour must be 0-23")
    page.get_by_label("Expression").fill("30 8 * * 1-5")
    expect(page.locator("#preview")).to_contain_text("Monday to Friday at 08:30")
    assert page.locator("#preview .hit").count() == 5
    write(page, f"- id: call\n  uses: http.request\n  with: {{method: GET, url: '{target.url('/status/500')}'}}\n")
    page.get_by_text("Policies:").click()
    page.get_by_label("Further attempts of a run that fails").fill("0")
    page.get_by_role("button", name="Create task").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Weekday report")
    page.get_by_role("button", name="Run now").click()
    # Nobody looks again: the page follows the run by itself.
    expect(page.get_by_role("heading", level=1)).to_contain_text("failed")
    expect(page.get_by_role("alert")).to_contain_text("unexpected_status")
    page.get_by_role("link", name="Weekday report").click()
    page.get_by_role("link", name="Edit").click()
    write(page, f"- id: call\n  uses: http.request\n  with: {{method: GET, url: '{target.url('/echo')}'}}\n")
    page.get_by_role("button", name="Save task").click()
    page.locator("main .items a").first.click()
    page.get_by_role("button", name="Run again from this step").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("succeeded")


def test_an_approval_is_given_and_its_run_goes_on(page: Page, ordinaut: Instance) -> None:
    ask = {"id": "ask", "uses": "orchestrator.request_approval", "with": {"title": "Send the letters?"}}
    run_id = ordinaut.run(ordinaut.task(ask, title="Letters"))
    waits = lambda: ordinaut.call("GET", f"/runs/{run_id}")["status"] == "waiting"  # noqa: E731
    wait_for(waits, seconds=PATIENCE, what="the question")
    page.goto("/ext/webui/approvals")
    page.get_by_role("link", name="Send the letters?").first.click()
    page.get_by_role("button", name="approve").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("succeeded")


def test_why_an_occurrence_did_not_run_is_found(page: Page, ordinaut: Instance) -> None:
    task = ordinaut.task(title="Daily", schedule_kind="cron", schedule_expr="0 9 * * *")
    at = datetime.now(UTC) - timedelta(days=1)
    page.goto(f"/ext/webui/tasks/{task['id']}")
    page.get_by_label("Why did it run").fill(f"{at:%Y-%m-%d}T09:00")
    page.get_by_role("button", name="Ask why").click()
    expect(page.get_by_role("status")).to_contain_text("did not exist yet")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_its_window(browser: Browser, ordinaut: Instance, scheme: str) -> None:
    run_id = ordinaut.run(ordinaut.task({"id": "x" * 60, "uses": "data.set", "with": {"value": "y" * 400}}))
    ordinaut.ended(run_id)
    task_id = ordinaut.call("GET", f"/runs/{run_id}")["task_id"]
    theme: Any = scheme
    context = browser.new_context(base_url=f"http://127.0.0.1:{ordinaut.port}", color_scheme=theme)
    page = context.new_page()
    wide: list[str] = []
    for path in [*PLAIN, f"runs/{run_id}", f"tasks/{task_id}", *(f"tasks/{task_id}/{more}" for more in MORE)]:
        page.goto(f"/ext/webui/{path}", wait_until="domcontentloaded")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            if page.locator("html").evaluate("html => html.scrollWidth > innerWidth"):
                wide.append(f"{path} at {width}")
    context.close()
    assert wide == []


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, as its lock file names it."""
    modules = installed(AXE, tmp_path_factory.mktemp("axe"))
    return (modules / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(browser: Browser, ordinaut: Instance, axe: str, scheme: str) -> None:
    """WCAG 2.2 AA and good practice, as axe-core sees them."""
    broken = {"id": "sum", "uses": "data.transform", "with": {"expression": "sum(@)", "data": "x"}}
    run_id = ordinaut.run(ordinaut.task(broken, max_retries=0))
    ordinaut.ended(run_id)
    task_id = ordinaut.call("GET", f"/runs/{run_id}")["task_id"]
    theme: Any = scheme
    # Only what looks at the page is let past its policy; that the page keeps it is tested above.
    context = browser.new_context(
        base_url=f"http://127.0.0.1:{ordinaut.port}", color_scheme=theme, bypass_csp=True, locale="en"
    )
    page, found = context.new_page(), list[str]()
    for path in [*PLAIN, f"runs/{run_id}", f"tasks/{task_id}", *(f"tasks/{task_id}/{more}" for more in MORE)]:
        page.goto(f"/ext/webui/{path}", wait_until="domcontentloaded")
        page.evaluate(axe)
        violations = page.evaluate(f"axe.run(document, {{runOnly: {RULES}}}).then(seen => seen.violations)")
        found += [f"{path}: {one['id']} {one['nodes'][0]['html'][:200]}" for one in violations]
    context.close()
    assert found == []


def test_it_works_without_scripts(browser: Browser, ordinaut: Instance) -> None:
    context = browser.new_context(base_url=f"http://127.0.0.1:{ordinaut.port}", java_script_enabled=False, locale="en")
    page = context.new_page()
    page.goto("/ext/webui/tasks/new")
    page.get_by_label("Title").fill("Without a script")
    page.get_by_label("Pipeline, as YAML or JSON").fill("- id: rest\n  uses: flow.sleep\n  with: {seconds: 3600}\n")
    page.get_by_role("button", name="Check the schedule").click()
    expect(page.locator("#preview")).to_contain_text("Monday to Friday at 08:30")
    page.get_by_role("button", name="Create task").click()
    page.get_by_role("button", name="Run now").click()
    page.get_by_role("button", name="Cancel run").click()
    run_id = page.url.partition("/runs/")[2].partition("?")[0]
    assert ordinaut.ended(run_id)["status"] == "canceled"
    context.close()


def test_times_and_theme_are_the_readers_own(browser: Browser, ordinaut: Instance) -> None:
    task = ordinaut.task(title="Far away", schedule_kind="once", schedule_expr="2099-07-01T10:00:00Z")
    address = f"http://127.0.0.1:{ordinaut.port}"
    context = browser.new_context(base_url=address, timezone_id="Asia/Tokyo", color_scheme="light", locale="en")
    page = context.new_page()
    page.goto(f"/ext/webui/tasks/{task['id']}")
    expect(page.get_by_text("1 Jul 2099, 19:00 JST").first).to_be_visible()
    page.goto("/ext/webui/settings")
    page.get_by_label("Theme").select_option("dark")
    page.get_by_label("Language").select_option("ro")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Setări")
    shade = "parseFloat(getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/)[0])"
    assert page.evaluate(shade) < 0.5
    context.close()


def test_a_pipeline_is_written_with_help(page: Page, ordinaut: Instance) -> None:
    page.goto("/ext/webui/tasks/new")
    write(page, "- id: note\n  uses: log.writ")
    page.keyboard.type("e")
    page.locator(".cm-tooltip-autocomplete li", has_text="log.write").click()
    expect(page.locator(".cm-lintRange-error").first).to_be_visible()
    page.locator(".cm-lintRange-error").first.hover()
    expect(page.locator(".cm-tooltip-lint")).to_contain_text("message")
    page.keyboard.type("\nwith:\n  mess")
    page.locator(".cm-tooltip-autocomplete li", has_text="message").click()
    page.keyboard.type("Hello")
    expect(page.locator(".cm-lintRange-error")).to_have_count(0)
    page.get_by_label("Title").fill("With help")
    page.get_by_role("button", name="Create task").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("With help")
    task_id = page.url.partition("/tasks/")[2].partition("?")[0]
    [step] = ordinaut.call("GET", f"/tasks/{task_id}")["payload"]["pipeline"]
    assert step == {"id": "note", "uses": "log.write", "with": {"message": "Hello"}}


def test_whoever_is_on_call_sees_who_works_on_what(page: Page, ordinaut: Instance, target: HttpTarget) -> None:
    step = {"id": "call", "uses": "http.request", "with": {"url": target.url("/hang")}}
    run_id = ordinaut.run(ordinaut.task(step, title="Slow letters"))
    page.goto("/ext/webui/workers")
    expect(page.get_by_text("pool process").first).to_be_visible()
    expect(page.get_by_role("link", name="Slow letters")).to_be_visible()
    page.get_by_role("link", name="Slow letters").click()
    page.get_by_role("button", name="Cancel run").click()
    assert ordinaut.ended(run_id)["status"] == "canceled"
    page.goto("/ext/webui/workers")
    expect(page.get_by_role("link", name="Slow letters")).to_be_hidden()


def test_keys_find_go_run_and_pause(page: Page, ordinaut: Instance) -> None:
    ordinaut.task(title="Zebra counting")
    page.goto("/ext/webui/", wait_until="load")
    page.keyboard.press("Control+k")
    palette = page.get_by_role("combobox", name="Search or jump to")
    palette.fill("zebra")
    expect(page.get_by_role("option", name="Zebra counting")).to_have_attribute("aria-selected", "true")
    palette.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Zebra counting")
    page.wait_for_load_state()
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page.get_by_role("heading", level=1)).to_have_text("Tasks")
    page.wait_for_load_state()
    page.keyboard.press("/")
    page.keyboard.type("zebra")
    page.keyboard.press("Enter")
    expect(page.locator(".tr .title")).to_have_count(1)
    page.wait_for_load_state()
    page.locator("main h1").click()
    page.keyboard.press("j")
    page.keyboard.press("p")
    expect(page.get_by_role("heading", level=1)).to_contain_text("paused")
    page.wait_for_load_state()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    expect(page.get_by_role("heading", level=1)).to_have_text("New task")


def test_the_search_is_a_form_where_there_are_no_scripts(browser: Browser, ordinaut: Instance) -> None:
    run_id = ordinaut.run(ordinaut.task(title="Quiet search"))
    context = browser.new_context(base_url=f"http://127.0.0.1:{ordinaut.port}", java_script_enabled=False, locale="en")
    page = context.new_page()
    page.goto("/ext/webui/runs")
    page.get_by_role("searchbox", name="Search or jump to").fill(run_id)
    page.keyboard.press("Enter")
    page.locator("#found a").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Quiet search")
    context.close()


def test_events_come_by_themselves(page: Page, ordinaut: Instance) -> None:
    page.goto("/ext/webui/events?topic=live.**")
    expect(page.get_by_text("No event is like this.")).to_be_visible()
    with page.expect_response(lambda answer: "/api/stream" in answer.url):
        page.reload()
    ordinaut.call("POST", "/events", {"topic": "live.news", "payload": {"n": 1}}, expect=202)
    expect(page.get_by_text("live.news")).to_be_visible()
