"""What applying documents would change: every document is tried before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import unified_diff
from typing import Any, Literal

from app.cli.exits import INVALID
from app.cli.manifests import MANAGED_BY, Manifest, exported, settable
from app.cli.remote.refusals import Refused, Stopped
from app.cli.remote.session import Session
from app.cli.remote.yaml_text import dump

_UPSERT = "/tasks/by-external-id/{external_id}"
Action = Literal["create", "update", "keep", "delete"]


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one task.

    Attributes:
        version: The one that was looked at; None for a task that is not there.
        manifest: None for a task that is deleted.
        diff: Lines of a unified diff of its document.
    """

    action: Action
    name: str
    path: str
    version: int | None = None
    manifest: Manifest | None = field(default=None, repr=False)
    diff: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ground:
    """What a server is like.

    Attributes:
        me: The agent that is asking.
        defaults: The members of a task that may be set, with their defaults.
        upserts: Whether it makes tasks by external id.
    """

    me: str
    defaults: Mapping[str, Any]
    upserts: bool


def ground(session: Session) -> Ground:
    """As the server tells it."""
    description = session.get("/openapi.json")
    me = str(session.get("/agents/me")["agent_id"])
    return Ground(me, settable(description), _UPSERT in description["paths"])


def planned(session: Session, manifests: Sequence[Manifest], on: Ground) -> list[Change]:
    """What putting these documents would change, in their order.

    Raises:
        Stopped: With all that the server says against any of them.
    """
    _check(manifests, on)
    changes: list[Change] = []
    refused: list[Stopped] = []
    for manifest in manifests:
        try:
            changes.append(_change(session, manifest, on))
        except Refused as error:
            refused.append(manifest.document.refused(error))
    if refused:
        raise Stopped("\n".join(error.message for error in refused), refused[0].exit_code)
    return changes


def pruned(session: Session, manifests: Sequence[Manifest], sets: Sequence[str], on: Ground) -> list[Change]:
    """The tasks of these sets that no document describes any more."""
    kept = {manifest.name for manifest in manifests}
    tasks = [task for name in sets for task in session.pages("/tasks", {"tag": MANAGED_BY + name}, None)[0]]
    return [_deletion(task, on) for task in tasks if task.get("external_id") not in kept and task["id"] not in kept]


def diff(name: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Lines of a unified diff of two documents."""
    old, new = (dump(one).splitlines() if one else [] for one in (before, after))
    return tuple(unified_diff(old, new, f"{name} (server)", f"{name} (file)", lineterm=""))


def _check(manifests: Sequence[Manifest], on: Ground) -> None:
    sentence = "this server does not know external ids; give the id of a task that is there"
    if unknown := [one.document.mistake("", sentence) for one in manifests if one.external_id and not on.upserts]:
        raise Stopped("\n".join(unknown), INVALID)


def _change(session: Session, manifest: Manifest, on: Ground) -> Change:
    current = _current(session, manifest, on.me)
    wanted = session.send("PUT", manifest.path, query={"preview": True}, body=manifest.body()).body
    before, after = (None if one is None else _document(one, manifest, on) for one in (current, wanted))
    lines = diff(manifest.name, before, after)
    action: Action = "create" if current is None else "update" if lines else "keep"
    version = None if current is None else current["version"]
    return Change(action, manifest.name, manifest.path, version, manifest, lines)


def _current(session: Session, manifest: Manifest, me: str) -> dict[str, Any] | None:
    if manifest.external_id is None:
        found: dict[str, Any] = session.get(manifest.path)
        return found
    query = {"external_id": manifest.external_id, "created_by": me}
    return next(iter(session.get("/tasks", query)["items"]), None)


def _document(task: Mapping[str, Any], manifest: Manifest, on: Ground) -> dict[str, Any]:
    named = {**task, "id": manifest.task_id, "external_id": manifest.external_id}
    return exported(named, on.defaults, by_id=manifest.task_id is not None)


def _deletion(task: Mapping[str, Any], on: Ground) -> Change:
    name = str(task.get("external_id") or task["id"])
    lines = diff(name, exported(task, on.defaults), None)
    return Change("delete", name, f"/tasks/{task['id']}", task["version"], diff=lines)
