"""`ORDINAUT_TOOL_LIMITS`: what is read, and with which sentence the rest is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.settings import SettingsError, load
from config.tool_limits import ToolRule


def rules(text: str) -> tuple[ToolRule, ...]:
    """The limits that a text sets."""
    return load({"ORDINAUT_TOOL_LIMITS": text}).tool_limits.rules


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ('{"http.request": {"rate": "10/second"}}', (ToolRule("http.request", ((10, 1),), None),)),
        ('{"ext.shop.*": {"concurrency": 4}}', (ToolRule("ext.shop.*", (), 4),)),
        # several rates, in the ways Flask-Limiter writes them
        ('{"*": {"rate": "5 per 2 minutes; 100/HOUR"}}', (ToolRule("*", ((5, 120), (100, 3600)), None),)),
        # of two for one length of time the lower holds
        ('{"a": {"rate": "9/minute,3/60 seconds"}}', (ToolRule("a", ((3, 60),), None),)),
    ],
)
def test_limits_are_read(text: str, expected: tuple[ToolRule, ...]) -> None:
    assert rules(text) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nowhere.json", "neither an object of JSON nor a file"),
        ('{"a": ', "not JSON"),
        ('{"a": {"rate": "1/day"}, "a": {"rate": "2/day"}}', "a name stands there twice"),
        ('{"a b": {"rate": "1/day"}}', "no address of a tool"),
        ('{"a*b": {"rate": "1/day"}}', "no address of a tool"),
        ('{"a": {}}', "needs an object with `rate`, `concurrency` or both"),
        ('{"a": {"rates": "1/day"}}', "needs an object with `rate`"),
        ('{"a": {"concurrency": 0}}', "the concurrency of a has to be a whole number"),
        ('{"a": {"concurrency": true}}', "the concurrency of a"),
        ('{"a": {"rate": "10/fortnight"}}', "the rate of a has to be like"),
        ('{"a": {"rate": "0/second"}}', "the rate of a"),
        ('{"a": {"rate": 5}}', "the rate of a"),
    ],
)
def test_others_are_refused_with_the_reason(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match="ORDINAUT_TOOL_LIMITS") as caught:
        rules(text)
    assert sentence in str(caught.value)


def test_a_file_may_hold_them(tmp_path: Path) -> None:
    file = tmp_path / "limits.json"
    file.write_text('{"a": {"concurrency": 2}}', encoding="utf-8")
    settings = load({"ORDINAUT_TOOL_LIMITS": str(file)})
    assert settings.tool_limits.rules == (ToolRule("a", (), 2),)
    assert settings.shown()["ORDINAUT_TOOL_LIMITS"] == str(file)
