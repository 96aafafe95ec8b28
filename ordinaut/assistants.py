"""What an extension offers to assistants besides tools: prompts to begin with, and resources to read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict, Unpack

from ordinaut.dialog import Dialog

SCOPE = "tools:read"
"""What a caller must hold for what says nothing else."""
PLAIN = "text/plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptInfo:
    """A prompt as a list shows it; `arguments` are `(name, what it is, whether it is needed)`."""

    name: str
    title: str
    description: str
    arguments: tuple[tuple[str, str, bool], ...] = ()
    scope: str = SCOPE


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceInfo:
    """A resource as a list shows it; one with `{…}` in its address is a template."""

    uri: str
    name: str
    description: str
    mime_type: str = PLAIN
    scope: str = SCOPE

    @property
    def template(self) -> bool:
        """Whether it stands for many."""
        return "{" in self.uri


class PromptOptions(TypedDict, total=False):
    """What a prompt may say of itself, by keyword.

    `description` is the first line of the function's docstring where it is left out, `arguments` tells what each
    argument is, and `scope` is what a caller must hold: `tools:read` unless it says otherwise.
    """

    title: str
    description: str
    arguments: Mapping[str, str]
    scope: str


class ResourceOptions(TypedDict, total=False):
    """What a resource may say of itself, by keyword; as `PromptOptions`, and its type: `text/plain` if left out."""

    name: str
    description: str
    mime_type: str
    scope: str


class AssistantsContext(Protocol):
    """TOOLS: what is for assistants alone; `extensions/mcp_http` shows it to them."""

    def register_prompt(self, name: str, func: Callable[..., Any], **options: Unpack[PromptOptions]) -> None:
        """Offer a prompt to assistants, in `setup`; `func` is called with the arguments by keyword, plain or async.

        It returns a text, or a list of messages `{"role": "user", "content": block}` with blocks of MCP. A parameter
        of `func` called `dialog` gets the `Dialog`; one without a default is an argument that is needed.

        Raises:
            ValueError: The name is none or is taken.
            TypeError: There is no such option.
            RuntimeError: `setup` is over.
        """

    def register_resource(self, uri: str, func: Callable[..., Any], **options: Unpack[ResourceOptions]) -> None:
        """Offer something to read, in `setup`; `func` returns a text, bytes, or what is sent as JSON.

        `uri` has a scheme of your own, and may have places such as `{id}`: then it is a template, and `func` gets
        them by keyword, each a text without `/`. Raise `RequestRefused("not_found")` for one that is not there.

        Raises:
            ValueError: The address is none or is taken.
            TypeError: There is no such option.
            RuntimeError: `setup` is over.
        """

    def list_prompts(self) -> list[PromptInfo]:
        """Those of all extensions, by name."""

    def list_resources(self) -> list[ResourceInfo]:
        """Those of all extensions, templates too, by address."""

    def get_prompt(self, name: str, arguments: Mapping[str, str], dialog: Dialog | None = None) -> Any:
        """What the prompt's function returns, called in the name of the current caller.

        Raises:
            RequestRefused: `not_found`, `forbidden`, or `bad_request` for arguments that it does not take.
            InputNeeded: It has a question.
        """

    def read_resource(self, uri: str, dialog: Dialog | None = None) -> tuple[ResourceInfo, Any]:
        """What the resource's function returns, called in the name of the current caller, and which it is.

        Raises:
            RequestRefused: `not_found` or `forbidden`.
            InputNeeded: It has a question.
        """
