"""What the tests of the web page's pages share: sending a form, reading a page, and a run that has failed."""

from __future__ import annotations

from typing import Any

from tests.integration.api.conftest import Api
from tests.integration.extensions.test_webui import look

HOME = "/ext/webui"
BAD = {"pipeline": [{"id": "sum", "uses": "data.transform", "with": {"expression": "sum(@)", "data": "x"}}]}


def post(api: Api, path: str, form: dict[str, str] | None = None, expect: int = 303, **more: str) -> str:
    """Send a form; where it leads, or the page that comes back."""
    fields = {**(form or {}), **more}
    answer = api.send("POST", HOME + path, data=fields, headers={"Origin": "http://localhost"}, expect=expect)
    return answer.headers["Location"].removeprefix(HOME) if expect == 303 else answer.get_data(as_text=True)


def page(api: Api, path: str, **more: Any) -> str:
    return look(api, HOME + path, **more)[0]


def failing(api: Api) -> tuple[Any, str]:
    """A task, and a run of it that has failed."""
    task = api.task(title="Broken", payload=BAD, max_retries=0)
    run_id = api.run(task)
    api.work()
    return task, run_id
