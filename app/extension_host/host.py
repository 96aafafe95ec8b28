"""The host itself: what is there, loading one of them once, and what a loaded one offers."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from app.domain.access import extension_caller
from app.extension_host.cause import within
from app.extension_host.contexts import GrantedContext, close_setup, tools_in
from app.extension_host.doors import Doors, WebDoor
from app.extension_host.grants import requested
from app.extension_host.health import HealthChecks, HealthReport
from app.extension_host.loader import LoadFailed, forget, guarded, make_extension
from app.extension_host.registry import Live, Record, Registry, State
from app.extension_host.status import Overview, load_of, merged
from app.extension_host.voice import Voice
from app.telemetry import emit
from ordinaut import Capability, Tool

LOAD_SECONDS = 10.0
"""How long a request waits for another one's import before it is told to come back."""
TOOL_PREFIX = "ext."


class ExtensionHost:
    """Extensions of one process, imported when they are needed and never again.

    Args:
        records: What discovery found, see `app.extension_host.discovery.discover`.
        doors: What contexts lead to.
    """

    def __init__(self, *, records: Sequence[Record], doors: Doors) -> None:
        self.sources = tuple(dict.fromkeys(record.source for record in records))
        self._registry = Registry(records)
        self._doors = doors
        self._web: WebDoor | None = None
        self._locks = {record.id: threading.RLock() for record in records}
        self._begun: dict[str, float] = {}
        self._here = threading.local()
        self._checks = HealthChecks()
        self._voices: dict[str, Voice] = {}

    def use_web(self, web: WebDoor) -> None:
        """The web side introduces itself, before the first load."""
        self._web = web

    def records(self) -> tuple[Record, ...]:
        """Every extension that was found, as it stands in this process; imports nothing."""
        return self._registry.all()

    def record(self, extension_id: str) -> Record | None:
        """One of them."""
        return self._registry.get(extension_id)

    def live(self, extension_id: str) -> Live | None:
        """The author's object, its context and its blueprint; None while it is not loaded in this process."""
        return self._registry.live(extension_id)

    def load(self, extension_id: str) -> Record | None:
        """Import and set up an extension once, whoever asks; how it stands then. Never raises.

        One that is still `discovered` afterwards is being loaded by another thread, for longer than anybody
        should wait, or by this very thread.
        """
        record = self._registry.get(extension_id)
        if record is None or record.state is not State.DISCOVERED:
            return record
        with self._turn(extension_id) as mine:
            record = self._registry.get(extension_id)
            if not mine or record is None or record.state is not State.DISCOVERED:
                return record
            return self._load(record)

    def load_having(self, capabilities: Collection[Capability]) -> tuple[Record, ...]:
        """Load those that may have one of these capabilities; how they stand then."""
        wanted = [one.id for one in self.records() if one.allowed & set(capabilities)]
        return tuple(record for one in wanted if (record := self.load(one)) is not None)

    def load_eager(self) -> None:
        """Load those whose manifest says `eager`."""
        for record in self.records():
            if record.eager:
                self.load(record.id)

    def tools_of(self, extension_id: str) -> tuple[Tool, ...]:
        """The tools it registered, after loading it where needed; none where it did not load."""
        self.load(extension_id)
        live = self.live(extension_id)
        tools = tools_in(live.context) if live and isinstance(live.context, GrantedContext) else None
        return tools.mine if tools else ()

    def find_tools(self, name: str | None = None) -> None:
        """What the tool registry asks: load the extension of the tool `name`, or all that may have tools.

        Does nothing while this thread is loading one: two that ask for each other's tools would wait for ever.
        """
        if getattr(self._here, "loading", False):
            return
        if name is None:
            self.load_having({Capability.TOOLS})
        elif name.startswith(TOOL_PREFIX):
            record = self.record(name.split(".", 2)[1])
            if record is not None and Capability.TOOLS in record.allowed:
                self.load(record.id)

    def health(self, extension_id: str) -> HealthReport | None:
        """How it is, after loading it where needed; None where there is no such extension."""
        record = self.load(extension_id)
        return None if record is None else self._checks.report(record, self.live(extension_id), self._doors)

    def close(self) -> None:
        """Tell the others no longer what is loaded here."""
        if self._doors.board is not None:
            self._doors.board.stop()

    def overview(self) -> Overview:
        """All extensions as the whole platform sees them."""
        board = self._doors.board
        records = merged(self.records(), () if board is None else board.told())
        crashes = {} if self._doors.work is None else self._doors.work.crashes()
        return Overview(records=records, sources=self.sources, totals=self._doors.totals(), crashes=crashes)

    def described(self, record: Record) -> str:
        """The extension's description in the reader's language, from its own catalogue; loads nothing."""
        return self._voice(record).say(record.info.description)

    def said(self, extension_id: str, text: str) -> str:
        """What an extension says, in the reader's language; as it stands where there is no such extension."""
        record = self.record(extension_id)
        return text if record is None else self._voice(record).say(text)

    def _voice(self, record: Record) -> Voice:
        if record.id not in self._voices:
            source = self._web or self._doors
            try:
                voice = Voice(record.place.folder, source.catalogue, source.language)
            except (OSError, ValueError):
                # Loading it tells what is wrong with its catalogue; here it is described as it describes itself.
                voice = Voice(None, source.catalogue, source.language)
            self._voices[record.id] = voice
        return self._voices[record.id]

    @contextmanager
    def _turn(self, extension_id: str) -> Iterator[bool]:
        """Whether it is this thread's turn to look; waits for the thread that is loading, for some time."""
        begun = self._begun.get(extension_id)
        patience = LOAD_SECONDS if begun is None else max(0.0, begun + LOAD_SECONDS - time.monotonic())
        lock = self._locks[extension_id]
        if not lock.acquire(timeout=patience):
            yield False
            return
        try:
            yield not getattr(self._here, "loading", False)
        finally:
            lock.release()

    def _load(self, record: Record) -> Record:
        began = self._begun[record.id] = time.monotonic()
        self._here.loading = True
        try:
            # Whoever's request it is that needs the extension: setting it up is not done in their name.
            with within(extension_caller(record.id)):
                record, live = self._prepared(record)
            elapsed = round((time.monotonic() - began) * 1000)
            done = self._registry.loaded(replace(record, state=State.LOADED, loaded_ms=elapsed), live)
            emit("extension.loaded", extension=record.id, ms=elapsed)
        except LoadFailed as failed:
            forget(record.id)
            done = self._registry.failed(record.id, failed.failure)
            emit("extension.failed", extension=record.id, error=failed.__cause__)
        finally:
            self._here.loading = False
            self._begun.pop(record.id, None)
        if self._doors.board is not None:
            self._doors.board.post(load_of(done))
        return done

    def _prepared(self, record: Record) -> tuple[Record, Live]:
        """The record with what it is and has, and the extension set up; every foreign call under guard."""
        extension = guarded(lambda: make_extension(record))
        wishes = guarded(lambda: requested(extension.requested_capabilities()))
        info, grants = guarded(extension.info), wishes & record.allowed
        record = replace(record, info=info, grants=grants, requested=wishes)
        context = guarded(lambda: GrantedContext(record, grants, self._doors, self._web, self._registry.entries))
        page = guarded(lambda: extension.setup(context))
        if self._web is not None:
            web = self._web
            guarded(lambda: web.mount(record, page))
        guarded(lambda: close_setup(context))
        return record, Live(extension=extension, context=context, page=page)
