"""A message is built as asked, and no argument begins a header of its own."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tools.email import email_send_tool
from app.tools.email_message import MAX_ATTACHED, letter_of, mailbox
from app.tools.registry import ToolRegistry
from ordinaut.tools import ToolFailed
from tests.fakes.tool_calls import tool_call

SENDER = mailbox("robot@ordinaut.example")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MAIL: dict[str, Any] = {"to": "ann@a.example", "subject": "Hello", "text": "Good morning"}
REGISTRY = ToolRegistry([email_send_tool(None)])


def content(**changes: Any) -> bytes:
    return letter_of(tool_call({**MAIL, **changes}), SENDER, NOW).content


def refusal(**changes: Any) -> str:
    with pytest.raises(ToolFailed) as caught:
        content(**changes)
    assert (caught.value.type, caught.value.retryable) == ("invalid_arguments", False)
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("ann@a.example", "", "ann@a.example"),
        ("<ann@a.example>", "", "ann@a.example"),
        ('"Ann, of Hull" <ann+x@a.example>', "Ann, of Hull", "ann+x@a.example"),
        ("Ann <ann@bücher.example>", "Ann", "ann@xn--bcher-kva.example"),
    ],
)
def test_addresses(text: str, name: str, address: str) -> None:
    found = mailbox(text)
    assert (found.display_name, found.addr_spec) == (name, address)


@pytest.mark.parametrize(
    "text",
    [
        "", "ann", "@a.example", "ann@", "a@b@c", "ann@a.example, bob@b.example", "ann@a..example", "a b@c.example",
        "Ann <ann@a.example", "Ann <ann@a.example> x", "ann@a.example\r\nBcc: eve@e.example", "A\n <ann@a.example>",
        "ann@a.example> SIZE=1 <", "ană@a.example", ".ann@a.example", "ann@[127.0.0.1]", f"{'a' * 65}@a.example",
        f"ann@{'a' * 64}.example",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_its_argument(text: str) -> None:
    assert "'cc'" in refusal(cc=[text])


@pytest.mark.parametrize("evil", ["a\r\nBcc: eve@e.example", "a\nb", "a\rb", "a\x00b", "a\u2028b", "a\x85b"])
def test_no_line_begins_another_header(evil: str) -> None:
    assert "'subject'" in refusal(subject=evil)
    assert "'headers.X-A'" in refusal(headers={"X-A": evil})
    named = {"filename": evil, "content": ""}
    assert "'attachments.0.filename'" in refusal(attachments=[named])
    assert "'to'" in refusal(to=f"{evil} <ann@a.example>")


@given(st.text(max_size=300).filter(lambda text: not set(text) & set("\r\n\x00")))
def test_a_subject_stays_in_its_header(subject: str) -> None:
    try:
        head = content(subject=subject).partition(b"\r\n\r\n")[0]
    except ToolFailed:
        return
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))]
    assert len(names) == len(set(names)) and b"Bcc" not in names


@pytest.mark.parametrize(
    ("arguments", "pointer"),
    [
        ({"subject": "a\nb"}, "/subject"),
        ({"headers": {"Bcc": "eve@e.example"}}, "/headers"),
        ({"headers": {"From": "eve@e.example"}}, "/headers"),
        ({"headers": {"X-A": "a\nb"}}, "/headers/X-A"),
        ({"attachments": [{"filename": "a/b", "content": ""}]}, "/attachments/0/filename"),
        (
            {"attachments": [{"filename": "a", "content": "", "content_type": "message/rfc822"}]},
            "/attachments/0/content_type",
        ),
        ({"to": []}, "/to"),
        ({"from": "eve@e.example"}, "/from"),
    ],
)
def test_the_schema_refuses_it_when_a_task_is_saved(arguments: dict[str, Any], pointer: str) -> None:
    problems = REGISTRY.argument_problems("email.send", {**MAIL, **arguments})
    assert pointer in [one.pointer for one in problems]


def test_what_the_schema_admits() -> None:
    headers = {"references": "<1@a.example>", "X-A-1": "ă"}
    assert not REGISTRY.argument_problems("email.send", {**MAIL, "headers": headers, "cc": ["a@b"], "reply_to": "c@d"})


def test_a_message_needs_a_body() -> None:
    assert "`html`" in refusal(text=None)


def test_too_much_is_refused() -> None:
    half = {"filename": "a", "content": base64.b64encode(bytes(MAX_ATTACHED // 2 + 1)).decode()}
    assert content(attachments=[half])
    assert f"{MAX_ATTACHED}" in refusal(attachments=[half, half])
    assert "100" in refusal(to=[f"a{number}@a.example" for number in range(101)])
    assert "'attachments.0.content'" in refusal(attachments=[{"filename": "a", "content": "no base64!"}])


def test_a_header_given_twice_is_refused() -> None:
    assert "X-a" in refusal(headers={"X-A": "1", "X-a": "2"})


def test_holiday_replies_are_asked_to_keep_quiet() -> None:
    assert b"\r\nAuto-Submitted: auto-generated\r\n" in content()
    assert b"\r\nAuto-Submitted: no\r\n" in content(headers={"Auto-Submitted": "no"})
