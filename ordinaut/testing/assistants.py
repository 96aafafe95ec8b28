"""What an extension offers to assistants, in memory."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Unpack
from urllib.parse import unquote

from ordinaut.assistants import AssistantsContext, PromptInfo, PromptOptions, ResourceInfo, ResourceOptions
from ordinaut.callers import Caller
from ordinaut.dialog import Dialog, InputNeeded
from ordinaut.errors import RequestRefused
from ordinaut.tools import ToolFailed

_PLACE = re.compile(r"\{(\w+)\}")


class Assistants(AssistantsContext):
    """See `ordinaut.assistants.AssistantsContext`."""

    def __init__(self, caller: Callable[[], Caller], refuse_late: Callable[[], None]) -> None:
        self._caller = caller
        self._refuse_late = refuse_late
        self._prompts: dict[str, tuple[PromptInfo, Callable[..., Any]]] = {}
        self._resources: dict[str, tuple[ResourceInfo, Callable[..., Any]]] = {}

    def register_prompt(self, name: str, func: Callable[..., Any], **options: Unpack[PromptOptions]) -> None:
        """Note the prompt."""
        self._refuse(name)
        told: dict[str, Any] = {"title": name, "description": _described(func, name), **options}
        texts = told.pop("arguments", {})
        taken = [one for one in inspect.signature(func).parameters.values() if one.name != "dialog"]
        arguments = tuple((one.name, texts.get(one.name, one.name), one.default is one.empty) for one in taken)
        self._prompts[name] = PromptInfo(name=name, arguments=arguments, **told), func

    def register_resource(self, uri: str, func: Callable[..., Any], **options: Unpack[ResourceOptions]) -> None:
        """Note the resource."""
        self._refuse(uri)
        told: dict[str, Any] = {"name": uri, "description": _described(func, uri), **options}
        self._resources[uri] = ResourceInfo(uri=uri, **told), func

    def list_prompts(self) -> list[PromptInfo]:
        """The extension's own."""
        return [info for _, (info, _) in sorted(self._prompts.items())]

    def list_resources(self) -> list[ResourceInfo]:
        """The extension's own."""
        return [info for _, (info, _) in sorted(self._resources.items())]

    def get_prompt(self, name: str, arguments: Mapping[str, str], dialog: Dialog | None = None) -> Any:
        """What its function returns."""
        if name not in self._prompts:
            raise RequestRefused("not_found", f"There is no prompt named {name}")
        info, func = self._prompts[name]
        self._require(info.scope)
        needed = [one for one, _, must in info.arguments if must and one not in arguments]
        unknown = sorted(set(arguments) - {one for one, _, _ in info.arguments})
        for one, issue in [*((one, "It is missing") for one in needed), *((one, "It is not known") for one in unknown)]:
            raise RequestRefused("bad_request", field=f"arguments.{one}", issue=issue)
        return _answer(func, arguments, dialog)

    def read_resource(self, uri: str, dialog: Dialog | None = None) -> tuple[ResourceInfo, Any]:
        """What its function returns."""
        for info, func in self._resources.values():
            parts = _PLACE.split(info.uri)
            form = "".join(f"(?P<{one}>[^/]+)" if odd % 2 else re.escape(one) for odd, one in enumerate(parts))
            if (match := re.fullmatch(form, uri)) is not None:
                self._require(info.scope)
                return info, _answer(func, {name: unquote(value) for name, value in match.groupdict().items()}, dialog)
        raise RequestRefused("not_found", f"There is no resource at {uri}")

    def _refuse(self, name: str) -> None:
        self._refuse_late()
        if name in self._prompts or name in self._resources:
            raise ValueError(f"There is already something named {name}")

    def _require(self, scope: str) -> None:
        if not self._caller().may(scope):
            raise RequestRefused("forbidden", required_scopes=[scope])


@contextmanager
def asking(name: str, dialog: Dialog | None) -> Iterator[None]:
    """A question where nobody can answer it fails, as on the platform."""
    try:
        yield
    except InputNeeded as needed:
        if dialog is not None:
            raise
        message, details = f"{name} has a question, and nobody is here to answer it", {"questions": [*needed.questions]}
        raise ToolFailed(message, type="input_required", retryable=False, details=details) from needed


def _described(func: Callable[..., Any], name: str) -> str:
    return (inspect.getdoc(func) or name).split("\n")[0]


def _answer(func: Callable[..., Any], arguments: Mapping[str, str], dialog: Dialog | None) -> Any:
    own = {"dialog": dialog or Dialog()} if "dialog" in inspect.signature(func).parameters else {}
    answer = func(**arguments, **own)
    return asyncio.run(_awaited(answer)) if inspect.isawaitable(answer) else answer


async def _awaited(answer: Any) -> Any:
    return await answer
