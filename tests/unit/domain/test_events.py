"""Topics, patterns, and ids: what they mean, for every text there is."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.clock import to_micros
from app.domain.errors import InvalidInput
from app.domain.events import (
    PLATFORM,
    Draft,
    TopicPattern,
    check_free_topic,
    check_topic,
    depth_here,
    event_id,
    led_by,
    position_at,
    position_of,
    published_us,
    run_depth,
)
from app.domain.triggers import TriggerIndex, TriggerRow, event_condition

SEGMENT = st.sampled_from(["a", "b", "shop", "A-1", "x_y"])
TOPIC = st.lists(SEGMENT, min_size=1, max_size=5).map(".".join)
PART = st.builds(
    lambda out, segments, rest: "!" * out + ".".join([*segments, *(["**"] if rest else [])]),
    st.booleans(),
    st.lists(st.one_of(SEGMENT, st.just("*")), min_size=1, max_size=4),
    st.booleans(),
)
PATTERN = st.lists(PART, min_size=1, max_size=4).filter(lambda parts: any(not one.startswith("!") for one in parts))


def by_regex(parts: list[str], topic: str) -> bool:
    """The same by another way."""

    def fits(part: str) -> bool:
        words = [{"*": r"[^.]+", "**": r"[^.]+(\.[^.]+)*"}.get(word, re.escape(word)) for word in part.split(".")]
        return re.fullmatch(r"\.".join(words), topic) is not None

    taken = any(fits(part) for part in parts if part[0] != "!")
    return taken and not any(fits(part[1:]) for part in parts if part[0] == "!")


@settings(max_examples=200, deadline=None)
@given(PATTERN, TOPIC, st.sampled_from([",", " ", ", ", "\n"]))
def test_a_pattern_means_what_a_regular_expression_would(parts: list[str], topic: str, between: str) -> None:
    pattern = TopicPattern.parse(between.join(parts))
    assert pattern.matches(topic) is by_regex(parts, topic)
    if pattern.literals is not None and pattern.matches(topic):
        assert topic in pattern.literals


@pytest.mark.parametrize(
    ("pattern", "topic", "meant"),
    [
        ("**", "anything.at.all", True),
        ("shop.order", "shop.order", True),
        ("shop.order", "shop.order.paid", False),
        # a star is exactly one segment
        ("shop.*", "shop.order", True),
        ("shop.*", "shop", False),
        ("shop.*", "shop.order.paid", False),
        ("*.paid", "shop.paid", True),
        # two are all that follow, one or more
        ("shop.**", "shop", False),
        ("shop.**", "shop.order", True),
        ("shop.**", "shop.order.paid", True),
        ("shop.*.**", "shop.order", False),
        # what is taken out stays out, wherever that stands
        ("!shop.test.**, shop.**", "shop.test.paid", False),
        ("shop.** !shop.test.**", "shop.paid", True),
        ("shop.a,shop.b", "shop.b", True),
        # letters count
        ("Shop.*", "shop.order", False),
    ],
)
def test_patterns(pattern: str, topic: str, meant: bool) -> None:
    assert TopicPattern.parse(pattern).matches(topic) is meant


@pytest.mark.parametrize(
    "pattern", ["", " ", ",", "a..b", ".a", "a.", "a.**.b", "a*", "**a", "!a", "!", "a b!", "ä", "a" * 2001, "a " * 51]
)
def test_what_is_no_pattern_is_refused_where_it_stands(pattern: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        TopicPattern.parse(pattern, "/schedule_expr")
    (problem,) = caught.value.problems
    assert problem.pointer == "/schedule_expr" and problem.hint


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_a_pattern_or_refused(text: str) -> None:
    with suppress(InvalidInput):
        TopicPattern.parse(text).matches("a.b")


@pytest.mark.parametrize("topic", ["a", "shop.order.paid", "A-1.b_2", "urn:shop:1.paid", "x" * 200])
def test_topics(topic: str) -> None:
    assert check_topic(topic) == topic == check_free_topic(topic)


@pytest.mark.parametrize("family", PLATFORM)
def test_nobody_speaks_for_the_platform(family: str) -> None:
    with pytest.raises(InvalidInput, match="Invalid"):
        check_free_topic(f"{family}.something")
    assert check_free_topic(f"my.{family}") == f"my.{family}"


@settings(max_examples=100, deadline=None)
@given(st.integers(0, (1 << 63) - 1))
def test_an_id_is_its_position(position: int) -> None:
    assert position_of(event_id(position)) == position


@settings(max_examples=100, deadline=None)
@given(st.tuples(st.integers(0, 1 << 42), st.integers(0, 999)), st.tuples(st.integers(0, 1 << 42), st.integers(0, 999)))
def test_ids_and_times_are_in_one_order(one: tuple[int, int], other: tuple[int, int]) -> None:
    places = [position_of(f"{ms}-{n}") for ms, n in (one, other)]
    assert (places[0] < places[1]) is (one < other) is (published_us(places[0]) < published_us(places[1]))
    assert position_at(published_us(places[0])) <= places[0]


@pytest.mark.parametrize(
    "text", ["", "1", "-", "1-", "a-0", "01-0", "1-01", "1-1048576", "99999999999999-0", "1-0 ", "١-0"]
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        position_of(text)
    assert caught.value.problems[0].pointer == "/Last-Event-ID"


def test_an_id_looks_as_those_of_redis_do() -> None:
    event = Draft(topic="test", data={}).at(position_of("1692873600000-0"))
    assert event.id == "1692873600000-0" and to_micros(event.published_at) == 1692873600000 * 1000


def test_depth_is_that_of_the_work_around_it() -> None:
    assert depth_here() == 0
    with led_by(run_depth({"depth": 2})):
        assert depth_here() == 3
    assert (depth_here(), run_depth(None)) == (0, 0)


def index(*rows: tuple[str, str, str], interests: tuple[str, ...] = ()) -> TriggerIndex:
    """An index of `(id, kind, expression)`."""
    return TriggerIndex.of(1, [TriggerRow(*row) for row in rows], interests)


@pytest.mark.parametrize(
    ("kind", "expr", "topic", "hit"),
    [
        ("event", "shop.a, shop.b, shop.a", "shop.a", True),
        ("event", "**", "shop.a", True),
        # what the platform tells of itself is for those who name it
        ("event", "**", "run.failed", False),
        ("event", "*.failed", "run.failed", False),
        ("event", "run.*", "run.failed", True),
        ("event", "run.failed", "run.failed", True),
        ("event", "**, run.failed", "run.failed", True),
        ("condition", "topic == 'run.failed'", "run.failed", True),
        ("condition", "payload.n == 1", "shop.a", True),
        ("condition", "payload.n == 1", "run.failed", False),
        ("condition", "payload.n > 1", "shop.a", False),
        # what cannot be read any more starts nothing
        ("event", "a..b", "shop.a", False),
        ("condition", "(", "shop.a", False),
    ],
)
def test_what_an_event_is_for(kind: str, expr: str, topic: str, hit: bool) -> None:
    assert index(("t", kind, expr)).hits(Draft(topic=topic, data={"n": 1})) == ("t",) * hit


def test_durable_readers_have_stored_what_they_name() -> None:
    readers = index(interests=("extension.*", "**", "a..b"))
    assert readers.may_hear("extension.failed") and readers.must_store(Draft(topic="extension.failed", data={}))
    assert not readers.may_hear("run.failed") and not readers.must_store(Draft(topic="run.failed", data={}))


@pytest.mark.parametrize("text", ["", "(", "params.x > 1", "run.id", "nothing(topic)", "'${topic}'"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        event_condition(text)
    assert caught.value.problems[0].pointer == "/schedule_expr"
