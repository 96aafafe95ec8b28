"""Reading a request: nothing strange in its address, one value for a query key, strict JSON as its body."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any, TypeVar, get_args, get_origin
from urllib.parse import urlsplit

from flask import Flask, current_app, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from app.domain.errors import Forbidden, InvalidInput, Problem
from app.domain.json_limits import check_json
from app.domain.texts import t
from app.http.errors import BODY_LIMIT
from app.http.identity import TICKET, is_public, session_token, takes_ticket
from app.http.sentences import invalid_input, pointer_to

Model = TypeVar("Model", bound=BaseModel)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def configure_reading(app: Flask, *, max_body_bytes: int, own_names_only: bool = False) -> None:
    """Limit bodies, and look at every address and origin before any view does.

    Args:
        own_names_only: There are no tokens and no proxies: what comes from this machine must call it by its own names.
    """
    app.config[BODY_LIMIT] = max_body_bytes
    # Werkzeug cuts a chunked body off at its limit without a word; one byte more shows that it went on.
    app.config["MAX_CONTENT_LENGTH"] = max_body_bytes + 1
    app.before_request(refuse_strange_addresses)
    app.before_request(refuse_foreign_origins)
    if own_names_only:
        app.before_request(refuse_borrowed_names)


def refuse_strange_addresses() -> None:
    """Refuse control bytes and invalid UTF-8 in the path, and NUL in the query.

    Werkzeug would hand views U+FFFD in place of such bytes, and PostgreSQL knows no NUL in a text.
    """
    path = request.environ.get("PATH_INFO", "").encode("latin-1")
    if (text := _utf8(path)) is None or _CONTROL.search(text):
        raise InvalidInput.at("/path", t("The address has control characters or is not valid UTF-8"))
    for key, values in request.args.lists():
        if any("\x00" in value for value in (key, *values)):
            raise InvalidInput.at(pointer_to([key]), t("'{name}' has the character U+0000", name=_shown(key)))


def refuse_foreign_origins() -> None:
    """Refuse writes that a page of another site made the browser send (a bearer token shows intent)."""
    if request.method not in _UNSAFE or "Authorization" in request.headers:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    # Pages cannot forge Sec-Fetch-Site; a browser too old for it at least says where the page is from.
    foreign = origin is not None and origin.split("://", 1)[-1] != request.host
    # A cookie comes by itself, whoever asks: with one, a write has to say where it is from.
    foreign = foreign or (origin is None and session_token() is not None)
    if site not in {"same-origin", "none"} if site else foreign:
        raise Forbidden(issue=t("Writes from pages of another site are refused"))


def refuse_borrowed_names() -> None:
    """Refuse a browser of this machine that was sent here under a stranger's name (DNS rebinding).

    To the browser such a page and this server are one origin, and without tokens nothing else keeps them apart.
    """
    if _is_own(request.host) or is_public(request.path) or not _is_own(request.environ.get("REMOTE_ADDR", "")):
        return
    words = t("Without tokens this machine answers to localhost alone; behind a proxy set ORDINAUT_PROXY_HOPS")
    raise Forbidden(field="Host", issue=words)


def _is_own(host: str) -> bool:
    """Whether a host, with or without a port, is a name or an address that only this machine has for itself."""
    try:
        name = host if host.count(":") > 1 and "[" not in host else urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or name.endswith(".localhost") or ip_address(name).is_loopback
    except ValueError:
        return False


def query_reader(model: type[Model] | None) -> Callable[[], Model | None]:
    """A function that reads the query into `model`; without a model it refuses any parameter.

    A list field takes its key repeated, values joined by commas, or both; any other key stands once.
    """
    lists = frozenset(_list_names(model)) if model else frozenset()

    def read() -> Model | None:
        values: dict[str, Any] = {}
        problems = []
        skipped = {TICKET} if takes_ticket() else frozenset()
        for key, given in request.args.lists():
            if key in skipped:
                continue
            if key in lists:
                values[key] = [part for value in given for part in value.split(",")]
            elif len(given) > 1:
                problems.append(Problem(pointer_to([key]), t("'{name}' is given more than once", name=_shown(key))))
            else:
                values[key] = given[0]
        if model is None:
            problems += [
                Problem(pointer_to([key]), t("'{name}' is not a known parameter", name=_shown(key))) for key in values
            ]
        if problems:
            raise InvalidInput(problems)
        return _validated(model, values) if model else None

    return read


def body_reader(model: type[Model]) -> Callable[[], Model]:
    """A function that reads the body into `model`; an absent body is `{}` where no member is required."""
    optional = not any(field.is_required() for field in model.model_fields.values())

    def read() -> Model:
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise UnsupportedMediaType(t("Compressed bodies are not accepted"))
        data = request.get_data(cache=False)
        if len(data) > current_app.config[BODY_LIMIT]:
            raise RequestEntityTooLarge
        if optional and not data:
            return model.model_validate({})
        if not request.is_json:
            raise UnsupportedMediaType(t("The Content-Type must be application/json"))
        check_json(data)
        try:
            return model.model_validate_json(data)
        except ValidationError as error:
            raise invalid_input(error, model) from None

    return read


def _validated(model: type[Model], values: dict[str, Any]) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise invalid_input(error, model) from None


def _list_names(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))
        if any((get_origin(kind) or kind) in (list, tuple, set, frozenset) for kind in kinds):
            yield field.alias or name


def _utf8(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _shown(key: str) -> str:
    """A key as a message may repeat it: short, without control characters."""
    return _CONTROL.sub("?", key[:60])
