"""Loading: once, whoever asks; and whatever an extension's code does, the host goes on."""

from __future__ import annotations

import sys
import threading
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from app.domain.errors import NotFound
from app.extension_host.loader import forget
from app.extension_host.registry import State
from app.telemetry import Subscriber, attach, detach
from ordinaut import Capability, CapabilityDenied, Tool
from tests.fakes.extensions import World, write_extension

TOOL = """
context.tool_registry.register_tool("hi", lambda name: {"text": name}, {"type": "object"})
"""


def test_it_is_imported_when_it_is_needed_and_once(tmp_path: Path) -> None:
    write_extension(tmp_path, "shop")
    (tmp_path / "shop" / "extension.py").write_text(
        "import pathlib, time\n"
        "here = pathlib.Path(__file__).parent\n"
        "with (here / 'imports').open('a') as file:\n    file.write('x')\n"
        "time.sleep(0.2)\n" + (tmp_path / "shop" / "extension.py").read_text()
    )
    world = World([tmp_path])
    assert world.host.record("shop").state is State.DISCOVERED  # type: ignore[union-attr]
    answers: list[State] = []
    threads = [
        threading.Thread(target=lambda: answers.append(world.host.load("shop").state))  # type: ignore[union-attr]
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [State.LOADED] * 12
    assert (tmp_path / "shop" / "imports").read_text() == "x"


HEAD = """import ordinaut
class E(ordinaut.Extension):
  def info(self):
    return ordinaut.ExtensionInfo(id='shop', name='x', version='1')
"""
CRASHES = [
    # each row: the module, the type of the error, and words of its message
    ("import nothing_like_this", "ModuleNotFoundError", "nothing_like_this"),
    ("def broken(:", "SyntaxError", "invalid syntax"),
    ("import sys; sys.exit(3)", "SystemExit", "tried to end the process"),
    ("raise KeyError('x')", "KeyError", "x"),
    ("x = 1", "WrongExtension", "no get_extension()"),
    ("def get_extension(): return 1", "WrongExtension", "int"),
    ("def get_extension(): 1/0", "ZeroDivisionError", "division"),
    (f"{HEAD.replace('shop', 'other')}get_extension = E", "WrongExtension", "'other'"),
    ("import ordinaut\nget_extension = ordinaut.Extension", "TypeError", "override info()"),
    (f"{HEAD}  def setup(self, _):\n    raise RuntimeError('in setup')\nget_extension = E", "RuntimeError", "in setup"),
    (f"{HEAD}  def requested_capabilities(self):\n    return {{'ROOT'}}\nget_extension = E", "ValueError", "ROOT"),
    ("import asyncio\nraise asyncio.CancelledError", "CancelledError", ""),
]


@pytest.mark.parametrize(("code", "error_type", "words"), CRASHES)
def test_whatever_its_code_does_it_is_a_failed_record(tmp_path: Path, code: str, error_type: str, words: str) -> None:
    write_extension(tmp_path, "shop", code=code)
    write_extension(tmp_path, "other")
    world = World([tmp_path])
    record = world.host.load("shop")
    assert record is not None and record.failure is not None
    assert (record.state, record.failure.error_type) == (State.FAILED, error_type)
    assert words in record.failure.message
    assert world.host.load("other").state is State.LOADED  # type: ignore[union-attr]


def test_a_failed_one_is_not_tried_again(tmp_path: Path) -> None:
    home = write_extension(tmp_path, "shop", code="raise ValueError")
    world = World([tmp_path])
    world.host.load("shop")
    (home / "extension.py").write_text("x = 1")
    assert world.host.load("shop").failure.error_type == "ValueError"  # type: ignore[union-attr]


def test_an_unknown_id_and_one_that_is_switched_off_import_nothing(tmp_path: Path) -> None:
    write_extension(tmp_path, "shop", code="raise AssertionError", enabled=False)
    world = World([tmp_path])
    assert world.host.load("nobody") is None
    assert world.host.load("shop").state is State.DISABLED  # type: ignore[union-attr]


def test_two_extensions_may_have_modules_of_the_same_name(tmp_path: Path) -> None:
    for name in ("one", "two"):
        home = write_extension(tmp_path, name, routes="from .words import WORD\nself.word = WORD")
        (home / "words.py").write_text(f"WORD = {name!r}")
    world = World([tmp_path])
    for name in ("one", "two"):
        assert world.host.load(name).state is State.LOADED  # type: ignore[union-attr]
        assert world.host.live(name).extension.word == name  # type: ignore[union-attr]


def test_the_package_itself_may_be_the_module(tmp_path: Path) -> None:
    home = write_extension(tmp_path, "shop", module="__init__")
    (home / "extension.py").rename(home / "__init__.py")
    assert World([tmp_path]).host.load("shop").state is State.LOADED  # type: ignore[union-attr]


def test_an_entry_point_is_imported_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = write_extension(tmp_path, "entry_shop")
    (home / "extension.py").rename(home / "entry_shop_plugin.py")
    monkeypatch.syspath_prepend(home)
    points = (EntryPoint("entry_shop", "entry_shop_plugin:get_extension", "ordinaut.plugins"),)
    world = World(entry_points=lambda: points, entry_grants={"*": frozenset({Capability.ROUTES})})
    record = world.host.load("entry_shop")
    assert record is not None
    assert (record.state, set(record.grants)) == (State.LOADED, {Capability.ROUTES})


def test_it_gets_what_it_asks_for_as_far_as_it_is_allowed(tmp_path: Path) -> None:
    more = "def requested_capabilities(self):\n    return {Capability.ROUTES, Capability.STATIC}"
    write_extension(tmp_path, "shop", grants=["ROUTES", "TOOLS"], more=more)
    assert World([tmp_path]).host.load("shop").grants == {Capability.ROUTES}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("grants", "code", "required"),
    [
        # each row: what was granted, what the code does, and the capability it takes
        (["ROUTES"], "context.tool_registry", "TOOLS"),
        (["TOOLS"], "context.routes", "ROUTES"),
        (["ROUTES"], "context.events.publish('a', {})", "EVENTS_PUB"),
        (["ROUTES"], "context.events.subscribe('a', print)", "EVENTS_SUB"),
        (["ROUTES"], "context.events.unsubscribe('a')", "EVENTS_SUB"),
        (["ROUTES"], "context.events.listen('a')", "EVENTS_SUB"),
        (["ROUTES"], "context.events.recent('a')", "EVENTS_SUB"),
        (["EVENTS_SUB"], "context.events.publish('a', {})", "EVENTS_PUB"),
        (["EVENTS_PUB"], "context.events.subscribe('a', print)", "EVENTS_SUB"),
        (["EVENTS_PUB"], "context.events.listen('a')", "EVENTS_SUB"),
        (["EVENTS_PUB"], "context.events.recent('a')", "EVENTS_SUB"),
        (["TOOLS"], "context.background", "BACKGROUND_TASKS"),
    ],
)
def test_what_was_not_granted_is_not_there(tmp_path: Path, grants: list[str], code: str, required: str) -> None:
    write_extension(tmp_path, "shop", grants=grants)
    world = World([tmp_path])
    world.host.load("shop")
    context = world.host.live("shop").context  # type: ignore[union-attr]
    with pytest.raises(CapabilityDenied) as denied:
        exec(code, {"context": context})
    assert denied.value.required == required
    assert [one.value for one in denied.value.granted] == grants


def test_a_context_cannot_be_talked_into_more(tmp_path: Path) -> None:
    write_extension(tmp_path, "shop", grants=[])
    world = World([tmp_path])
    world.host.load("shop")
    context = world.host.live("shop").context  # type: ignore[union-attr]
    for name in ("grants", "id", "metrics", "tool_registry"):
        with pytest.raises(AttributeError):
            setattr(context, name, set(Capability))
    assert not [part for part in vars(context) if part in ("_tools", "_events", "_background", "_routes", "_doors")]


def test_the_registry_finds_its_tools_by_asking(tmp_path: Path) -> None:
    write_extension(tmp_path, "shop", routes=TOOL)
    write_extension(tmp_path, "idle", grants=["ROUTES"], code="raise AssertionError('must not be imported')")
    world = World([tmp_path])
    assert world.tools.get("ext.shop.hi").description == "ext.shop.hi"
    assert [tool.name for tool in world.tools.all()] == ["ext.shop.hi"]
    assert world.host.record("idle").state is State.DISCOVERED  # type: ignore[union-attr]
    with pytest.raises(NotFound):
        world.tools.get("ext.idle.x")


def test_a_failed_setup_leaves_no_tools_behind(tmp_path: Path) -> None:
    write_extension(tmp_path, "shop", routes=TOOL + "\nraise RuntimeError")
    world = World([tmp_path])
    assert world.tools.all() == ()


@pytest.mark.parametrize(
    "code",
    [
        # each row: a registration that is refused in the author's own setup
        'context.tool_registry.register_tool("hi", 5, {"type": "object"})',
        'context.tool_registry.register_tool("hi", print, {"type": "string"})',
        'context.tool_registry.register_tool("hi there", print, {"type": "object"})',
        'context.tool_registry.register_tool("ext.shop.hi", print, {"type": "object"})',
        'context.tool_registry.register_tool("a.b", print, {"type": "object"})',
        'context.tool_registry.register_tool("Hi", print, {"type": "object"})',
        'context.tool_registry.register_tool("hi", print, {"type": "object", "required": ["x"]}, examples=[{}])',
        'context.tool_registry.register_tool("hi", lambda y: y, {"type": "object", "required": ["x"]})',
        'context.tool_registry.register_tool("hi", lambda x, /: x, {"type": "object", "required": ["x"]})',
        TOOL + TOOL,
    ],
)
def test_a_tool_that_cannot_be_used_is_refused(tmp_path: Path, code: str) -> None:
    write_extension(tmp_path, "shop", routes=code)
    assert World([tmp_path]).host.load("shop").failure.error_type == "ValueError"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "func",
    # each row: a function that can take what the schema requires
    ["lambda x: x", "lambda *, x: x", "lambda **all: all", "lambda x, call: x", "dict", "lambda x, y=1: x"],
)
def test_a_function_that_takes_what_is_required_is_registered(tmp_path: Path, func: str) -> None:
    schema = {"type": "object", "required": ["x"]}
    write_extension(
        tmp_path,
        "shop",
        routes=f'context.tool_registry.register_tool("hi", {func}, {schema}, examples=[{{"x": 1}}])',
    )
    world = World([tmp_path])
    assert [tool.examples for tool in world.tools.all()] == [({"x": 1},)]


def test_an_option_that_there_is_not_is_refused_by_name(tmp_path: Path) -> None:
    write_extension(
        tmp_path, "shop", routes='context.tool_registry.register_tool("hi", dict, {"type": "object"}, readonly=True)'
    )
    failure = World([tmp_path]).host.load("shop").failure  # type: ignore[union-attr]
    assert failure is not None
    assert (failure.error_type, "readonly; ToolOptions has description" in failure.message) == ("TypeError", True)


def test_extensions_that_look_at_each_other_s_tools_do_not_wait_for_ever(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_extension(
            tmp_path, name, routes=TOOL + "import time; time.sleep(0.1); context.tool_registry.list_tools()"
        )
    world = World([tmp_path])
    threads = [threading.Thread(target=world.host.load, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert [record.state for record in world.host.records()] == [State.LOADED] * 2


def test_an_extension_is_forgotten_while_others_are_imported() -> None:
    over = threading.Event()

    def importing() -> None:
        while not over.is_set():
            for number in range(100):
                sys.modules[f"_comes_{number}"] = sys
            for number in range(100):
                del sys.modules[f"_comes_{number}"]

    before = sys.getswitchinterval()
    thread = threading.Thread(target=importing)
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        for _ in range(300):
            forget("shop")
    finally:
        over.set()
        thread.join()
        sys.setswitchinterval(before)


def test_loads_are_told(tmp_path: Path) -> None:
    told: list[str] = []
    subscriber: Subscriber = lambda event, facts: told.append(f"{event} {facts['extension']}")  # noqa: E731
    write_extension(tmp_path, "shop")
    write_extension(tmp_path, "sick", code="raise ValueError")
    attach(subscriber)
    try:
        World([tmp_path]).host.load_having(set(Capability))
    finally:
        detach(subscriber)
    assert told == ["extension.loaded shop", "extension.failed sick"]


def test_a_tool_of_the_platform_cannot_be_hidden(tmp_path: Path) -> None:
    world = World([])
    world.tools.add(Tool(name="data.set", description="x", schema={"type": "object"}, run=lambda call: None))
    assert world.tools.get("data.set").description == "x"


@pytest.mark.parametrize(
    "code",
    [
        # each row: what would be there in one process only, once setup is over
        'context.tool_registry.register_tool("late", lambda: None, {"type": "object"})',
        'context.routes.websocket("/late")',
    ],
)
def test_nothing_is_registered_once_setup_is_over(tmp_path: Path, code: str) -> None:
    write_extension(tmp_path, "shop", routes=TOOL)
    world = World([tmp_path])
    world.host.load("shop")
    context = world.host.live("shop").context  # type: ignore[union-attr]
    with pytest.raises(RuntimeError, match=r"in setup\(\)"):
        exec(code, {"context": context})
    assert [tool.name for tool in world.tools.all()] == ["ext.shop.hi"]
