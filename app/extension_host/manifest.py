"""What an extension says of itself before any of its code runs: `extension.json`, and the schema of that file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jsonschema_rs import Draft202012Validator

from app.domain.errors import Problem
from app.domain.texts import t
from app.tools.argument_problems import problems_of
from ordinaut import Capability, ExtensionInfo, NavigationEntry

FILE = "extension.json"
MOST_BYTES = 65_536
RESERVED = ("status",)
"""Ids that would hide an address of the platform's own."""
ID_PATTERN = r"^[a-z][a-z0-9_]{0,39}$"
DEFAULT_MODULE = "extension"

SCHEMA: Mapping[str, Any] = MappingProxyType(
    {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "/schemas/extension.json",
        "title": "extension.json",
        "description": "The manifest of an Ordinaut extension: read when extensions are looked for, before any import.",
        "type": "object",
        "additionalProperties": False,
        "required": ["id", "name", "version"],
        "properties": {
            "$schema": {"type": "string", "description": "The address of this schema, for editors"},
            "id": {
                "type": "string",
                "pattern": ID_PATTERN,
                "not": {"enum": list(RESERVED)},
                "description": "Its address: routes are under /ext/<id>/, tools are ext.<id>.<name>",
            },
            "name": {"type": "string", "minLength": 1, "maxLength": 100, "description": "For people"},
            "version": {"type": "string", "minLength": 1, "maxLength": 50},
            "description": {"type": "string", "maxLength": 500, "default": "", "description": "One sentence"},
            "module": {
                "type": "string",
                "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,99}$",
                "default": DEFAULT_MODULE,
                "description": "The module of the folder with get_extension(); __init__ is the folder itself",
            },
            "enabled": {"type": "boolean", "default": True, "description": "false: shown, and never imported"},
            "eager": {"type": "boolean", "default": False, "description": "Import at start, not at the first request"},
            "navigation": {
                "type": "object",
                "additionalProperties": False,
                "required": ["title"],
                "properties": {
                    "title": {"type": "string", "minLength": 1, "maxLength": 40, "description": "In English"},
                    "path": {"type": "string", "pattern": "^/[^?#\\\\]*$", "default": "/", "maxLength": 200},
                },
                "description": "An entry among the places of the web page; path is below /ext/<id>",
            },
            "grants": {
                "type": "array",
                "items": {"enum": [one.value for one in Capability]},
                "uniqueItems": True,
                "default": [],
                "description": "The capabilities it may have; it gets those of them that it asks for",
            },
        },
    }
)


class ManifestInvalid(Exception):
    """The manifest cannot be used; the text says why, without naming a place on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest that fits its schema."""

    info: ExtensionInfo
    module: str = DEFAULT_MODULE
    enabled: bool = True
    eager: bool = False
    grants: frozenset[Capability] = frozenset()
    navigation: NavigationEntry | None = None


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file.

    Raises:
        ManifestInvalid: It is not readable, not JSON, or does not fit the schema.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ManifestInvalid(t("{file} cannot be read: {reason}", file=path.name, reason=error.strerror)) from None
    if len(raw) > MOST_BYTES:
        raise ManifestInvalid(t("{file} has more than {limit} bytes", file=path.name, limit=MOST_BYTES))
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid(t("{file} is not JSON: {error}", file=path.name, error=error)) from None
    return manifest_of(content, name=path.name)


def manifest_of(content: Any, *, name: str = FILE) -> Manifest:
    """The manifest that this JSON value is; `name` is what complaints call it.

    Raises:
        ManifestInvalid: The value does not fit the schema.
    """
    if not isinstance(content, dict):
        raise ManifestInvalid(t("{name} is not valid: it must be an object of JSON", name=name))
    if problems := manifest_problems(content):
        told = "; ".join(f"{one.message}{' (' + one.hint + ')' if one.hint else ''}" for one in problems[:5])
        raise ManifestInvalid(t("{name} is not valid: {told}", name=name, told=told))
    info = ExtensionInfo(
        id=content["id"],
        name=content["name"],
        version=content["version"],
        description=content.get("description", ""),
    )
    return Manifest(
        info=info,
        module=content.get("module", DEFAULT_MODULE),
        enabled=content.get("enabled", True),
        eager=content.get("eager", False),
        grants=frozenset(Capability(one) for one in content.get("grants", ())),
        navigation=_navigation(info.id, content.get("navigation")),
    )


def _navigation(extension_id: str, entry: Mapping[str, str] | None) -> NavigationEntry | None:
    if entry is None:
        return None
    return NavigationEntry(extension_id, entry["title"], f"/ext/{extension_id}{entry.get('path', '/')}")


def manifest_problems(content: Any) -> list[Problem]:
    """All that is wrong with a JSON value as a manifest."""
    validator = Draft202012Validator(dict(SCHEMA), offline=True)
    return problems_of(validator.iter_errors(content), list(SCHEMA["properties"]))
