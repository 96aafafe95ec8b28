"""Tasks as documents that people keep beside their code: reading them, checking their form, writing them.

apiVersion: ordinaut/v1
kind: Task
external_id: morning-briefing
managed_by: briefings
spec: {title: Morning briefing, schedule_kind: manual}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.cli.exits import INVALID
from app.cli.remote.connection import segment
from app.cli.remote.documents import Document, read
from app.cli.remote.refusals import Stopped

API_VERSION = "ordinaut/v1"
KIND = "Task"
MEMBERS = ("apiVersion", "kind", "external_id", "id", "managed_by", "spec")
MANAGED_BY = "managed-by:"
"""What the tag of a set of tasks begins with."""
SET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,38}")
_FIRST = ("title", "description", "status", "schedule_kind", "schedule_expr", "timezone", "tags")
_LAST = ("payload",)
_ELSEWHERE = frozenset({"created_by", "external_id"})
"""Members of a task that belong to an installation, or that stand outside of `spec`."""
_EMPTY: tuple[Any, ...] = (None, [], {})


@dataclass(frozen=True, slots=True)
class Manifest:
    """A task as it is wanted; exactly one of `external_id` and `task_id` is set."""

    spec: Mapping[str, Any]
    document: Document
    external_id: str | None = None
    task_id: str | None = None
    managed_by: str | None = None

    @property
    def name(self) -> str:
        """What people know it by."""
        return self.external_id or self.task_id or ""

    @property
    def path(self) -> str:
        """Where it is put."""
        if self.external_id is not None:
            return f"/tasks/by-external-id/{segment(self.external_id)}"
        return f"/tasks/{segment(self.name)}"

    def body(self) -> dict[str, Any]:
        """What is put there: the spec, with the tag of its set."""
        if self.managed_by is None:
            return dict(self.spec)
        tag = MANAGED_BY + self.managed_by
        tags = self.spec.get("tags", [])
        return {**self.spec, "tags": [*tags, tag] if isinstance(tags, list) and tag not in tags else tags}


def read_manifests(paths: Sequence[str], set_name: str | None = None) -> list[Manifest]:
    """The tasks in these files and folders; those without a set of their own belong to `set_name`.

    Raises:
        Stopped: 6, with every mistake in the form of every document.
    """
    documents = read(paths)
    mistakes = [mistake for document in documents for mistake in _mistakes(document)]
    if mistakes:
        raise Stopped("\n".join(mistakes), INVALID)
    found = [_manifest(document, set_name) for document in documents]
    if twice := list(_twice(found)):
        raise Stopped("\n".join(twice), INVALID)
    return found


def settable(description: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a task that may be set, with their defaults, by the server's own OpenAPI description."""
    members = description["components"]["schemas"]["TaskReplace"]["properties"]
    return {name: member.get("default") for name, member in members.items()}


def exported(task: Mapping[str, Any], defaults: Mapping[str, Any], *, by_id: bool = False) -> dict[str, Any]:
    """The document of a task as the server tells it, without what is as it would be anyway."""
    tags = [tag for tag in task["tags"] if not tag.startswith(MANAGED_BY)]
    sets = [tag.removeprefix(MANAGED_BY) for tag in task["tags"] if tag.startswith(MANAGED_BY)]
    members = {**task, "tags": [*tags, *(MANAGED_BY + one for one in sets[1:])]}
    named = {"id": task["id"]} if by_id or task.get("external_id") is None else {"external_id": task["external_id"]}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        **named,
        **({"managed_by": sets[0]} if sets else {}),
        "spec": {name: members[name] for name in _in_order(defaults) if _told(name, members, defaults)},
    }


def _told(name: str, members: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    if name in _ELSEWHERE or name not in members:
        return False
    value = members[name]
    return bool(value not in _EMPTY if defaults[name] is None else value != defaults[name])


def _in_order(names: Mapping[str, Any]) -> list[str]:
    rest = sorted(set(names) - {*_FIRST, *_LAST})
    return [name for name in (*_FIRST, *rest, *_LAST) if name in names]


def _manifest(document: Document, set_name: str | None) -> Manifest:
    value = document.value
    return Manifest(
        spec=value["spec"],
        document=document.part("spec"),
        external_id=value.get("external_id"),
        task_id=value.get("id"),
        managed_by=value.get("managed_by", set_name),
    )


def _mistakes(document: Document) -> Iterator[str]:
    value = document.value
    if not isinstance(value, dict):
        yield document.mistake("", "a document has to be a mapping")
        return
    for name in value:
        if name not in MEMBERS:
            yield document.mistake(f"/{name}", f"is none of {', '.join(MEMBERS)}")
    for name, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        if value.get(name) != wanted:
            yield document.mistake(f"/{name}", f"{name} has to be {wanted}")
    yield from _wrong_names(document, value)
    if not isinstance(value.get("spec"), dict):
        yield document.mistake("/spec", "spec has to be a mapping")


def _wrong_names(document: Document, value: Mapping[str, Any]) -> Iterator[str]:
    names = [name for name in ("external_id", "id") if name in value]
    if len(names) != 1:
        yield document.mistake("", "give one of external_id and id")
    for name in names:
        if not isinstance(value[name], str) or not 1 <= len(value[name]) <= 200:
            yield document.mistake(f"/{name}", f"{name} has to be text of 1 to 200 characters; quote it")
    managed_by = value.get("managed_by", "a")
    if not isinstance(managed_by, str) or not SET_NAME.fullmatch(managed_by):
        yield document.mistake("/managed_by", "a set has a name of letters, digits, '.', '_' and '-', at most 39")


def _twice(manifests: Sequence[Manifest]) -> Iterator[str]:
    seen: dict[str, Manifest] = {}
    for one in manifests:
        first = seen.setdefault(one.path, one)
        if first is not one:
            yield one.document.mistake("", f"{one.name} is there twice: first in {first.document.where()}")
