"""The settings that say where extensions are looked for and what they may have."""

from __future__ import annotations

import os
import re
from pathlib import Path

from config.parsers import Parser, Refused, integer, number
from config.setting import Setting

CAPABILITIES = ("ROUTES", "TOOLS", "EVENTS_PUB", "EVENTS_SUB", "BACKGROUND_TASKS", "STATIC")
_GRANT = re.compile(r"(\*|[a-z][a-z0-9_]{0,39})=([A-Z_+]*)")


def _paths(text: str) -> tuple[str, ...]:
    """Absolute at once: the processes of one installation need not share a working directory."""
    parts = (part.strip() for part in text.split(os.pathsep))
    return tuple(dict.fromkeys(str(Path(part).expanduser().absolute()) for part in parts if part))


def _grants(text: str) -> tuple[str, ...]:
    parts = [part for part in re.split(r"[,\s]+", text) if part]
    for part in parts:
        form = _GRANT.fullmatch(part)
        if form is None:
            raise ValueError
        for capability in filter(None, form[2].split("+")):
            if capability not in CAPABILITIES:
                raise Refused(f"{capability} is none of {', '.join(CAPABILITIES)}")
    return tuple(parts)


PATHS = Parser("list of paths", _paths, "folders and files separated by colons")
GRANTS = Parser("list of grants", _grants, "a list such as `shop=ROUTES+TOOLS,greeter=ROUTES`")

EXTENSIONS: tuple[Setting, ...] = (
    Setting(
        "ORDINAUT_EXT_PATHS",
        PATHS,
        "",
        "Where more extensions are: folders with an `extension.json`, folders of such folders, or single Python files. "
        "One that belongs to another user, or that everybody may write to, is refused.",
    ),
    Setting(
        "ORDINAUT_EXT_GRANTS",
        GRANTS,
        "",
        "Capabilities that extensions may have, in place of those their manifests name; `*` stands for every extension "
        "that is not listed, and nothing after the `=` takes all away.",
    ),
    Setting(
        "ORDINAUT_EXT_ENTRY_GRANTS",
        GRANTS,
        "",
        "Capabilities that extensions of installed packages (entry points `ordinaut.plugins`) may have; they have "
        "no manifest, and one that is not listed gets none.",
    ),
    Setting(
        "ORDINAUT_EXT_LEASE_SECONDS",
        number(1, 3600),
        "15",
        "How long the process that runs an extension's handlers and background tasks may be silent before another "
        "worker takes over.",
    ),
    Setting(
        "ORDINAUT_EXT_HANDLER_SECONDS",
        number(0.1, 86400),
        "60",
        "How long an extension's handler may work on one event; its process is ended where it cannot be stopped.",
    ),
    Setting(
        "ORDINAUT_EXT_HANDLER_ATTEMPTS",
        integer(1, 100),
        "5",
        "How often an event is handed to an extension's handler before it becomes a dead letter.",
    ),
)
