"""Reading `ORDINAUT_PRICES`."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

from config.parsers import Parser, Refused
from config.tool_limits import check_name, object_of

MOST = 1_000_000
_MEMBERS = ("call", "1000_tokens")


@dataclass(frozen=True, slots=True)
class ToolPrice:
    """What a call of a tool costs: itself, and each 1000 tokens."""

    name: str
    call: float
    tokens: float


@dataclass(frozen=True, slots=True)
class ToolPrices:
    """All of them, and the text that set them."""

    prices: tuple[ToolPrice, ...]
    text: str

    def __str__(self) -> str:
        """As it was set."""
        return self.text


def _tool_prices(text: str) -> ToolPrices:
    return ToolPrices(tuple(_price(name, given) for name, given in object_of(text).items()) if text else (), text)


def _price(name: str, given: Any) -> ToolPrice:
    check_name(name)
    if not isinstance(given, dict) or not given or not set(given) <= set(_MEMBERS):
        raise Refused(f"{name} needs an object with `call`, `1000_tokens` or both")
    for member, price in given.items():
        if type(price) not in (int, float) or not isfinite(price) or not 0 <= price <= MOST:
            raise Refused(f"`{member}` of {name} has to be a number from 0 to {MOST}")
    return ToolPrice(name, *(float(given.get(member, 0)) for member in _MEMBERS))


PRICES = Parser(
    "JSON, or a file with it",
    _tool_prices,
    'an object such as `{"llm.complete": {"1000_tokens": 0.4}, "ext.sms.*": {"call": 0.05}}`, or a file that holds one',
)
