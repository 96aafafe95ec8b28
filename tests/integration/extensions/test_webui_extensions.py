"""The pages of extensions: what each is, may do and offers, and settling what its worker side left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.extension_work import DeadLetter
from app.domain.ids import new_id
from app.storage.engines import make_engine
from app.storage.unit_of_work import SqlUnitsOfWork
from ordinaut import Event, TaskInfo
from tests.integration.api.conftest import Api, make_settings, serving
from tests.servers import Databases

AT = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
SHOP = """
from ordinaut import Capability, Extension, ExtensionInfo

class Shop(Extension):
    def info(self):
        return ExtensionInfo(id="shop", name="<b>Shop</b>", version="1.2", description="Packs what was paid")

    def requested_capabilities(self):
        return {Capability.EVENTS_SUB, Capability.BACKGROUND_TASKS, Capability.TOOLS, Capability.STATIC}

    def setup(self, context):
        schema = {"type": "object", "properties": {}}
        context.tool_registry.register_tool("pack", lambda: 1, schema, description="Pack a box")

    def health(self):
        return {"stock": "healthy", "printer": "out of paper"}

def get_extension():
    return Shop()
"""
GRANTS = ["ROUTES", "TOOLS", "EVENTS_SUB", "BACKGROUND_TASKS"]


@pytest.fixture(scope="module")
def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An installation with `shop`, which wants more than it gets, and `broken`."""
    folder: Path = tmp_path_factory.mktemp("pages")
    for name, code in (("shop", SHOP), ("broken", "raise ImportError('no such thing')")):
        (folder / "extensions" / name).mkdir(parents=True)
        manifest = {"id": name, "name": name, "version": "1", "grants": GRANTS}
        (folder / "extensions" / name / "extension.json").write_text(json.dumps(manifest))
        (folder / "extensions" / name / "extension.py").write_text(code)
    url = databases.sqlite(folder / "ordinaut.db")
    paths = str(folder / "extensions")
    with serving(make_settings(url, folder, ORDINAUT_EXT_PATHS=paths, ORDINAUT_REQUIRE_SCOPES="true")) as api:
        yield api


ADMIN = {"X-Scopes": "admin"}


def seen(shop: Api, path: str, scopes: str = "admin", expect: int = 200, language: str = "en") -> str:
    headers = {"X-Scopes": scopes, "Accept-Language": language}
    return shop.send("GET", f"/ext/webui{path}", headers=headers, expect=expect).get_data(as_text=True)


def send(shop: Api, path: str, expect: int = 303, scopes: str = "admin") -> str:
    headers = {"Origin": "http://localhost", "X-Scopes": scopes}
    answer = shop.send("POST", f"/ext/webui{path}", headers=headers, expect=expect)
    return answer.headers.get("Location", "").removeprefix("/ext/webui")


def put_aside(shop: Api) -> str:
    """A dead letter; its id."""
    event = Event(id="1692873600000-0", topic="shop.paid", data={"sum": 7}, published_at=AT, source="ana", depth=1)
    letter = DeadLetter(
        id=new_id(), extension_id="shop", pattern="shop.*", event=event, error="boom", attempts=5, at=AT
    )
    with SqlUnitsOfWork(make_engine(shop.settings.database_url))() as unit:
        unit.extension_work.add_letter(letter)
    return letter.id


def test_one_is_told_whole(shop: Api) -> None:
    asked = shop.get("/ext/status")["extensions"]["shop"]["metrics"]["requests_total"]
    shown = seen(shop, "/extensions/shop")
    assert "&lt;b&gt;Shop&lt;/b&gt;" in shown and "<b>Shop" not in shown and "Packs what was paid" in shown
    grants = shown.partition('id="grants"')[2].partition("</section>")[0]
    words = [(name, grants.partition(f">{name}<")[2].partition("</li>")[0]) for name in (*GRANTS, "STATIC")]
    told = {name: row.rpartition("</span>")[0].rpartition(">")[2] for name, row in words}
    assert told == {**dict.fromkeys(GRANTS, "granted"), "ROUTES": "not asked for", "STATIC": "refused"}
    health = shown.partition('id="health"')[2].partition("</section>")[0]
    assert "out of paper" in health and "unhealthy" in health and "background_tasks" in health
    assert 'href="/ext/webui/tools/ext.shop.pack"' in shown and "Pack a box" in shown
    assert "Its handlers have taken every event." in shown
    after = shop.get("/ext/status")["extensions"]["shop"]["metrics"]["requests_total"]
    assert after == asked, "looking at one is no request to it"


def test_one_that_is_broken_says_why(shop: Api) -> None:
    shown = seen(shop, "/extensions/broken")
    assert "ImportError" in shown and "no such thing" in shown and "failed" in shown
    assert "no such thing" in seen(shop, "/extensions")


def test_dead_letters_are_settled_in_place(shop: Api) -> None:
    first, second = put_aside(shop), put_aside(shop)
    shown = seen(shop, "/extensions/shop")
    assert "boom" in shown and "5 attempts" in shown and "&#34;sum&#34;: 7" in shown
    again, gone = (f"/extensions/shop/dead_letters/{one}" for one in (first, second))
    assert send(shop, f"{again}/redeliver") == "/extensions/shop?said=redelivered"
    assert send(shop, f"{gone}/delete") == "/extensions/shop?said=given_up"
    letters = shop.get("/ext/shop/dead_letters", headers=ADMIN)["items"]
    assert [(one["id"], one["redelivering"]) for one in letters] == [(first, True)]
    assert "on its way" in seen(shop, "/extensions/shop")
    send(shop, f"{gone}/delete", expect=404)


def test_a_background_task_is_stopped_in_place(shop: Api) -> None:
    with SqlUnitsOfWork(make_engine(shop.settings.database_url))() as unit:
        unit.extension_work.save_task("shop", TaskInfo(name="a sweep?", status="running", started_at=AT, restarts=2))
    shown = seen(shop, "/extensions/shop")
    assert "a sweep?" in shown and "2 restarts" in shown
    where = shown.partition("a sweep?")[2].partition('action="')[2].partition('"')[0].removeprefix("/ext/webui")
    assert send(shop, where) == "/extensions/shop?said=stopping"
    send(shop, "/extensions/shop/background_tasks/nothing/stop", expect=404)


@pytest.mark.parametrize("language", ["ro", "ru"])
def test_its_words_are_the_readers(shop: Api, language: str) -> None:
    shown = seen(shop, "/extensions/shop", language=language)
    assert {"ro": "sănătos", "ru": "исправно"}[language] in shown
    assert 'class="chip ok"' in shown.partition('id="health"')[2].partition("printer")[0]


def test_a_reader_sees_no_button_and_no_work(shop: Api) -> None:
    put_aside(shop)
    main = seen(shop, "/extensions/shop", "ext:webui:routes,tasks:read").partition("<main")[2].partition("</main")[0]
    assert "<form" not in main and "boom" not in main and "you may not see this" in main
    send(shop, "/extensions/shop/dead_letters/x/delete", 403, "ext:webui:routes,ext:shop:routes")


@pytest.mark.parametrize("path", ["/extensions/nothing", "/extensions/..%2Fsecrets", "/extensions/A B"])
def test_what_is_not_there_is_a_page_too(shop: Api, path: str) -> None:
    assert "Back to the tasks" in seen(shop, path, expect=404) or "%2F" in path
