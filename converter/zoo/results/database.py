"""`results.sqlite`: its tables, how it is opened, and what is said when that fails."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from passes.errors import UsageError

APPLICATION = 0x6B705A31
"""SQLite's application_id: other programs' files are told apart by it."""

VERSION = 2
"""SQLite's user_version: goes up with every change of the tables."""

BUSY_SECONDS = 5.0
"""How long to wait for another program that reads or writes the file."""

_TABLES = (
    """CREATE TABLE models (
    name TEXT PRIMARY KEY,
    place INTEGER UNIQUE,         -- in the plan; NULL: no longer part of it
    planned_key TEXT NOT NULL,    -- a result counts while its key is this one
    source TEXT NOT NULL,
    tags TEXT NOT NULL,           -- JSON
    expected TEXT NOT NULL,
    status TEXT,                  -- from here on: the result, NULL before there is one
    key TEXT,
    attempts INTEGER,
    seconds REAL,
    peak_memory_bytes INTEGER,
    worker TEXT,
    parameters INTEGER,
    transposes INTEGER,
    trained INTEGER,
    trained_in_source INTEGER,
    max_abs REAL,
    of_allowed REAL,
    detail TEXT,                  -- JSON
    files TEXT,                   -- JSON
    report TEXT                   -- JSON, last, so that what reads the others does not read this
)""",
    """CREATE TABLE stages (
    name TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    stage TEXT NOT NULL,
    worker TEXT NOT NULL,
    ok INTEGER,                   -- NULL: began, and has not ended
    seconds REAL,
    PRIMARY KEY (name, attempt, stage)
)""",
    """CREATE TABLE errors (
    name TEXT NOT NULL,
    signature TEXT NOT NULL,
    kind TEXT,
    message TEXT,
    PRIMARY KEY (name, signature)
)""",
)

MANIFEST_TABLE = """CREATE TABLE IF NOT EXISTS manifest (
    place INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    expected TEXT NOT NULL
)"""
"""What the manifests have, of which a filtered run does a part. Runs of before have no such table."""

BACKENDS_TABLE = """CREATE TABLE IF NOT EXISTS backends (
    name TEXT PRIMARY KEY,
    model TEXT NOT NULL,          -- the name without the backend
    backend TEXT NOT NULL,
    output_bytes INTEGER,         -- from here on: of the result
    latency_ms REAL,
    onnxruntime_ms REAL
)"""
"""Who converts, in runs by others than Keras alone. Other runs have no such table."""

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the file, and make it where it is not there.

    It is in WAL mode: a killed process leaves whole transactions, and others may read meanwhile. When the machine loses
    power, the last transactions may be lost, and no others.

    Raises:
        UsageError: it is damaged, locked, another program's, or of another version; or it does not exist and is only to
            be read.
    """
    if read_only and not path.is_file():
        raise UsageError(f"{str(path.parent)!r} is not a run: it has no {path.name}.")
    with explained(path):
        mode = "ro" if read_only else "rwc"
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            if not read_only:
                _create(connection)
            _check(connection, path)
            if not read_only:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            connection.close()
            raise
        return connection


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """SQLite's errors about the file as errors that say what to do. Others are mistakes of ours and go on."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is None or code & 0xFF == sqlite3.SQLITE_ERROR:
            raise
        raise _explanation(path, code & 0xFF, error) from error


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _create(connection: sqlite3.Connection) -> None:
    if _pragma(connection, "application_id") or connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        return
    with transaction(connection):
        # Looked at again: another process may have been here meanwhile.
        if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if _pragma(connection, "application_id") != APPLICATION:
        raise UsageError(f"{str(path)!r} is a database of another program.", hint="Name another folder with --out.")
    version = _pragma(connection, "user_version")
    if version != VERSION:
        raise UsageError(
            f"{str(path)!r} has version {version} of the results; this keraport has {VERSION}.",
            hint="Read it with the keraport that wrote it, or name another folder with --out.",
        )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _explanation(path: Path, code: int, error: sqlite3.DatabaseError) -> UsageError:
    if code in _LOCKED:
        return UsageError(f"{str(path)!r} is locked by another program.", hint="Close what has it open.")
    if code == sqlite3.SQLITE_FULL:
        return UsageError(f"The disk is full: {str(path)!r} was not written.", hint=f"Make room on {path.parent}.")
    if code in _DAMAGED:
        return UsageError(
            f"{str(path)!r} is damaged, or is no SQLite file: {error}.",
            hint="Move it away. results.jsonl beside it may still have what was done.",
        )
    return UsageError(f"{str(path)!r} cannot be opened or written: {error}.", hint="Look at its permissions.")
