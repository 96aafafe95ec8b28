"""What a pipeline may do, read off its steps."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.permissions import Permission, allowed, covered, facts_of, permissions_of


def wanted(*steps: dict[str, Any], **params: Any) -> tuple[Permission, ...]:
    return permissions_of(steps, params, lambda tool: tool.startswith("data."))


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    return {"uses": tool, "with": arguments}


def get(url: str, **more: Any) -> dict[str, Any]:
    return call("http.request", url=url, **more)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://a.example/x?y=1", "https://a.example"),
        ("HTTPS://A.Example", "https://a.example"),
        # Whatever is filled in comes behind the host.
        ("https://a.example/${steps.x}", "https://a.example"),
        ("https://a.example:8443?q=${steps.x}", "https://a.example:8443"),
        # The task's own params are known.
        ("https://${params.host}/x", "https://shop.example"),
        # Not settled: what is filled in may go on with the name, or be one of a user.
        ("https://a.example${steps.x}", None),
        ("https://a.example@${steps.x}/", None),
        ("https://${steps.x}/a.example", None),
        ("${steps.x}", None),
    ],
)  # fmt: skip
def test_the_host_of_a_request(url: str, host: str | None) -> None:
    (one,) = wanted(get(url), host="shop.example")
    assert (one.where.get("host"), one.open) == (host, () if host else ("host",))


@pytest.mark.parametrize(
    "url", [r"https://a.example\@evil.example/", "https://user@a.example/", "//a.example/", "https:a.example", ""]
)
def test_what_is_no_plain_url_is_inside_of_nothing(url: str) -> None:
    granted = wanted(get("https://a.example/"))
    assert not allowed("http.request", facts_of("http.request", {"url": url}), (), granted)


@pytest.mark.parametrize(
    ("text", "settled"),
    [
        ("${@}", False),
        ("${*}", False),
        ("${to_string(@)}", False),
        ("${[params.what, @]}", False),
        ("${params.what || keys(@)}", False),
        ("x-${map(&now, [@])}", False),
        ("${@.params.what}", True),
        ("${params.list[?@ == 'a']}", True),
        ("${params.list[*]}", True),
        ("${'constant'}", True),
        ("${[params.what, `1`]}", True),
    ],
)  # fmt: skip
def test_what_looks_at_all_that_a_run_knows_is_not_settled(text: str, settled: bool) -> None:
    (one,) = wanted(call("x.y", a=text, b={"c": [text]}), what="w", list=["a"])
    assert (one.open, len(one.where)) == (((), 2) if settled else (("a", "b"), 0))


def test_params_of_the_run_may_lead_outside() -> None:
    granted = wanted(get("https://${params.host}/", method="POST"), host="a.example")
    inside = {"url": "https://a.example/other", "method": "POST", "json": {"any": "thing"}}
    assert allowed("http.request", facts_of("http.request", inside), (), granted)
    for outside in ({**inside, "url": "https://b.example/"}, {**inside, "method": "DELETE"}, {"url": inside["url"]}):
        assert not allowed("http.request", facts_of("http.request", outside), (), granted)


def test_of_other_tools_every_argument_counts() -> None:
    granted = wanted(call("calendar.delete", calendar="work", id="${steps.x}"))
    assert granted == (Permission(tool="calendar.delete", where={"calendar": "work"}, open=("id",)),)
    for arguments, expected in (
        ({"calendar": "work", "id": 7}, True),
        ({"calendar": "home", "id": 7}, False),
        ({"calendar": "work", "id": 7, "force": True}, False),
        ({"id": 7}, False),
    ):
        assert allowed("calendar.delete", facts_of("calendar.delete", arguments), (), granted) is expected


def test_true_is_not_one() -> None:
    granted = wanted(call("x.y", force=1))
    assert not allowed("x.y", {"force": True}, (), granted)
    assert not allowed("x.y", {"force": 2**70}, (), granted)


def test_arguments_filled_in_as_a_whole_leave_all_open() -> None:
    (one,) = wanted({"uses": "x.y", "with": "${steps.a}"})
    assert one.free
    assert one.allows({"whatever": 1}, ())
    (mail,) = wanted({"uses": "email.send", "with": "${steps.a}"})
    assert mail.in_words() == "Send e-mail to anybody that the run works out"


def test_harmless_steps_need_nothing_and_branches_are_looked_into() -> None:
    branch = {"parallel": [[call("data.set", value=1), get("https://a.example/")], [call("tasks.run", task_id="t")]]}
    assert [one.tool for one in wanted(branch, call("data.transform", expression="a"))] == ["http.request", "tasks.run"]


def test_the_same_twice_is_one_and_the_wider_one_counts() -> None:
    assert len(wanted(get("https://a.example/1"), get("https://a.example/2"))) == 1
    (one,) = wanted(get("https://a.example/1"), get("${steps.x}"))
    assert one.open == ("host",)


def test_secrets_are_part_of_what_is_allowed() -> None:
    header = {"Authorization": "Bearer ${secrets.KEY}"}
    (one,) = granted = wanted(get("https://a.example/", headers=header))
    assert one.secrets == ("KEY",)
    assert one.in_words() == "Send GET requests to https://a.example, with the secrets KEY"
    assert covered(wanted(get("https://a.example/")), granted)
    assert not covered(granted, wanted(get("https://a.example/")))


@pytest.mark.parametrize(
    ("before", "after", "inside"),
    [
        (get("https://a.example/1"), get("https://a.example/2", timeout_seconds=3), True),
        (get("https://a.example/"), get("https://b.example/"), False),
        (get("https://a.example/"), get("https://a.example/", method="DELETE"), False),
        (get("${steps.x}"), get("https://b.example/"), True),
        (get("https://a.example/"), get("${steps.x}"), False),
        (call("x.y", a=1), call("x.y", a=1), True),
        # An argument less is another call: the tool's own default counts then.
        (call("x.y", a=1, b=2), call("x.y", a=1), False),
        (call("x.y", a=1), call("x.y", a=1, b=2), False),
        (call("x.y", a=1), {"uses": "x.y", "with": "${steps.x}"}, False),
        ({"uses": "x.y", "with": "${steps.x}"}, call("x.y", a=1), True),
        (call("events.publish", topic="a.b", payload={}), call("events.publish", topic="a.b", payload={"x": 1}), True),
        (call("events.publish", topic="a.b"), call("events.publish", topic="a.${steps.x}"), False),
        (call("x.y", a=1), call("x.z", a=1), False),
        (call("llm.complete", prompt="a"), call("llm.complete", prompt="b"), True),
        (call("llm.complete", prompt="a"), call("llm.complete", prompt="a", model="large"), False),
    ],
)  # fmt: skip
def test_whether_a_change_stays_inside(before: dict[str, Any], after: dict[str, Any], inside: bool) -> None:
    assert covered(wanted(after), wanted(before)) is inside


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (get("${steps.x}"), "Send GET requests to anything that the run works out"),
        (call("events.publish", topic="a.b"), "Publish events on the topic a.b"),
        (call("email.send", to=["a@b.ro"], cc="c@d.ro"), "Send e-mail to a@b.ro and c@d.ro"),
        (call("llm.complete", prompt="x"), "Ask the language model that the settings name"),
        (call("llm.complete", model="small"), "Ask the language model small"),
        (call("x.y"), "Call x.y"),
        (call("x.y", a={"b": 1}, c="${steps.x}"), 'Call x.y with c = anything that the run works out, a = {"b":1}'),
        ({"uses": "x.y", "with": "${steps.x}"}, "Call x.y with anything at all"),
        (call("x.y", a=2**70), f'Call x.y with a = "{2**70}"'),
        (call("x.y", a="x" * 500), "Call x.y with a = " + "x" * 200 + "… (cut: 500 characters in all)"),
        (
            call("webhook.send", url="https://a.example/x", secret="KEY", payload={}),
            "Send webhooks to https://a.example, signed with the secret KEY",
        ),
    ],
)  # fmt: skip
def test_words(step: dict[str, Any], words: str) -> None:
    (one,) = wanted(step)
    assert one.in_words() == words


@pytest.mark.parametrize(
    ("step", "cut"),
    [
        (call("x.y", a="x" * 200), False),
        (call("x.y", a="echo hello" + " " * 200 + "; rm x"), True),
        (call("x.y", a=["x" * 198]), True),
        # Whom mail goes to is told in full.
        (call("email.send", to="x" * 300), False),
    ],
)  # fmt: skip
def test_what_is_left_out_of_the_words_is_told(step: dict[str, Any], cut: bool) -> None:
    (one,) = wanted(step)
    assert one.is_cut is cut
    assert ("characters in all" in one.in_words()) is cut


def test_the_secret_that_signs_a_webhook_is_part_of_what_is_allowed() -> None:
    granted = wanted(call("webhook.send", url="https://a.example/x", secret="SHOP", payload={}))
    inside = {"url": "https://a.example/y", "secret": "SHOP", "payload": {"any": "thing"}}
    assert allowed("webhook.send", facts_of("webhook.send", inside), (), granted)
    assert not allowed("webhook.send", facts_of("webhook.send", {**inside, "secret": "BANK"}), (), granted)


def test_a_permission_that_lacks_what_its_sentence_tells_has_words_all_the_same() -> None:
    one = Permission(tool="webhook.send", where={"host": "https://a.example"})
    assert one.in_words() == "Call webhook.send with host = https://a.example"


def test_a_permission_is_kept_as_json() -> None:
    (one,) = wanted(call("x.y", a=1, b="${steps.x}", c="${secrets.K}"))
    assert Permission.of_document(one.as_document()) == one
