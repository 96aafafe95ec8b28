"""Reading JSON that strangers send: bounded before it is parsed, and nothing in it a database refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson

from app.domain.errors import InvalidInput
from app.domain.texts import t

DEPTH_LIMIT: Final = 64
KEYS_LIMIT: Final = 10_000
STRING_LIMIT: Final = 1024 * 1024
INTEGER_LIMIT: Final = 2**63

# The closing quote is optional: with a string that never ends, every quote in it would start a new scan.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_LONG_NUMBER: Final = re.compile(rb"[-+.eE0-9]{19,}+")
_INTEGER: Final = re.compile(rb"-?[0-9]+")
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_STRANGE: Final = "\x00"
_STRANGE_CHARACTER: Final = re.compile("[\x00\ud800-\udfff]")
_ALL_BUT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_OPEN: Final = ord("[")
_AS_SQUARE: Final = bytes.maketrans(b"{}", b"[]")


def check_json(text: bytes) -> Any:
    """Parses JSON (RFC 8259) from outside and returns the value.

    Raises:
        InvalidInput: It is not JSON in UTF-8; it is nested deeper than 64 levels, has more than 10,000 keys
            or a string over 1 MiB; it repeats a key in one object; it holds NaN, an infinity, an integer
            outside 64 bits, a lone surrogate or the character U+0000.
    """
    bare = _STRING.sub(b'""', text)
    _check_shape(text, bare)
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if place := _place(text):
            raise InvalidInput.at(
                place, t("The text holds half of a surrogate pair."), t("Send whole characters.")
            ) from None
        raise InvalidInput.at("", t("The body is not JSON: {error}.", error=error), _hint(text, bare)) from None
    _check_keys(text, bare, value)
    return value


def depth_of(text: bytes, limit: int = DEPTH_LIMIT) -> int:
    """Counts how deep objects and lists are nested, without parsing; `limit` + 1 stands for more."""
    return _depth(_STRING.sub(b"", text), limit)


def _depth(bare: bytes, limit: int) -> int:
    depth = deepest = 0
    for bracket in bare.translate(_AS_SQUARE, _ALL_BUT_BRACKETS):
        depth += 1 if bracket == _OPEN else -1
        if depth > deepest:
            deepest = depth
            if deepest > limit:
                break
    return deepest


def _check_shape(text: bytes, bare: bytes) -> None:
    """Refuses what would cost the parser, or the database later, too much."""
    if bare.count(b"[") + bare.count(b"{") > DEPTH_LIMIT and _depth(bare, DEPTH_LIMIT) > DEPTH_LIMIT:
        raise InvalidInput.at(
            "", t("The body is nested deeper than {limit} levels.", limit=DEPTH_LIMIT), t("Flatten it.")
        )
    if bare.count(b":") > KEYS_LIMIT:
        raise InvalidInput.at("", t("The body has more than {limit} keys.", limit=KEYS_LIMIT), t("Send it in parts."))
    for number in _LONG_NUMBER.findall(bare):
        _check_number(number, text)
    if b"\\u0000" in text and _NUL.search(text):
        raise InvalidInput.at(_place(text), t("A text in the body holds the character U+0000."), t("Leave it out."))
    if len(text) > STRING_LIMIT and max(map(len, _STRING.findall(text)), default=0) > STRING_LIMIT + 2:
        message = t("A text in the body is longer than {limit} bytes.", limit=STRING_LIMIT)
        raise InvalidInput.at("", message, t("Send it in parts."))


def _check_number(number: bytes, text: bytes) -> None:
    if _INTEGER.fullmatch(number) and not _fits(number.decode()):
        shown = number[:24].decode() + ("…" if len(number) > 24 else "")
        raise InvalidInput.at(
            _place(text), t("The number {shown} does not fit 64 bits.", shown=shown), t("Send it as a text.")
        )


def _fits(digits: str) -> bool:
    # 5,000 digits would make int() itself refuse, so the length decides first.
    return len(digits) <= 20 and -INTEGER_LIMIT <= int(digits) < INTEGER_LIMIT


def _place(text: bytes) -> str:
    """Pointer to the member that no database takes, in a text whose depth is checked; "" when there is none."""
    try:
        value = json.loads(text, parse_int=lambda digits: 0 if _fits(digits) else _STRANGE)
    except ValueError:
        return ""
    found = (at for at, item in _walk(value) if type(item) is str and _STRANGE_CHARACTER.search(item))
    return next(found, "")


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Every value with its pointer (RFC 6901), and every key with the pointer of its object."""
    level = [("", value)]
    while level:
        below: list[tuple[str, Any]] = []
        for pointer, item in level:
            yield pointer, item
            if type(item) is dict:
                yield from ((pointer, key) for key in item)
            below += [(f"{pointer}/{_escaped(key)}", member) for key, member in _members(item)]
        level = below


def _members(item: Any) -> Iterable[tuple[int | str, Any]]:
    if type(item) is dict:
        return item.items()
    return enumerate(item) if type(item) is list else ()


def _escaped(key: int | str) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")


def _check_keys(text: bytes, bare: bytes, value: Any) -> None:
    """Refuses repeated keys: the text then has more colons than the value has keys."""
    colons = bare.count(b":")
    if colons and colons != sum(map(len, _objects(value))):
        json.loads(text, object_pairs_hook=_refuse_repeated)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    level = [value]
    while level:
        objects = [item for item in level if type(item) is dict]
        yield from objects
        below = [member for item in objects for member in item.values()]
        below.extend(member for item in level if type(item) is list for member in item)
        level = below


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            message = t("The key `{key}` occurs twice in one object.", key=key[:80])
            raise InvalidInput.at("", message, t("Keep one of them."))
        seen.add(key)


def _hint(text: bytes, bare: bytes) -> str:
    if text.startswith(b"\xef\xbb\xbf"):
        return t("Send UTF-8 without a byte order mark.")
    if re.search(rb"NaN|Infinity", bare):
        return t("NaN and infinities are not JSON; send null or a text.")
    if b"'" in bare:
        return t("Texts and keys stand in double quotes.")
    if re.search(rb",\s*[\]}]", bare):
        return t("A comma before a closing bracket is not allowed.")
    return t("Check brackets, commas and double quotes; the encoding is UTF-8.")
