"""`results.jsonl`: one object a line, appended to while a run goes on, so that it can be followed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from converter.atomic_output import Output
from passes.errors import UsageError


def append(path: Path, values: Mapping[str, Any]) -> None:
    """Add one line, in a single write."""
    try:
        with path.open("ab", buffering=0) as file:
            file.write(_line(values))
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be written: {error.strerror or error}.") from error


def mend(path: Path) -> None:
    """Take away a last line that is not whole, as kill -9 or a full disk leaves it: the next one would run into it."""
    if not path.exists():
        return
    try:
        with path.open("r+b") as file:
            end = file.seek(0, os.SEEK_END)
            while end:
                start = max(0, end - 65536)
                file.seek(start)
                newline = file.read(end - start).rfind(b"\n")
                if newline >= 0:
                    file.truncate(start + newline + 1)
                    return
                end = start
            file.truncate(0)
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be written: {error.strerror or error}.") from error


def write(path: Path, objects: Iterable[Mapping[str, Any]]) -> Path:
    """All lines anew, whole or not at all."""
    with Output(path) as output:
        with output.temporary.open("wb") as file:
            for values in objects:
                file.write(_line(values))
        return output.commit()


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Every object. A last line that is not whole is left out: the run that wrote it was killed, or goes on.

    Raises:
        UsageError: the file cannot be read, or another line is no JSON object.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith(b"\n"):
                    yield _parsed(path, number, line)
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error


def _line(values: Mapping[str, Any]) -> bytes:
    # ASCII: stderr of a dying process may hold half of a character, which no other encoding takes.
    return json.dumps(values).encode("ascii") + b"\n"


def _parsed(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except ValueError as error:
        raise UsageError(f"{path}:{number} is not JSON: {error}.") from error
    if not isinstance(values, dict):
        raise UsageError(f"{path}:{number} is not a JSON object.")
    return values
