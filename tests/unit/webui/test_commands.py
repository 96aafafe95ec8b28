"""A task as commands."""

from __future__ import annotations

import ast
import shlex

import pytest

from extensions.webui.commands import commands

TASK = {
    "id": "1",
    "title": "It's “quoted” $HOME `x`",
    "schedule_kind": "manual",
    "payload": {"pipeline": [], "n": None},
}


@pytest.mark.parametrize("signed_in", [True, False])
def test_a_token_is_sent_where_one_is_needed_and_never_told(signed_in: bool) -> None:
    told = {one.id: one.text for one in commands("http://h:1/", TASK, signed_in=signed_in)}
    assert ("$ORDINAUT_TOKEN" in told["as-curl"]) == signed_in
    assert ("os.environ['ORDINAUT_TOKEN']" in told["as-python"]) == signed_in
    ast.parse(told["as-python"])


@pytest.mark.parametrize("way", ["as-curl", "as-cli"])
def test_the_shell_leaves_what_is_in_it_alone(way: str) -> None:
    (text,) = [one.text for one in commands("http://h:1/", TASK, signed_in=False) if one.id == way]
    first, *lines = text.replace(" \\\n", " ").splitlines()
    end = shlex.split(first)[-1].removeprefix("<<")
    assert f"<<'{end}'" in first, "nothing in the text is filled in"
    assert lines[-1] == end and end not in lines[:-1] and "$HOME `x`" in "\n".join(lines)
