"""Links that let one person decide one approval, once, without logging in."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from app.domain.approvals import Approval, ApprovalUnit, Decision
from app.domain.errors import Gone, InvalidInput
from app.domain.texts import t

SHORTEST_SECONDS, LONGEST_SECONDS = 60, 2_592_000
USUAL_SECONDS = 259_200


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalLink:
    """A link as it is stored; its address has a signature that nobody keeps.

    Attributes:
        agent_id: For whom it decides: whoever made it.
        scopes: What they held then, where that was less than their agent holds; None for all.
        option: The only option that it offers; None for all.
    """

    id: str
    approval_id: str
    agent_id: str
    scopes: tuple[str, ...] | None
    option: str | None
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkWish:
    """What a link is to be like; it is good for so many seconds, and no longer than its approval."""

    option: str | None = None
    seconds: int = USUAL_SECONDS


class ApprovalLinkStore(Protocol):
    """Links, inside a unit of work."""

    def add(self, link: ApprovalLink) -> None: ...

    def get(self, link_id: str) -> ApprovalLink:
        """The link, or NotFound."""

    def use(self, link_id: str, now: datetime) -> bool:
        """Use it up; False where it is."""


class LinkUnit(ApprovalUnit, Protocol):
    """A unit of work with the stores of approvals and their links."""

    @property
    def approval_links(self) -> ApprovalLinkStore: ...


class LinkUnits(Protocol):
    """Opens them; see `app.domain.ports.UnitsOfWork`."""

    def __call__(self, *, read_only: bool = False) -> AbstractContextManager[LinkUnit]: ...


@dataclass(frozen=True, slots=True)
class Linked:
    """A link with what it is about."""

    link: ApprovalLink
    approval: Approval

    @property
    def options(self) -> tuple[str, ...]:
        """What there is to choose from."""
        return self.approval.options if self.link.option is None else (self.link.option,)


def check_good(link: ApprovalLink, now: datetime) -> None:
    """Refuse a link that is used or too old.

    Raises:
        Gone: it is.
    """
    if link.used_at is not None:
        raise Gone(t("This link has been used"), approval_id=link.approval_id)
    if link.expires_at <= now:
        raise Gone(t("This link is too old"), approval_id=link.approval_id)


def by_link(link: ApprovalLink, option: str | None, form: Any, comment: str | None) -> Decision:
    """The decision that a link takes; the one option of a link need not be named.

    Raises:
        InvalidInput: at `/decision`.
    """
    chosen = link.option if option is None else option
    if chosen is None:
        raise InvalidInput.at("/decision", t("{field} is missing", field="`decision`"))
    if link.option not in (None, chosen):
        raise InvalidInput.at("/decision", t("This link is for the option {option} alone", option=link.option))
    return Decision(option=chosen, form=form, comment=comment)


# The form of a page.


@dataclass(frozen=True, slots=True)
class FormField:
    """A member of a form that has simple ones.

    Attributes:
        kind: `text`, `choice`, `number` or `json`; the value of all but `text` is JSON text.
        choices: JSON values, for `choice`.
    """

    name: str
    label: str
    kind: str
    required: bool
    choices: tuple[Any, ...] = ()


def fields_of(schema: Mapping[str, Any]) -> list[FormField]:
    """What to ask for; nothing where the schema names no members."""
    members, required = schema.get("properties"), schema.get("required")
    needed = required if isinstance(required, list) else []
    if not isinstance(members, Mapping):
        return []
    return [_field(name, member, required=name in needed) for name, member in members.items()]


def _field(name: str, member: Any, *, required: bool) -> FormField:
    known = member if isinstance(member, Mapping) else {}
    label = known.get("title") or known.get("description")
    said = label if isinstance(label, str) else name
    choices = known.get("enum")
    if isinstance(choices, list):
        return FormField(name, said, "choice", required, tuple(choices))
    match known.get("type"):
        case "string":
            return FormField(name, said, "text", required)
        case "boolean":
            return FormField(name, said, "choice", required, (True, False))
        case "number" | "integer":
            return FormField(name, said, "number", required)
        case _:
            return FormField(name, said, "json", required)
