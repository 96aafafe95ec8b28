"""How the states of several processes become one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.extension_loads import Load
from app.domain.texts import t
from app.extension_host.registry import Failure, Place, Record, Source, State
from app.extension_host.status import load_of, merged
from ordinaut import Capability, ExtensionInfo

INFO = ExtensionInfo(id="shop", name="Shop", version="1")
RECORD = Record(id="shop", source=Source.BUILTIN, info=INFO, place=Place(), allowed=frozenset(Capability))
LOADED = Load(extension_id="shop", state="loaded", loaded_ms=5, grants=("ROUTES",), name="Shop", version="2")
LATER = Load(extension_id="shop", state="loaded", loaded_ms=9, grants=("ROUTES",))
FAILED = Load(extension_id="shop", state="failed", error_type="ImportError", message="x")
OTHER = Load(extension_id="other", state="loaded")

STATES = [
    # each row: the state here, what processes have told, and what everybody shows
    (State.DISCOVERED, [], State.DISCOVERED, None),
    (State.DISCOVERED, [OTHER], State.DISCOVERED, None),
    (State.DISCOVERED, [LOADED], State.LOADED, 5),
    (State.DISCOVERED, [LOADED, LATER], State.LOADED, 5),
    (State.LOADED, [LOADED], State.LOADED, 5),
    (State.DISCOVERED, [LOADED, FAILED], State.FAILED, None),
    (State.FAILED, [], State.FAILED, None),
    (State.FAILED, [LOADED], State.FAILED, None),
    (State.DISABLED, [LOADED], State.DISABLED, None),
]


@pytest.mark.parametrize(("here", "told", "shown", "loaded_ms"), STATES)
def test_states_become_one(here: State, told: list[Load], shown: State, loaded_ms: int | None) -> None:
    failure = Failure(error_type="ValueError", message="y") if here is State.FAILED else None
    record = Record(
        id="shop", source=Source.BUILTIN, info=INFO, place=Place(), state=here, failure=failure, loaded_ms=None
    )
    (one,) = merged([record], told)
    assert (one.state, one.loaded_ms) == (shown, loaded_ms)


def test_a_failure_elsewhere_is_shown_with_its_reason() -> None:
    (one,) = merged([RECORD], [FAILED])
    assert one.failure is not None
    assert (one.failure.error_type, one.failure.message) == ("ImportError", "x")


def test_what_it_became_elsewhere_is_shown() -> None:
    (one,) = merged([RECORD], [LOADED])
    assert one.grants == {Capability.ROUTES}
    assert (one.info.name, one.info.version) == ("Shop", "2")


def test_what_is_told_is_plain_text() -> None:
    failure = Failure(error_type="ValueError", message=t("{what} is broken", what="All"))
    told = load_of(replace(RECORD, state=State.FAILED, failure=failure))
    assert (told.message, type(told.message)) == ("All is broken", str)
