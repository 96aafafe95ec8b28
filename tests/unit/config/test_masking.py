"""What a URL looks like once it may be read by anybody."""

from __future__ import annotations

import pytest

from config.parsers import mask_url, scrub


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://:pw@h/0", "redis://:***@h/0"),
        ("postgresql://user:pw@h/d", "postgresql://user:***@h/d"),
        # a name alone is no secret
        ("postgresql://user@h/d", "postgresql://user@h/d"),
        # unquoted characters in the password
        ("redis://:p@w@h/0", "redis://:***@h/0"),
        ("redis://:p/w?x@h/0", "redis://:***@h/0"),
        # secrets among the parameters
        ("redis://h/0?password=pw&db=1", "redis://h/0?password=***&db=1"),
        ("postgresql://h/d?sslpassword=pw", "postgresql://h/d?sslpassword=***"),
        ("https://h/?api_key=pw", "https://h/?api_key=***"),
        ("unix://:pw@/tmp/v.sock", "unix://:***@/tmp/v.sock"),
        ("no url", "no url"),
    ],
)
def test_masked_urls(url: str, masked: str) -> None:
    assert mask_url(url) == masked


def test_urls_inside_a_text_are_masked() -> None:
    text = "cannot reach redis://:pw@h/0, nor 'postgres://u:pw@h/d?x=1'; a@b.c and https://h/ are fine"
    assert scrub(text) == (
        "cannot reach redis://:***@h/0, nor 'postgres://u:***@h/d?x=1'; a@b.c and https://h/ are fine"
    )
