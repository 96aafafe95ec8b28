"""Extensions lead to their pages from the web page, by their manifests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.extensions.conftest import Serve
from tests.integration.extensions.test_webui import look

CODE = """
from flask import Blueprint
from ordinaut import Capability, Extension, ExtensionInfo

class Shop(Extension):
    def info(self):
        return ExtensionInfo(id="shop", name="Shop", version="1")

    def requested_capabilities(self):
        return {Capability.ROUTES}

    def setup(self, context):
        pages = Blueprint("shop", __name__)
        pages.get("/counter")(lambda: {"seen": [one.path for one in context.navigation()]})
        return pages

def get_extension():
    return Shop()
"""
PO = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "Shop counter"\nmsgstr "Tejghea"\n'
COUNTER = {"title": "Shop counter", "path": "/counter"}


def shop(folder: Path, **manifest: Any) -> Path:
    """The extension with this manifest."""
    place = folder / "shop"
    (place / "locale").mkdir(parents=True)
    base = {"id": "shop", "name": "Shop", "version": "1", "grants": ["ROUTES"]}
    (place / "extension.json").write_text(json.dumps({**base, **manifest}))
    (place / "extension.py").write_text(CODE)
    (place / "locale" / "ro.po").write_text(PO, encoding="utf-8")
    return place


def test_an_entry_leads_to_the_extensions_page_in_the_readers_language(serve: Serve, tmp_path: Path) -> None:
    api = serve(shop(tmp_path, navigation=COUNTER))
    page, seen = look(api, "/ext/webui/settings")
    assert "Shop counter" in page and "/ext/shop/counter" in seen.addresses
    assert api.get("/ext/shop/counter")["seen"] == ["/ext/shop/counter"]
    assert "Tejghea" in look(api, "/ext/webui/find?q=tejgh", language="ro")[0]


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        # off, without pages of its own, or broken
        {"navigation": COUNTER, "enabled": False},
        {"navigation": COUNTER, "grants": []},
        {"navigation": {"title": ""}},
        {"navigation": {"title": "x", "path": "//elsewhere?x"}},
    ],
)
def test_nothing_leads_to_what_is_not_there(serve: Serve, tmp_path: Path, manifest: dict[str, Any]) -> None:
    _, seen = look(serve(shop(tmp_path, **manifest)), "/ext/webui/settings")
    assert not [address for address in seen.addresses if address.startswith("/ext/shop")]
