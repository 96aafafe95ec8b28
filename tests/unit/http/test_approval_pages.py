"""The page of a link: what it shows is never markup, and what is typed into it becomes JSON."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import pytest

from app.domain.approval_links import Linked
from app.http.approval_pages import asking, filled
from app.http.plain_pages import policy
from tests.fakes.http_app import make_app
from tests.unit.domain.test_approval_links import LINK
from tests.unit.domain.test_approvals import asked

PARTS = {"type": "object", "properties": {"n": {"type": "integer"}, "s": {"type": "string"}, "ok": {"type": "boolean"}}}


@pytest.mark.parametrize(
    ("form", "given", "value"),
    [
        (None, {"form.n": "1"}, None),
        (PARTS, {}, None),
        (
            PARTS,
            {"form.n": "12", "form.s": "12", "form.ok": "true", "form.other": "x"},
            {"n": 12, "s": "12", "ok": True},
        ),
        # left as it is, for the schema to refuse
        (PARTS, {"form.n": "twelve"}, {"n": "twelve"}),
        # nothing was typed
        (PARTS, {"form.n": "", "form.s": ""}, None),
        ({"type": "object"}, {"form": '{"a": 1}'}, {"a": 1}),
        ({"type": "object"}, {"form": "{"}, "{"),
        ({"type": "object"}, {"form": ""}, None),
    ],
)
def test_what_is_typed_becomes_json(form: Any, given: dict[str, str], value: Any) -> None:
    assert filled(asked(form=form), given) == value


def page(**fields: Any) -> str:
    """The page of a link to such an approval."""
    with make_app().test_request_context("/approvals/link?token=t%22%3E"):
        return asking(Linked(LINK, asked(**fields))).get_data(as_text=True)


def test_what_it_shows_is_never_markup() -> None:
    evil = '"><script>alert(1)</script>'
    form = {"properties": {evil: {"title": evil, "enum": [evil]}, f"{evil}2": {"type": "string"}}}
    shown = page(title=evil, message=evil, data={evil: evil}, options=(evil,), form=form)
    assert "<script" not in shown
    assert set(re.findall(r"<(\w+)", shown)) <= {
        *(
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "main",
            "h1",
            "p",
            "pre",
            "form",
            "input",
            "label",
            "textarea",
        ),
        *("select", "option", "button"),
    }


def test_every_kind_of_member_has_its_input() -> None:
    kinds = {"a": {"type": "string"}, "b": {"type": "number"}, "c": {"enum": [1]}, "d": {"type": "object"}}
    shown = page(form={"properties": kinds})
    for element in ('type="text" name="form.a"', 'type="number" step="any" name="form.b"', 'select name="form.c"',
                    'textarea name="form.d"'):  # fmt: skip
        assert element in shown
    assert 'textarea name="form"' in page(form={"type": "object"})
    assert "form." not in page()


def test_the_policy_admits_its_own_style_and_nothing_else() -> None:
    style = re.search("<style>(.*?)</style>", page())
    assert style is not None
    assert base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode() in policy()
    assert "unsafe" not in policy() and "script-src" not in policy()
