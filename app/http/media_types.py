"""Types of files that others have named: told on as far as they are types at all."""

from __future__ import annotations

import mimetypes
import re

UNKNOWN = "application/octet-stream"
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}", re.ASCII)
# What a browser might run as a page of ours, were it not for the headers beside it.
_ACTIVE = re.compile(r"(html|xml|javascript|ecmascript)")


def media_type(told: str) -> str:
    """The type without its parameters; that of any bytes where it is none, or where a browser could run it."""
    plain = told.partition(";")[0].strip().lower()
    return plain if _TYPE.fullmatch(plain) and not _ACTIVE.search(plain) else UNKNOWN


def extension(told: str) -> str:
    """With which a file of the type is saved, such as `.png`; nothing where none is known."""
    return mimetypes.guess_extension(media_type(told)) or ""
