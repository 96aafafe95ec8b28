"""INSERT … ON CONFLICT, which SQLAlchemy has for each database apart."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from sqlalchemy import Table


def insert_into(table: Table, dialect: str) -> Any:
    """SQLAlchemy's `insert` of that dialect: `sqlite` or `postgresql`.

    Only the half of the database in use is loaded: PostgreSQL's takes as long to import as Flask.
    """
    return import_module(f"sqlalchemy.dialects.{dialect}").insert(table)
