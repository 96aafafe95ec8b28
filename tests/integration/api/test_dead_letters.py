"""Dead letters over HTTP, for an extension that is loaded, one that is broken, and one that there is not."""

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
from ordinaut import Event
from tests.integration.api.conftest import Api, make_settings, serving
from tests.servers import Databases

WORKS = """
from ordinaut import Capability, Extension, ExtensionInfo

class Shop(Extension):
    def info(self):
        return ExtensionInfo(id="shop", name="Shop", version="1")

    def requested_capabilities(self):
        return {Capability.EVENTS_SUB}

def get_extension():
    return Shop()
"""
AT = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An installation with the extensions `shop`, which is well, and `broken`."""
    folder: Path = tmp_path_factory.mktemp("letters")
    for name, code in (("shop", WORKS), ("broken", "raise ImportError('no such thing')")):
        (folder / "extensions" / name).mkdir(parents=True)
        manifest = {"id": name, "name": name, "version": "1", "grants": ["EVENTS_SUB"]}
        (folder / "extensions" / name / "extension.json").write_text(json.dumps(manifest))
        (folder / "extensions" / name / "extension.py").write_text(code)
    url = databases.sqlite(folder / "ordinaut.db")
    settings = make_settings(url, folder, ORDINAUT_EXT_PATHS=str(folder / "extensions"))
    with serving(settings) as api:
        api.send("GET", "/ext/broken/anything")
        yield api


def put_aside(shop: Api, extension_id: str = "shop") -> str:
    """A dead letter of the extension; its id."""
    event = Event(id="1692873600000-0", topic="shop.paid", data={"sum": 7}, published_at=AT, source="ana", depth=1)
    letter = DeadLetter(
        id=new_id(), extension_id=extension_id, pattern="shop.*", event=event, error="boom", attempts=5, at=AT
    )
    engine = make_engine(shop.settings.database_url)
    with SqlUnitsOfWork(engine)() as unit:
        unit.extension_work.add_letter(letter)
    engine.dispose()
    return letter.id


@pytest.mark.parametrize("extension_id", ["shop", "broken"])
def test_they_are_listed_with_their_events(shop: Api, extension_id: str) -> None:
    letter_id = put_aside(shop, extension_id)
    page = shop.get(f"/ext/{extension_id}/dead_letters?limit=1")
    assert page["total"] >= 1 and page["limit"] == 1
    assert page["items"] == [
        {
            "id": letter_id,
            "extension_id": extension_id,
            "pattern": "shop.*",
            "event": {
                "id": "1692873600000-0",
                "topic": "shop.paid",
                "payload": {"sum": 7},
                "source_agent_id": "ana",
                "published_at": "2026-11-25T08:30:00Z",
                "depth": 1,
            },
            "error": "boom",
            "attempts": 5,
            "at": "2026-11-25T08:30:00Z",
            "redelivering": False,
        }
    ]


def test_one_more_delivery_is_asked_for(shop: Api) -> None:
    letter_id = put_aside(shop)
    answer = shop.post(f"/ext/shop/dead_letters/{letter_id}/redeliver", expect=202)
    assert answer == {
        "success": True,
        "message": "The event will be delivered once more",
        "details": {"extension_id": "shop", "dead_letter_id": letter_id},
    }
    assert shop.get("/ext/shop/dead_letters?limit=1")["items"][0]["redelivering"] is True


def test_one_is_given_up(shop: Api) -> None:
    letter_id = put_aside(shop)
    assert shop.send("DELETE", f"/ext/shop/dead_letters/{letter_id}", expect=204).data == b""
    shop.send("DELETE", f"/ext/shop/dead_letters/{letter_id}", expect=404)


NOBODY = [
    # each row: method, address, and what is said
    ("GET", "/ext/unknown/dead_letters", "Extension not found"),
    ("POST", "/ext/unknown/dead_letters/x/redeliver", "Extension not found"),
    ("DELETE", "/ext/unknown/dead_letters/x", "Extension not found"),
    ("POST", "/ext/shop/dead_letters/x/redeliver", "There is no such dead letter"),
    ("DELETE", "/ext/shop/dead_letters/x", "There is no such dead letter"),
]


@pytest.mark.parametrize(("method", "path", "message"), NOBODY)
def test_what_is_not_there_is_not_found(shop: Api, method: str, path: str, message: str) -> None:
    answer = shop.send(method, path, expect=404)
    body = answer.get_json()
    assert (body["error"], body["message"]) == ("not_found", message)


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "offset=-1", "what=1"])
def test_a_bad_query_is_refused(shop: Api, query: str) -> None:
    assert shop.get(f"/ext/shop/dead_letters?{query}", expect=400)["error"] == "bad_request"
