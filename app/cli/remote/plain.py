"""Texts from elsewhere, made harmless for a terminal."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(text: str) -> str:
    """The text without control characters other than tabs and line breaks: they could rewrite what is on the screen."""
    return _CONTROL.sub("�", text)


def one_line(text: str) -> str:
    """The same in one line."""
    return plain(text).replace("\n", " ").replace("\t", " ")
