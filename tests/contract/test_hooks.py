"""Hooks and signing secrets on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.errors import Conflict
from app.domain.hooks import Hook, SigningSecret
from app.domain.ids import new_id
from app.domain.signatures import Scheme
from app.services.signing_secrets import SigningSecrets
from app.services.vault import Vault
from app.services.webhook_upkeep import WebhookUpkeep
from app.storage.unit_of_work import SqlUnitsOfWork
from tests.fakes.http_runs import FixedClock

NOW = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def hook(slug: str = "shop", owner: str = "ana", scheme: Scheme | None = None) -> Hook:
    return Hook(
        id=new_id(),
        slug=slug,
        scheme=scheme or Scheme("github"),
        topic="shop.order",
        description="",
        enabled=True,
        created_by=owner,
        created_at=NOW,
        updated_at=NOW,
    )


def test_a_hook_comes_back_as_it_was_stored(units: SqlUnitsOfWork) -> None:
    one = hook(scheme=Scheme("hmac", 60, "X-Signed", "X-Id"))
    with units() as unit:
        unit.hooks.add(one)
        assert unit.hooks.find("shop") == one
        changed = replace(one, enabled=False, topic="other")
        unit.hooks.save(changed)
        assert unit.hooks.find("shop", lock=True) == changed
        unit.hooks.delete(one.id)
        assert unit.hooks.find("shop") is None


def test_a_slug_belongs_to_one(units: SqlUnitsOfWork) -> None:
    with units() as unit:
        unit.hooks.add(hook())
        with pytest.raises(Conflict):
            unit.hooks.add(hook())


def test_a_list_shows_one_agents_or_all(units: SqlUnitsOfWork) -> None:
    with units() as unit:
        for slug, owner in (("b", "ana"), ("a", "ana"), ("c", "eve")):
            unit.hooks.add(hook(slug, owner))
        page = unit.hooks.page("ana", limit=1, offset=1)
        assert ([one.slug for one in page.items], page.total) == (["b"], 2)
        assert unit.hooks.page(None, limit=9, offset=0).total == 3


def test_deliveries_are_remembered_for_a_day(units: SqlUnitsOfWork) -> None:
    clock, one = FixedClock(), hook()
    now = clock.now()
    with units() as unit:
        unit.hooks.add(one)
        unit.hooks.remember(one.id, "old", "1-0", now - DAY - timedelta(seconds=1))
        unit.hooks.remember(one.id, "new", "2-0", now - DAY + timedelta(seconds=1))
    WebhookUpkeep(units=units, clock=clock, retention_days=30).look()
    with units(read_only=True) as unit:
        assert (unit.hooks.earlier(one.id, "old"), unit.hooks.earlier(one.id, "new")) == (None, "2-0")


def test_never_more_than_two_secrets_count(units: SqlUnitsOfWork) -> None:
    secrets = SigningSecrets(Vault(["k" * 32]))
    with units() as unit:
        made = [secrets.give(unit, "h", NOW)]
        made += [secrets.replace(unit, "h", NOW, overlap=DAY) for _ in range(2)]
        assert secrets.opened(unit.signing_secrets.of("h", NOW)) == [made[2], made[1]]
        assert secrets.opened(unit.signing_secrets.of("h", NOW + DAY)) == [made[2]]
        unit.signing_secrets.drop("h")
        assert not unit.signing_secrets.of("h", NOW)


def test_a_named_secret_is_read_where_it_is_stored(units: SqlUnitsOfWork) -> None:
    vault = Vault(["k" * 32])
    with units() as unit:
        unit.secrets.put("SHOP", vault.seal("SHOP", "typed"), NOW, "ana")
        assert SigningSecrets(vault).give(unit, "h", NOW, name="SHOP") is None
        assert SigningSecrets(vault).opened(unit.signing_secrets.of("h", NOW)) == ["typed"]
        unit.secrets.delete("SHOP")
        assert SigningSecrets(vault).opened(unit.signing_secrets.of("h", NOW)) == []


def test_secrets_are_encrypted_anew_with_the_newest_key(units: SqlUnitsOfWork) -> None:
    with units() as unit:
        made = SigningSecrets(Vault(["old" * 11])).give(unit, "h", NOW)
    both = SigningSecrets(Vault(["new" * 11, "old" * 11]))
    assert (both.rotate(units), both.rotate(units)) == (1, 0)
    with units(read_only=True) as unit:
        (row,) = unit.signing_secrets.of("h", NOW)
        assert SigningSecrets(Vault(["new" * 11])).opened([row]) == [made]
        assert SigningSecrets(Vault(["old" * 11])).opened([row]) == []


def test_a_secret_does_not_show_itself() -> None:
    assert "sealed" not in repr(SigningSecret(id="1", owner_id="h", sealed="v1:x", created_at=NOW))
