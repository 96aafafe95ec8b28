"""The page with much to show: 10,000 tasks, 300 runs and one of 200 steps, as a reader's browser sees it.

One client asks the real web process for one page at a time, in turns with the REST route that carries the same data:
what a page costs beside it is rendering and further lookups. Then Chromium opens each page in a new profile, and the
bytes of the scripts that it loads are counted as gzip would send them.
"""

from __future__ import annotations

import gzip
import time
import urllib.request

from playwright.sync_api import Browser, sync_playwright

from bench.http import answers_at, ask
from bench.stage import Stage, arguments, make_task, median, quantile, stage, store, table, until
from tests.servers import free_port

TASKS, RUNS, STEPS = 10_000, 300, 200
ROUNDS, PAINTS = 40, 5
MOST_MS, MOST_PAINT_MS, MOST_SCRIPT_KB = 150, 500, 20
CHROMIUM = "/usr/bin/chromium"
PAINT = """new Promise(tell => new PerformanceObserver(
    list => list.getEntriesByName('first-contentful-paint').forEach(one => tell(one.startTime))
).observe({type: 'paint', buffered: true}))"""
SCRIPTS = "performance.getEntriesByType('resource').filter(one => one.initiatorType === 'script').map(one => one.name)"


def _filled(scene: Stage) -> tuple[str, dict[str, tuple[str, str]]]:
    """Start web and worker with all this; the address, and the pages with the route that carries the same."""
    base = f"http://127.0.0.1:{(port := free_port())}"
    many = [make_task(schedule_kind="manual", title=f"Task {number}") for number in range(TASKS)]
    long = make_task(schedule_kind="manual", title="Long", steps=STEPS)
    store(scene.units, [*many, long])
    scene.start("bin/ordinaut", "web", PORT=str(port), ORDINAUT_RATE_LIMIT="1000000/minute")
    scene.start("bin/ordinaut", "worker")
    until(scene, lambda: answers_at(base), "the web process")
    for task in many[:RUNS]:
        ask(base, "POST", f"/tasks/{task.id}/run_now", {})
    run_id = ask(base, "POST", f"/tasks/{long.id}/run_now", {})["run_id"]
    until(scene, lambda: ask(base, "GET", "/runs?status=succeeded&limit=1")["total"] == RUNS + 1, "the runs")
    return base, {
        "overview": ("/ext/webui/", "/runs?limit=20"),
        "tasks and ribbon": ("/ext/webui/tasks", "/tasks?limit=50"),
        "runs": ("/ext/webui/runs", "/runs?limit=50"),
        f"a run of {STEPS} steps": (f"/ext/webui/runs/{run_id}", f"/runs/{run_id}"),
        "a task": (f"/ext/webui/tasks/{long.id}", f"/tasks/{long.id}"),
    }


def _fetched(url: str) -> tuple[float, bytes]:
    """Milliseconds and body of an answer."""
    began = time.perf_counter()
    with urllib.request.urlopen(url, timeout=10) as answer:
        body = answer.read()
    return (time.perf_counter() - began) * 1000, body


def _seen(browser: Browser, url: str) -> tuple[float, float]:
    """Milliseconds until a new profile paints something, and the kilobytes of the scripts it loads, by gzip."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(url, wait_until="load")
    paint, scripts = float(page.evaluate(PAINT)), page.evaluate(SCRIPTS)
    context.close()
    return paint, sum(len(gzip.compress(_fetched(script)[1])) for script in scripts) / 1000


def main() -> None:
    """Print the table."""
    asked = arguments(__doc__)
    rows: list[tuple[object, ...]] = []
    for database in asked.database:
        with stage(database) as scene, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            base, pages = _filled(scene)
            for name, (page, route) in pages.items():
                pairs = [(_fetched(base + page)[0], _fetched(base + route)[0]) for _ in range(ROUNDS)]
                ours, data = zip(*pairs, strict=True)
                paints, scripts = zip(*[_seen(browser, base + page) for _ in range(PAINTS)], strict=True)
                figures = median(ours), quantile(ours, 0.95), median(data), median(paints), scripts[0]
                met = figures[0] <= MOST_MS and figures[3] <= MOST_PAINT_MS and figures[4] <= MOST_SCRIPT_KB
                rows.append((name, database, *figures, met))
            browser.close()
    head = ["page", "database", "p50 ms", "p95 ms", "the route's p50 ms", "first paint ms", "scripts kB", "met"]
    table(head, rows)


if __name__ == "__main__":
    main()
