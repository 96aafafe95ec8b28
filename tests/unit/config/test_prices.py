"""`ORDINAUT_PRICES`: what is read, and with which sentence the rest is refused."""

from __future__ import annotations

import pytest

from config.prices import ToolPrice
from config.settings import SettingsError, load


def prices(text: str) -> tuple[ToolPrice, ...]:
    """The prices that a text sets."""
    return load({"ORDINAUT_PRICES": text}).prices.prices


def test_prices_are_read() -> None:
    assert prices("") == ()
    given = '{"llm.complete": {"1000_tokens": 0.4}, "ext.sms.*": {"call": 0.05, "1000_tokens": 1}}'
    assert prices(given) == (ToolPrice("llm.complete", 0.0, 0.4), ToolPrice("ext.sms.*", 0.05, 1.0))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nowhere.json", "neither an object of JSON nor a file"),
        ('{"a b": {"call": 1}}', "no address of a tool"),
        ('{"a": {}}', "needs an object with `call`, `1000_tokens` or both"),
        ('{"a": {"cal": 1}}', "needs an object with `call`"),
        ('{"a": 1}', "needs an object with `call`"),
        ('{"a": {"call": -1}}', "`call` of a has to be a number"),
        ('{"a": {"call": true}}', "`call` of a"),
        ('{"a": {"call": "1"}}', "`call` of a"),
        ('{"a": {"1000_tokens": NaN}}', "`1000_tokens` of a"),
    ],
)
def test_others_are_refused_with_the_reason(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match="ORDINAUT_PRICES") as caught:
        prices(text)
    assert sentence in str(caught.value)
