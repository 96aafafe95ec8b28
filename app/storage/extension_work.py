"""The worker side of extensions in SQL; every moment is the database's own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    case,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    type_coerce,
    update,
)
from sqlalchemy.engine import Connection, RowMapping

from app.domain.clock import rfc3339
from app.domain.errors import LeaseLost, NotFound
from app.domain.extension_work import (
    CRASHED,
    FREE,
    HELD,
    IDLE,
    LIVE,
    RUNNING,
    STARTING,
    DeadLetter,
    Lease,
    LeaseState,
    Release,
    Subscription,
    pause_after,
)
from app.domain.paging import Page
from app.domain.texts import t
from app.storage.inserts import insert_into
from app.storage.tables_extensions import (
    extension_dead_letters,
    extension_leases,
    extension_subscriptions,
    extension_tasks,
)
from ordinaut import Event, TaskInfo

_leases = extension_leases.c
_letters = extension_dead_letters.c
_tasks = extension_tasks.c
_held = _leases.status.in_(sorted(HELD))
_REDELIVERING = text("redelivering")
MOST_LETTERS = 10_000
"""Dead letters that are kept of one extension; older ones give way."""
LOST = "The extension is no longer this process's: its lease has passed on"


def _micros(seconds: float) -> int:
    return int(seconds * 1_000_000)


class SqlExtensionWorkStore:
    """See `app.domain.extension_work.ExtensionWorkStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._postgresql = connection.dialect.name == "postgresql"
        moment = "(extract(epoch from clock_timestamp()) * 1000000)::bigint" if self._postgresql else "now_us()"
        self._now: ColumnElement[int] = literal_column(moment, BigInteger)

    # Leases.

    def leases(self) -> list[LeaseState]:
        """All there are, by extension."""
        rows = self._connection.execute(self._lease_states().order_by(_leases.extension_id))
        return [_lease_state(row) for row in rows.mappings()]

    def lease(self, extension_id: str) -> LeaseState | None:
        """The extension's; None when nobody ever took it."""
        query = self._lease_states().where(_leases.extension_id == extension_id)
        row = self._connection.execute(query).mappings().first()
        return None if row is None else _lease_state(row)

    def take(self, extension_id: str, *, owner: str, version: str, seconds: float) -> Lease | None:
        """Take a lease that is open to this version; None when somebody else has it."""
        self._insert_missing(
            extension_leases,
            {"extension_id": extension_id, "fence": 0, "status": FREE, "version": "", "crashes": 0},
        )
        where = _leases.extension_id == extension_id
        query = self._lease_states().where(where)
        # Locked, so that of two who see it free one finds it taken.
        row = self._connection.execute(query.with_for_update()).mappings().one()
        state = _lease_state(row)
        if not state.open_to(version):
            return None
        died = state.status in HELD
        lease = Lease(
            extension_id=extension_id,
            fence=state.fence + 1,
            careful=died or state.status == CRASHED,
        )
        self._connection.execute(
            update(extension_leases)
            .where(where)
            .values(
                owner=owner,
                fence=lease.fence,
                status=STARTING,
                version=version,
                leased_until=self._moment(seconds),
                taken_at=self._moment(0),
                restart_at=None,
                crashes=state.crashes + died,
            )
        )
        return lease

    def renew(self, lease: Lease, *, seconds: float, status: str, good_life: float) -> bool:
        """Hold it for `seconds` more; crashes are forgotten after `good_life` seconds. False when it is lost."""
        lived_well = type_coerce(_leases.taken_at, BigInteger) < self._now - _micros(good_life)
        values = {
            "leased_until": self._moment(seconds),
            # A process that has reported is never again one that starts.
            "status": case((_leases.status == RUNNING, RUNNING), else_=status),
            "crashes": case((lived_well, 0), else_=_leases.crashes),
            "error": case((lived_well, None), else_=_leases.error),
        }
        return self._change(lease, values)

    def release(self, lease: Lease, how: Release) -> bool:
        """Give it back; False when it is no longer this one's to give."""
        query = select(_leases.crashes).where(*self._mine(lease))
        # As they stand now: those of old were forgotten while the process lived well.
        crashes = self._connection.execute(query.with_for_update()).scalar()
        if crashes is None:
            return False
        crashed = how.status == CRASHED
        crashes = crashes + 1 if crashed else 0 if how.status == IDLE else crashes
        pause = how.pause if how.pause is not None else pause_after(crashes) if crashed else 0.0
        values = {
            "owner": None,
            "leased_until": None,
            "status": how.status,
            "restart_at": self._moment(pause),
            "crashes": crashes,
            "error": how.error if crashed else None,
        }
        return self._change(lease, values)

    def hold(self, lease: Lease) -> None:
        """Keep everybody from taking the lease until the unit ends; LeaseLost when somebody has it."""
        query = select(_leases.fence).where(*self._mine(lease))
        if self._connection.execute(query.with_for_update(read=True)).first() is None:
            raise LeaseLost(LOST)

    def forget_absent(self, present: Collection[str], seconds: float) -> list[str]:
        """Remove leases, subscriptions and tasks of other extensions that nobody has run for so long; their ids."""
        restart, until = (type_coerce(one, BigInteger) for one in (_leases.restart_at, _leases.leased_until))
        long_ago = func.coalesce(restart, until) < self._now - _micros(seconds)
        absent = _leases.extension_id.not_in(list(present))
        found = self._connection.execute(select(_leases.extension_id).where(long_ago, absent)).scalars().all()
        for table in (extension_leases, extension_subscriptions, extension_tasks) if found else ():
            self._connection.execute(delete(table).where(table.c.extension_id.in_(found)))
        return sorted(found)

    def _lease_states(self) -> Any:
        until, restart = (type_coerce(one, BigInteger) for one in (_leases.leased_until, _leases.restart_at))
        return select(
            _leases.extension_id,
            _leases.owner,
            _leases.fence,
            _leases.status,
            _leases.version,
            _leases.crashes,
            _leases.error,
            and_(_held, until > self._now).label("held"),
            or_(restart.is_(None), restart <= self._now).label("rested"),
        )

    def _mine(self, lease: Lease) -> tuple[ColumnElement[bool], ...]:
        return _leases.extension_id == lease.extension_id, _leases.fence == lease.fence, _held

    def _change(self, lease: Lease, values: Mapping[str, Any]) -> bool:
        done = self._connection.execute(update(extension_leases).where(*self._mine(lease)).values(values))
        return bool(done.rowcount)

    def _moment(self, seconds: float) -> ColumnElement[Any]:
        return type_coerce(self._now + _micros(seconds), BigInteger)

    # Subscriptions.

    def subscribe(self, extension_id: str, pattern: str, *, cursor: str) -> Subscription:
        """The subscription, new at `cursor` or as it stands."""
        row = {"extension_id": extension_id, "pattern": pattern, "cursor": cursor, "attempts": 0}
        self._insert_missing(extension_subscriptions, row)
        query = select(extension_subscriptions).where(*_subscription(extension_id, pattern))
        return Subscription(**self._connection.execute(query).mappings().one())

    def unsubscribe(self, extension_id: str, pattern: str) -> None:
        """End it, if there is one."""
        self._connection.execute(delete(extension_subscriptions).where(*_subscription(extension_id, pattern)))

    def keep_only(self, extension_id: str, patterns: Collection[str]) -> list[str]:
        """End the extension's other subscriptions; their patterns."""
        columns = extension_subscriptions.c
        others = columns.extension_id == extension_id, columns.pattern.not_in(list(patterns))
        ended = self._connection.execute(select(columns.pattern).where(*others)).scalars().all()
        if ended:
            self._connection.execute(delete(extension_subscriptions).where(*others))
        return sorted(ended)

    def subscriptions(self, extension_id: str | None = None) -> list[Subscription]:
        """Of one extension or of all, by extension and pattern."""
        columns = extension_subscriptions.c
        query = select(extension_subscriptions).order_by(columns.extension_id, columns.pattern)
        if extension_id is not None:
            query = query.where(columns.extension_id == extension_id)
        return [Subscription(**row) for row in self._connection.execute(query).mappings()]

    def save_subscription(self, subscription: Subscription) -> None:
        """Store cursor, event, attempts and error; nothing when it has ended."""
        self._connection.execute(
            update(extension_subscriptions)
            .where(*_subscription(subscription.extension_id, subscription.pattern))
            .values(
                cursor=subscription.cursor,
                event_id=subscription.event_id,
                attempts=subscription.attempts,
                error=subscription.error,
            )
        )

    # Dead letters.

    def add_letter(self, letter: DeadLetter) -> None:
        """Keep an event that could not be delivered."""
        event = letter.event
        self._connection.execute(
            insert(extension_dead_letters).values(
                id=letter.id,
                extension_id=letter.extension_id,
                pattern=letter.pattern,
                event_id=event.id,
                topic=event.topic,
                event=_event_document(event),
                error=letter.error,
                attempts=letter.attempts,
                at=letter.at,
                redelivering=letter.redelivering,
            )
        )
        mine = _letters.extension_id == letter.extension_id
        border = select(_letters.id).where(mine).order_by(_letters.id.desc()).limit(1).offset(MOST_LETTERS)
        self._connection.execute(delete(extension_dead_letters).where(mine, _letters.id <= border.scalar_subquery()))

    def letter(self, extension_id: str, letter_id: str) -> DeadLetter:
        """The letter, or NotFound."""
        query = select(extension_dead_letters).where(*_letter(extension_id, letter_id))
        row = self._connection.execute(query).mappings().first()
        if row is None:
            raise _no_letter(extension_id, letter_id)
        return _dead_letter(row)

    def letters(self, extension_id: str, *, limit: int, offset: int) -> Page[DeadLetter]:
        """Newest first."""
        where = _letters.extension_id == extension_id
        query = select(extension_dead_letters).where(where).order_by(_letters.id.desc()).limit(limit).offset(offset)
        rows = self._connection.execute(query).mappings().all()
        count = select(func.count()).select_from(extension_dead_letters).where(where)
        total = self._connection.execute(count).scalar_one()
        return Page(tuple(_dead_letter(row) for row in rows), total, limit, offset)

    def save_letter(self, letter: DeadLetter) -> None:
        """Store error, attempts and whether it is to be delivered once more."""
        self._connection.execute(
            update(extension_dead_letters)
            .where(*_letter(letter.extension_id, letter.id))
            .values(error=letter.error, attempts=letter.attempts, redelivering=letter.redelivering)
        )

    def delete_letter(self, extension_id: str, letter_id: str) -> None:
        """Remove it, or NotFound."""
        done = self._connection.execute(delete(extension_dead_letters).where(*_letter(extension_id, letter_id)))
        if not done.rowcount:
            raise _no_letter(extension_id, letter_id)

    def letters_to_redeliver(self, extension_id: str, limit: int) -> list[DeadLetter]:
        """Oldest first."""
        query = (
            select(extension_dead_letters)
            .where(_REDELIVERING, _letters.extension_id == extension_id)
            .order_by(_letters.id)
            .limit(limit)
        )
        return [_dead_letter(row) for row in self._connection.execute(query).mappings()]

    # Background tasks.

    def save_task(self, extension_id: str, task: TaskInfo) -> None:
        """Store the task under its name; a wish to stop it stays until it has ended."""
        key = {"extension_id": extension_id, "name": task.name}
        values = {
            "status": task.status,
            "owner": task.owner,
            "started_at": task.started_at,
            "restarts": task.restarts,
            "error": task.error,
        }
        if task.status not in LIVE:
            # Granted, or come too late: a task of that name that is started later is not meant.
            values["stop_asked"] = False
        self._insert_missing(extension_tasks, {**key, "stop_asked": False, **values})
        self._connection.execute(update(extension_tasks).where(*_task(extension_id, task.name)).values(values))

    def forget_tasks(self, extension_id: str) -> None:
        """Remove all tasks of an extension."""
        self._connection.execute(delete(extension_tasks).where(_tasks.extension_id == extension_id))

    def forget_task(self, extension_id: str, name: str) -> None:
        """Remove one, with any wish to stop it."""
        self._connection.execute(delete(extension_tasks).where(*_task(extension_id, name)))

    def tasks(self, extension_id: str) -> list[TaskInfo]:
        """By name."""
        query = select(extension_tasks).where(_tasks.extension_id == extension_id).order_by(_tasks.name)
        return [_task_info(row) for row in self._connection.execute(query).mappings()]

    def ask_to_stop(self, extension_id: str, name: str) -> bool:
        """Note that the task is to stop; False when there is none that runs."""
        live = _tasks.status.in_(sorted(LIVE))
        asked = update(extension_tasks).where(*_task(extension_id, name), live).values(stop_asked=True)
        return bool(self._connection.execute(asked).rowcount)

    def stops(self, extension_id: str) -> Sequence[str]:
        """Names of tasks that are to stop."""
        query = select(_tasks.name).where(_tasks.extension_id == extension_id, _tasks.stop_asked)
        return self._connection.execute(query).scalars().all()

    def _insert_missing(self, table: Any, row: Mapping[str, Any]) -> None:
        statement = insert_into(table, self._connection.dialect.name).values(row)
        self._connection.execute(statement.on_conflict_do_nothing())


def _lease_state(row: RowMapping) -> LeaseState:
    return LeaseState(**{**row, "held": bool(row["held"]), "rested": bool(row["rested"])})


def _subscription(extension_id: str, pattern: str) -> tuple[ColumnElement[bool], ...]:
    columns = extension_subscriptions.c
    return columns.extension_id == extension_id, columns.pattern == pattern


def _letter(extension_id: str, letter_id: str) -> tuple[ColumnElement[bool], ...]:
    return _letters.extension_id == extension_id, _letters.id == letter_id


def _task(extension_id: str, name: str) -> tuple[ColumnElement[bool], ...]:
    return _tasks.extension_id == extension_id, _tasks.name == name


def _no_letter(extension_id: str, letter_id: str) -> NotFound:
    return NotFound(t("There is no such dead letter"), extension_id=extension_id, dead_letter_id=letter_id)


def _event_document(event: Event) -> dict[str, Any]:
    return {
        "data": dict(event.data),
        "published_at": rfc3339(event.published_at),
        "source": event.source,
        "depth": event.depth,
    }


def _dead_letter(row: RowMapping) -> DeadLetter:
    document = row["event"]
    event = Event(
        id=row["event_id"],
        topic=row["topic"],
        data=document["data"],
        published_at=datetime.fromisoformat(document["published_at"]),
        source=document["source"],
        depth=document["depth"],
    )
    kept = ("id", "extension_id", "pattern", "error", "attempts", "at")
    return DeadLetter(**{name: row[name] for name in kept}, event=event, redelivering=bool(row["redelivering"]))


def _task_info(row: RowMapping) -> TaskInfo:
    return TaskInfo(**{name: row[name] for name in ("name", "status", "owner", "started_at", "restarts", "error")})
