"""An extension with what the protocol's own suite calls by name: the tools, prompts and resources of a model server."""

from __future__ import annotations

from flask import Blueprint

from ordinaut import Capability, Extension, ExtensionContext, ExtensionInfo

from .asking import add_questions
from .content import add_content
from .reading import add_prompts, add_resources
from .running import add_runs


class Conformance(Extension):
    """See the module."""

    def info(self) -> ExtensionInfo:
        """Who it is."""
        return ExtensionInfo(id="conformance", name="Conformance", version="1.0.0")

    def requested_capabilities(self) -> set[Capability]:
        """Tools, and the API to start runs."""
        return {Capability.ROUTES, Capability.TOOLS}

    def setup(self, context: ExtensionContext) -> Blueprint:
        """Everything is for assistants; there are no pages."""
        add_content(context)
        add_questions(context)
        add_runs(context)
        add_prompts(context)
        add_resources(context)
        return Blueprint("conformance", __name__)


def get_extension() -> Extension:
    """The entry of every extension."""
    return Conformance()
