"""Prompts and resources."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from ordinaut import Dialog, ExtensionContext, InputNeeded

from .asking import form, given
from .content import IMAGE, PIXEL, resource, text


def said(*blocks: dict[str, Any]) -> list[dict[str, Any]]:
    """Messages of the user."""
    return [{"role": "user", "content": block} for block in blocks]


def add_prompts(context: ExtensionContext) -> None:
    """The prompts of `prompts-get-*` and `input-required-result-non-tool-request`."""
    offer = context.assistants.register_prompt

    def simple() -> str:
        """A simple one."""
        return "This is a simple prompt for testing."

    def with_arguments(arg1: str, arg2: str) -> str:
        """One with arguments."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    def with_resource(resourceUri: str) -> list[dict[str, Any]]:  # noqa: N803 - the suite's own name
        """One that holds a resource."""
        held = resource(resourceUri, "text/plain", "Embedded resource content for testing.")
        return said(held, text("Please process the embedded resource above."))

    def with_image() -> list[dict[str, Any]]:
        """One with a picture."""
        return said(IMAGE, text("Please analyze the image above."))

    def asking(dialog: Dialog) -> str:
        """One that has to know more."""
        answer = given(dialog, "user_context")
        if answer is None:
            raise InputNeeded({"user_context": form("What context should the prompt use?", "context")})
        return f"In the context of {answer['context']}"

    offer("test_simple_prompt", simple)
    offer("test_prompt_with_arguments", with_arguments, arguments={"arg1": "First", "arg2": "Second"})
    offer("test_prompt_with_embedded_resource", with_resource, arguments={"resourceUri": "What to embed"})
    offer("test_prompt_with_image", with_image)
    offer("test_input_required_result_prompt", asking)


def add_resources(context: ExtensionContext) -> None:
    """The resources of `resources-*`."""
    offer = context.assistants.register_resource

    def static() -> str:
        """A text."""
        return "This is the content of the static text resource."

    def binary() -> bytes:
        """A picture."""
        return b64decode(PIXEL)

    def of_id(id: str) -> dict[str, Any]:
        """Data by id."""
        return {"id": id, "templateTest": True, "data": f"Data for ID: {id}"}

    offer("test://static-text", static)
    offer("test://static-binary", binary, mime_type="image/png")
    offer("test://watched-resource", static, description="One to subscribe to")
    offer("test://template/{id}/data", of_id, mime_type="application/json")
