"""The results of a run, kept so that nothing is lost whenever its process ends.

RUN/results.sqlite   the truth: the tables models, stages, errors and manifest
RUN/results.jsonl    the same results, an object a line, to be followed and to be read by other tools
RUN/lock             who writes
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from converter.zoo.records.entry import KERAS, Entry
from converter.zoo.records.result import Result
from converter.zoo.results import lines
from converter.zoo.results.database import BACKENDS_TABLE, MANIFEST_TABLE, connect, explained, transaction
from converter.zoo.results.run_lock import RunLock
from converter.zoo.results.summary import Summary, summarise
from passes.errors import UsageError

DATABASE = "results.sqlite"
LINES = "results.jsonl"

_PAGE = 500
"""Rows that are read at a time: memory stays flat however many there are."""

_COLUMNS = (
    "place, name, status, expected, source, tags, key, attempts, seconds, peak_memory_bytes, worker, files, detail, "
    "parameters, transposes, trained, trained_in_source, max_abs, of_allowed"
)
_DONE = "place IS NOT NULL AND key = planned_key"


@dataclass(frozen=True)
class RunningStage:
    """A stage that has begun and not ended, of a model that has no result."""

    name: str
    attempt: int
    stage: str
    worker: str


class ResultStore:
    """The results of the run in `folder`; made where there is none. Threads may share one.

    Every call is one transaction. The process may be killed at any moment: what a call has returned from is there when
    the run is opened again, and of the call that was cut off all or nothing.

    Args:
        folder: RUN.
        read_only: for what only reads, also while the run goes on. Otherwise there is one store at a time.

    Raises:
        UsageError: the run is in use, or its file is locked, damaged, another program's or of another version.
    """

    def __init__(self, folder: str | Path, *, read_only: bool = False) -> None:
        self.folder = Path(folder)
        self.path = self.folder / DATABASE
        self.lines = self.folder / LINES
        self._mutex = threading.RLock()
        self._lock = None if read_only else self._claim()
        try:
            self._connection = connect(self.path, read_only=read_only)
            if not read_only:
                lines.mend(self.lines)
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise

    def __enter__(self) -> ResultStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the run. A second time does nothing."""
        with self._mutex:
            if self._lock is not None:
                # Out of WAL mode a run is one file again, which can be copied, and read where nothing can be written.
                # It stays in it while another process reads, and when it was closed before.
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("PRAGMA journal_mode = DELETE")
            self._connection.close()
            if self._lock is not None:
                self._lock.release()

    def plan(self, entries: Sequence[Entry], keys: Mapping[str, str], whole: Sequence[Entry] | None = None) -> None:
        """Say what the run consists of, in order.

        A result counts as long as its model is planned with the key that it was made with; the others stay in the file
        and count again when the plan comes back to them. `results.jsonl` is brought in line.

        Args:
            keys: for each entry's name what its result depends on.
            whole: all that the manifests have, where the entries are a part of it.
        """
        if len({entry.name for entry in entries}) < len(entries):
            raise ValueError("Two entries have the same name.")
        for entry in entries:
            if _text(entry.name) != entry.name:
                raise UsageError(f"The name {entry.name!r} is not valid Unicode.", hint="Rename the file.")
        with self._writing():
            self._connection.execute("UPDATE models SET place = NULL")
            self._connection.executemany(
                "INSERT INTO models (name, place, planned_key, source, tags, expected) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET place = excluded.place, planned_key = excluded.planned_key, "
                "source = excluded.source, tags = excluded.tags, expected = excluded.expected",
                [
                    (entry.name, place, keys[entry.name], _text(entry.source), json.dumps(entry.tags), entry.expected)
                    for place, entry in enumerate(entries)
                ],
            )
            self._connection.execute(MANIFEST_TABLE)
            self._connection.execute("DELETE FROM manifest")
            self._connection.executemany(
                "INSERT INTO manifest (place, name, expected) VALUES (?, ?, ?)",
                [(place, _text(entry.name), entry.expected) for place, entry in enumerate(whole or entries)],
            )
            self._plan_backends(entries)
            # The stages of what is to be done again; `running` has told about them.
            self._connection.execute(f"DELETE FROM stages WHERE name NOT IN (SELECT name FROM models WHERE {_DONE})")
        self.write_lines()

    def _plan_backends(self, entries: Sequence[Entry]) -> None:
        """Within a transaction. What is known of results stays: they may count again."""
        if any(entry.backend != KERAS or entry.timed for entry in entries):
            self._connection.execute(BACKENDS_TABLE)
            self._connection.executemany(
                "INSERT OR IGNORE INTO backends (name, model, backend) VALUES (?, ?, ?)",
                [(entry.name, entry.model, entry.backend) for entry in entries],
            )

    def _has(self, table: str) -> bool:
        return bool(self._select("SELECT 1 FROM sqlite_master WHERE name = ?", table))

    def _backends(self) -> dict[str, dict[str, Any]]:
        """What summaries say beside what `models` has, by name; nothing of runs by Keras alone."""
        if not self._has("backends"):
            return {}
        columns = ("model", "backend", "output_bytes", "latency_ms", "onnxruntime_ms")
        rows = self._select(f"SELECT name, {', '.join(columns)} FROM backends")
        return {name: dict(zip(columns, values, strict=True)) for name, *values in rows}

    def planned(self) -> dict[str, str]:
        """Name → expected status of every model of the plan, in order, done or not."""
        return dict(self._select("SELECT name, expected FROM models WHERE place IS NOT NULL ORDER BY place"))

    def expected(self) -> dict[str, str]:
        """Name → expected status of every model of the manifests, in order, part of the plan or not, done or not."""
        if self._has("manifest"):
            return dict(self._select("SELECT name, expected FROM manifest ORDER BY place"))
        return self.planned()

    def stage_started(self, name: str, attempt: int, stage: str, worker: str) -> None:
        """To be called before a stage begins."""
        with self._writing():
            self._connection.execute(
                "INSERT OR REPLACE INTO stages (name, attempt, stage, worker) VALUES (?, ?, ?, ?)",
                (name, attempt, stage, worker),
            )

    def stage_ended(self, name: str, attempt: int, stage: str, ok: bool, seconds: float) -> None:
        with self._writing():
            self._connection.execute(
                "INSERT INTO stages (name, attempt, stage, worker, ok, seconds) VALUES (?, ?, ?, '', ?, ?) "
                "ON CONFLICT (name, attempt, stage) DO UPDATE SET ok = excluded.ok, seconds = excluded.seconds",
                (name, attempt, stage, ok, seconds),
            )

    def running(self) -> list[RunningStage]:
        """What runs now, or ran when the run was killed: until `plan` says that it is to be done again."""
        rows = self._select(
            "SELECT name, attempt, stage, worker FROM stages WHERE ok IS NULL "
            f"AND name NOT IN (SELECT name FROM models WHERE {_DONE}) ORDER BY rowid"
        )
        return [RunningStage(*row) for row in rows]

    def add(self, result: Result) -> None:
        """Keep a result instead of an earlier one of that name.

        Raises:
            ValueError: the model is not in the plan, or is with another key: the result would never be seen again.
        """
        summary = summarise(result)
        row = {
            "name": result.name,
            "status": result.status,
            "key": result.key,
            "attempts": result.attempts,
            "seconds": result.seconds,
            "peak_memory_bytes": result.peak_memory_bytes,
            "worker": _text(result.worker),
            "parameters": summary.parameters,
            "transposes": summary.transposes,
            "trained": summary.trained,
            "trained_in_source": summary.trained_in_source,
            "max_abs": summary.max_abs,
            "of_allowed": summary.of_allowed,
            "detail": json.dumps(result.detail),
            "files": json.dumps(result.files),
            "report": None if result.report is None else json.dumps(result.report),
        }
        kind, message = (_text(str(result.detail.get(key) or "")) for key in ("kind", "message"))
        has_backends = self._has("backends")
        with self._writing():
            changes = ", ".join(f"{column} = :{column}" for column in row if column != "name")
            where = "name = :name AND place IS NOT NULL AND planned_key = :key"
            if not self._connection.execute(f"UPDATE models SET {changes} WHERE {where}", row).rowcount:
                raise ValueError(f"No model {result.name!r} with the key {result.key!r} is planned.")
            if has_backends:
                taken = (summary.output_bytes, summary.latency_ms, summary.onnxruntime_ms, result.name)
                change = "output_bytes = ?, latency_ms = ?, onnxruntime_ms = ?"
                self._connection.execute(f"UPDATE backends SET {change} WHERE name = ?", taken)
            self._connection.execute("DELETE FROM errors WHERE name = ?", (result.name,))
            self._connection.executemany(
                "INSERT INTO errors (name, signature, kind, message) VALUES (?, ?, ?, ?)",
                [(result.name, text, kind, message) for text in dict.fromkeys(map(_text, summary.signatures))],
            )
        # After the transaction: a line that is missing is written by the next `plan` or `write_lines`.
        with self._mutex:
            lines.append(self.lines, result.line)

    def write_lines(self) -> Path:
        """`results.jsonl` anew, in the order of the plan, each model once."""
        # Not Result.to_dict(): its copies take ten times as long as all else.
        with self._mutex:
            return lines.write(self.lines, (result.line for result in self.results()))

    def done(self) -> dict[str, Result]:
        """The results of the plan by name, without their reports: those of 10,000 models do not fit into memory."""
        return {row[1]: _result(row, None) for row in self._pages(_COLUMNS, _PAGE)}

    def results(self) -> Iterator[Result]:
        """The results of the plan in its order, with their reports."""
        backends = self._backends()
        for row in self._pages(f"{_COLUMNS}, report", 1):
            result = _result(row, row[-1])
            yield replace(result, backend=backends[result.name]["backend"]) if result.name in backends else result

    def summaries(self) -> Iterator[Summary]:
        """The results of the plan in its order, without their reports."""
        errors: dict[str, list[str]] = {}
        for name, signature in self._select("SELECT name, signature FROM errors ORDER BY rowid"):
            errors.setdefault(name, []).append(signature)
        backends = self._backends()
        for row in self._pages(_COLUMNS, _PAGE):
            parameters, transposes, trained, trained_in_source, max_abs, of_allowed = row[-6:]
            yield replace(
                summarise(_result(row, None)),
                signatures=tuple(errors.get(row[1], ())),
                parameters=parameters,
                transposes=transposes,
                trained=trained,
                trained_in_source=trained_in_source,
                max_abs=max_abs,
                of_allowed=of_allowed,
                **backends.get(row[1], {}),
            )

    def _claim(self) -> RunLock:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{str(self.folder)!r} cannot be made: {error.strerror or error}.") from error
        return RunLock(self.folder)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with self._mutex, explained(self.path), transaction(self._connection):
            yield

    def _select(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._mutex, explained(self.path):
            return self._connection.execute(query, values).fetchall()

    def _pages(self, columns: str, size: int) -> Iterator[tuple[Any, ...]]:
        """Rows of what is done, by place. No query stays open between two of them, so others may write meanwhile."""
        place = -1
        query = f"SELECT {columns} FROM models WHERE {_DONE} AND place > ? ORDER BY place LIMIT ?"
        while rows := self._select(query, place, size):
            yield from rows
            place = rows[-1][0]


def _text(value: str) -> str:
    """Without halves of characters, as a process leaves them that dies in the middle of a word: SQLite refuses them."""
    return value.encode("utf-8", "replace").decode("utf-8")


def _result(row: Sequence[Any], report: str | None) -> Result:
    name, status, expected, source, tags, key, attempts, seconds, memory, worker, files, detail = row[1:13]
    return Result(
        name=name,
        status=status,
        detail=json.loads(detail),
        key=key,
        source=source,
        tags=tuple(json.loads(tags)),
        expected=expected,
        attempts=attempts,
        seconds=seconds,
        peak_memory_bytes=memory,
        worker=worker,
        files=json.loads(files),
        report=None if report is None else json.loads(report),
    )
