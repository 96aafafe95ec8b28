"""Addresses of files that browsers keep for good."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.extension_host import files
from app.extension_host.files import StaticFiles


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two files, in a folder that is looked at each time."""
    monkeypatch.setattr(files, "LOOK_SECONDS", 0.0)
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "a page.css").write_text("body {}")
    (tmp_path / "x.js").write_text("1")
    return tmp_path


def test_an_address_names_the_state_of_all_files(folder: Path) -> None:
    static = StaticFiles(folder, "/ext/shop/static")
    address = static.url("css/a page.css")
    state = static.state()
    assert address == f"/ext/shop/static/{state}/css/a%20page.css"
    assert static.split(f"{state}/css/a page.css") == ("css/a page.css", True)
    assert static.url("x.js").startswith(f"/ext/shop/static/{state}/"), "files find each other"
    assert StaticFiles(folder, "/elsewhere").state() == state, "on every machine"


def test_a_change_of_any_file_changes_all_addresses(folder: Path) -> None:
    static = StaticFiles(folder, "/ext/shop/static")
    before = static.state()
    (folder / "x.js").write_text("22")
    after = static.state()
    assert after != before
    assert static.split(f"{before}/x.js") == ("x.js", False), "an older page still finds its file"
    (folder / "x.js").rename(folder / "y.js")
    assert static.state() not in (before, after)
    os.utime(folder / "y.js", (1, 1))
    same = static.state()
    (folder / "y.js").write_text("22")
    assert static.state() == same, "a file that was only written again is the same"


@pytest.mark.parametrize("name", ["nothing.css", "css", "../x.js", "/x.js", ""])
def test_what_is_not_there_has_no_address(folder: Path, name: str) -> None:
    with pytest.raises(ValueError, match="There is no file"):
        StaticFiles(folder, "/ext/shop/static").url(name)


@pytest.mark.parametrize("path", ["css/a page.css", "~x", "x.js", "~"])
def test_a_plain_path_stays_as_it_is(folder: Path, path: str) -> None:
    assert StaticFiles(folder, "/ext/shop/static").split(path) == (path, False)
