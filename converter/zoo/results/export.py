"""The results of a run as a flat table for other tools: CSV or Parquet, a row for each model."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from converter.atomic_output import Output
from converter.zoo.results.store import ResultStore
from converter.zoo.results.summary import Summary
from passes.errors import UsageError

COLUMNS = {
    "name": "string",
    "status": "string",
    "expected": "string",
    "family": "string",
    "tags": "string",
    "source": "string",
    "seconds": "float64",
    "peak_memory_bytes": "int64",
    "attempts": "int64",
    "worker": "string",
    "parameters": "int64",
    "transposes": "int64",
    "trained": "int64",
    "trained_in_source": "int64",
    "max_abs": "float64",
    "of_allowed": "float64",
    "signatures": "string",
    "kind": "string",
    "message": "string",
    "node": "string",
    "hint": "string",
    "stage": "string",
    "signal": "string",
    "exit_code": "int64",
    "report": "string",
    "page": "string",
    "model": "string",
    "key": "string",
}
"""Name → type. Tags are joined by spaces, signatures by line breaks; what does not apply is empty, null in Parquet."""

_OF_SUMMARY = ("name", "status", "expected", "family", "source", "seconds", "peak_memory_bytes", "attempts", "worker")
_OF_CONVERSION = ("parameters", "transposes", "trained", "trained_in_source", "max_abs", "of_allowed", "key")
_OF_DETAIL = ("kind", "message", "node", "hint", "stage", "signal", "exit_code")
_OF_FILES = ("report", "page", "model")

_ROWS = 1000
"""In a row group of Parquet: what is held in memory at a time."""


def export(run: Path, target: Path) -> Path:
    """Write the results of a run to a file that ends in .csv or .parquet.

    Raises:
        UsageError: another ending, a run that cannot be read, a place that cannot be written, or no pyarrow.
    """
    writers = {".csv": _write_csv, ".parquet": _write_parquet}
    if target.suffix not in writers:
        raise UsageError(f"The export {str(target)!r} must end in .csv or .parquet.")
    with ResultStore(run, read_only=True) as store, Output(target) as output:
        writers[target.suffix](output.temporary, map(_row, store.summaries()))
        return output.commit()


def _row(summary: Summary) -> dict[str, Any]:
    row: dict[str, Any] = {key: getattr(summary, key) for key in (*_OF_SUMMARY, *_OF_CONVERSION)}
    row |= {key: summary.detail.get(key) for key in _OF_DETAIL}
    row |= {key: summary.files.get(key) for key in _OF_FILES}
    row |= {"tags": " ".join(summary.tags), "signatures": "\n".join(summary.signatures)}
    return {key: _text(value) if isinstance(value := row[key], str) else value for key in COLUMNS}


def _text(value: str) -> str:
    """Without halves of characters, which neither format takes."""
    return value.encode("utf-8", "replace").decode("utf-8")


def _write_csv(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def _write_parquet(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError("Parquet needs pyarrow.", hint="pip install 'keraport[zoo]', or export to .csv.") from error
    schema = pyarrow.schema([(name, getattr(pyarrow, kind)()) for name, kind in COLUMNS.items()])
    with parquet.ParquetWriter(path, schema) as writer:
        for page in _paged(rows):
            writer.write_table(pyarrow.Table.from_pylist(page, schema=schema))


def _paged(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    page: list[dict[str, Any]] = []
    for row in rows:
        page.append(row)
        if len(page) == _ROWS:
            yield page
            page = []
    if page:
        yield page
