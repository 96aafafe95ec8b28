"""What the page takes from others is what its list says, and each has its licence beside it."""

from __future__ import annotations

import gzip
import hashlib
import json
import re

from tests.servers import REPOSITORY

WEBUI = REPOSITORY / "extensions" / "webui"
STATIC = WEBUI / "static"
LIST = json.loads((STATIC / "vendor" / "VENDOR.json").read_text(encoding="utf-8"))


def test_every_file_of_others_is_listed_and_unchanged() -> None:
    listed = {one["file"]: one["sha256"] for one in LIST}
    there = [*(STATIC / "vendor").glob("*.js"), *(STATIC / "fonts").glob("*.woff2")]
    digests = {file.relative_to(STATIC).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in there}
    assert listed == digests


def test_each_has_its_licence_beside_it() -> None:
    assert all(len((STATIC / one["licence_text"]).read_text(encoding="utf-8")) > 500 for one in LIST)


def test_the_editor_is_made_of_what_the_lock_file_names() -> None:
    lock = json.loads((WEBUI / "vendor" / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    packages = {place.removeprefix("node_modules/"): one for place, one in lock.items() if place}
    [editor] = [one for one in LIST if one["name"] == "CodeMirror"]
    locked = {name: one["version"] for name, one in packages.items() if not one.get("dev")}
    assert {part["name"]: part["version"] for part in editor["made_of"]} == locked
    assert all(one["integrity"].startswith("sha512-") and "resolved" not in one for one in packages.values())


def test_scripts_of_lists_and_runs_are_small() -> None:
    loaded = b"".join((STATIC / "js" / name).read_bytes() for name in ("live.js", "keys.js"))
    assert len(gzip.compress(loaded, 6)) < 20_000
    live = (STATIC / "js" / "live.js").read_text(encoding="utf-8")
    assert re.findall(r'^import .*"(.+)"', live, re.MULTILINE) == ["./keys.js"], "the rest is fetched where it is used"
