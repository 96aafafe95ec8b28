"""What extensions offer to assistants besides tools: prompts by name, resources by address."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Unpack
from urllib.parse import unquote

from app.domain.texts import t
from ordinaut import Caller, Dialog, RequestRefused
from ordinaut.assistants import PLAIN, SCOPE, PromptInfo, PromptOptions, ResourceInfo, ResourceOptions

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_URI = re.compile(r"([a-z][a-z0-9+.-]*)://\S+")
_PLACE = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
PLATFORM = "ordinaut"
"""The scheme of the platform's own resources."""
DIALOG = "dialog"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt and what makes it."""

    info: PromptInfo
    func: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource and what reads it; `form` matches its addresses, with the places as groups."""

    info: ResourceInfo
    func: Callable[..., Any]
    form: re.Pattern[str]


@dataclass(slots=True)
class Offers:
    """Those of one process: of all extensions that are loaded, or of one while it is set up."""

    prompts: dict[str, Prompt] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    _adding: Lock = field(default_factory=Lock)

    def add(self, other: Offers) -> None:
        """Take in all of another's, or none: ValueError for a name or an address that is taken."""
        with self._adding:
            self.refuse_taken([*other.prompts, *other.resources])
            # New dicts in place of the old: another thread may be reading them.
            self.prompts, self.resources = {**self.prompts, **other.prompts}, {**self.resources, **other.resources}

    def refuse_taken(self, names: list[str]) -> None:
        """ValueError for the first that there is already."""
        for name in names:
            if name in self.prompts or name in self.resources:
                raise ValueError(t("There is already something named {name}", name=name))


class GrantedAssistants:
    """`context.assistants`; what `setup` registers is kept back until the whole of it has succeeded.

    Args:
        load: Loads every extension that may offer something.
    """

    def __init__(self, offers: Offers, load: Callable[[], Any], caller: Callable[[], Caller]) -> None:
        self._offers = offers
        self._load = load
        self._caller = caller
        self._kept: Offers | None = Offers()

    def register_prompt(self, name: str, func: Callable[..., Any], **options: Unpack[PromptOptions]) -> None:
        """See `ordinaut.assistants.AssistantsContext`."""
        kept = self._open([name])
        if not NAME.fullmatch(name):
            raise ValueError(t("{name} cannot be a prompt's name: lower-case letters, digits and _", name=repr(name)))
        _refuse_unknown(name, options, PromptOptions)
        texts = options.get("arguments", {})
        taken = [one for one in inspect.signature(func).parameters.values() if one.name != DIALOG]
        info = PromptInfo(
            name=name,
            title=options.get("title", name.replace("_", " ").capitalize()),
            description=options.get("description", _first_line(func) or name),
            arguments=tuple((one.name, texts.get(one.name, one.name), one.default is one.empty) for one in taken),
            scope=options.get("scope", SCOPE),
        )
        kept.prompts[name] = Prompt(info, func)

    def register_resource(self, uri: str, func: Callable[..., Any], **options: Unpack[ResourceOptions]) -> None:
        """See `ordinaut.assistants.AssistantsContext`."""
        kept = self._open([uri])
        match = _URI.fullmatch(uri)
        if match is None or match[1] == PLATFORM:
            raise ValueError(t("{uri} cannot be a resource's address: `scheme://…` with a scheme of your own", uri=uri))
        _refuse_unknown(uri, options, ResourceOptions)
        info = ResourceInfo(
            uri=uri,
            name=options.get("name", uri.partition("://")[2]),
            description=options.get("description", _first_line(func) or uri),
            mime_type=options.get("mime_type", PLAIN),
            scope=options.get("scope", SCOPE),
        )
        kept.resources[uri] = Resource(info, func, _form(uri))

    def list_prompts(self) -> list[PromptInfo]:
        """See `ordinaut.assistants.AssistantsContext`."""
        self._load()
        return [self._offers.prompts[name].info for name in sorted(self._offers.prompts)]

    def list_resources(self) -> list[ResourceInfo]:
        """See `ordinaut.assistants.AssistantsContext`."""
        self._load()
        return [self._offers.resources[uri].info for uri in sorted(self._offers.resources)]

    def get_prompt(self, name: str, arguments: Mapping[str, str], dialog: Dialog | None = None) -> Any:
        """See `ordinaut.assistants.AssistantsContext`."""
        self._load()
        prompt = self._offers.prompts.get(name)
        if prompt is None:
            raise RequestRefused("not_found", t("There is no prompt named {name}", name=name[:100]))
        self._require(prompt.info.scope)
        _refuse_misfits(prompt.info, arguments)
        return _called(prompt.func, arguments, dialog)

    def read_resource(self, uri: str, dialog: Dialog | None = None) -> tuple[ResourceInfo, Any]:
        """See `ordinaut.assistants.AssistantsContext`."""
        self._load()
        for resource in self._offers.resources.values():
            if (match := resource.form.fullmatch(uri)) is not None:
                self._require(resource.info.scope)
                places = {name: unquote(value) for name, value in match.groupdict().items()}
                return resource.info, _called(resource.func, places, dialog)
        raise RequestRefused("not_found", t("There is no resource at {uri}", uri=uri[:200]))

    def publish_kept(self) -> None:
        """Setup succeeded: what it registered can be asked for."""
        kept, self._kept = self._kept or Offers(), None
        self._offers.add(kept)

    def _open(self, names: list[str]) -> Offers:
        if self._kept is None:
            raise RuntimeError(t("Prompts and resources are registered in setup(), which runs in every process"))
        for offers in (self._offers, self._kept):
            offers.refuse_taken(names)
        return self._kept

    def _require(self, scope: str) -> None:
        caller = self._caller()
        if not caller.may(scope):
            raise RequestRefused("forbidden", required_scopes=[scope], granted_scopes=sorted(caller.scopes))


def _refuse_unknown(name: str, options: Mapping[str, Any], known: type[Any]) -> None:
    if unknown := sorted(set(options) - set(known.__annotations__)):
        listed = ", ".join(known.__annotations__)
        raise TypeError(
            t("{name} has no option {option}; there are {known}", name=name, option=unknown[0], known=listed)
        )


def _refuse_misfits(info: PromptInfo, arguments: Mapping[str, str]) -> None:
    known = {name for name, _, _ in info.arguments}
    if unknown := sorted(set(arguments) - known):
        raise RequestRefused("bad_request", field=f"arguments.{unknown[0][:100]}", issue=t("It is not known here"))
    for name, _, needed in info.arguments:
        if needed and name not in arguments:
            raise RequestRefused("bad_request", field=f"arguments.{name}", issue=t("It is missing"))


def _called(func: Callable[..., Any], arguments: Mapping[str, str], dialog: Dialog | None) -> Any:
    own = {DIALOG: dialog or Dialog()} if DIALOG in inspect.signature(func).parameters else {}
    answer = func(**arguments, **own)
    return asyncio.run(_awaited(answer)) if inspect.isawaitable(answer) else answer


async def _awaited(answer: Any) -> Any:
    return await answer


def _form(uri: str) -> re.Pattern[str]:
    parts = _PLACE.split(uri)
    return re.compile("".join(f"(?P<{part}>[^/]+)" if odd % 2 else re.escape(part) for odd, part in enumerate(parts)))


def _first_line(func: Callable[..., Any]) -> str:
    return (inspect.getdoc(func) or "").strip().partition("\n")[0]
