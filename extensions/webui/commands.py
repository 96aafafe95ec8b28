"""A task as commands that make the same task again: for the shell, for our own command, and for Python."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pprint import pformat
from typing import Any

from .definition import as_yaml

COPIED = (
    *("title", "description", "schedule_kind", "schedule_expr", "timezone", "starts_at", "ends_at", "jitter_seconds"),
    *("priority", "max_retries", "backoff_strategy", "backoff_seconds", "timeout_seconds", "pause_after_failures"),
    *("overlap", "misfire", "misfire_grace_seconds", "catchup_window_seconds", "catchup_max", "max_runs"),
    *("concurrency_key", "concurrency_limit", "dedupe_key", "dedupe_window_seconds"),
    *("debounce_seconds", "debounce_max_wait_seconds", "expect", "tags", "payload"),
)
"""What of a task makes the same task again."""


@dataclass(frozen=True, slots=True)
class Command:
    """One way to say it."""

    id: str
    title: str
    text: str


def copied(task: Mapping[str, Any]) -> dict[str, Any]:
    """The body that makes it again."""
    return {name: task[name] for name in COPIED if task.get(name) not in (None, [], "")}


def commands(root: str, task: Mapping[str, Any], *, signed_in: bool) -> Sequence[Command]:
    """Each way; where readers sign in, with the token in a variable of the shell.

    Args:
        root: Address of the installation, with a slash at its end.
    """
    body = copied(task)
    header = ' -H "Authorization: Bearer $ORDINAUT_TOKEN"' if signed_in else ""
    written = json.dumps(body, indent=2, ensure_ascii=False)
    return (
        Command(
            "as-curl",
            "curl",
            f'curl -X POST {root}tasks -H "Content-Type: application/json"{header} \\\n'
            f"  -d @- <<'JSON'\n{written}\nJSON\n",
        ),
        Command("as-cli", "ordinaut", f"ordinaut task create -f - <<'YAML'\n{as_yaml(body)}YAML\n"),
        Command("as-python", "Python", _python(root, body, signed_in=signed_in)),
    )


def _python(root: str, body: Mapping[str, Any], *, signed_in: bool) -> str:
    imports = "import os\n\nimport requests\n" if signed_in else "import requests\n"
    headers = '{"Authorization": f"Bearer {os.environ[\'ORDINAUT_TOKEN\']}"}'
    sent = f", headers={headers}" if signed_in else ""
    return (
        f"{imports}\ntask = {pformat(dict(body), sort_dicts=False, width=88)}\n"
        f"answer = requests.post({root + 'tasks'!r}, json=task{sent}, timeout=10)\n"
        "answer.raise_for_status()\nprint(answer.json()['id'])\n"
    )
