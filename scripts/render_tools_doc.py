"""Writes docs/tools.md, the reference of the built-in tools, from the registry itself.

Run `python -m scripts.render_tools_doc` after changing a tool; a test fails while the page is behind.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from app.domain.clock import SystemClock
from app.tools.builtin import builtin_tools
from app.tools.http_safety import PUBLIC_PORTS, HttpPolicy
from app.tools.outside import outside_tools
from app.tools.registry import ToolRegistry
from app.tools.use_cases.catalog import use_case_tools
from app.tools.use_cases.ports import UseCases
from ordinaut import Caller
from ordinaut.tools import Tool

DEFAULT_SCOPE = "tools:invoke"
PAGE = Path(__file__).resolve().parent.parent / "docs" / "tools.md"

_INTRO = """# Built-in tools

<!-- Made by scripts/render_tools_doc.py from the registry; change the tools, then run it. -->

A step calls a tool by its name in `uses` and gives its arguments in `with`. Arguments are checked against
the schema before the tool runs; one that is not listed here is refused.
"""

_USE_CASES = """
# The use cases as tools

What people do through the API, pipelines and assistants do through these tools, each in the name of its caller
and with that caller's scopes. Ids are called `task_id` and `run_id` everywhere. An answer is kept under 80,000
characters: lists come in pages (`next_cursor`), and a long value is cut to
`{"truncated": true, "characters", "beginning", "hint"}`, whose hint says where the whole of it is.

A refusal says what to do next. Error types, none of them tried again but `unavailable`: `invalid_arguments` (every
problem in `details.errors`, each with `field`, `issue`, `hint`), `not_found`, `conflict`, `forbidden`,
`precondition_failed`, `unprocessable`, `unavailable`, and `confirmation_required` of `cancel_task`.
"""

_NOTES = {
    "http.request": f"""
**Where it may go.** Only `http` and `https`. The host is looked up once, every address found must be on the
public internet, and that very address is connected to. Of public hosts, ports
{", ".join(map(str, sorted(PUBLIC_PORTS)))} are open. Anything else has to be admitted by the operator in
`ORDINAUT_HTTP_ALLOWED_HOSTS`, a comma list of host names and networks, each with or without a port:
`localhost, 10.0.0.0/8, intranet.example:8443, [::1]:9000`.
A host name admits whatever it resolves to; a network admits every name that resolves into it.

**Redirects.** At most three, each checked like the first URL, never from https to http. On the way to another
origin only `Accept`, `Accept-Language`, `Content-Type` and `User-Agent` go along, and a request with a body
is not carried over. A redirect whose status is in `expect_status` is the answer.

**Limits.** 30 seconds in all and never past the step's time-out, 10 of them for connecting; 1 MiB of body
each way, unpacked; 64 KiB of headers. Proxies of the environment are not used.

**Effects.** Methods other than GET, HEAD and OPTIONS carry `Idempotency-Key`, the same on every attempt of
the step, unless the step sets one. `User-Agent` is `Ordinaut/<version>`.

**Secrets.** User names and passwords in URLs are refused: use `auth`. Headers of the answer that carry
credentials, `Set-Cookie` among them, are masked; so are sent credentials that an error page repeats.

| error type | tried again | when |
|---|---|---|
| `unexpected_status` | 408, 425, 429, 5xx | outside `expect_status` |
| `connect_error` | yes | no such host, nobody listening, broken off |
| `timeout` | yes | out of time |
| `tls_error` | unless the certificate is refused | no secure connection |
| `invalid_response` | yes | not HTTP, or damaged |
| `response_too_large` | no | past a limit |
| `address_refused` | no | not admitted |
| `redirect_refused` | no | too many redirects, or an unsafe one |
| `invalid_url`, `invalid_arguments` | no | the step must be changed |
| `stopped` | yes | the run is being cancelled or its worker stops |

Details of `unexpected_status`: `status`, `method`, `host`, `body_excerpt`, and `retry_after_seconds` when the
service names it.
""",
    "email.send": (
        "\nTo all recipients or to none; [more](email-and-llm.md#to-all-or-to-nobody). Errors: `not_configured`, "
        "`invalid_arguments`, `connect_error`,"
        "\n`timeout`, `tls_error`, `login_refused`, `recipients_refused`, `message_refused`, `stopped`.\n"
    ),
    "llm.complete": (
        "\nThe service is the operator's; [more](email-and-llm.md). Errors: `not_configured`, `answer_unfit`, "
        "`answer_refused`,"
        "\n`invalid_arguments`, and those of `http.request`, told in the same words.\n"
    ),
    "data.set": "\nErrors: `value_too_large`, `invalid_value` (not JSON); neither is tried again.\n",
    "data.transform": (
        "\nErrors: `invalid_arguments` (not an expression), `transform_failed` (a wrong type, or a limit of"
        "\nsize or time), `value_too_large`, `invalid_value`; none is tried again.\n"
    ),
    "orchestrator.request_approval": (
        "\nErrors: `timeout` (nobody decided in time), `not_approved` (an option of `fail_on` was chosen),"
        "\n`invalid_arguments`; none is tried again. [How approvals work](approvals.md).\n"
    ),
    "events.publish": "\nError: `invalid_arguments` (no topic to publish on); not tried again.\n",
    "tasks.create": "\nError: `invalid_arguments`, every problem in `details.errors`; not tried again.\n",
}


def render() -> str:
    """The whole page."""
    basic = ToolRegistry(
        [
            *builtin_tools(
                http_policy=HttpPolicy(),
                create_task=_no_task,
                publish=cast(Any, None),
                children=cast(Any, None),
                clock=SystemClock(),
            ),
            *outside_tools(),
        ]
    )
    nobody = cast(Any, None)
    uses = use_case_tools(UseCases(tasks=nobody, runs=nobody, approvals=nobody, publish=nobody, tools=nobody))
    sections = [_INTRO, *map(_section, basic.all()), _USE_CASES, *map(_section, uses)]
    return "\n".join(sections)


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")


def _section(tool: Tool) -> str:
    lines = [f"## `{tool.name}`", "", f"{tool.description} {_kind(tool)}", ""]
    if tool.scope != DEFAULT_SCOPE:
        lines += [f"Scope: `{tool.scope}`.", ""]
    lines += ["| argument | type | default | meaning |", "|---|---|---|---|", *_rows(tool.schema)]
    if tool.output_schema:
        lines += ["", "| result | type | | meaning |", "|---|---|---|---|", *_rows(tool.output_schema)]
    lines.append(_NOTES.get(tool.name, ""))
    for example in tool.examples:
        step = {"id": "example", "uses": tool.name, "with": example}
        lines += ["```json", json.dumps(step, indent=2, ensure_ascii=False), "```", ""]
    return "\n".join(lines)


def _kind(tool: Tool) -> str:
    if tool.pure:
        return "Touches nothing outside the run."
    return "Changes nothing." if tool.read_only else "Has effects outside the run."


def _rows(schema: Mapping[str, Any]) -> Iterator[str]:
    required = schema.get("required", ())
    for name, shape in schema["properties"].items():
        default = f"`{json.dumps(shape['default'])}`" if "default" in shape else ""
        mark = "required" if name in required and "properties" in schema else default
        yield f"| `{name}` | {_type(shape)} | {mark} | {shape.get('description', '')} |"


def _type(shape: Mapping[str, Any]) -> str:
    if "enum" in shape:
        return " ".join(f"`{option}`" for option in shape["enum"])
    names = shape.get("type", "any")
    text = " or ".join(names) if isinstance(names, list) else str(names)
    for choice in ("oneOf", "anyOf"):
        if choice in shape:
            text = " or ".join(dict.fromkeys(str(one["type"]) for one in shape[choice]))
    return f"{text}{_bounds(shape)}"


def _bounds(shape: Mapping[str, Any]) -> str:
    low = shape.get("minimum", shape.get("minLength"))
    high = shape.get("maximum", shape.get("maxLength", shape.get("maxItems", shape.get("maxProperties"))))
    if high is None:
        return ""
    return f", ≤ {high}" if low is None else f", {low}–{high}"


def _no_task(fields: dict[str, Any], *, caller: Caller, idempotency_key: str) -> dict[str, Any]:
    raise RuntimeError("the reference page makes no tasks")


if __name__ == "__main__":
    main()
