"""Extensions in the web process: each has a URL map of its own, made when it is loaded and never changed afterwards.

Flask asks `create_url_adapter` for the map of each request. An address below `/ext/<id>/` gets that extension's map,
which is loaded first where needed; every other gets the application's. So loading one while requests are served
touches nobody's routes, and once it is loaded it costs a request one lookup in a dict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, cast
from urllib.parse import quote

from flask import Blueprint, Flask, Request, Response, current_app, has_request_context, request
from werkzeug.routing import BuildError, Map, MapAdapter, Rule

from app.domain.texts import t
from app.extension_host.files import StaticFiles
from app.extension_host.host import ExtensionHost
from app.extension_host.registry import Record, State
from app.http.errors import EXTENSION, answer_unexpected
from app.http.extension_landing import Landing, landed
from app.http.extension_routes import WebRoutes
from app.http.extension_wall import ENDINGS, TriedToEnd, walled
from app.http.identity import identity
from app.http.inner_requests import InnerApi
from app.http.locale import catalogue, language
from app.http.oauth import ALIAS, RESOURCES
from app.http.sockets import OPTIONS
from app.languages.catalogue import Catalogue
from ordinaut import Caller, Capability, CapabilityDenied
from ordinaut.api import ApiContext
from ordinaut.contexts import RoutesContext

PREFIX = "/ext/"
ALIASES = {RESOURCES[1]: RESOURCES[0]}
"""Short addresses that the platform promises, and where they lead."""
_KEY = "ordinaut.mounts"
_ALWAYS = (
    ("/health", "GET", "extensions.get_extension_health"),
    ("/grants", "GET", "extensions.get_extension_grants"),
)
_WORK = {
    Capability.EVENTS_SUB: (
        ("/dead_letters", "GET", "extension_work.list_dead_letters"),
        ("/dead_letters/<dead_letter_id>", "DELETE", "extension_work.delete_dead_letter"),
        ("/dead_letters/<dead_letter_id>/redeliver", "POST", "extension_work.redeliver_dead_letter"),
    ),
    Capability.BACKGROUND_TASKS: (
        ("/background_tasks", "GET", "extension_work.list_background_tasks"),
        ("/background_tasks/<name>/stop", "POST", "extension_work.stop_background_task"),
    ),
}
"""What the platform answers below the address of an extension that has the capability."""


class PlatformFlask(Flask):
    """Flask that knows the maps of extensions."""

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """The application's adapter, which also looks at the host, or that of the extension which is asked for."""
        adapter = super().create_url_adapter(request)
        mounts: Mounts | None = self.extensions.get(_KEY)
        if request is None or adapter is None or mounts is None:
            return adapter
        path = request.environ.get("PATH_INFO", "")
        return mounts.adapter(request, adapter) if path.startswith(PREFIX) else adapter

    def full_dispatch_request(self) -> Response:
        """The answer; an extension that would end the process gets the 500 of a defect, as if it had raised one."""
        try:
            return super().full_dispatch_request()
        except ENDINGS as error:
            if EXTENSION not in request.environ:
                raise
            answer = answer_unexpected(error)
        try:
            return self.finalize_request(answer, from_error_handler=True)
        except ENDINGS:
            # It is the extension's own hook that does it: the platform's alone are left to say and count what happened.
            for hook in reversed(self.after_request_funcs[None]):
                answer = self.ensure_sync(hook)(answer)
            return answer

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """The WSGI application, with a wall around what is left of an extension's work: its body, and its hooks."""
        path = environ.get("PATH_INFO", "")
        if path in ALIASES:
            environ[ALIAS], environ["PATH_INFO"] = path, ALIASES[path]
        try:
            return walled(super().__call__(environ, start_response), environ)
        except ENDINGS as error:
            if EXTENSION not in environ:
                raise
            raise TriedToEnd(type(error).__name__) from error

    def handle_url_build_error(self, error: BuildError, endpoint: str, values: dict[str, Any]) -> str:
        """Addresses across the maps: of the platform from within an extension, and the other way round."""
        mounts: Mounts | None = self.extensions.get(_KEY)
        if mounts is not None and has_request_context():
            parts = {name: values.pop(f"_{name}", None) for name in ("anchor", "method", "scheme", "external")}
            if (found := mounts.built(endpoint, values, parts)) is not None:
                return found
        return super().handle_url_build_error(error, endpoint, values)


class Mounts:
    """The maps of the loaded extensions; the web side of the host, see `app.extension_host.doors.WebDoor`."""

    def __init__(self, app: Flask, host: ExtensionHost, *, stopping: Callable[[], bool]) -> None:
        self.host = host
        self._app = app
        self._stopping = stopping
        self._maps: dict[str, Map] = {}
        self._routes: dict[str, WebRoutes] = {}
        self._names: dict[str, str] = {}
        self._files: dict[str, StaticFiles] = {}

    def files(self, extension_id: str) -> StaticFiles | None:
        """The files that an extension may serve; None where it may not, or has none."""
        record = self.host.record(extension_id)
        folder = None if record is None else record.static_folder
        if folder is None:
            return None
        return self._files.setdefault(extension_id, StaticFiles(folder, f"{PREFIX}{extension_id}/static"))

    def static_url(self, extension_id: str, name: str) -> str:
        """See `ordinaut.contexts.RoutesContext`."""
        files, record = self.files(extension_id), self.host.record(extension_id)
        if files is None:
            raise CapabilityDenied(Capability.STATIC, record.grants if record else ())
        return files.url(name)

    def routes(self, extension_id: str) -> RoutesContext:
        """A `context.routes` that collects sockets until the extension is mounted."""
        self._routes[extension_id] = routes = WebRoutes(
            extension_id, stopping=self._stopping, address_of=partial(self.static_url, extension_id)
        )
        return routes

    def api(self) -> ApiContext:
        """The platform's routes, called in the name of whoever sent the current request."""
        return InnerApi()

    def caller(self) -> Caller | None:
        """Who sent the current request; None outside of one: what is done then is nobody's wish."""
        return identity() if has_request_context() else None

    def language(self) -> str:
        """The reader's language."""
        return language()

    def catalogue(self) -> Catalogue:
        """The platform's messages."""
        with self._app.app_context():
            return catalogue()

    def mount(self, record: Record, page: Any) -> None:
        """Make the extension's map out of what `setup` returned and of what the platform serves for it.

        Raises:
            TypeError: It is neither a blueprint nor None.
            ForeignHook: The blueprint would act on the whole platform.
        """
        if page is not None and not isinstance(page, Blueprint):
            raise TypeError(t("setup() must return a flask.Blueprint or None, not {kind}", kind=type(page).__name__))
        own = Map(merge_slashes=False, redirect_defaults=False)
        own.converters = dict(self._app.url_map.converters)
        if Capability.ROUTES in record.grants:
            self._land(record, page, own)
        _add_platform_rules(record, own, refuse_rest=page is not None and Capability.ROUTES not in record.grants)
        own.update()
        self._maps[record.id] = own

    def adapter(self, request: Request, core: MapAdapter) -> MapAdapter:
        """The adapter of the extension that the address names; the core's where there is none to answer."""
        extension_id = request.environ["PATH_INFO"][len(PREFIX) :].partition("/")[0]
        record = self.host.record(extension_id)
        if record is None:
            return core
        request.environ[EXTENSION] = extension_id
        if record.state is State.DISCOVERED:
            record = self.host.load(extension_id) or record
        own = self._maps.get(extension_id) if record.state is State.LOADED else None
        return core if own is None else _bound(own, core)

    def built(self, endpoint: str, values: Mapping[str, Any], parts: Mapping[str, Any]) -> str | None:
        """The address of an endpoint in whichever map has it; an extension may use its blueprint's own name."""
        extension_id = request.environ.get(EXTENSION, "")
        name, _, view = endpoint.partition(".")
        if view and name == self._names.get(extension_id):
            endpoint = f"ext_{extension_id}.{view}"
        for one in (self._app.url_map, *self._maps.values()):
            adapter = one.bind_to_environ(request.environ)
            with suppress(BuildError):
                address = adapter.build(
                    endpoint,
                    dict(values),
                    method=parts["method"],
                    url_scheme=parts["scheme"],
                    force_external=bool(parts["external"]),
                )
                return f"{address}#{quote(parts['anchor'])}" if parts["anchor"] else address
        return None

    def _land(self, record: Record, page: Blueprint | None, own: Map) -> None:
        name = f"ext_{record.id}"
        sockets = self._routes.pop(record.id, None)
        if page is None:
            page = Blueprint(name, __name__)
        if sockets is not None:
            sockets.add_to(page)
        self._names[record.id] = page.name
        landing = Landing(self._app, own, name, serves_files=Capability.STATIC in record.grants)
        page.register(cast(Flask, landing), {"name": name, "url_prefix": f"{PREFIX}{record.id}"})
        landed(landing, self._app)


def configure_mounts(app: Flask, host: ExtensionHost, *, stopping: Callable[[], bool]) -> None:
    """Let the application serve the host's extensions."""
    mounts = app.extensions[_KEY] = Mounts(app, host, stopping=stopping)
    app.config["SOCK_SERVER_OPTIONS"] = OPTIONS
    host.use_web(mounts)


def mounts() -> Mounts:
    """Those of the application that answers the current request."""
    return cast(Mounts, current_app.extensions[_KEY])


def _add_platform_rules(record: Record, own: Map, *, refuse_rest: bool) -> None:
    """Health, grants, work and files, where the author has no route of that address."""
    prefix, taken = f"{PREFIX}{record.id}", {rule.rule for rule in own.iter_rules()}
    extension = {"extension_id": record.id}
    for path, method, endpoint in (*_ALWAYS, *(one for held in record.grants for one in _WORK.get(held, ()))):
        if f"{prefix}{path}" not in taken:
            own.add(_rule(f"{prefix}{path}", endpoint, extension, method))
    if record.static_folder is not None:
        own.add(_rule(f"{prefix}/static/<path:path>", "extensions.get_extension_file", extension))
    if refuse_rest:
        for websocket in (False, True):
            for path, given in ((f"{prefix}/", {"path": ""}), (f"{prefix}/<path:path>", {})):
                defaults = {**extension, **given}
                own.add(Rule(path, endpoint="extensions.refuse_routes", defaults=defaults, websocket=websocket))


def _rule(path: str, endpoint: str, defaults: dict[str, str], method: str = "GET") -> Rule:
    rule = Rule(path, endpoint=endpoint, defaults=defaults, methods=[method, "OPTIONS"])
    rule.provide_automatic_options = True  # type: ignore[attr-defined]
    return rule


def _bound(own: Map, core: MapAdapter) -> MapAdapter:
    """The map bound to the request as the core's has just been, without reading the environment again."""
    return MapAdapter(
        own,
        core.server_name,
        core.script_name,
        core.subdomain,
        core.url_scheme,
        core.path_info,
        core.default_method,
        core.query_args,
    )
