"""Looking for extensions: what is found, what is refused, and that none of it is imported."""

from __future__ import annotations

import json
import os
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from app.extension_host.discovery import Sources, discover
from app.extension_host.registry import Record, State
from ordinaut import Capability
from tests.fakes.extensions import write_extension

NOBODY = (12345, 12345)
BOMB = "raise AssertionError('imported')"


def found(*paths: Path, **more: Any) -> dict[str, Record]:
    return {record.id: record for record in discover(Sources(paths=paths, entry_points=tuple, **more))}


def test_a_folder_a_folder_of_folders_and_a_file_are_found_without_being_imported(tmp_path: Path) -> None:
    one = write_extension(tmp_path, "one", code=BOMB)
    write_extension(tmp_path / "many", "two", code=BOMB)
    write_extension(tmp_path / "many", "three", code=BOMB)
    single = tmp_path / "four.py"
    single.write_text(BOMB)
    records = found(one, tmp_path / "many", single)
    assert {record.id: str(record.source) for record in records.values()} == {
        "one": "env_dir",
        "two": "env_dir",
        "three": "env_dir",
        "four": "env_file",
    }
    assert {record.state for record in records.values()} == {State.DISCOVERED}


def test_the_built_ins_come_first_and_keep_their_ids(tmp_path: Path) -> None:
    write_extension(tmp_path / "builtin", "shop")
    write_extension(tmp_path / "other", "shop")
    records = found(tmp_path / "other", builtin=tmp_path / "builtin")
    assert records["shop"].source == "builtin"
    assert records["shop#2"].state is State.FAILED
    assert records["shop#2"].failure and records["shop#2"].failure.error_type == "DuplicateId"


BROKEN = [
    # each row: the manifest as it stands, the module, and words of the reason
    ("{", "x = 1", "not JSON"),
    ("[]", "x = 1", "extension.json is not valid: it must be an object"),
    ('{"id": "shop", "name": "Shop"}', "x = 1", "version"),
    ('{"id": "Shop", "name": "Shop", "version": "1"}', "x = 1", "id"),
    ('{"id": "status", "name": "Shop", "version": "1"}', "x = 1", "id"),
    ('{"id": "shop", "name": "Shop", "version": "1", "grants": ["ROOT"]}', "x = 1", "grants"),
    ('{"id": "shop", "name": "Shop", "version": "1", "color": "red"}', "x = 1", "color"),
    ('{"id": "shop", "name": "Shop", "version": "1", "module": "../evil"}', "x = 1", "module"),
    ('{"id": "shop", "name": "Shop", "version": "1", "module": "main"}', "x = 1", "no module main"),
    ('{"id": "shop", "name": "Shop", "version": "1", "description": "' + "x" * 70_000 + '"}', "x = 1", "65536 bytes"),
]


@pytest.mark.parametrize(("manifest", "module", "reason"), BROKEN)
def test_what_cannot_be_used_is_a_record_with_its_reason(
    tmp_path: Path, manifest: str, module: str, reason: str
) -> None:
    home = tmp_path / "shop"
    home.mkdir()
    (home / "extension.json").write_text(manifest)
    (home / "extension.py").write_text(module)
    record = found(tmp_path)["shop"]
    assert record.state is State.FAILED
    assert record.failure is not None
    assert reason in record.failure.message
    assert str(tmp_path) not in record.failure.message


def test_a_path_that_is_not_there_is_a_record(tmp_path: Path) -> None:
    record = found(tmp_path / "nothing here")["nothing_here"]
    assert record.failure is not None and record.failure.error_type == "FileNotFoundError"
    assert record.failure.message == "There is nothing at nothing here, which ORDINAUT_EXT_PATHS names"
    assert str(tmp_path) not in record.failure.message


def test_an_extension_that_is_switched_off_is_shown(tmp_path: Path) -> None:
    write_extension(tmp_path, "shop", enabled=False)
    assert found(tmp_path)["shop"].state is State.DISABLED


@pytest.mark.parametrize("what", ["", "extension.json", "extension.py", "views.py", "parts", "parts/page.html"])
def test_a_place_that_everybody_may_write_to_is_refused(tmp_path: Path, what: str) -> None:
    home = write_extension(tmp_path, "shop")
    (home / "parts").mkdir()
    for file in ("views.py", "parts/page.html"):
        (home / file).touch()
    (home / what).chmod(0o777)
    record = found(home)["shop"]
    assert record.failure is not None and record.failure.error_type == "PlaceRefused"


def test_a_way_that_everybody_may_bend_is_refused(tmp_path: Path) -> None:
    way = tmp_path / "way"
    way.mkdir()
    home = write_extension(way, "shop")
    (home / ".#lock").symlink_to("nobody@nowhere")
    assert found(home)["shop"].failure is None
    way.chmod(0o777)
    record = found(home)["shop"]
    assert record.failure is not None and record.failure.error_type == "PlaceRefused"
    way.chmod(0o1777)
    assert found(home)["shop"].failure is None, "there nobody may move what is another's"


def test_a_place_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = write_extension(tmp_path, "shop")
    os.chown(home, *NOBODY) if os.geteuid() == 0 else monkeypatch.setattr(os, "geteuid", lambda: NOBODY[0])
    record = found(home)["shop"]
    assert record.failure is not None and "another user" in record.failure.message


GRANTS = [
    # each row: what the operator says, and what an extension with ROUTES in its manifest may have
    ({}, {"ROUTES"}),
    ({"shop": {"TOOLS"}}, {"TOOLS"}),
    ({"shop": set()}, set()),
    ({"*": {"STATIC"}}, {"STATIC"}),
    ({"*": {"STATIC"}, "shop": {"TOOLS"}}, {"TOOLS"}),
    ({"other": {"TOOLS"}}, {"ROUTES"}),
]


@pytest.mark.parametrize(("operator", "may"), GRANTS)
def test_the_operator_has_the_last_word(tmp_path: Path, operator: dict[str, set[str]], may: set[str]) -> None:
    write_extension(tmp_path, "shop", grants=["ROUTES"])
    table = {name: frozenset(Capability(one) for one in names) for name, names in operator.items()}
    assert {one.value for one in found(tmp_path, grants=table)["shop"].allowed} == may


def test_an_entry_point_has_what_the_operator_gives_it_and_no_more() -> None:
    points = (EntryPoint("shop", "shop_plugin:make", "ordinaut.plugins"), EntryPoint("x", "x", "ordinaut.plugins"))
    sources = Sources(entry_points=lambda: points, entry_grants={"shop": frozenset({Capability.TOOLS})})
    shop, other = discover(sources)
    assert (str(shop.source), set(shop.allowed)) == ("entry_point", {Capability.TOOLS})
    assert other.allowed == frozenset()


def test_an_entry_point_with_a_name_that_is_no_id_is_a_record() -> None:
    (record,) = discover(Sources(entry_points=lambda: (EntryPoint("My Shop", "x:y", "ordinaut.plugins"),)))
    assert (record.id, record.state) == ("my_shop", State.FAILED)


def test_a_file_may_have_its_manifest_beside_it(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(BOMB)
    manifest = {"id": "shop", "name": "Shop", "version": "2", "grants": ["TOOLS"]}
    (tmp_path / "shop.json").write_text(json.dumps(manifest))
    record = found(tmp_path / "shop.py")["shop"]
    assert (record.info.version, set(record.allowed)) == ("2", {Capability.TOOLS})
