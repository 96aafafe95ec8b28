"""The files that an extension serves, and the addresses under which browsers may keep them for good."""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path
from urllib.parse import quote

MARK = "~"
"""Begins the part of an address that names the state of the files, so that no folder is taken for it."""
LOOK_SECONDS = 1.0
"""How often it is looked whether a file has changed."""
_LENGTH = 16


class StaticFiles:
    """The files of one folder. All addresses change when any file does: files name each other by relative addresses.

    Args:
        mount: Address of the folder, such as `/ext/shop/static`.
    """

    def __init__(self, folder: Path, mount: str) -> None:
        self._folder = folder
        self._mount = mount
        self._lock = threading.Lock()
        self._looked_at = -LOOK_SECONDS
        self._seen: dict[str, tuple[int, int]] = {}
        self._state = ""

    def url(self, name: str) -> str:
        """Address of a file, with the state of all of them in it.

        Raises:
            ValueError: There is no such file.
        """
        state = self.state()
        if name not in self._seen:
            raise ValueError(f"There is no file {name[:200]!r} in static/")
        return f"{self._mount}/{state}/{quote(name)}"

    def split(self, path: str) -> tuple[str, bool]:
        """The file that an address below the folder means, and whether it names the state that it is in now."""
        state, slash, name = path.partition("/")
        if not slash or not state.startswith(MARK):
            return path, False
        return name, state == self.state()

    def state(self) -> str:
        """`~` and the hash of what all files hold; a change counts after a second at most."""
        with self._lock:
            if time.monotonic() - self._looked_at >= LOOK_SECONDS:
                found = self._found()
                if found != self._seen or not self._state:
                    self._seen, self._state = found, self._hashed(found)
                self._looked_at = time.monotonic()
            return self._state

    def _found(self) -> dict[str, tuple[int, int]]:
        files = sorted(one for one in self._folder.rglob("*") if one.is_file())
        seen = ((one.relative_to(self._folder).as_posix(), one.stat()) for one in files)
        return {name: (status.st_mtime_ns, status.st_size) for name, status in seen}

    def _hashed(self, found: dict[str, tuple[int, int]]) -> str:
        whole = hashlib.sha256()
        for name in found:
            content = (self._folder / name).read_bytes()
            whole.update(f"{len(name.encode())}:{name}{len(content)}:".encode())
            whole.update(content)
        return MARK + whole.hexdigest()[:_LENGTH]
