"""Finding what has a name: tasks, runs, tools and places; what the palette shows, and a page without it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Blueprint, Response, request

from .shell import BUILD, PLACES, Shell

RUN_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TASKS = 6
TOOLS = 4
MORE = (("new", "New task", "plus", "/tasks/new"), ("settings", "Settings", "settings", "/settings"))


@dataclass(frozen=True, slots=True)
class Found:
    """One thing: what it is called, of which kind it is, its sign, and its address."""

    title: str
    kind: str
    sign: str
    path: str


def add_find_page(pages: Blueprint, shell: Shell) -> None:
    """Register it."""

    @pages.get("/find")
    def find() -> Response:
        """What fits the words in `?q=`; places alone where there are none."""
        query = request.args.get("q", "").strip()[:200]
        kinds = (_tasks, _run, _places, _others, _tools)
        found = [one for kind in kinds for one in kind(shell, query)]
        return shell.page("webui/find.html", place="find", query=query, found=found)


def _tasks(shell: Shell, query: str) -> Iterator[Found]:
    if query:
        answer = shell.context.api.get("/tasks", q=query, limit=TASKS)
        for task in answer.data["items"] if answer.ok else ():
            yield Found(task["title"], "Task", "list-checks", f"{shell.home}/tasks/{task['id']}")


def _run(shell: Shell, query: str) -> Iterator[Found]:
    if RUN_ID.fullmatch(query.lower()):
        answer = shell.context.api.get(f"/runs/{query.lower()}")
        if answer.ok:
            yield Found(answer.data["task_title"], "Run", "history", f"{shell.home}/runs/{answer.data['id']}")


def _places(shell: Shell, query: str) -> Iterator[Found]:
    for _, title, sign, path in (*PLACES, *BUILD, *MORE):
        told = shell.context.translate(title)
        if query.casefold() in told.casefold():
            yield Found(told, "Go to", sign, shell.home + path)


def _others(shell: Shell, query: str) -> Iterator[Found]:
    for one in shell.context.navigation():
        if query.casefold() in one.title.casefold():
            yield Found(one.title, "Go to", "puzzle", one.path)


def _tools(shell: Shell, query: str) -> Iterator[Found]:
    if query:
        answer = shell.context.api.get("/tools", limit=200)
        names = [tool["name"] for tool in answer.data["items"]] if answer.ok else []
        for name in [name for name in names if query.lower() in name][:TOOLS]:
            yield Found(name, "Tool", "puzzle", f"{shell.home}/tools/{name}")
