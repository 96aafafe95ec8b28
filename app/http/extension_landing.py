"""Registering an author's blueprint so that it can touch nothing but its own addresses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask
from werkzeug.routing import Map

from app.domain.texts import t
from app.http.extension_routes import held

Funcs = dict[str | None, list[Any]]
_FUNCS = (
    "before_request_funcs",
    "after_request_funcs",
    "teardown_request_funcs",
    "template_context_processors",
    "url_value_preprocessors",
    "url_default_functions",
)


_READABLE = frozenset(
    {"config", "debug", "ensure_sync", "import_name", "jinja_env", "json", "logger", "name", "root_path", "testing"}
)
"""What a blueprint may look at; `jinja_env` takes the filters of its templates."""


class ForeignHook(Exception):
    """A hook for the whole application: an extension may only have hooks of its own blueprint."""


class Landing:
    """What a blueprint takes for the application while it registers: the real one, but for what it would change.

    Args:
        app: The real application.
        own: Where rules go.
        name: The blueprint's name; every endpoint and hook must be under it.
        serves_files: Whether a static folder of the blueprint is served.
    """

    def __init__(self, app: Flask, own: Map, name: str, *, serves_files: bool) -> None:
        self.name = name
        self.blueprints: dict[str, Any] = {}
        self.view_functions: dict[str, Any] = {}
        self.error_handler_spec: dict[str | None, Any] = defaultdict(lambda: defaultdict(dict))
        self.funcs: dict[str, Funcs] = {kind: defaultdict(list) for kind in _FUNCS}
        self._app = app
        self._own = own
        self._serves_files = serves_files

    def __getattr__(self, name: str) -> Any:
        """The collections of hooks are this landing's; little else of the application is to be had.

        Raises:
            ForeignHook: What is asked for would change the whole platform.
        """
        if name in _FUNCS:
            return self.funcs[name]
        if name not in _READABLE:
            raise ForeignHook(
                t("An extension cannot use the application's {name}: it is for the whole platform", name=name)
            )
        return getattr(self._app, name)

    def add_url_rule(
        self,
        rule: str,
        endpoint: str,
        view_func: Callable[..., Any] | None = None,
        provide_automatic_options: bool | None = None,
        **options: Any,
    ) -> None:
        """As `Flask.add_url_rule`, into the extension's map."""
        if endpoint == f"{self.name}.static" and not self._serves_files:
            return
        if options.get("websocket") and view_func is not None:
            view_func = held(view_func)
        methods = {method.upper() for method in _methods(view_func, options.pop("methods", None))}
        required = set(getattr(view_func, "required_methods", ()))
        if provide_automatic_options is None:
            provide_automatic_options = getattr(view_func, "provide_automatic_options", None)
        if provide_automatic_options is None:
            provide_automatic_options = "OPTIONS" not in methods and not options.get("websocket")
            required |= {"OPTIONS"} if provide_automatic_options else set()
        made = self._app.url_rule_class(rule, methods=methods | required, endpoint=endpoint, **options)
        made.provide_automatic_options = provide_automatic_options  # type: ignore[attr-defined]
        self._own.add(made)
        if view_func is not None:
            known = self.view_functions.setdefault(endpoint, view_func)
            if known is not view_func:
                raise ValueError(
                    t("Two views have the endpoint {endpoint}", endpoint=endpoint.removeprefix(self.name + "."))
                )


def landed(landing: Landing, app: Flask) -> None:
    """Give the application what has been registered, now that all of it is the extension's own.

    Raises:
        ForeignHook: Some of it is for the whole application.
    """
    collections: tuple[Mapping[Any, Any], ...] = (
        *landing.funcs.values(),
        landing.error_handler_spec,
        landing.view_functions,
        landing.blueprints,
    )
    for collection in collections:
        if any(not _is_own(key, landing.name) for key, value in collection.items() if value):
            raise ForeignHook(t("before_app_request, app_errorhandler and their likes are for the whole platform"))
    for kind, funcs in landing.funcs.items():
        getattr(app, kind).update(funcs)
    app.error_handler_spec.update(landing.error_handler_spec)
    # New dicts in place of the old: another request may be walking through them to find a template.
    app.view_functions = {**app.view_functions, **landing.view_functions}
    app.blueprints = {**app.blueprints, **landing.blueprints}


def _is_own(key: str | None, name: str) -> bool:
    return key is not None and (key == name or key.startswith(f"{name}."))


def _methods(view_func: Callable[..., Any] | None, given: Any) -> Any:
    methods = given or getattr(view_func, "methods", None) or ("GET",)
    if isinstance(methods, str):
        raise TypeError(t('methods must be a list of strings, such as methods=["POST"]'))
    return methods
