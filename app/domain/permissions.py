"""What a pipeline may do: the tools it calls and with what, as far as that is known before it runs.

A call is told by its facts. Of tools whose arguments are known these are what says where the call goes; of all others
they are the arguments as they stand, since nobody can tell which of them matter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from app.domain.json_text import to_json
from app.domain.pipelines.model import PARALLEL, SECRETS
from app.domain.scopes import INVOKE, SCOPES
from app.domain.templates import TemplateError, compile_template
from app.domain.texts import Text, all_of, joined, t
from ordinaut import Tool

URL, HOST, MAIL = "url", "host", "email.send"
TARGETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "http.request": {"method": "GET", "url": ""},
    "webhook.send": {"url": "", "secret": None},
    "events.publish": {"topic": None},
    MAIL: {"to": None, "cc": None, "bcc": None},
    "llm.complete": {"model": None},
    "tasks.run": {"task_id": None},
}
"""Tool -> the arguments that say where a call goes, each with what its absence means. `url` counts as its `host`."""
_ORIGIN = r"https?://[^/?#\\@$\s]+"
_PLAIN_HOST = re.compile(rf"({_ORIGIN})(?:[/?#].*)?", re.IGNORECASE | re.DOTALL)
_FIXED_HOST = re.compile(rf"{_ORIGIN}(?=[/?#])", re.IGNORECASE)
"""The beginning of a template that settles the host, whatever is filled in behind it."""
_SENTENCES: Final[Mapping[str, Text]] = {
    "http.request": t("Send {method} requests to {host}"),
    "webhook.send": t("Send webhooks to {host}, signed with the secret {secret}"),
    "events.publish": t("Publish events on the topic {topic}"),
    "tasks.run": t("Run the task {task_id}"),
    "llm.complete": t("Ask the language model {model}"),
}
_ANY = t("anything that the run works out")
_ANYBODY = t("anybody that the run works out")
LONGEST_SHOWN = 200
"""Characters of a value that a sentence shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """Calls of one tool that are allowed.

    Attributes:
        where: Facts that a call must have, as they stand here.
        open: Names of facts that are known only once the pipeline runs: any value will do.
        free: Not even their names are known: any further facts will do.
        secrets: Names of the secrets that the call may be lent.
    """

    tool: str
    where: Mapping[str, Any]
    open: tuple[str, ...] = ()
    free: bool = False
    secrets: tuple[str, ...] = ()

    def allows(self, facts: Mapping[str, Any], secrets: Iterable[str]) -> bool:
        """Whether a call of the tool with these facts is one of them."""
        if not set(secrets) <= set(self.secrets):
            return False
        fixed = all(name in facts and _same(facts[name], value) for name, value in self.where.items())
        return fixed and (self.free or facts.keys() <= {*self.where, *self.open})

    def covers(self, other: Permission) -> bool:
        """Whether every call that the other one allows is one of these."""
        if other.tool != self.tool or not set(other.secrets) <= set(self.secrets):
            return False
        fixed = all(name in other.where and _same(other.where[name], value) for name, value in self.where.items())
        return fixed and (self.free or (not other.free and {*other.where, *other.open} <= {*self.where, *self.open}))

    def as_document(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "tool": self.tool,
            "where": dict(self.where),
            "open": list(self.open),
            "free": self.free,
            "secrets": list(self.secrets),
        }

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Permission:
        """The same, read back."""
        return cls(
            tool=document["tool"],
            where=document["where"],
            open=tuple(document["open"]),
            free=document["free"],
            secrets=tuple(document["secrets"]),
        )

    @property
    def is_cut(self) -> bool:
        """Whether its words leave out the end of something: `where` has it whole."""
        return self.tool != MAIL and any(len(_text(value)) > LONGEST_SHOWN for value in self.where.values())

    def in_words(self) -> Text:
        """What it allows, for whoever is to accept it; it says where something is cut."""
        shown = dict.fromkeys(self.open, _ANY) | {name: _shown(value) for name, value in self.where.items()}
        if self.tool == MAIL:
            said = t("Send e-mail to {people}", people=all_of(_people(self)))
        elif self.tool == "llm.complete" and self.where.get("model", "") is None:
            said = t("Ask the language model that the settings name")
        elif (sentence := _SENTENCES.get(self.tool)) is not None and facts_of(self.tool, {}).keys() <= shown.keys():
            said = sentence.fill(**shown)
        else:
            said = self._called(shown)
        if not self.secrets:
            return said
        return t("{what}, with the secrets {names}", what=said, names=all_of(self.secrets))

    def _called(self, shown: Mapping[str, object]) -> Text:
        if self.free:
            return t("Call {tool} with anything at all", tool=self.tool)
        if not shown:
            return t("Call {tool}", tool=self.tool)
        members = joined(", ", [joined(" = ", pair) for pair in shown.items()])
        return t("Call {tool} with {members}", tool=self.tool, members=members)


def touches_nothing(tool: Tool) -> bool:
    """Whether a call changes nothing outside of its run and asks nobody: it is pure, or a look at the platform."""
    return tool.pure or (tool.read_only and tool.scope in SCOPES and tool.scope != INVOKE)


def permissions_of(
    steps: Sequence[Mapping[str, Any]], params: Mapping[str, Any], harmless: Callable[[str], bool]
) -> tuple[Permission, ...]:
    """What a valid pipeline needs to be allowed, each thing once, in the order of its steps.

    Args:
        params: The task's own; what is made of them alone is known.
        harmless: Whether a tool touches nothing outside of the run, so that nobody needs to allow it.
    """
    found: list[Permission] = []
    for step in _steps(steps):
        if harmless(step["uses"]):
            continue
        wanted = _permission(step, params)
        if not any(one.covers(wanted) for one in found):
            found = [one for one in found if not wanted.covers(one)] + [wanted]
    return tuple(found)


def facts_of(tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What of a call is held against its permissions."""
    if tool not in TARGETS:
        return dict(arguments)
    given = {name: arguments.get(name, absent) for name, absent in TARGETS[tool].items()}
    if URL in given:
        given[HOST] = _host(str(given.pop(URL)))
    return given


def covered(wanted: Iterable[Permission], granted: Sequence[Permission]) -> bool:
    """Whether all that is wanted has been granted."""
    return all(any(one.covers(each) for one in granted) for each in wanted)


def allowed(tool: str, facts: Mapping[str, Any], secrets: Iterable[str], granted: Iterable[Permission]) -> bool:
    """Whether one of the permissions is for this call."""
    lent = tuple(secrets)
    return any(one.tool == tool and one.allows(facts, lent) for one in granted)


def _steps(steps: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for step in steps:
        if PARALLEL in step:
            for branch in step[PARALLEL]:
                yield from _steps(branch)
        else:
            yield step


def _permission(step: Mapping[str, Any], params: Mapping[str, Any]) -> Permission:
    tool, given = step["uses"], step.get("with", {})
    secrets = tuple(sorted({str(one.path[1]) for one in compile_template(given).references if one.path[0] == SECRETS}))
    if not isinstance(given, Mapping):
        # The arguments as a whole are filled in from somewhere.
        return Permission(tool=tool, where={}, free=True, secrets=secrets)
    known: dict[str, Any] = {}
    unknown: list[str] = []
    for name, value in ({**TARGETS[tool], **_only(given, TARGETS[tool])} if tool in TARGETS else given).items():
        fact, settled = _settled(name, value, params) if tool in TARGETS else _known(value, params)
        shown = HOST if name == URL and tool in TARGETS else name
        if settled:
            known[shown] = fact
        else:
            unknown.append(shown)
    return Permission(tool=tool, where=known, open=tuple(sorted(unknown)), secrets=secrets)


def _only(given: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}


def _settled(name: str, value: Any, params: Mapping[str, Any]) -> tuple[Any, bool]:
    """A fact of a tool whose arguments are known, and whether it is settled."""
    fact, settled = _known(value, params)
    if name != URL:
        return fact, settled
    if settled:
        return _host(str(fact)), True
    form = _FIXED_HOST.match(value) if isinstance(value, str) else None
    return (_host(form[0]), True) if form else (None, False)


def _known(value: Any, params: Mapping[str, Any]) -> tuple[Any, bool]:
    """What a template comes to, as far as the task's own params tell."""
    template = compile_template(value)
    if template.reads_all or any(one.path[0] != "params" for one in template.references):
        return None, False
    try:
        return template.render({"params": params}), True
    except (TemplateError, LookupError):
        return None, False


def _host(url: str) -> str:
    """Scheme, host and port; all of what is no plain URL, which none that is one is equal to."""
    form = _PLAIN_HOST.fullmatch(url)
    return form[1].lower() if form else url


def _same(one: Any, other: Any) -> bool:
    """As JSON: `1` is neither `true` nor `1.0`; what JSON cannot hold is equal to nothing."""
    try:
        return orjson.dumps(one, option=orjson.OPT_SORT_KEYS) == orjson.dumps(other, option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError):
        return False


def _shown(value: Any) -> str:
    text = _text(value)
    if len(text) <= LONGEST_SHOWN:
        return text
    return t("{start}… (cut: {count} characters in all)", start=text[:LONGEST_SHOWN], count=len(text))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value).decode()


def _people(permission: Permission) -> list[object]:
    """To whom mail may go."""
    named: list[object] = []
    for value in permission.where.values():
        named += value if isinstance(value, list) else [] if value is None else [value]
    return [*named, _ANYBODY] if permission.open or permission.free else named
