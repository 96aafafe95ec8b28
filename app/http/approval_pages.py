"""Pages for people who follow the link of an approval: plain HTML, no script, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from flask import Response, request
from markupsafe import Markup

from app.domain.approval_links import FormField, Linked, fields_of
from app.domain.approvals import Approval
from app.domain.errors import InvalidInput, OrdinautError, Problem
from app.domain.texts import t
from app.http.errors import KINDS
from app.http.locale import speak
from app.http.plain_pages import plain_page

MEMBER = "form."
"""Before the names of the form's members."""
WHOLE = "form"
"""The form as JSON, where its schema names no members."""


def asking(linked: Linked, problems: Sequence[Problem] = ()) -> Response:
    """The approval with a form to decide it."""
    approval = linked.approval
    parts = [Markup("<p>{}</p>").format(_lines(approval.message))] if approval.message else []
    if approval.data is not None:
        parts.append(Markup("<pre>{}</pre>").format(_pretty(approval.data)))
    parts += [Markup('<p class="wrong" role="alert">{}</p>').format(speak(one.message)) for one in problems]
    address = request.script_root + "/approvals/link/form"
    token = Markup('<input type="hidden" name="token" value="{}">').format(request.values["token"])
    comment = Markup('<label>{}<textarea name="comment" rows="2" maxlength="2000"></textarea></label>')
    form = [token, *_inputs(approval), comment.format(speak(t("Comment"))), *_buttons(linked.options)]
    parts.append(Markup('<form method="post" action="{}">{}</form>').format(address, Markup("").join(form)))
    return plain_page(approval.title, Markup("").join(parts), 400 if problems else 200)


def told(approval: Approval) -> Response:
    """What has been decided."""
    option = approval.outcome.decision.option if approval.outcome else ""
    text = speak(t("It was decided: {decision}", decision=option))
    return plain_page(approval.title, Markup('<p role="status">{}</p>').format(text), 200)


def refused(error: OrdinautError) -> Response:
    """Why there is nothing to decide."""
    text = error.problems[0].message if isinstance(error, InvalidInput) and error.problems else error.message
    kind = KINDS[error.code]
    return plain_page(speak(kind.title), Markup('<p role="alert">{}</p>').format(speak(text)), kind.status)


def filled(approval: Approval, given: Mapping[str, str]) -> Any:
    """What somebody filled in; what cannot be read stays text, so that the schema refuses it. None for nothing."""
    if approval.form is None:
        return None
    fields = fields_of(approval.form)
    if not fields:
        return _read(given[WHOLE]) if given.get(WHOLE) else None
    values = {one.name: given[MEMBER + one.name] for one in fields if given.get(MEMBER + one.name)}
    text = {one.name for one in fields if one.kind == "text"}
    return {name: value if name in text else _read(value) for name, value in values.items()} or None


def _read(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _inputs(approval: Approval) -> list[Markup]:
    if approval.form is None:
        return []
    fields = fields_of(approval.form)
    if not fields:
        return [_labelled(speak(t("Form, as JSON")), _area(WHOLE))]
    return [_labelled(one.label + (" *" if one.required else ""), _input(one)) for one in fields]


def _labelled(label: str, element: Markup) -> Markup:
    return Markup("<label>{}{}</label>").format(label, element)


def _area(name: str) -> Markup:
    return Markup('<textarea name="{}" rows="4"></textarea>').format(name)


def _input(field: FormField) -> Markup:
    name = MEMBER + field.name
    match field.kind:
        case "choice":
            option = Markup('<option value="{}">{}</option>')
            options = [option.format(orjson.dumps(one).decode(), _shown(one)) for one in field.choices]
            empty = Markup('<option value=""></option>')
            return Markup('<select name="{}">{}{}</select>').format(name, empty, Markup("").join(options))
        case "number":
            return Markup('<input type="number" step="any" name="{}">').format(name)
        case "text":
            return Markup('<input type="text" name="{}">').format(name)
        case _:
            return _area(name)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _buttons(options: Sequence[str]) -> list[Markup]:
    button = Markup('<button type="submit" name="decision" value="{}">{}</button>')
    return [button.format(one, speak(_NAMES.get(one, one))) for one in options]


_NAMES: Mapping[str, str] = {"approve": t("Approve"), "reject": t("Reject")}


def _lines(text: str) -> Markup:
    return Markup("<br>").join(text.splitlines())


def _pretty(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
