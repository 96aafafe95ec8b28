"""Webhooks in: the use cases of hooks, and what becomes of the deliveries that come."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from app.domain.access import check_changed, check_seen, owner_filter
from app.domain.clock import Clock
from app.domain.errors import Forbidden, InvalidInput, NotFound, Unauthorized
from app.domain.events import Draft, check_free_topic
from app.domain.hooks import Hook, HookUnit, HookUnits, Received, event_data
from app.domain.ids import new_id
from app.domain.json_size import json_problem
from app.domain.paging import Page
from app.domain.scopes import USE_SECRETS
from app.domain.signatures import Incoming, Scheme, challenge_of, delivery_of, secret_text
from app.domain.texts import t
from app.services.audit_trail import Difference, entry
from app.services.lifecycle import Herald
from app.services.signing_secrets import SigningSecrets
from app.telemetry import emit
from ordinaut import Caller

PUBLISH = "events:publish"
_STRANGER = (Scheme("standard"), [secret_text(os.urandom(32))])
"""What deliveries to a hook that is not there are measured by: they take as long, and are never good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHook:
    """What a hook is to be; without the name of a secret it gets one of its own."""

    slug: str
    scheme: Scheme
    topic: str
    description: str = ""
    secret_name: str | None = None


class HookService:
    """The use cases.

    Args:
        caller: An agent with the scopes it holds now; hooks publish in the name of whoever made them.
    """

    def __init__(
        self,
        *,
        units: HookUnits,
        clock: Clock,
        herald: Herald,
        secrets: SigningSecrets,
        caller: Callable[[str], Caller],
    ) -> None:
        self._units = units
        self._clock = clock
        self._herald = herald
        self._secrets = secrets
        self._caller = caller

    def create(self, new: NewHook, *, caller: Caller) -> tuple[Hook, str | None]:
        """A new hook, and its secret where it was made here: it is never shown again.

        Raises:
            InvalidInput, Conflict; Forbidden to who may not publish, or not use stored secrets.
        """
        check_free_topic(new.topic)
        _check_held(caller, PUBLISH, *([USE_SECRETS] if new.secret_name else []))
        now = self._clock.now()
        hook = Hook(
            id=new_id(),
            slug=new.slug,
            scheme=new.scheme,
            topic=new.topic,
            description=new.description,
            enabled=True,
            created_by=caller.agent_id,
            created_at=now,
            updated_at=now,
        )
        with self._units() as unit:
            unit.hooks.add(hook)
            shown = self._secrets.give(unit, hook.id, now, name=new.secret_name)
            told = {**_facts(hook), "secret_name": new.secret_name}
            unit.audit.add(entry(now, caller, "hook.created", hook.slug, Difference(after=told)))
        return hook, shown

    def get(self, slug: str, *, caller: Caller) -> Hook:
        """The hook; NotFound for those who may not see it."""
        with self._units(read_only=True) as unit:
            hook = _there(unit, slug)
        check_seen(caller, hook.created_by, t("Hook not found"), slug=slug)
        return hook

    def page(self, *, limit: int, offset: int, caller: Caller) -> Page[Hook]:
        """By slug: those that the caller may see."""
        with self._units(read_only=True) as unit:
            return unit.hooks.page(owner_filter(caller), limit=limit, offset=offset)

    def change(self, slug: str, fields: Mapping[str, Any], *, caller: Caller) -> Hook:
        """Give `topic`, `description`, `enabled` or `tolerance_seconds` another value.

        Raises:
            NotFound, Forbidden, InvalidInput.
        """
        values = dict(fields)
        if "topic" in values:
            check_free_topic(values["topic"])
        tolerance = values.pop("tolerance_seconds", None)
        now = self._clock.now()
        with self._units() as unit:
            before = self._mine(unit, slug, caller)
            scheme = before.scheme if tolerance is None else replace(before.scheme, tolerance=tolerance)
            after = replace(before, **values, scheme=scheme)
            if after == before:
                return before
            after = replace(after, updated_at=now)
            unit.hooks.save(after)
            unit.audit.add(entry(now, caller, "hook.updated", slug, _difference(before, after)))
        return after

    def delete(self, slug: str, *, caller: Caller) -> None:
        """Remove it with its secrets; NotFound, Forbidden."""
        with self._units() as unit:
            hook = self._mine(unit, slug, caller)
            unit.hooks.delete(hook.id)
            unit.signing_secrets.drop(hook.id)
            unit.audit.add(entry(self._clock.now(), caller, "hook.deleted", slug, Difference(_facts(hook))))

    def rotate(
        self, slug: str, *, overlap: timedelta, secret_name: str | None, caller: Caller
    ) -> tuple[Hook, str | None]:
        """Another secret; the one before counts for `overlap` longer.

        Raises:
            NotFound, InvalidInput; Forbidden.
        """
        if secret_name:
            _check_held(caller, USE_SECRETS)
        now = self._clock.now()
        with self._units() as unit:
            hook = self._mine(unit, slug, caller)
            shown = self._secrets.replace(unit, hook.id, now, overlap=overlap, name=secret_name)
            told = {"secret_name": secret_name, "overlap_seconds": int(overlap.total_seconds())}
            unit.audit.add(entry(now, caller, "hook.secret_rotated", slug, Difference(after=told)))
        return hook, shown

    def receive(self, slug: str, incoming: Incoming) -> Received:
        """Take a delivery: its event is stored when this returns.

        Raises:
            Unauthorized: There is no such hook, it is off, its maker may not publish, or the signature is not good;
                nobody is told which.
            InvalidInput: The delivery does not fit into an event.
        """
        hook, secrets = self._looked_up(slug)
        scheme = hook.scheme if hook else _STRANGER[0]
        delivery = delivery_of(scheme, incoming, secrets, int(self._clock.now().timestamp()))
        if hook is None or delivery is None or not self._open(hook):
            emit("hook.refused", hook=slug[:64])
            raise Unauthorized(t("The signature is not good"))
        challenge = challenge_of(scheme, incoming)
        return Received(challenge=challenge) if challenge is not None else self._published(hook, delivery, incoming)

    def _looked_up(self, slug: str) -> tuple[Hook | None, list[str]]:
        with self._units(read_only=True) as unit:
            hook = unit.hooks.find(slug)
            found = unit.signing_secrets.of(hook.id if hook else slug, self._clock.now())
        return hook, self._secrets.opened(found) or _STRANGER[1]

    def _open(self, hook: Hook) -> bool:
        return hook.enabled and self._caller(hook.created_by).may(PUBLISH)

    def _published(self, hook: Hook, delivery: str, incoming: Incoming) -> Received:
        data = event_data(hook.scheme, incoming)
        if issue := json_problem(data):
            raise InvalidInput.at("", t("The delivery does not fit into an event: it {issue}", issue=issue))
        draft = Draft(topic=hook.topic, data=data, source=hook.created_by, key=f"hook:{hook.id}:{delivery}")
        known = self._herald.publisher.matched([draft])
        with self._units() as unit:
            # Under the publishers' lock: of two equal deliveries at once, the second finds the first.
            unit.events.lock()
            standing = unit.hooks.find(hook.slug, lock=True)
            if standing is None or standing.id != hook.id or not standing.enabled:
                raise Unauthorized(t("The signature is not good"))
            earlier = self._earlier(unit, hook, draft, delivery)
            if earlier is not None:
                return Received(event_id=earlier, repeated=True)
            (published,) = self._herald.publisher.store(unit.events, [draft], known)
            unit.hooks.remember(hook.id, delivery, published.event.id, self._clock.now())
        self._herald.spread((), stored=True, started=len(published.triggered) + published.woken)
        return Received(event_id=published.event.id)

    def _earlier(self, unit: HookUnit, hook: Hook, draft: Draft, delivery: str) -> str | None:
        """The event that the delivery has become: as long as it is remembered, or there is the event."""
        remembered = unit.hooks.earlier(hook.id, delivery)
        if remembered is not None:
            return remembered
        stored = unit.events.by_key(draft.key or "")
        return None if stored is None else stored.event.id

    def _mine(self, unit: HookUnit, slug: str, caller: Caller) -> Hook:
        hook = _there(unit, slug, lock=True)
        check_changed(caller, hook.created_by, t("Hook not found"), slug=slug)
        return hook


def _there(unit: HookUnit, slug: str, *, lock: bool = False) -> Hook:
    hook = unit.hooks.find(slug, lock=lock)
    if hook is None:
        raise NotFound(t("Hook not found"), slug=slug)
    return hook


def _check_held(caller: Caller, *scopes: str) -> None:
    lacking = [scope for scope in scopes if not caller.may(scope)]
    if lacking:
        raise Forbidden(required_scopes=lacking, granted_scopes=sorted(caller.scopes))


def _facts(hook: Hook) -> dict[str, Any]:
    return {
        "preset": hook.scheme.preset,
        "topic": hook.topic,
        "description": hook.description,
        "enabled": hook.enabled,
        "tolerance_seconds": hook.scheme.tolerance,
    }


def _difference(before: Hook, after: Hook) -> Difference:
    old, new = _facts(before), _facts(after)
    names = [name for name in old if old[name] != new[name]]
    return Difference({name: old[name] for name in names}, {name: new[name] for name in names})
