"""Who may be claimed: runs that a limit holds back are out of the workers' sight until it is their turn.

The claim itself knows nothing of limits. A run that is held back has a `gate` and a rank past every worker's reach; it
is let through in the transaction that makes room for it, under a lock on its line. So those who hold a key are never
more than its limit, whoever looks at the same time, and waiting in line costs no worker a glance.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final
from zlib import crc32

import orjson

from app.domain.execution import Settlement
from app.domain.runs import ENDED, NewRun
from app.domain.waits import ChildWait
from app.storage.ranks import rank_of
from app.storage.statements import NOW, Statements, marks
from app.storage.tables import AT_WORK, HOLDING, IN_KEY_LINE, IN_TASK_LINE, LATER, STOPPING

FAR: Final = 1 << 60
"""Added to the rank of a run that is held back: no worker looks that far."""
BACK_IN_LINE: Final = f"CASE gate WHEN 4 THEN {FAR} ELSE 0 END, gate = CASE gate WHEN 4 THEN 3 ELSE gate END"
"""What follows `rank = …` where a run that waited goes on: having given its key up, it needs it again."""
BATCH: Final = 200
"""Rows looked at in one go by whoever mends lines."""
AT_ONCE: Final = 50
"""Runs of one line that are let through by one statement."""
_CLASS = {"task": 7_022_027, "key": 7_022_028}
"""First halves of the numbers of PostgreSQL's advisory locks; any that nothing else in the database uses."""


def gate_of(run: NewRun, now: datetime) -> int:
    """Where a new run begins: 0 open, 1 in the line of its task, 2 in that of its key, 3 there when it is due."""
    if run.in_line:
        return 1
    if run.concurrency_key is None:
        return 0
    return 2 if run.scheduled_for <= now else 3


def concerned(settlements: Iterable[Settlement]) -> bool:
    """Whether a limit has to do with one of them, or with a child that begins."""
    return any(one.run.concurrency_key is not None or one.run.in_line or _child(one) for one in settlements)


def _child(one: Settlement) -> NewRun | None:
    """The run that a settlement starts, if limits hold for it."""
    wait = None if one.parking is None else one.parking.wait
    child = wait.child if isinstance(wait, ChildWait) else None
    return child if child is not None and (child.in_line or child.concurrency_key is not None) else None


class Gates:
    """The lines that one transaction has touched; see the module.

    `admit` is called once and last: whoever holds the lock of a line waits for nothing any more.
    """

    def __init__(self, statements: Statements) -> None:
        self._sql = statements
        self._now = NOW[statements.postgresql]
        self._tasks: set[str] = set()
        self._keys: set[str] = set()

    # What has happened.

    def made(self, runs: Iterable[NewRun], now: datetime | None = None) -> Collection[str]:
        """These runs are about to be stored, all due where no moment is given; ids of those let through as they come.

        That is for SQLite alone: there this transaction holds every line already, and a run that is let through
        before it is stored is written once. On PostgreSQL it takes the locks of lines, which come last.
        """
        through: set[str] = set()
        keyed: dict[str, list[NewRun]] = {}
        for run in runs:
            if not self._sql.postgresql and gate_of(run, now or run.scheduled_for) == 2:
                keyed.setdefault(str(run.concurrency_key), []).append(run)
            else:
                self.touched(run.task_id if run.in_line else None, run.concurrency_key)
        for key, those in keyed.items():
            fits = self._straight_through(key, those)
            through.update(fits)
            if len(fits) < len(those):
                self.touched(None, key)
        return through

    def _straight_through(self, key: str, runs: Sequence[NewRun]) -> list[str]:
        """Which of these new runs there is room for, as `_through_key` finds it; none where anybody stands in line."""
        if self._sql.run(_FIRST_OF_KEY, (key, 1)):
            return []
        ((held,),) = self._sql.run(_HOLDERS_OF_KEY, (key,))
        line = sorted((rank_of(run.scheduled_for, run.priority), run.id, run.concurrency_limit) for run in runs)
        room = next((place for place, (*_, limit) in enumerate(line) if held + place >= limit), len(line))
        return [run_id for _, run_id, _ in line[:room]]

    def touched(self, task_id: str | None, key: str | None) -> None:
        """There may be room in these lines, or somebody new."""
        self._tasks.update(() if task_id is None else (task_id,))
        self._keys.update(() if key is None else (key,))

    def settled(self, settlements: Sequence[Settlement], accepted: Collection[str]) -> None:
        """Runs have left their workers' hands: they hold their keys no longer, unless parts of them go on."""
        stood = [one for one in settlements if one.run.id in accepted]
        gone_on = [one for one in stood if one.run.concurrency_key and one.status not in ENDED]
        self.put_back([one.run.id for one in gone_on if not _in_parts(one)])
        for one in stood:
            ended = one.run.in_line and one.status in ENDED
            self.touched(one.run.task_id if ended else None, one.run.concurrency_key)
        for child in filter(None, map(_child, stood)):
            self.touched(child.task_id if child.in_line else None, child.concurrency_key)

    def rescued(self, rows: Iterable[tuple[str, str, int, str | None]]) -> None:
        """Runs were taken from dead workers: id, task, whether it stands in its task's line, and key of each."""
        rows = list(rows)
        self.put_back([run_id for run_id, _, _, key in rows if key is not None])
        for _, task_id, in_line, key in rows:
            self.touched(task_id if in_line else None, key)

    def put_back(self, run_ids: Sequence[str]) -> None:
        """Those of these runs that have not ended stand in line for their key again."""
        if run_ids:
            self._sql.run(
                "UPDATE runs SET gate = CASE WHEN status = 'waiting' THEN 4"
                f" WHEN available_at <= {self._now} THEN 2 ELSE 3 END,"
                f" rank = rank + CASE status WHEN 'queued' THEN {FAR} ELSE 0 END"
                f" WHERE id IN ({marks(run_ids)}) AND gate = 0 AND status IN ('queued', 'waiting')",
                tuple(run_ids),
            )

    # What follows.

    def admit(self) -> int:
        """Let through whom there is room for in the lines that were touched; how many may be claimed now."""
        opened = 0
        if self._tasks:
            tasks, self._tasks = sorted(self._tasks), set()
            self._lock("task", tasks)
            opened = self._through_tasks(tasks)
        if self._keys:
            keys, self._keys = sorted(self._keys), set()
            self._lock("key", keys)
            advance = self._together if self._sql.postgresql else self._one_by_one
            opened += advance(keys)
        return opened

    def _lock(self, kind: str, names: Sequence[str]) -> None:
        """Each line is one transaction's at a time; on SQLite everything is."""
        if self._sql.postgresql:
            # In one order, so that no two wait for each other.
            numbers = sorted({crc32(name.encode()) - (1 << 31) for name in names})
            self._sql.run(
                f"SELECT pg_advisory_xact_lock({_CLASS[kind]}, number) FROM unnest(?::int[]) AS number", (numbers,)
            )

    def _through_tasks(self, tasks: Sequence[str]) -> int:
        opened = 0
        for task_id in tasks:
            for (key,) in self._sql.run(self._FIRST_OF_TASK.format(lock=self._skipping), (task_id, task_id)):
                self.touched(None, key)
                opened += key is None
        return opened

    _FIRST_OF_TASK = (
        f"UPDATE runs SET gate = CASE WHEN concurrency_key IS NULL THEN 0 ELSE 2 END,"
        f" rank = rank - CASE WHEN concurrency_key IS NULL THEN {FAR} ELSE 0 END"
        f" WHERE id = (SELECT id FROM runs WHERE task_id = ? AND {IN_TASK_LINE.text} ORDER BY rank, id LIMIT 1{{lock}})"
        f" AND NOT EXISTS (SELECT 1 FROM runs WHERE task_id = ? AND {AT_WORK.text}) RETURNING concurrency_key"
    )

    @property
    def _skipping(self) -> str:
        """Whoever is being ended by somebody else is passed over: nobody with the lock of a line waits for a row."""
        return " FOR UPDATE SKIP LOCKED" if self._sql.postgresql else ""

    def _one_by_one(self, keys: Sequence[str]) -> int:
        if len(keys) > 1:
            # Mostly nobody waits: that is found out by one statement for all keys.
            keys = [key for (key,) in self._sql.run(_WAITED_FOR, (orjson.dumps(keys).decode(),))]
        return sum(self._through_key(key) for key in keys)

    def _through_key(self, key: str) -> int:
        opened, held = 0, None
        while line := self._sql.run(_FIRST_OF_KEY, (key, AT_ONCE)):
            if held is None:
                ((held,),) = self._sql.run(_HOLDERS_OF_KEY, (key,))
            before = held + opened
            # Each goes by its own limit, and who stands first is not passed: up to the first that has no room.
            room = next((place for place, (_, limit) in enumerate(line) if before + place >= limit), len(line))
            if fits := [run_id for run_id, _ in line[:room]]:
                self._sql.run(f"UPDATE runs SET gate = 0, rank = rank - {FAR} WHERE id IN ({marks(fits)})", fits)
            opened += len(fits)
            if len(fits) < AT_ONCE:
                break
        return opened

    def _together(self, keys: Sequence[str]) -> int:
        opened = 0
        while keys:
            rows = self._sql.run(_TOGETHER, (list(keys),))
            opened += sum(fits for *_, fits in rows)
            # One more than there was room for was looked at: where it fitted too, those behind have a higher limit.
            whole = {key for key, wanted, place, fits in rows if fits and place == wanted}
            keys = sorted(whole)
        return opened

    # What beat looks after.

    def next_later_at(self) -> int | None:
        """When the next run that is not due yet takes its place in line, in microseconds since 1970."""
        rows = self._sql.run(f"SELECT available_at FROM runs WHERE {LATER.text} ORDER BY available_at LIMIT 1")
        return rows[0][0] if rows else None

    def come_due(self) -> None:
        """Put in line those whose time has come."""
        due = self._sql.run(
            f"SELECT id, concurrency_key FROM runs WHERE {LATER.text} AND available_at <= (SELECT {self._now})"
            f" ORDER BY available_at LIMIT {BATCH}{self._skipping}"
        )
        for run_id, key in due:
            self._sql.run("UPDATE runs SET gate = 2 WHERE id = ?", (run_id,))
            self.touched(None, key)

    def stopping(self) -> list[str]:
        """Ids of runs to be cancelled: those that no worker holds, and those that a newer one is to replace."""
        return [run_id for (run_id,) in self._sql.run(_STOPPING)]

    def stalled(self) -> tuple[list[str], list[str]]:
        """Tasks and keys in whose lines somebody waits though there is room.

        That happens where a task was deleted with its runs, or where a process older than limits ended a run.
        """
        tasks = self._sql.run(_STALLED_TASKS, (BATCH,))
        keys = self._sql.run(_STALLED_KEYS, (BATCH,))
        return [task_id for (task_id,) in tasks], [key for (key,) in keys]


def _in_parts(one: Settlement) -> bool:
    """Whether the run's work goes on in its parts."""
    return one.parking is not None and one.parking.wait.kind == "parts"


_FIRST_OF_KEY = (
    f"SELECT id, concurrency_limit FROM runs WHERE concurrency_key = ? AND {IN_KEY_LINE.text} ORDER BY rank, id LIMIT ?"
)
_WAITED_FOR = (
    "SELECT value FROM json_each(?)"
    f" WHERE EXISTS (SELECT 1 FROM runs WHERE concurrency_key = value AND {IN_KEY_LINE.text})"
)
_HOLDERS_OF_KEY = f"SELECT COUNT(*) FROM runs WHERE concurrency_key = ? AND {HOLDING.text}"

# Who stands first in each line goes through as long as there is room by their own limit.
_TOGETHER = f"""WITH room AS (
  SELECT key, (SELECT COUNT(*) FROM runs WHERE concurrency_key = key AND {HOLDING.text}) AS held,
    (SELECT concurrency_limit FROM runs WHERE concurrency_key = key AND {IN_KEY_LINE.text} ORDER BY rank, id LIMIT 1)
    AS top FROM unnest(?::text[]) AS key),
line AS (
  SELECT key, held, GREATEST(1, top - held + 1) AS wanted, first.* FROM room, LATERAL (
    SELECT id, rank, concurrency_limit FROM runs WHERE concurrency_key = key AND {IN_KEY_LINE.text}
    ORDER BY rank, id LIMIT GREATEST(1, top - held + 1) FOR UPDATE SKIP LOCKED) AS first),
placed AS (SELECT *, row_number() OVER (PARTITION BY key ORDER BY rank, id) AS place FROM line),
judged AS (
  SELECT *, bool_and(held + place <= concurrency_limit) OVER (PARTITION BY key ORDER BY rank, id) AS fits FROM placed),
opened AS (UPDATE runs SET gate = 0, rank = runs.rank - {FAR} FROM judged WHERE runs.id = judged.id AND fits)
SELECT key, wanted, place, fits FROM judged"""

_STOPPING = f"""SELECT id FROM runs WHERE {STOPPING.text} UNION
SELECT older.id FROM runs newer JOIN runs older ON older.task_id = newer.task_id
WHERE newer.gate = 1 AND newer.status = 'queued' AND newer.in_line = 2
  AND (older.created_at, older.id) < (newer.created_at, newer.id) AND older.cancel_requested_at IS NULL
  AND older.part IS NULL AND older.status IN ('queued', 'running', 'waiting') LIMIT {BATCH}"""
_NEXT_TASK = f"SELECT MIN(task_id) FROM runs WHERE {IN_TASK_LINE.text}"
_NEXT_KEY = f"SELECT MIN(concurrency_key) FROM runs WHERE {IN_KEY_LINE.text}"
# From one line to the next by the index, however long each of them is.
_STALLED_TASKS = f"""WITH RECURSIVE line(name) AS ({_NEXT_TASK}
  UNION ALL SELECT ({_NEXT_TASK} AND task_id > line.name) FROM line WHERE line.name IS NOT NULL)
SELECT name FROM line WHERE name IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM runs WHERE task_id = name AND {AT_WORK.text}) LIMIT ?"""
_STALLED_KEYS = f"""WITH RECURSIVE line(name) AS ({_NEXT_KEY}
  UNION ALL SELECT ({_NEXT_KEY} AND concurrency_key > line.name) FROM line WHERE line.name IS NOT NULL)
SELECT name FROM line WHERE name IS NOT NULL
  AND (SELECT COUNT(*) FROM runs WHERE concurrency_key = name AND {HOLDING.text})
    < (SELECT concurrency_limit FROM runs WHERE concurrency_key = name AND {IN_KEY_LINE.text} ORDER BY rank, id LIMIT 1)
LIMIT ?"""
