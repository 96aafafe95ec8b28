"""The use cases a view may call, as the factory hung them on the application."""

from __future__ import annotations

from typing import cast

from flask import current_app

from app.services.catalog import Services

EXTENSION = "ordinaut"
"""The key in `Flask.extensions`."""


def services() -> Services:
    """The services of the application that answers the current request."""
    return cast(Services, current_app.extensions[EXTENSION])
