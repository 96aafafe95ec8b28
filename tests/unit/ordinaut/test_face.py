"""The public package stands alone, and its names are the ones that were promised."""

from __future__ import annotations

import subprocess
import sys

import pytest

import ordinaut
from app.http.errors import KINDS
from ordinaut import Caller, Capability, CapabilityDenied, Extension, RequestRefused
from ordinaut.errors import CODES

PRIVATE = ("flask", "celery", "sqlalchemy", "redis", "pydantic", "app", "config", "workers")


def test_importing_it_loads_nothing_of_the_platform() -> None:
    code = f"import sys, ordinaut; print([name for name in {PRIVATE} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_it_has_few_names_and_all_of_them_are_there() -> None:
    assert len(ordinaut.__all__) <= 20
    assert all(hasattr(ordinaut, name) for name in ordinaut.__all__)


def test_the_capabilities_are_those_of_the_founding_document() -> None:
    assert [one.value for one in Capability] == [
        "ROUTES",
        "TOOLS",
        "EVENTS_PUB",
        "EVENTS_SUB",
        "BACKGROUND_TASKS",
        "STATIC",
    ]


def test_an_extension_has_to_say_who_it_is() -> None:
    with pytest.raises(TypeError, match="override info"):
        Extension().info()


def test_the_refusals_tell_what_is_missing() -> None:
    denied = CapabilityDenied(Capability.TOOLS, {Capability.STATIC, Capability.ROUTES})
    assert str(denied) == "This takes the capability TOOLS; granted: ROUTES, STATIC"
    refused = RequestRefused("conflict", "Twice", field="name")
    assert (refused.code, str(refused), refused.details) == ("conflict", "Twice", {"field": "name"})


@pytest.mark.parametrize(
    ("scopes", "may"),
    # each row: what a caller holds, and whether it may do something that takes `ext:shop:routes`
    [
        (set(), False),
        ({"ext:shop:routes"}, True),
        ({"admin"}, True),
        ({"ext:shop"}, False),
        ({"EXT:SHOP:ROUTES"}, False),
    ],
)
def test_scopes_are_exact(scopes: set[str], may: bool) -> None:
    assert Caller("a", frozenset(scopes)).may("ext:shop:routes") is may


def test_a_refusal_has_a_code_of_the_api() -> None:
    assert set(CODES) == set(KINDS) - {"internal_error"}
    with pytest.raises(ValueError, match="there are bad_request, unauthorized"):
        RequestRefused("no_such_code")
