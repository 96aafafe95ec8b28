"""A worker like `bin/ordinaut worker`, with two more tools: an effect that answers at once, and one that takes time.

`python -m bench.hands` starts it. Everything but the list of tools is the product's own.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from app.bootstrap import parts
from app.cli.main import main
from app.tools.builtin import builtin_tools
from bench.stage import EFFECT, SLEEP
from ordinaut import Tool, ToolCall


def _answer(call: ToolCall) -> Any:
    return call.arguments["value"]


def _sleep(call: ToolCall) -> Any:
    time.sleep(call.arguments["seconds"])
    return None


def tools(**given: Any) -> list[Tool]:
    """The builtin tools and the bench's."""
    anything = {"type": "object"}
    return [
        *builtin_tools(**given),
        Tool(name=EFFECT, description="Answers at once.", schema=anything, run=_answer),
        Tool(name=SLEEP, description="Takes its time.", schema=anything, run=_sleep),
    ]


if __name__ == "__main__":
    setattr(parts, "builtin_tools", tools)  # noqa: B010 - the type checker takes an assignment for a mistake
    sys.argv = ["ordinaut", "worker"]
    sys.exit(main())
