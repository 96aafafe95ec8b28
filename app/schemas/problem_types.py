"""Kinds of errors on the wire."""

from __future__ import annotations

from app.schemas.shown import Shown


class ProblemTypeOut(Shown):
    """A kind of error: its code, its status, and what it is called."""

    error: str
    status: int
    title: str
